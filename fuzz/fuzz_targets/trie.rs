//! The incremental trie agrees with one built from scratch, and no node has two spellings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rialto_trie::fuzz_support::{check_against_rebuild, check_node};

fuzz_target!(|bytes: &[u8]| {
    check_against_rebuild(bytes);
    check_node(bytes);
});

//! Random bytecode: the fused translation does what the plain one does, and both what revm does. The first byte selects
//! between code that is the input itself and programs that a generator makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/stf/tests/random/mod.rs"]
mod random;

fuzz_target!(|bytes: &[u8]| match bytes.split_first() {
    Some((selector, bytes)) if selector & 1 == 1 => random::check_bytecode(bytes),
    Some((_, bytes)) => random::check_translation(bytes),
    None => {}
});

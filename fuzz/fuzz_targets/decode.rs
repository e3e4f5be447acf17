//! Whatever decodes encodes to the same bytes again, and no reader of RLP or JSON panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rialto_stf::json::{self, JsonCursor};
use rialto_stf::{Genesis, check_decode};

fuzz_target!(|bytes: &[u8]| {
    check_decode(bytes);
    let Ok(document) = json::parse(bytes) else { return };
    let cursor = JsonCursor::new(&document, "document");
    let _ = json::header(&cursor);
    let _ = json::transaction(&cursor);
    let _ = json::unsigned_transaction(&cursor);
    let _ = json::block(&cursor);
    let _ = json::receipt(&cursor);
    let _ = json::withdrawal(&cursor);
    let _ = json::block_access_list(&cursor);
    let _ = json::block_hashes(&cursor);
    let _ = json::alloc(&cursor);
    let _ = Genesis::from_json(&cursor);
});

//! Random bytecode: compiled, it does what the interpreter does. Each input describes a few contracts and transactions,
//! which are run with other call data and other gas limits too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rialto_jit::{Jit, JitMode, JitOptions};
use std::sync::OnceLock;

#[path = "../../crates/jit/tests/random/mod.rs"]
mod random;

fuzz_target!(|bytes: &[u8]| {
    static JIT: OnceLock<Jit> = OnceLock::new();
    let options = JitOptions { mode: JitMode::Always, max_bytes: 16 << 20, ..JitOptions::default() };
    random::check(bytes, 30, JIT.get_or_init(|| Jit::new(options)));
});

//! Random transactions on random states: the same gas, status, output, logs and state as on revm.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/stf/tests/random/mod.rs"]
mod random;

fuzz_target!(|bytes: &[u8]| random::check(bytes));

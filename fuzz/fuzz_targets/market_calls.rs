//! Random sequences of calls of the market, some undone from outside: it does not panic, conserves money, keeps its book whole, and does
//! with the records that it keeps what it does with records read anew from its slots.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/market/tests/random/mod.rs"]
mod random;

fuzz_target!(|bytes: &[u8]| random::check(bytes));

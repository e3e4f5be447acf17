//! What names a record in its table: at most 240 bits, which take the middle of the slot's number.

use crate::types::{AccountId, AssetId, FeedId, InstrumentId, Side};
use alloy_primitives::{Address, U256};
use core::hash::Hash;

/// See the module's documentation.
pub trait RecordKey: Copy + Eq + Hash {
    /// Bits that [`RecordKey::to_word`] takes.
    const BITS: usize;

    /// As a number below `2^BITS`. Different keys give different numbers.
    fn to_word(self) -> U256;
}

macro_rules! integer_keys {
    ($($key:ty => $bits:literal, $value:expr;)*) => {$(
        impl RecordKey for $key {
            const BITS: usize = $bits;

            fn to_word(self) -> U256 {
                let value: fn(Self) -> _ = $value;
                U256::from(value(self))
            }
        }
    )*};
}

integer_keys! {
    u8 => 8, |key| key;
    u16 => 16, |key| key;
    u32 => 32, |key| key;
    u64 => 64, |key| key;
    u128 => 128, |key| key;
    AccountId => 32, |key| key.0;
    AssetId => 16, |key| key.0;
    InstrumentId => 16, |key| key.0;
    FeedId => 16, |key| key.0;
    Side => 8, |key| key as u8;
}

impl RecordKey for () {
    const BITS: usize = 0;

    fn to_word(self) -> U256 {
        U256::ZERO
    }
}

impl RecordKey for Address {
    const BITS: usize = 160;

    fn to_word(self) -> U256 {
        self.into_word().into()
    }
}

impl<A: RecordKey, B: RecordKey> RecordKey for (A, B) {
    const BITS: usize = A::BITS + B::BITS;

    fn to_word(self) -> U256 {
        self.0.to_word() << B::BITS | self.1.to_word()
    }
}

impl<A: RecordKey, B: RecordKey, C: RecordKey> RecordKey for (A, B, C) {
    const BITS: usize = A::BITS + B::BITS + C::BITS;

    fn to_word(self) -> U256 {
        (self.0, self.1).to_word() << C::BITS | self.2.to_word()
    }
}

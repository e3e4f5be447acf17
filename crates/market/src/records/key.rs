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

    /// The first key of the page of `PAGE` keys that it is in: neighbours are looked up in one place.
    #[inline]
    fn page(self) -> Self {
        self
    }

    /// Where in that page it is.
    #[inline]
    fn place_in_page(self) -> usize {
        0
    }
}

/// Keys in a page.
pub const PAGE: usize = 16;

macro_rules! integer_keys {
    ($($key:ty => $bits:literal;)*) => {$(
        impl RecordKey for $key {
            const BITS: usize = $bits;

            fn to_word(self) -> U256 {
                U256::from(self)
            }

            #[inline]
            fn page(self) -> Self {
                self & !(PAGE as Self - 1)
            }

            #[inline]
            fn place_in_page(self) -> usize {
                self as usize % PAGE
            }
        }
    )*};
}

integer_keys! {
    u8 => 8;
    u16 => 16;
    u32 => 32;
    u64 => 64;
    u128 => 128;
}

macro_rules! id_keys {
    ($($key:ident)*) => {$(
        impl RecordKey for $key {
            const BITS: usize = 8 * size_of::<Self>();

            fn to_word(self) -> U256 {
                self.0.to_word()
            }

            #[inline]
            fn page(self) -> Self {
                Self(self.0.page())
            }

            #[inline]
            fn place_in_page(self) -> usize {
                self.0.place_in_page()
            }
        }
    )*};
}

id_keys! { AccountId AssetId InstrumentId FeedId }

impl RecordKey for Side {
    const BITS: usize = 8;

    fn to_word(self) -> U256 {
        U256::from(self as u8)
    }
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

    #[inline]
    fn page(self) -> Self {
        (self.0, self.1.page())
    }

    #[inline]
    fn place_in_page(self) -> usize {
        self.1.place_in_page()
    }
}

impl<A: RecordKey, B: RecordKey, C: RecordKey> RecordKey for (A, B, C) {
    const BITS: usize = A::BITS + B::BITS + C::BITS;

    fn to_word(self) -> U256 {
        (self.0, self.1).to_word() << C::BITS | self.2.to_word()
    }

    #[inline]
    fn page(self) -> Self {
        (self.0, self.1, self.2.page())
    }

    #[inline]
    fn place_in_page(self) -> usize {
        self.2.place_in_page()
    }
}

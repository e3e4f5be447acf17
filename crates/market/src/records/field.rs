//! What a field of a record may be, and how it lies in a word: big-endian, two's complement, from the left.

use crate::types::{AccountId, AssetId, FeedId, InstrumentId, Side};
use alloy_primitives::{Address, B256, U256};

/// Where a field lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLayout {
    /// Word of the record.
    pub word: usize,
    /// First byte in the word, from the left.
    pub byte: usize,
    /// Number of bytes.
    pub bytes: usize,
    /// Name.
    pub name: &'static str,
    /// Type, as it is named in the code.
    pub kind: &'static str,
    /// What it holds.
    pub about: &'static str,
}

/// A value that a record may hold. Its default is all zeros.
pub trait Field: Copy + Default + PartialEq {
    /// Bytes that it takes.
    const BYTES: usize;

    /// Writes it to that many bytes.
    fn write(self, bytes: &mut [u8]);

    /// Reads it from that many bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! integer_fields {
    ($($kind:ty)*) => {$(
        impl Field for $kind {
            const BYTES: usize = size_of::<Self>();

            #[inline]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_be_bytes());
            }

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                Self::from_be_bytes(bytes.try_into().expect("as many bytes as the type has"))
            }
        }
    )*};
}

integer_fields! { u8 u16 u32 u64 u128 i32 i64 i128 }

/// For types that are another field inside: how they come from it and go to it. What was never written by us is read as a default.
macro_rules! field_as {
    ($($kind:ty as $inner:ty: $into:expr, $from:expr;)*) => {$(
        impl $crate::records::Field for $kind {
            const BYTES: usize = <$inner as $crate::records::Field>::BYTES;

            #[inline]
            fn write(self, bytes: &mut [u8]) {
                let into: fn(Self) -> $inner = $into;
                into(self).write(bytes);
            }

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let from: fn($inner) -> Self = $from;
                from(<$inner>::read(bytes))
            }
        }
    )*};
}
field_as! {
    AccountId as u32: |id| id.0, AccountId;
    AssetId as u16: |id| id.0, AssetId;
    InstrumentId as u16: |id| id.0, InstrumentId;
    FeedId as u16: |id| id.0, FeedId;
    bool as u8: u8::from, |byte| byte != 0;
    Side as u8: |side| side as u8, |byte| if byte == 0 { Side::Buy } else { Side::Sell };
}

impl Field for Address {
    const BYTES: usize = 20;

    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.as_slice());
    }

    fn read(bytes: &[u8]) -> Self {
        Self::from_slice(bytes)
    }
}

impl Field for B256 {
    const BYTES: usize = 32;

    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.as_slice());
    }

    fn read(bytes: &[u8]) -> Self {
        Self::from_slice(bytes)
    }
}

impl Field for U256 {
    const BYTES: usize = 32;

    #[inline]
    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_be_bytes::<32>());
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        Self::from_be_slice(bytes)
    }
}

/// Up to sixteen ids of two bytes each in one word.
impl Field for [u16; 16] {
    const BYTES: usize = 32;

    fn write(self, bytes: &mut [u8]) {
        for (bytes, id) in bytes.chunks_exact_mut(2).zip(self) {
            bytes.copy_from_slice(&id.to_be_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Self {
        core::array::from_fn(|i| u16::from_be_bytes([bytes[2 * i], bytes[2 * i + 1]]))
    }
}

//! Recursive Length Prefix (Yellow Paper, appendix B): a strict reader and a one-pass writer.
//!
//! RLP has exactly one valid encoding per value, and consensus hashes depend on it, so the reader refuses every other
//! spelling: a length in the long form that would fit the short one, a length or an integer with leading zeros, a
//! prefixed single byte below 0x80, an item that runs past its list, bytes left over at the end. What it accepts
//! therefore re-encodes to the same bytes.
//!
//! [`RlpReader`] is a cursor over a borrowed slice. Opening a list gives a second cursor over its payload, so nothing
//! recurses over the input's nesting: depth is the depth of the Rust types that read it. Strings are returned as
//! sub-slices, so memory is bounded by the length of the input however long a prefix claims to be.
//!
//! Errors are built at the leaf, with the byte offset, and gather the field's path while they travel outward
//! ([`WithPath`]); a successful decode pays nothing for them.
//!
//! [`RlpWriter`] writes a list's payload first and slides it to make room for the header when its length is known:
//! one traversal of the value, and no length function that could disagree with the encoding.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};
use core::fmt::{self, Write};

/// A step of a field's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathStep {
    Field(&'static str),
    Index(usize),
}

/// Why bytes are not the value they should be, where (field path, byte offset), and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Box<DecodeErrorParts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct DecodeErrorParts {
    /// Innermost step first: the path grows as the error travels outward.
    reversed_path: Vec<PathStep>,
    offset: usize,
    kind: DecodeErrorKind,
}

/// What was found and what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The list or the input ends before the item.
    Missing,
    /// An item, or the length in its prefix, runs past its list or the input.
    TooShort {
        /// Bytes that the prefix announces.
        expected_bytes: u64,
        /// Bytes that are there.
        found_bytes: usize,
    },
    /// The length in a long prefix starts with a zero byte.
    LengthLeadingZero,
    /// The length in a long prefix would fit the short one.
    LengthNotMinimal {
        /// The length, below 56.
        length: u64,
    },
    /// A byte below 0x80 carries a prefix.
    PrefixedSingleByte {
        /// The byte.
        byte: u8,
    },
    /// A list stands where a byte string belongs.
    ExpectedString {
        /// Payload length of the list, in bytes.
        found_bytes: usize,
    },
    /// A byte string stands where a list belongs.
    ExpectedList {
        /// Length of the string, in bytes.
        found_bytes: usize,
    },
    /// An integer starts with a zero byte.
    IntegerLeadingZero,
    /// An integer is wider than its field.
    IntegerTooLong {
        /// The field's width, in bytes.
        max_bytes: usize,
        /// The integer's width, in bytes.
        found_bytes: usize,
    },
    /// A fixed-size field has another size.
    WrongLength {
        /// The field's size, in bytes.
        expected_bytes: usize,
        /// The string's size, in bytes.
        found_bytes: usize,
    },
    /// A recipient is neither empty nor an address.
    WrongRecipientLength {
        /// The string's size, in bytes.
        found_bytes: usize,
    },
    /// Items or bytes follow where the value ends.
    Trailing {
        /// How many bytes are left over.
        found_bytes: usize,
    },
    /// A boolean is neither 0 nor 1.
    NotABoolean {
        /// The integer found.
        found: u64,
    },
    /// An EIP-2718 type byte that no known transaction or receipt has.
    UnknownType {
        /// The byte.
        type_byte: u8,
    },
    /// The `v` of a legacy transaction is neither 27, 28 nor at least 35 (EIP-155).
    InvalidV {
        /// The value found.
        v: u128,
    },
    /// The `v` of a legacy transaction names a chain id of more than 64 bits.
    ChainIdTooLarge {
        /// The value of `v`.
        v: u128,
    },
    /// The nonce is 2^64-1, which EIP-2681 forbids.
    NonceIsMax,
    /// A blob transaction (EIP-4844) or a set-code transaction (EIP-7702) without a recipient.
    ContractCreation {
        /// The transaction's EIP-2718 type.
        type_byte: u8,
    },
    /// A blob transaction in its network form, with blobs, commitments and proofs (EIP-4844), where only the
    /// transaction itself belongs.
    BlobSidecar,
    /// The status of a receipt is neither empty, 1, nor a 32-byte root.
    InvalidStatus {
        /// The string's size, in bytes.
        found_bytes: usize,
    },
    /// A log with more than four topics.
    TooManyTopics,
}

impl DecodeError {
    pub(crate) fn new(offset: usize, kind: DecodeErrorKind) -> Self {
        Self(Box::new(DecodeErrorParts { reversed_path: Vec::new(), offset, kind }))
    }

    /// What was found and expected.
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Where in the input the offending item starts, in bytes.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The field's path, for example `block.transactions[3].to`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.reversed_path.iter().rev() {
            match step {
                PathStep::Field(name) if path.is_empty() => path.push_str(name),
                PathStep::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                // Writing to a string can't fail.
                PathStep::Index(index) => drop(write!(path, "[{index}]")),
            }
        }
        path
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Missing => f.write_str("expected an item, found the end"),
            Self::TooShort { expected_bytes, found_bytes } => {
                write!(f, "expected {expected_bytes} bytes, found only {found_bytes}")
            }
            Self::LengthLeadingZero => f.write_str("expected a length without leading zeros, found a zero byte first"),
            Self::LengthNotMinimal { length } => {
                write!(f, "expected a length of at least 56 after a long prefix, found {length}")
            }
            Self::PrefixedSingleByte { byte } => {
                write!(f, "expected byte {byte:#04x} without a prefix, found it prefixed by 0x81")
            }
            Self::ExpectedString { found_bytes } => {
                write!(f, "expected a byte string, found a list of {found_bytes} bytes")
            }
            Self::ExpectedList { found_bytes } => {
                write!(f, "expected a list, found a byte string of {found_bytes} bytes")
            }
            Self::IntegerLeadingZero => {
                f.write_str("expected an integer without leading zeros, found a zero byte first")
            }
            Self::IntegerTooLong { max_bytes, found_bytes } => {
                write!(f, "expected an integer of at most {max_bytes} bytes, found {found_bytes} bytes")
            }
            Self::WrongLength { expected_bytes, found_bytes } => {
                write!(f, "expected {expected_bytes} bytes, found {found_bytes}")
            }
            Self::WrongRecipientLength { found_bytes } => {
                write!(f, "expected 0 or 20 bytes, found {found_bytes}")
            }
            Self::Trailing { found_bytes } => {
                write!(f, "expected the end, found {found_bytes} more bytes")
            }
            Self::NotABoolean { found } => write!(f, "expected 0 or 1, found {found}"),
            Self::UnknownType { type_byte } => {
                write!(f, "expected a type from 0x01 to 0x04 or a list, found byte {type_byte:#04x}")
            }
            Self::InvalidV { v } => write!(f, "expected 27, 28 or at least 35, found {v}"),
            Self::ChainIdTooLarge { v } => {
                write!(f, "expected a chain id of at most 64 bits, found {} (v is {v})", v.saturating_sub(35) / 2)
            }
            Self::NonceIsMax => {
                write!(f, "expected at most {}, found {}", u64::MAX - 1, u64::MAX)
            }
            Self::ContractCreation { type_byte } => write!(
                f,
                "expected 20 bytes in a transaction of type {type_byte:#04x}, found 0 (it can't create a contract)"
            ),
            Self::BlobSidecar => {
                f.write_str("expected a blob transaction alone, found it wrapped with blobs, commitments and proofs")
            }
            Self::InvalidStatus { found_bytes } => {
                write!(f, "expected status 0 or 1, or a root of 32 bytes, found another string of {found_bytes} bytes")
            }
            Self::TooManyTopics => f.write_str("expected at most 4 topics, found more"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.reversed_path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        write!(f, "{} (at byte {})", self.0.kind, self.0.offset)
    }
}

impl core::error::Error for DecodeError {}

/// Names the place an error happened in, on its way outward.
pub trait WithPath {
    /// The error lies in the field `name` of the value being decoded.
    fn field(self, name: &'static str) -> Self;
    /// The error lies in the item `index` of the list being decoded.
    fn index(self, index: usize) -> Self;
}

impl<T> WithPath for Result<T, DecodeError> {
    fn field(mut self, name: &'static str) -> Self {
        if let Err(error) = &mut self {
            error.0.reversed_path.push(PathStep::Field(name));
        }
        self
    }

    fn index(mut self, index: usize) -> Self {
        if let Err(error) = &mut self {
            error.0.reversed_path.push(PathStep::Index(index));
        }
        self
    }
}

/// One item: what its prefix says, and its payload.
struct Item<'a> {
    is_list: bool,
    /// Offset of the item's first byte in the whole input.
    offset: usize,
    /// Offset of the payload's first byte in the whole input.
    payload_offset: usize,
    payload: &'a [u8],
}

/// A cursor over a sequence of RLP items: a whole input, or a list's payload.
#[derive(Clone, Debug)]
pub struct RlpReader<'a> {
    rest: &'a [u8],
    /// Offset of `rest` in the whole input.
    offset: usize,
}

impl<'a> RlpReader<'a> {
    /// Reads `bytes`, which are the whole input.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// Whether no item is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Offset of the next item in the whole input, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is left to read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether the next item is a list; `false` at the end.
    pub fn next_is_list(&self) -> bool {
        self.rest.first().is_some_and(|prefix| *prefix >= 0xc0)
    }

    fn error<T>(&self, kind: DecodeErrorKind) -> Result<T, DecodeError> {
        Err(DecodeError::new(self.offset, kind))
    }

    /// Splits the next item off, checking that its prefix is the only valid one.
    fn item(&mut self) -> Result<Item<'a>, DecodeError> {
        let Some(&prefix) = self.rest.first() else { return self.error(DecodeErrorKind::Missing) };
        let (is_list, header_bytes, length) = match prefix {
            0..=0x7f => (false, 0, 1),
            0x80..=0xb7 => (false, 1, u64::from(prefix - 0x80)),
            0xb8..=0xbf => (false, 1 + usize::from(prefix - 0xb7), self.long_length(prefix - 0xb7)?),
            0xc0..=0xf7 => (true, 1, u64::from(prefix - 0xc0)),
            0xf8..=0xff => (true, 1 + usize::from(prefix - 0xf7), self.long_length(prefix - 0xf7)?),
        };
        // `long_length` has read the whole header, so it is within `rest`.
        let available = &self.rest[header_bytes..];
        let payload = usize::try_from(length).ok().and_then(|length| available.get(..length));
        let Some(payload) = payload else {
            return self.error(DecodeErrorKind::TooShort { expected_bytes: length, found_bytes: available.len() });
        };
        if prefix == 0x81 && payload[0] < 0x80 {
            return self.error(DecodeErrorKind::PrefixedSingleByte { byte: payload[0] });
        }
        let item = Item { is_list, offset: self.offset, payload_offset: self.offset + header_bytes, payload };
        self.rest = &available[payload.len()..];
        self.offset += header_bytes + payload.len();
        Ok(item)
    }

    /// The length in a prefix's `length_bytes` bytes after the first.
    fn long_length(&self, length_bytes: u8) -> Result<u64, DecodeError> {
        let available = &self.rest[1..];
        let Some(bytes) = available.get(..usize::from(length_bytes)) else {
            return self.error(DecodeErrorKind::TooShort {
                expected_bytes: u64::from(length_bytes),
                found_bytes: available.len(),
            });
        };
        if bytes[0] == 0 {
            return self.error(DecodeErrorKind::LengthLeadingZero);
        }
        let length = bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        if length < 56 {
            return self.error(DecodeErrorKind::LengthNotMinimal { length });
        }
        Ok(length)
    }

    fn string_item(&mut self) -> Result<Item<'a>, DecodeError> {
        let item = self.item()?;
        if item.is_list {
            let kind = DecodeErrorKind::ExpectedString { found_bytes: item.payload.len() };
            return Err(DecodeError::new(item.offset, kind));
        }
        Ok(item)
    }

    /// The next item, which must be a byte string.
    pub fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        Ok(self.string_item()?.payload)
    }

    /// The next item, which must be a byte string, as a cursor over what is in it.
    pub fn string_reader(&mut self) -> Result<Self, DecodeError> {
        let item = self.string_item()?;
        Ok(Self { rest: item.payload, offset: item.payload_offset })
    }

    /// The next item, which must be a byte string, copied.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        Ok(Bytes::copy_from_slice(self.string()?))
    }

    /// Opens the next item, which must be a list.
    pub fn list(&mut self) -> Result<Self, DecodeError> {
        let item = self.item()?;
        if !item.is_list {
            let kind = DecodeErrorKind::ExpectedList { found_bytes: item.payload.len() };
            return Err(DecodeError::new(item.offset, kind));
        }
        Ok(Self { rest: item.payload, offset: item.payload_offset })
    }

    /// Opens the next item, which must be a list, and reads all its items with `read`.
    pub fn list_of<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut list = self.list()?;
        let mut items = Vec::new();
        while !list.is_empty() {
            items.push(read(&mut list).index(items.len())?);
        }
        Ok(items)
    }

    /// Splits an EIP-2718 type byte off, which is not an RLP item.
    pub(crate) fn split_type_byte(self) -> Result<(u8, Self), DecodeError> {
        match self.rest {
            [] => self.error(DecodeErrorKind::Missing),
            [type_byte, rest @ ..] => Ok((*type_byte, Self { rest, offset: self.offset + 1 })),
        }
    }

    /// Passes over the next item, whatever it is, and returns it with its prefix. Items inside a list aren't checked.
    pub fn raw_item(&mut self) -> Result<&'a [u8], DecodeError> {
        let before = self.rest;
        let item = self.item()?;
        Ok(&before[..item.payload_offset - item.offset + item.payload.len()])
    }

    /// The next item as an integer of at most `max_bytes` bytes, big-endian without leading zeros.
    fn integer(&mut self, max_bytes: usize) -> Result<&'a [u8], DecodeError> {
        let item = self.string_item()?;
        let found_bytes = item.payload.len();
        if item.payload.first() == Some(&0) {
            return Err(DecodeError::new(item.offset, DecodeErrorKind::IntegerLeadingZero));
        }
        if found_bytes > max_bytes {
            let kind = DecodeErrorKind::IntegerTooLong { max_bytes, found_bytes };
            return Err(DecodeError::new(item.offset, kind));
        }
        Ok(item.payload)
    }

    /// An integer of at most 8 bits.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.integer(1)?.first().copied().unwrap_or(0))
    }

    /// An integer of at most 32 bits.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(self.integer(4)?.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// An integer of at most 64 bits.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(self.integer(8)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// An integer of at most 128 bits.
    pub fn u128(&mut self) -> Result<u128, DecodeError> {
        Ok(self.integer(16)?.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)))
    }

    /// An integer of at most 256 bits.
    pub fn u256(&mut self) -> Result<U256, DecodeError> {
        Ok(U256::from_be_slice(self.integer(32)?))
    }

    /// The integer 0 or 1.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        let offset = self.offset;
        match self.u64()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::new(offset, DecodeErrorKind::NotABoolean { found })),
        }
    }

    /// A byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let item = self.string_item()?;
        item.payload.try_into().map_err(|_| {
            let found_bytes = item.payload.len();
            let kind = DecodeErrorKind::WrongLength { expected_bytes: N, found_bytes };
            DecodeError::new(item.offset, kind)
        })
    }

    /// A byte string of 20 bytes.
    pub fn address(&mut self) -> Result<Address, DecodeError> {
        Ok(Address::new(self.fixed()?))
    }

    /// A byte string of 32 bytes.
    pub fn b256(&mut self) -> Result<B256, DecodeError> {
        Ok(B256::new(self.fixed()?))
    }

    /// Asserts that nothing is left in the list or input.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        self.error(DecodeErrorKind::Trailing { found_bytes: self.rest.len() })
    }
}

/// Decodes `bytes` as one value with `read` and nothing after it; `name` heads the error's path.
pub(crate) fn decode_whole<T>(
    bytes: &[u8],
    name: &'static str,
    read: impl FnOnce(&mut RlpReader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = RlpReader::new(bytes);
    let value = read(&mut reader).field(name)?;
    reader.end().field(name)?;
    Ok(value)
}

/// Appends RLP items to a buffer.
#[derive(Clone, Debug, Default)]
pub struct RlpWriter {
    out: Vec<u8>,
}

impl RlpWriter {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Appends bytes as they are: an item already encoded, or a type byte.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// A byte string.
    pub fn string(&mut self, bytes: &[u8]) {
        match bytes {
            [byte] if *byte < 0x80 => self.out.push(*byte),
            _ => {
                let (header, header_bytes) = header(0x80, bytes.len());
                self.out.extend_from_slice(&header[..header_bytes]);
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// An integer of at most 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.string(&value.to_be_bytes()[value.leading_zeros() as usize / 8..]);
    }

    /// An integer of at most 128 bits.
    pub fn u128(&mut self, value: u128) {
        self.string(&value.to_be_bytes()[value.leading_zeros() as usize / 8..]);
    }

    /// An integer of at most 256 bits.
    pub fn u256(&mut self, value: &U256) {
        self.string(&value.to_be_bytes::<32>()[value.leading_zeros() / 8..]);
    }

    /// A list, whose items `write_items` appends.
    pub fn list(&mut self, write_items: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        write_items(self);
        self.wrap(start, 0xc0);
    }

    /// A byte string, whose contents `write_contents` appends. It must write at least two bytes.
    pub(crate) fn string_of(&mut self, write_contents: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        write_contents(self);
        debug_assert!(self.out.len() >= start + 2, "one byte may be its own encoding");
        self.wrap(start, 0x80);
    }

    /// Puts the header for everything after `start` before it.
    fn wrap(&mut self, start: usize, short_prefix: u8) {
        let end = self.out.len();
        let (header, header_bytes) = header(short_prefix, end - start);
        self.out.resize(end + header_bytes, 0);
        self.out.copy_within(start..end, start + header_bytes);
        self.out[start..start + header_bytes].copy_from_slice(&header[..header_bytes]);
    }
}

/// The prefix of an item of `length` bytes (0x80 for strings, 0xc0 for lists) and how many bytes of it count.
fn header(short_prefix: u8, length: usize) -> ([u8; 9], usize) {
    let mut header = [0; 9];
    if length < 56 {
        header[0] = short_prefix + length as u8;
        return (header, 1);
    }
    let bytes = (length as u64).to_be_bytes();
    let skipped = (length as u64).leading_zeros() as usize / 8;
    let length_bytes = 8 - skipped;
    header[0] = short_prefix + 55 + length_bytes as u8;
    header[1..=length_bytes].copy_from_slice(&bytes[skipped..]);
    (header, 1 + length_bytes)
}

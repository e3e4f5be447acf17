//! A contract's code, shared by reference count, with room for what a virtual machine derives from it.
//!
//! Translating bytecode costs time proportional to its length, and the same code runs in many transactions and blocks.
//! The translation therefore lives beside the bytes it came from, is made at most once per code, and is dropped with
//! it: no second cache to size, to invalidate or to look up. `state` does not know what is derived; it keeps one slot.

use alloc::{boxed::Box, sync::Arc};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, keccak256};
use core::any::Any;
use once_cell::race::OnceBox;

/// The three bytes before the address in an EIP-7702 delegation designator.
pub const DELEGATION_PREFIX: [u8; 3] = [0xef, 0x01, 0x00];

type Derived = Box<dyn Any + Send + Sync>;

struct Inner {
    bytes: Bytes,
    hash: B256,
    delegate: Option<Address>,
    derived: OnceBox<Derived>,
}

/// Code bytes with their hash. Cloning shares them.
#[derive(Clone)]
pub struct Code(Arc<Inner>);

impl Code {
    /// Wraps `bytes` and computes their hash.
    pub fn new(bytes: Bytes) -> Self {
        let hash = if bytes.is_empty() { KECCAK256_EMPTY } else { keccak256(&bytes) };
        Self::with_hash(bytes, hash)
    }

    /// Wraps `bytes` whose hash the caller already knows.
    pub fn with_hash(bytes: Bytes, hash: B256) -> Self {
        debug_assert_eq!(hash, if bytes.is_empty() { KECCAK256_EMPTY } else { keccak256(&bytes) });
        let delegate = match bytes.strip_prefix(&DELEGATION_PREFIX) {
            Some(address) if address.len() == 20 => Some(Address::from_slice(address)),
            _ => None,
        };
        Self(Arc::new(Inner { bytes, hash, delegate, derived: OnceBox::new() }))
    }

    /// The code of an account without code.
    pub fn empty() -> Self {
        Self::with_hash(Bytes::new(), KECCAK256_EMPTY)
    }

    /// The delegation designator that points at `delegate` (EIP-7702).
    pub fn delegation(delegate: &Address) -> Self {
        let mut bytes = alloc::vec::Vec::with_capacity(23);
        bytes.extend_from_slice(&DELEGATION_PREFIX);
        bytes.extend_from_slice(delegate.as_slice());
        Self::new(bytes.into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Keccak-256 of the bytes.
    pub fn hash(&self) -> B256 {
        self.0.hash
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// The account this code delegates to, if it is an EIP-7702 designator.
    pub fn delegate(&self) -> Option<Address> {
        self.0.delegate
    }

    /// What was derived from this code, made by `make` on first use.
    ///
    /// There is one slot: every caller must use the same `T`. Two threads that race may both run `make`; one result is
    /// kept, so `make` must be a pure function of the code.
    pub fn derived<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> &T {
        let derived = self.0.derived.get_or_init(|| Box::new(Box::new(make()) as Derived));
        derived.downcast_ref().expect("one type is derived from code")
    }
}

impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Code").field("hash", &self.0.hash).field("len", &self.0.bytes.len()).finish()
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for Code {}

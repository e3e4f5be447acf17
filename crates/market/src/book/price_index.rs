//! Sets of 32-bit numbers, of which the next one up or down is found in a few words.
//!
//! A set is a tree of bitmap words of 256 bits and four levels. Bit `b` of the word at depth `d` with prefix `p` says whether the set has
//! a number whose first `d + 1` bytes are `p` and `b`; a word of the last depth names the numbers themselves. A search looks at the word
//! in which the number would be, climbs while there is nothing on the side that it looks to, and descends once: at most seven words, and
//! one where the neighbour shares the upper three bytes, as prices do. Words without bits are left out of the state.
//!
//! Invariant: a bit above the last depth is set exactly if the word below it has a bit.
//!
//! Every set has a namespace of its own, a number that [`namespace`] makes: a kind, and an id that means what the kind says.

use crate::error::MarketError;
use crate::market::Market;
use crate::records::record;
use alloy_primitives::U256;

record! {
    /// A word of a set of numbers: prices with orders, levels of triggers, times of expiry.
    pub struct IndexWord(tag 35, key (u64, u8, u32), "namespace, depth, prefix") {
        {
            /// Bit `b` (from the right): whether there is a number that begins with the prefix and byte `b`.
            pub bits: U256,
        }
    }
}

/// What a set of numbers is of. Its number is the first byte of the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// Prices of bids, by instrument.
    Bids = 1,
    /// Prices of asks, by instrument.
    Asks = 2,
    /// Levels at which an account may fall short when a risk factor rises to them, by factor.
    RiskAbove = 3,
    /// Levels at which an account may fall short when a risk factor falls to them, by factor.
    RiskBelow = 4,
    /// Trigger prices of orders that wait for a rise, by instrument.
    TriggerAbove = 5,
    /// Trigger prices of orders that wait for a fall, by instrument.
    TriggerBelow = 6,
    /// Times at which orders expire, by instrument.
    Expiry = 7,
}

/// The namespace of a set: `id` is below 2^56.
pub const fn namespace(kind: IndexKind, id: u64) -> u64 {
    debug_assert!(id < 1 << 56);
    (kind as u64) << 56 | id
}

/// Depths of the tree.
const DEPTHS: u32 = 4;

/// The lowest bit at or above `from`.
fn lowest_from(bits: &U256, from: u32) -> Option<u32> {
    let limbs = bits.as_limbs();
    let start = (from / 64) as usize;
    let first = limbs[start] & (u64::MAX << (from % 64));
    if first != 0 {
        return Some(start as u32 * 64 + first.trailing_zeros());
    }
    (start + 1..4).find(|&at| limbs[at] != 0).map(|at| at as u32 * 64 + limbs[at].trailing_zeros())
}

/// The highest bit at or below `from`.
fn highest_from(bits: &U256, from: u32) -> Option<u32> {
    let limbs = bits.as_limbs();
    let start = (from / 64) as usize;
    let first = limbs[start] & (u64::MAX >> (63 - from % 64));
    if first != 0 {
        return Some(start as u32 * 64 + 63 - first.leading_zeros());
    }
    (0..start).rev().find(|&at| limbs[at] != 0).map(|at| at as u32 * 64 + 63 - limbs[at].leading_zeros())
}

/// The part of a number above depth `depth`, and its byte there.
fn split(key: u32, depth: u32) -> (u32, u32) {
    let upper = u64::from(key) >> (8 * (DEPTHS - 1 - depth));
    ((upper >> 8) as u32, (upper & 0xff) as u32)
}

impl Market<'_, '_> {
    /// Adds a number to a set; false if it was there.
    pub fn index_insert(&mut self, namespace: u64, key: u32) -> Result<bool, MarketError> {
        for depth in (0..DEPTHS).rev() {
            let (prefix, byte) = split(key, depth);
            let place = self.records.locate::<IndexWord>((namespace, depth as u8, prefix))?;
            let bits = self.records.at(place).bits;
            if bits.bit(byte as usize) {
                return Ok(depth + 1 < DEPTHS);
            }
            self.records.at_mut(place).bits.set_bit(byte as usize, true);
            if !bits.is_zero() {
                break;
            }
        }
        Ok(true)
    }

    /// Takes a number out of a set; false if it was not there.
    pub fn index_remove(&mut self, namespace: u64, key: u32) -> Result<bool, MarketError> {
        for depth in (0..DEPTHS).rev() {
            let (prefix, byte) = split(key, depth);
            let place = self.records.locate::<IndexWord>((namespace, depth as u8, prefix))?;
            if !self.records.at(place).bits.bit(byte as usize) {
                return Ok(depth + 1 < DEPTHS);
            }
            let word = self.records.at_mut(place);
            word.bits.set_bit(byte as usize, false);
            if !word.bits.is_zero() {
                break;
            }
        }
        Ok(true)
    }

    /// Whether a set has a number.
    pub fn index_contains(&mut self, namespace: u64, key: u32) -> Result<bool, MarketError> {
        let (prefix, byte) = split(key, DEPTHS - 1);
        Ok(self.index_bits(namespace, DEPTHS - 1, prefix)?.bit(byte as usize))
    }

    /// The least number of a set that is `key` or more.
    pub fn index_next_at_or_above(&mut self, namespace: u64, key: u32) -> Result<Option<u32>, MarketError> {
        let (mut prefix, mut byte) = split(key, DEPTHS - 1);
        for depth in (0..DEPTHS).rev() {
            let bits = self.index_bits(namespace, depth, prefix)?;
            if let Some(found) = lowest_from(&bits, byte) {
                return self.index_descend(namespace, depth, prefix << 8 | found, |bits| lowest_from(bits, 0));
            }
            // What comes after all of this word begins one further in the word above.
            let after = u64::from(prefix) + 1;
            if after >> (8 * depth) != 0 {
                return Ok(None);
            }
            (prefix, byte) = ((after >> 8) as u32, (after & 0xff) as u32);
        }
        Ok(None)
    }

    /// The greatest number of a set that is `key` or less.
    pub fn index_prev_at_or_below(&mut self, namespace: u64, key: u32) -> Result<Option<u32>, MarketError> {
        let (mut prefix, mut byte) = split(key, DEPTHS - 1);
        for depth in (0..DEPTHS).rev() {
            let bits = self.index_bits(namespace, depth, prefix)?;
            if let Some(found) = highest_from(&bits, byte) {
                return self.index_descend(namespace, depth, prefix << 8 | found, |bits| highest_from(bits, 255));
            }
            let Some(before) = prefix.checked_sub(1) else { return Ok(None) };
            (prefix, byte) = (before >> 8, before & 0xff);
        }
        Ok(None)
    }

    /// The number below a bit that is set, by the bit of each word that `choose` names.
    fn index_descend(
        &mut self,
        namespace: u64,
        depth: u32,
        mut prefix: u32,
        choose: impl Fn(&U256) -> Option<u32>,
    ) -> Result<Option<u32>, MarketError> {
        for depth in depth + 1..DEPTHS {
            let bits = self.index_bits(namespace, depth, prefix)?;
            let Some(byte) = choose(&bits) else { return Ok(None) };
            prefix = prefix << 8 | byte;
        }
        Ok(Some(prefix))
    }

    fn index_bits(&mut self, namespace: u64, depth: u32, prefix: u32) -> Result<U256, MarketError> {
        let place = self.records.locate::<IndexWord>((namespace, depth as u8, prefix))?;
        Ok(self.records.at(place).bits)
    }
}

//! Names and units of the market.
//!
//! Order prices are whole ticks and order sizes whole lots, so that matching is integer comparison. One lot that moves by one tick is
//! worth the instrument's `tick_value` in base units of its quote asset, so that the value of any fill, `lots × ticks × tick_value`, is
//! an exact integer. Marks and indices are finer, [`MicroTicks`]; whatever they value is rounded against the user who would gain.

use alloy_primitives::U256;

/// Names a subaccount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// Names a collateral or quote asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(pub u16);

/// Names an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstrumentId(pub u16);

/// Names a price feed of the oracle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedId(pub u16);

/// A price in ticks of an instrument. Zero is no price.
pub type Ticks = u32;

/// A size in lots of an instrument, at most [`MAX_LOTS`].
pub type Lots = u64;

/// A price in millionths of a tick, at most `u32::MAX` ticks.
pub type MicroTicks = u64;

/// An amount in base units of an asset, or a value in base units of a quote asset.
pub type Amount = i128;

/// A share in millionths.
pub type Ppm = u32;

/// Micro-ticks of one tick.
pub const MICRO: u64 = 1_000_000;

/// One, in millionths.
pub const PPM: u32 = 1_000_000;

/// The largest order or position, in lots: with the largest price and tick value, values stay within an `i128`.
pub const MAX_LOTS: Lots = 1 << 40;

/// The largest value of one lot that moves by one tick, in base units of the quote asset.
pub const MAX_TICK_VALUE: u64 = 1 << 40;

/// The largest amount that is taken into account, in base units.
pub const MAX_AMOUNT: Amount = 1 << 110;

/// Positions that an account may hold at a time.
pub const MAX_POSITIONS: usize = 16;

/// Assets that an account may hold or owe at a time.
pub const MAX_ASSETS: usize = 16;

/// A side of the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Side {
    /// Bids.
    #[default]
    Buy,
    /// Asks.
    Sell,
}

impl Side {
    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// 1 for a buy, -1 for a sell.
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

/// Names an order for ever: the instrument, the order's number in the instrument's sequence, which grows with time, and the place of its
/// record, which is used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Number in the instrument's sequence; zero names no order.
    pub sequence: u64,
    /// Place of the record in the instrument's table.
    pub handle: u32,
}

impl OrderId {
    /// As one number: instrument in bits 96 to 111, sequence in 32 to 95, handle in 0 to 31.
    pub fn to_u128(self) -> u128 {
        u128::from(self.instrument.0) << 96 | u128::from(self.sequence) << 32 | u128::from(self.handle)
    }

    /// Of such a number; `None` where higher bits are set.
    pub fn from_u128(id: u128) -> Option<Self> {
        let instrument = u16::try_from(id >> 96).ok()?;
        Some(Self { instrument: InstrumentId(instrument), sequence: (id >> 32) as u64, handle: id as u32 })
    }
}

/// The block that a call is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockInfo {
    /// Number.
    pub number: u64,
    /// Timestamp in seconds.
    pub timestamp_seconds: u64,
    /// The chain's id, which signed prices are bound to.
    pub chain_id: U256,
}

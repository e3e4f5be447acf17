//! The records that several parts of the market share. Those of one part alone are in its own file.

use crate::records::{Field, record};
use crate::types::{AccountId, AssetId, FeedId, InstrumentId, Lots, MicroTicks, Ppm, Ticks};
use alloy_primitives::Address;

/// The account that insures the others: it pays for losses that an account can't.
pub const INSURANCE: AccountId = AccountId(1);

/// The account that takes over what a liquidation could not sell.
pub const BACKSTOP: AccountId = AccountId(2);

/// The account that gets the fees.
pub const TREASURY: AccountId = AccountId(3);

/// The first account of a user.
pub const FIRST_ACCOUNT: u32 = 16;

/// The asset in which values are expressed, margin is required and derivatives are settled.
pub const QUOTE: AssetId = AssetId(1);

macro_rules! byte_enum {
    ($(#[doc = $about:literal])* pub enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $value:literal,)* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            #[default]
            $($(#[doc = $doc])* $variant = $value,)*
        }

        impl $name {
            /// The one with this number.
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl Field for $name {
            const BYTES: usize = 1;

            fn write(self, bytes: &mut [u8]) {
                bytes[0] = self as u8;
            }

            fn read(bytes: &[u8]) -> Self {
                Self::from_byte(bytes[0]).unwrap_or_default()
            }
        }
    };
}
pub(crate) use byte_enum;

byte_enum! {
    /// What is traded.
    pub enum InstrumentKind {
        /// Nothing: not listed.
        Unlisted = 0,
        /// The base asset against the quote asset, delivered at once.
        Spot = 1,
        /// A linear perpetual future, settled in the quote asset.
        Perpetual = 2,
        /// A European option, settled in the quote asset at expiry.
        EuropeanOption = 3,
    }
}

byte_enum! {
    /// What may be done with an instrument.
    pub enum InstrumentStatus {
        /// Everything.
        Active = 0,
        /// Orders may be cancelled and positions reduced.
        ReduceOnly = 1,
        /// Orders may be cancelled: the operator stopped it, or the circuit breaker did.
        Halted = 2,
        /// Expired and settled.
        Settled = 3,
    }
}

byte_enum! {
    /// How an account's margin is computed.
    pub enum MarginMode {
        /// Each position by itself, in tiers by size.
        Standard = 0,
        /// All positions together, over a grid of scenarios.
        Portfolio = 1,
    }
}

byte_enum! {
    /// Where an account stands with liquidation.
    pub enum AccountStatus {
        /// Free.
        Healthy = 0,
        /// Below maintenance and waiting for its turn: it can't withdraw, nor add to its positions.
        Queued = 1,
        /// In an auction: as above.
        Auctioned = 2,
    }
}

record! {
    /// What there is one of.
    pub struct Globals(tag 1, key (), "none") {
        {
            /// Id of the next account.
            pub next_account: u32,
            /// Id of the next asset.
            pub next_asset: u16,
            /// Id of the next instrument.
            pub next_instrument: u16,
            /// Id of the next feed.
            pub next_feed: u16,
            /// Number of price signers.
            pub signers: u8,
            /// Signers whose prices are needed.
            pub quorum: u8,
            /// Whether a call of a token or a feed is under way.
            pub is_busy: bool,
            /// Seconds between an operator's proposal and when it takes effect.
            pub timelock_seconds: u32,
            /// When the last accepted prices were made, in seconds.
            pub priced_seconds: u64,
        }
        {
            /// Who may list instruments and propose parameters.
            pub operator: Address,
        }
    }
}

record! {
    /// What is traded and how. Written when it is listed and when parameters change.
    pub struct Instrument(tag 2, key InstrumentId, "instrument") {
        {
            /// Kind.
            pub kind: InstrumentKind,
            /// What may be done.
            pub status: InstrumentStatus,
            /// Base asset: what a spot fill delivers. Zero for others.
            pub base: AssetId,
            /// Asset in which it is paid and settled.
            pub quote: AssetId,
            /// Feed of the index price; for an option, feed of its yearly volatility (its index is the underlying's feed).
            pub feed: FeedId,
            /// Quote base units of one lot that moves by one tick.
            pub tick_value: u64,
            /// Base units of the base asset, or units of 1e-18 of the underlying, in one lot.
            pub lot_size: u128,
        }
        {
            /// Least lots of an order.
            pub min_lots: Lots,
            /// Most lots of an order.
            pub max_lots: Lots,
            /// Fee of the maker, in millionths of the value; negative is a rebate, never larger than the taker's fee.
            pub maker_fee_ppm: i32,
            /// Fee of the taker, in millionths of the value.
            pub taker_fee_ppm: Ppm,
            /// How far from the mark a fill may be, in millionths.
            pub band_ppm: Ppm,
            /// Orders that an account may have resting.
            pub max_orders: u32,
        }
        {
            /// Initial margin of the first tier, in millionths of the value.
            pub initial_ppm: Ppm,
            /// Maintenance margin of the first tier, in millionths of the value.
            pub maintenance_ppm: Ppm,
            /// Lots in a tier; zero is one tier.
            pub tier_lots: Lots,
            /// What each further tier adds to both, in millionths.
            pub tier_step_ppm: Ppm,
            /// Most lots that may be open on each side, all accounts together.
            pub max_open_lots: Lots,
            /// Fee of a liquidation, to the insurance fund, in millionths of the value.
            pub liquidation_fee_ppm: Ppm,
        }
        {
            /// When an option expires, in seconds.
            pub expiry_seconds: u64,
            /// An option's strike, in its own ticks.
            pub strike_ticks: Ticks,
            /// Whether an option is a call.
            pub is_call: bool,
            /// The instrument whose feed an option is on. Zero for others.
            pub underlying: InstrumentId,
            /// Seconds between funding payments.
            pub funding_seconds: u32,
            /// Most that the funding rate of one interval may be, in millionths.
            pub funding_clamp_ppm: Ppm,
            /// Interest part of the funding rate of eight hours, in millionths.
            pub funding_interest_ppm: i32,
            /// Lots for which the book's impact price is taken.
            pub impact_lots: u32,
        }
    }
}

record! {
    /// An instrument's prices and totals.
    pub struct Prices(tag 3, key InstrumentId, "instrument") {
        {
            /// What positions are valued at, in micro-ticks.
            pub mark: MicroTicks,
            /// What the oracle says, in micro-ticks.
            pub index: MicroTicks,
            /// When the index was made, in seconds.
            pub updated_seconds: u64,
            /// Average premium of the book over the index, in micro-ticks.
            pub premium: i64,
        }
        {
            /// What a long of one lot has paid since listing, in millionths of a quote base unit.
            pub funding_index: i128,
            /// When funding is paid next, in seconds.
            pub funding_due_seconds: u64,
            /// Lots held long, all accounts together; as many are held short.
            pub open_lots: Lots,
        }
        {
            /// What payers of funding have paid in and receivers not yet got, in quote base units.
            pub funding_pool: i128,
            /// Price of the last fill.
            pub last_ticks: Ticks,
            /// When the circuit breaker lets go, in seconds; zero if it does not hold.
            pub halted_until_seconds: u64,
            /// Yearly volatility of an option, as the oracle says, in millionths.
            pub volatility_ppm: u32,
        }
    }
}

record! {
    /// A subaccount.
    pub struct Account(tag 4, key AccountId, "account") {
        {
            /// Who owns it.
            pub owner: Address,
            /// Number among the owner's.
            pub number: u8,
            /// How margin is computed.
            pub mode: MarginMode,
            /// Where it stands with liquidation.
            pub status: AccountStatus,
            /// The only instrument that it may hold; zero is any (cross margin).
            pub isolated: InstrumentId,
            /// Resting orders and waiting triggers.
            pub orders: u16,
        }
        {
            /// Instruments with a position or an open order, zeros at the end.
            pub positions: [u16; 16],
        }
        {
            /// Assets with a balance or a debt, zeros at the end.
            pub assets: [u16; 16],
        }
    }
}

record! {
    /// Finds a subaccount: zero if there is none.
    pub struct AccountOf(tag 5, key (Address, u8), "owner, number") {
        {
            /// The account.
            pub account: AccountId,
        }
    }
}

record! {
    /// What an account holds of an asset, or owes.
    pub struct Balance(tag 6, key (AccountId, AssetId), "account, asset") {
        {
            /// Base units when last settled; negative is a debt.
            pub amount: i128,
            /// The asset's supply index (or borrow index, for a debt) up to which interest is settled.
            pub index: u128,
        }
    }
}

record! {
    /// What an account holds of a derivative, and what its resting orders may add.
    pub struct Position(tag 7, key (AccountId, InstrumentId), "account, instrument") {
        {
            /// Lots; negative is short.
            pub lots: i64,
            /// Lots of resting bids.
            pub bid_lots: Lots,
            /// Lots of resting asks.
            pub ask_lots: Lots,
        }
        {
            /// What was paid for the lots, in quote base units; negative where they were sold.
            pub cost: i128,
            /// The funding index up to which funding is settled.
            pub funding_index: i128,
        }
    }
}

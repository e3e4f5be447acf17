//! Prices from outside: signed reports and pulled feeds, and when a price counts.
//!
//! # Signed reports
//! Each signer of the configured set signs its own prices as typed data (EIP-712, [`domain`] binds them to the chain and to the
//! market's address). A call brings the reports of several signers, all of one round. It is refused as a whole unless the round is later
//! than the last accepted one, each report is fresh, not older than the last accepted prices, by a different signer of the set, and
//! lists each feed once; and unless there are as many as the quorum asks for. The price of a feed is the median of those that sent one,
//! if they are a quorum (the mean of the two middle ones, rounded down, for an even number), and its time the earliest of theirs. With
//! the quorum above half of the set, the median lies between prices of signers that are not faulty as long as these are a majority of
//! those in the report.
//!
//! # When a price counts
//! A price within a feed's `deviation_ppm` of the last one is accepted. One further away is *doubted*: it is kept aside and the feed's
//! instruments are halted for a time. The next report decides: a price near the doubted one confirms it and is accepted, so that a real gap
//! is followed after one more round; a price near the last accepted one refutes it; any other is doubted in its place. So no
//! single report moves a price far, and no real price is ignored for ever.
//!
//! # What follows
//! Accepting prices reprices the feeds' instruments (their marks, circuit breakers, funding), settles what expired, and then
//! looks for liquidations and triggers, all in the same call.

mod accept;
mod pull;
mod report;

pub use accept::PriceChanges;
pub use report::{domain, signing_hash};

use crate::records::record;
use crate::types::{FeedId, InstrumentId};
use alloc::vec::Vec;
use alloy_primitives::Address;

/// Price signers that there may be.
pub const MAX_SIGNERS: usize = 32;

/// Feeds in one signer's report.
pub const MAX_REPORT_PRICES: usize = 256;

/// How far a report's time may be ahead of the block's, in seconds: clocks differ.
pub const MAX_AHEAD_SECONDS: u64 = 2;

record! {
    /// A price signer by its place.
    pub struct Signer(tag 101, key u8, "place") {
        {
            /// Its address.
            pub address: Address,
        }
    }
}

record! {
    /// A price signer by its address.
    pub struct SignerOf(tag 102, key Address, "address") {
        {
            /// Its place in the set, from one; zero is none.
            pub place: u8,
        }
    }
}

record! {
    /// The last accepted round of the oracle, and the operator's office.
    pub struct Office(tag 103, key (), "none") {
        {
            /// Round of the last accepted report.
            pub sequence: u64,
            /// Number of the last proposal.
            pub proposals: u64,
        }
        {
            /// Who was offered the operator's office.
            pub offered: Address,
        }
    }
}

/// A price that a feed shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPrice {
    /// The feed.
    pub feed: FeedId,
    /// Its price, in its decimals, never zero.
    pub price: u128,
    /// When it was made, in seconds.
    pub time_seconds: u64,
}

fn sort_unique(ids: &mut Vec<InstrumentId>) {
    ids.sort_unstable();
    ids.dedup();
}

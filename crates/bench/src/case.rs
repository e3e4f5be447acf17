//! What is measured: a block's transactions on a pre-state.
//!
//! A [`Case`] knows no engine. Both engines prepare their own form of it once, outside the measured time, and run it as
//! often as they are asked. Senders are part of the case, so nobody recovers signatures while the clock runs.

use alloy_primitives::{Address, B256, Bytes};
use rialto_stf::json::Alloc;
use rialto_stf::{Header, Transaction};
use rialto_vm::Fork;
use std::collections::BTreeMap;

/// Which geometric mean a case counts towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Made by this crate, or given with a case file.
    Synthetic,
    /// A block of Ethereum's main network.
    Mainnet,
    /// A worst case from a conformance archive.
    Vectors,
}

impl Group {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Mainnet => "mainnet",
            Self::Vectors => "vectors",
        }
    }
}

/// First block of each fork of the main network that began at a block number.
const MAINNET_FORK_BLOCKS: [(u64, Fork); 10] = [
    (0, Fork::Frontier),
    (1_150_000, Fork::Homestead),
    (2_463_000, Fork::TangerineWhistle),
    (2_675_000, Fork::SpuriousDragon),
    (4_370_000, Fork::Byzantium),
    (7_280_000, Fork::Petersburg),
    (9_069_000, Fork::Istanbul),
    (12_244_000, Fork::Berlin),
    (12_965_000, Fork::London),
    (15_537_394, Fork::Paris),
];

/// First timestamp, in seconds, of each later fork of the main network.
const MAINNET_FORK_SECONDS: [(u64, Fork); 4] = [
    (1_681_338_455, Fork::Shanghai),
    (1_710_338_135, Fork::Cancun),
    (1_746_612_311, Fork::Prague),
    (1_764_798_551, Fork::Osaka),
];

/// The fork of a block of the main network. Forks that changed no rule of execution have no row above.
pub fn mainnet_fork(number: u64, timestamp_seconds: u64) -> Fork {
    let by_seconds = MAINNET_FORK_SECONDS.iter().rev().find(|(first, _)| timestamp_seconds >= *first);
    let by_block = MAINNET_FORK_BLOCKS.iter().rev().find(|(first, _)| number >= *first);
    by_seconds.or(by_block).map_or(Fork::Frontier, |(_, fork)| *fork)
}

/// One transaction with its sender, recovered beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseTransaction {
    /// The signer.
    pub sender: Address,
    /// What was signed. The signature itself is not looked at.
    pub transaction: Transaction,
}

/// A block's transactions on a pre-state.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique within a run.
    pub name: String,
    /// Where it counts.
    pub group: Group,
    /// Rules.
    pub fork: Fork,
    /// The block around the transactions. Its commitments (roots, bloom) are not looked at.
    pub header: Header,
    /// Hashes of earlier blocks.
    pub block_hashes: BTreeMap<u64, B256>,
    /// Accounts that exist.
    pub accounts: Alloc,
    /// Transactions in order.
    pub transactions: Vec<CaseTransaction>,
    /// Whether `header.gas_used` is known and the transactions have to use just that.
    pub checks_gas_used: bool,
}

/// What a transaction did, for comparing engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionResult {
    /// Gas used after refunds.
    pub gas_used: u64,
    /// Whether it ended without a revert or halt.
    pub success: bool,
    /// Logs: address, topics, data.
    pub logs: Vec<(Address, Vec<B256>, Bytes)>,
    /// Returned bytes, or the deployed code's.
    pub output: Bytes,
}

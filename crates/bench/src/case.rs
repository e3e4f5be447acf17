//! What is measured: a block's transactions on a pre-state.
//!
//! A [`Case`] knows no engine. Both engines prepare their own form of it once, outside the measured time, and run it as
//! often as they are asked. Senders are part of the case, so nobody recovers signatures while the clock runs.

use alloy_primitives::{Address, B256, Bytes};
use rialto_stf::json::Alloc;
use rialto_stf::{ChainSpec, Header, Transaction};
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
    /// The chain whose rules hold.
    pub chain: ChainSpec,
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

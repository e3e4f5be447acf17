//! Which rules hold where: a chain's fork schedule, blob parameters and constants of its own.
//!
//! A schedule is a list of forks with the block number (until the merge) or the timestamp (since) at which each begins.
//! What a fork changes for blocks and transactions is [`BlockRules`], for the virtual machine [`rialto_vm::Rules`].
//!
//! A chain may have native modules. They are named here and nowhere else: whatever executes its blocks, in whatever way, asks
//! [`ChainSpec::modules_at`], so no strategy can leave one out.

use crate::BlockRules;
use alloc::vec::Vec;
use alloy_primitives::{Address, address};
use core::fmt;
use rialto_market::module::MarketModule;
use rialto_vm::{Fork, NativeModule};

/// When a fork begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// With the block of this number.
    Block(u64),
    /// With the first block of this timestamp (seconds) or later.
    Timestamp(u64),
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(number) => write!(f, "block {number}"),
            Self::Timestamp(seconds) => write!(f, "timestamp {seconds}"),
        }
    }
}

/// A fork's blob parameters (EIP-7840).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobParams {
    /// Blobs a block has on average.
    pub target: u64,
    /// Blobs a block has at most.
    pub max: u64,
    /// How slowly the blob base fee moves.
    pub base_fee_update_fraction: u64,
}

/// The blob parameters of Ethereum's main network, by the fork that introduced them.
const MAINNET_BLOBS: [(Fork, BlobParams); 5] = [
    (Fork::Cancun, BlobParams { target: 3, max: 6, base_fee_update_fraction: 3_338_477 }),
    (Fork::Prague, BlobParams { target: 6, max: 9, base_fee_update_fraction: 5_007_716 }),
    (Fork::Bpo1, BlobParams { target: 10, max: 15, base_fee_update_fraction: 8_346_193 }),
    (Fork::Bpo2, BlobParams { target: 14, max: 21, base_fee_update_fraction: 11_684_671 }),
    (Fork::AmsterdamDraft, BlobParams { target: 14, max: 21, base_fee_update_fraction: 11_684_671 }),
];

/// The main network's deposit contract (EIP-6110).
pub const MAINNET_DEPOSIT_CONTRACT: Address = address!("00000000219ab540356cbb839cbe05303d7705fa");

/// A native module of a chain. Its account must be in the state, with a nonce (EIP-161 would clear it otherwise), when it
/// first answers.
#[derive(Clone, Copy)]
pub struct ChainModule {
    /// The timestamp, in seconds, from which on it answers.
    pub activation_seconds: u64,
    /// The module.
    pub module: &'static dyn NativeModule,
}

impl ChainModule {
    /// The market, from this timestamp (seconds) on.
    pub fn market(activation_seconds: u64) -> Self {
        Self { activation_seconds, module: &MarketModule }
    }
}

impl PartialEq for ChainModule {
    /// Modules are told apart by their addresses.
    fn eq(&self, other: &Self) -> bool {
        self.activation_seconds == other.activation_seconds && self.module.address() == other.module.address()
    }
}

impl Eq for ChainModule {}

impl fmt::Debug for ChainModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainModule")
            .field("activation_seconds", &self.activation_seconds)
            .field("address", &self.module.address())
            .finish()
    }
}

/// A chain's rules over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Forks in the order of activation. The first holds from genesis on whatever its activation says.
    pub schedule: Vec<(Activation, Fork)>,
    /// Blob parameters that differ from the main network's, by the fork that introduces them.
    pub blobs: Vec<(Fork, BlobParams)>,
    /// Where deposits to the consensus layer are logged (EIP-6110).
    pub deposit_contract: Address,
    /// Whether the DAO's accounts are drained at the DAO fork (EIP-779).
    pub drains_dao: bool,
    /// Native modules, in the order in which they end a block.
    pub modules: Vec<ChainModule>,
}

impl ChainSpec {
    /// A chain on which `fork` holds from genesis on.
    pub fn of_fork(fork: Fork, chain_id: u64) -> Self {
        Self {
            chain_id,
            schedule: alloc::vec![(Activation::Block(0), fork)],
            blobs: Vec::new(),
            deposit_contract: MAINNET_DEPOSIT_CONTRACT,
            drains_dao: false,
            modules: Vec::new(),
        }
    }

    /// Ethereum's main network.
    pub fn mainnet() -> Self {
        use Activation::{Block, Timestamp};
        let schedule = alloc::vec![
            (Block(0), Fork::Frontier),
            (Block(1_150_000), Fork::Homestead),
            (Block(1_920_000), Fork::DaoFork),
            (Block(2_463_000), Fork::TangerineWhistle),
            (Block(2_675_000), Fork::SpuriousDragon),
            (Block(4_370_000), Fork::Byzantium),
            (Block(7_280_000), Fork::Petersburg),
            (Block(9_069_000), Fork::Istanbul),
            (Block(9_200_000), Fork::MuirGlacier),
            (Block(12_244_000), Fork::Berlin),
            (Block(12_965_000), Fork::London),
            (Block(13_773_000), Fork::ArrowGlacier),
            (Block(15_050_000), Fork::GrayGlacier),
            (Block(15_537_394), Fork::Paris),
            (Timestamp(1_681_338_455), Fork::Shanghai),
            (Timestamp(1_710_338_135), Fork::Cancun),
            (Timestamp(1_746_612_311), Fork::Prague),
            (Timestamp(1_764_798_551), Fork::Osaka),
            (Timestamp(1_765_290_071), Fork::Bpo1),
            (Timestamp(1_767_747_671), Fork::Bpo2),
        ];
        Self { schedule, drains_dao: true, ..Self::of_fork(Fork::Frontier, 1) }
    }

    /// The chain that a test vector's `network` names: a fork, or a transition such as `CancunToPragueAtTime15k` or
    /// `BerlinToLondonAt5`.
    pub fn from_network(network: &str, chain_id: u64) -> Option<Self> {
        if let Some(fork) = Fork::from_name(network) {
            return Some(Self::of_fork(fork, chain_id));
        }
        let (from, rest) = network.split_once("To")?;
        let (to, activation) = match rest.split_once("AtTime") {
            Some((to, time)) => (to, Activation::Timestamp(parse_count(time)?)),
            None => {
                let (to, number) = rest.split_once("At")?;
                (to, Activation::Block(parse_count(number)?))
            }
        };
        let mut spec = Self::of_fork(Fork::from_name(from)?, chain_id);
        spec.schedule.push((activation, Fork::from_name(to)?));
        Some(spec)
    }

    /// The fork that holds in a block.
    pub fn fork_at(&self, number: u64, timestamp_seconds: u64) -> Fork {
        let is_active = |activation: &Activation| match *activation {
            Activation::Block(block) => number >= block,
            Activation::Timestamp(seconds) => timestamp_seconds >= seconds,
        };
        let later = self.schedule[1..].iter().rev().find(|(activation, _)| is_active(activation));
        later.map_or(self.schedule[0].1, |(_, fork)| *fork)
    }

    /// The rules that hold in a block.
    pub fn rules_at(&self, number: u64, timestamp_seconds: u64) -> &'static BlockRules {
        BlockRules::of(self.fork_at(number, timestamp_seconds))
    }

    /// The native modules that answer in a block of this timestamp.
    pub fn modules_at(&self, timestamp_seconds: u64) -> Vec<&'static dyn NativeModule> {
        let active = self.modules.iter().filter(|entry| entry.activation_seconds <= timestamp_seconds);
        active.map(|entry| entry.module).collect()
    }

    /// The blob parameters under `fork`; `None` before blobs.
    pub fn blob_params(&self, fork: Fork) -> Option<BlobParams> {
        let newest = |table: &[(Fork, BlobParams)]| {
            table.iter().filter(|(since, _)| *since <= fork).max_by_key(|(since, _)| *since).copied()
        };
        let (own, default) = (newest(&self.blobs), newest(&MAINNET_BLOBS));
        match (own, default) {
            (Some(own), Some(default)) => Some(if own.0 >= default.0 { own.1 } else { default.1 }),
            (own, default) => own.or(default).map(|(_, params)| params),
        }
    }
}

/// `15k` or `5`.
fn parse_count(text: &str) -> Option<u64> {
    match text.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_schedules() {
        let rows = [
            ("Osaka", 0, 0, Some(Fork::Osaka)),
            ("CancunToPragueAtTime15k", 9, 14_999, Some(Fork::Cancun)),
            ("CancunToPragueAtTime15k", 1, 15_000, Some(Fork::Prague)),
            ("BerlinToLondonAt5", 4, 0, Some(Fork::Berlin)),
            ("BerlinToLondonAt5", 5, 0, Some(Fork::London)),
            ("Atlantis", 0, 0, None),
        ];
        for (network, number, time, expected) in rows {
            let fork = ChainSpec::from_network(network, 1).map(|spec| spec.fork_at(number, time));
            assert_eq!(fork, expected, "{network} {number} {time}");
        }
    }

    #[test]
    fn mainnet_forks_where_it_did() {
        let rows = [
            (1_149_999, 0, Fork::Frontier),
            (1_920_000, 0, Fork::DaoFork),
            (7_280_000, 0, Fork::Petersburg),
            (15_537_393, 1_663_224_162, Fork::GrayGlacier),
            (15_537_394, 1_663_224_179, Fork::Paris),
            (17_034_870, 1_681_338_455, Fork::Shanghai),
        ];
        for (number, time, expected) in rows {
            assert_eq!(ChainSpec::mainnet().fork_at(number, time), expected, "block {number}");
        }
    }
}

//! `eth_config` (EIP-7910): which rules hold now and next, so that an operator sees before a fork whether the node is ready.
//!
//! Its `forkId` is EIP-2124's checksum: of the genesis hash and of all activations up to the one in question, numbers before
//! times. The activations are read from the chain's genesis document, which names some that change no rule.

use crate::json::{Params, is_none};
use crate::methods::{Module, Registered, light};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, FixedBytes, U256, address};
use rialto_node::BlockId;
use rialto_stf::{Activation, BlockRules, ChainSpec};
use rialto_vm::Fork;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "eth_config", config)
}

#[derive(Clone, Debug, Serialize)]
struct ConfigsJson {
    current: Option<ConfigJson>,
    next: Option<ConfigJson>,
    last: Option<ConfigJson>,
}

/// The rules of one fork.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigJson {
    activation_time: u64,
    #[serde(skip_serializing_if = "is_none")]
    blob_schedule: Option<BlobScheduleJson>,
    chain_id: U256,
    fork_id: FixedBytes<4>,
    precompiles: BTreeMap<&'static str, Address>,
    system_contracts: BTreeMap<&'static str, Address>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobScheduleJson {
    target: u64,
    max: u64,
    base_fee_update_fraction: u64,
}

/// Contracts that blocks call or read: the fork that began it, EIP-7910's name, the address.
const SYSTEM_CONTRACTS: [(Fork, &str, Address); 4] = [
    (Fork::Cancun, "BEACON_ROOTS_ADDRESS", address!("000f3df6d732807ef1319fb7b8bb8522d0beac02")),
    (Fork::Prague, "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", address!("0000bbddc7ce488642fb579f8b00f3a590007251")),
    (Fork::Prague, "HISTORY_STORAGE_ADDRESS", address!("0000f90827f1c53a10cb7a02335b175320002935")),
    (Fork::Prague, "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", address!("00000961ef480eb55e80d19ad83579a64c007002")),
];

fn config(_: &Params, context: &Arc<RpcContext>) -> Result<ConfigsJson, RpcError> {
    let view = context.view()?;
    let genesis = view.header(BlockId::Earliest)?.ok_or_else(RpcError::unknown_block)?;
    let genesis_hash = view.hash(BlockId::Earliest)?.ok_or_else(RpcError::unknown_block)?;
    let activations = Activations::read(context.node.genesis_document(), genesis.timestamp);
    let chain = Chain { spec: context.node.spec(), genesis_hash, genesis_time: genesis.timestamp, activations };
    let now = view.head().block.header.timestamp;
    let next = chain.times().find(|time| *time > now);
    let last = next.and_then(|_| chain.times().max());
    Ok(ConfigsJson {
        current: chain.current(view.head().block.header.number, now),
        next: next.map(|time| chain.config_at(time)),
        last: last.map(|time| chain.config_at(time)),
    })
}

struct Chain<'a> {
    spec: &'a ChainSpec,
    genesis_hash: B256,
    genesis_time: u64,
    activations: Activations,
}

impl Chain<'_> {
    /// The times at which forks begin, ascending.
    fn times(&self) -> impl Iterator<Item = u64> + '_ {
        let times: BTreeSet<u64> = self
            .spec
            .schedule
            .iter()
            .filter_map(|(activation, _)| match activation {
                Activation::Timestamp(time) => Some(*time),
                Activation::Block(_) => None,
            })
            .collect();
        times.into_iter()
    }

    /// The rules in the block; `None` before forks began by time.
    fn current(&self, number: u64, now: u64) -> Option<ConfigJson> {
        let began = self.times().filter(|time| *time <= now).max();
        match began {
            Some(time) => Some(self.config_at(time)),
            None if self.spec.fork_at(number, now) >= Fork::Shanghai => Some(self.config_at(self.genesis_time)),
            None => None,
        }
    }

    /// The rules of the fork that begins at `time`.
    fn config_at(&self, time: u64) -> ConfigJson {
        let fork = self.spec.fork_at(u64::MAX, time);
        let set = BlockRules::of(fork).vm.precompiles;
        let precompiles = rialto_vm::precompile_addresses(set)
            .filter_map(|address| Some((rialto_vm::precompile(set, &address)?.name, address)))
            .collect();
        let system = SYSTEM_CONTRACTS.iter().filter(|(since, _, _)| *since <= fork);
        let mut system_contracts: BTreeMap<_, _> = system.map(|(_, name, address)| (*name, *address)).collect();
        if BlockRules::of(fork).has_requests {
            system_contracts.insert("DEPOSIT_CONTRACT_ADDRESS", self.spec.deposit_contract);
        }
        ConfigJson {
            activation_time: if time <= self.genesis_time { 0 } else { time },
            blob_schedule: self.spec.blob_params(fork).map(|params| BlobScheduleJson {
                target: params.target,
                max: params.max,
                base_fee_update_fraction: params.base_fee_update_fraction,
            }),
            chain_id: U256::from(self.spec.chain_id),
            fork_id: self.activations.fork_id(&self.genesis_hash, time),
            precompiles,
            system_contracts,
        }
    }
}

/// When a chain's forks begin, as far as that is not genesis.
#[derive(Debug, Default, PartialEq, Eq)]
struct Activations {
    numbers: BTreeSet<u64>,
    times: BTreeSet<u64>,
}

impl Activations {
    /// Reads the fields of `config` whose names end with `Block` or `Time`.
    fn read(genesis: &[u8], genesis_time: u64) -> Self {
        let mut activations = Self::default();
        let document: Value = serde_json::from_slice(genesis).unwrap_or_default();
        for (name, value) in document.get("config").and_then(Value::as_object).into_iter().flatten() {
            let Some(value) = number_of(value) else { continue };
            if name.ends_with("Block") && value > 0 {
                activations.numbers.insert(value);
            } else if name.ends_with("Time") && value > genesis_time {
                activations.times.insert(value);
            }
        }
        activations
    }

    /// EIP-2124's checksum up to `time`.
    fn fork_id(&self, genesis_hash: &B256, time: u64) -> FixedBytes<4> {
        let passed = self.numbers.iter().chain(self.times.range(..=time));
        let checksum = passed.fold(crc32(0, genesis_hash.as_slice()), |sum, at| crc32(sum, &at.to_be_bytes()));
        checksum.to_be_bytes().into()
    }
}

fn number_of(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        value => value.as_u64(),
    }
}

/// IEEE's CRC-32 of what `sum` is the checksum of, followed by `bytes`.
fn crc32(sum: u32, bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let shift = |register: u32| (register >> 1) ^ (POLYNOMIAL & (register & 1).wrapping_neg());
    !bytes.iter().fold(!sum, |register, byte| (0..8).fold(register ^ u32::from(*byte), |register, _| shift(register)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    #[test]
    fn checksums_are_ieee() {
        for (text, expected) in [("", 0), ("123456789", 0xcbf4_3926), ("a", 0xe8b7_be43)] {
            assert_eq!(crc32(0, text.as_bytes()), expected, "{text:?}");
            let (head, tail) = text.split_at(text.len() / 2);
            assert_eq!(crc32(crc32(0, head.as_bytes()), tail.as_bytes()), expected, "{text:?} in two parts");
        }
    }

    /// EIP-2124 and EIP-6122 state the main network's.
    #[test]
    fn fork_ids_are_mainnets() {
        let genesis = b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
        let document = br#"{"config": {"homesteadBlock": 1150000, "daoForkBlock": 1920000, "daoForkSupport": true,
            "eip150Block": 2463000, "eip155Block": 2675000, "eip158Block": 2675000, "byzantiumBlock": 4370000,
            "constantinopleBlock": 7280000, "petersburgBlock": 7280000, "istanbulBlock": 9069000,
            "muirGlacierBlock": 9200000, "berlinBlock": 12244000, "londonBlock": 12965000, "arrowGlacierBlock": 13773000,
            "grayGlacierBlock": 15050000, "shanghaiTime": 1681338455, "cancunTime": 1710338135, "pragueTime": 1746612311}}"#;
        let activations = Activations::read(document, 0);
        let rows = [
            (1_681_338_454, "f0afd0e3"),
            (1_681_338_455, "dce96c2d"),
            (1_710_338_135, "9f3d2254"),
            (1_746_612_311, "c376cf8b"),
        ];
        for (time, expected) in rows {
            assert_eq!(alloy_primitives::hex::encode(activations.fork_id(&genesis, time)), expected, "time {time}");
        }
    }
}

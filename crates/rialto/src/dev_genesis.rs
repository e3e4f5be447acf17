//! The genesis document of a chain in dev mode.
//!
//! It is an ordinary `genesis.json`: the fork holds from the first block on, system contracts are there, and so is the ether of
//! the accounts, and the market where it is asked for. Being a document, it is kept by the database like any chain's, and another node can begin from it.

use crate::dev_market;
use crate::system_contracts::system_contracts;
use alloy_primitives::{Address, U256};
use rialto_stf::{BlobParams, BlockRules, ChainSpec};
use rialto_vm::Fork;
use serde_json::{Map, Value, json};

/// The newest fork that is not still moving.
pub const DEV_FORK: Fork = Fork::Bpo2;
/// Wei in an ether.
const ETHER: u64 = 1_000_000_000_000_000_000;

/// Fields of a `config` that schedule forks by number: all of them are over.
const BLOCK_FIELDS: [&str; 13] = [
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
    "arrowGlacierBlock",
    "grayGlacierBlock",
];
/// Forks that are scheduled by time, with the names that `config` has for them.
const TIME_FORKS: [(Fork, &str); 7] = [
    (Fork::Shanghai, "shanghai"),
    (Fork::Cancun, "cancun"),
    (Fork::Prague, "prague"),
    (Fork::Osaka, "osaka"),
    (Fork::Bpo1, "bpo1"),
    (Fork::Bpo2, "bpo2"),
    (Fork::Amsterdam, "amsterdam"),
];

/// What is chosen of a chain in dev mode.
#[derive(Clone, Debug)]
pub struct DevGenesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The fork, Paris or later.
    pub fork: Fork,
    /// Unix time of the genesis block, seconds.
    pub timestamp: u64,
    /// Gas limit of the blocks.
    pub gas_limit: u64,
    /// Base fee of the genesis block, wei per gas.
    pub base_fee: u64,
    /// Accounts with ether.
    pub accounts: Vec<Address>,
    /// How much each has.
    pub balance_ether: u64,
    /// Whether it has the market, with its tokens (see [`crate::dev_market`]).
    pub has_market: bool,
}

/// The forks that a chain in dev mode can have.
pub fn dev_forks() -> Vec<Fork> {
    std::iter::once(Fork::Paris).chain(TIME_FORKS.map(|(fork, _)| fork)).collect()
}

impl DevGenesis {
    /// The `genesis.json`.
    pub fn document(&self) -> Value {
        json!({
            "config": self.config(),
            "nonce": "0x0",
            "timestamp": quantity(self.timestamp),
            "extraData": "0x",
            "gasLimit": quantity(self.gas_limit),
            "difficulty": "0x0",
            "coinbase": Address::ZERO,
            "baseFeePerGas": quantity(self.base_fee),
            "alloc": self.alloc(),
        })
    }

    fn config(&self) -> Value {
        let mut config = Map::new();
        config.insert("chainId".to_string(), json!(self.chain_id));
        config.extend(BLOCK_FIELDS.map(|field| (field.to_string(), json!(0))));
        config.insert("terminalTotalDifficulty".to_string(), json!(0));
        let spec = ChainSpec::of_fork(self.fork, self.chain_id);
        let mut blobs = Map::new();
        for (fork, name) in TIME_FORKS.iter().filter(|(fork, _)| *fork <= self.fork) {
            config.insert(format!("{name}Time"), json!(0));
            if let Some(params) = spec.blob_params(*fork).filter(|_| BlockRules::of(*fork).has_blobs) {
                blobs.insert((*name).to_string(), blob_params(&params));
            }
        }
        config.insert("blobSchedule".to_string(), Value::Object(blobs));
        config.insert("depositContractAddress".to_string(), json!(spec.deposit_contract));
        if self.has_market {
            config.insert("rialto".to_string(), dev_market::config(self.timestamp, &self.accounts));
        }
        Value::Object(config)
    }

    fn alloc(&self) -> Value {
        let mut alloc = Map::new();
        for contract in system_contracts(self.fork) {
            let word = |word: &U256| format!("{word:#066x}");
            let storage: Map<String, Value> =
                contract.storage.iter().map(|(slot, value)| (word(slot), json!(word(value)))).collect();
            let entry = json!({ "nonce": "0x1", "balance": "0x0", "code": contract.code, "storage": storage });
            alloc.insert(contract.address.to_string(), entry);
        }
        if self.has_market {
            let tokens = dev_market::tokens(&self.accounts).into_iter();
            alloc.extend(tokens.map(|(address, entry)| (address.to_string(), entry)));
        }
        let balance = U256::from(self.balance_ether) * U256::from(ETHER);
        for account in &self.accounts {
            alloc.insert(account.to_string(), json!({ "balance": format!("{balance:#x}") }));
        }
        Value::Object(alloc)
    }
}

fn blob_params(params: &BlobParams) -> Value {
    json!({ "target": params.target, "max": params.max, "baseFeeUpdateFraction": params.base_fee_update_fraction })
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::json::JsonCursor;
    use rialto_stf::{ChainModule, Genesis};

    #[test]
    fn every_fork_has_a_document_that_begins_a_chain() {
        for (fork, has_market) in dev_forks().into_iter().flat_map(|fork| [(fork, false), (fork, true)]) {
            let genesis = DevGenesis {
                chain_id: 31_337,
                fork,
                timestamp: 1_700_000_000,
                gas_limit: 30_000_000,
                base_fee: 1_000_000_000,
                accounts: vec![Address::repeat_byte(1), Address::repeat_byte(2)],
                balance_ether: 10_000,
                has_market,
            };
            let document = genesis.document();
            let read = Genesis::from_json(&JsonCursor::new(&document, "genesis"));
            let read = read.unwrap_or_else(|error| panic!("{fork}: {error}"));
            assert_eq!(read.chain.fork_at(0, 1_700_000_000), fork, "{fork}");
            assert_eq!(read.chain.blob_params(fork), ChainSpec::of_fork(fork, 31_337).blob_params(fork), "{fork}");
            assert_eq!(read.header.base_fee_per_gas, Some(1_000_000_000), "{fork}");
            let (modules, tokens) = if has_market { (vec![ChainModule::market(0)], 3) } else { (Vec::new(), 0) };
            assert_eq!(read.chain.modules, modules, "{fork}");
            assert_eq!(read.alloc.len(), 2 + system_contracts(fork).len() + tokens, "{fork}");
            let balance = read.alloc[&Address::repeat_byte(1)].balance;
            assert_eq!(balance.to_string(), "10000000000000000000000", "{fork}");
        }
    }
}

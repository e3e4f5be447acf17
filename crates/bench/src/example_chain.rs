//! The example chain: a genesis and six blocks of several hundred transactions, made by Rialto itself.
//!
//! [`files`] runs the script of [`example_script`](crate::example_script) block by block on our own state transition
//! function and puts what comes out into the headers: gas, receipts, bloom, requests and the state root from our own
//! trie. Then each block is checked as a foreign one would be. Nothing here asks a clock or a random source, so the files
//! are the same on every machine, and a test compares them with those in `examples/chain`.

use crate::block_json;
use crate::case::{Case, CaseTransaction, Group};
use crate::example_script::{CHAIN_ID, accounts, blocks};
use crate::rialto_engine::alloc_of;
use alloy_primitives::{Address, B256, Bytes, address, keccak256};
use rialto_state::MemoryState;
use rialto_stf::json::{Alloc, JsonCursor};
use rialto_stf::{
    Block, ChainSpec, Genesis, Header, Outcome, SRange, Transaction, Withdrawal, execute, next_base_fee,
    next_excess_blob_gas, ommers_hash, receipts_root, requests_hash, transactions_root, validate_header,
    verify_outcome, withdrawals_root,
};
use rialto_trie::StateTrie;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Receives the tips.
const BENEFICIARY: Address = address!("0x0000000000000000000000000000000000c01bba");
/// Seconds between blocks.
const BLOCK_TIME_SECONDS: u64 = 12;
/// 2026-01-01.
const GENESIS_TIMESTAMP_SECONDS: u64 = 1_767_225_600;
const GAS_LIMIT: u64 = 36_000_000;
/// What every account owns at genesis: 1,000 ether.
const GENESIS_BALANCE: &str = "0x3635c9adc5dea00000";
/// The contracts that a block asks for requests (EIP-7002, EIP-7251). On this chain they have none to give: STOP.
const REQUEST_CONTRACTS: [&str; 2] =
    ["0x00000961ef480eb55e80d19ad83579a64c007002", "0x0000bbddc7ce488642fb579f8b00f3a590007251"];

/// A block of the chain with what its execution gave.
pub struct ExampleBlock {
    /// The block.
    pub block: Block,
    /// Each transaction's sender.
    pub senders: Vec<Address>,
    /// What it did.
    pub outcome: Outcome,
    /// The state before it.
    pub pre_state: Alloc,
}

impl ExampleBlock {
    /// The block's transactions as a case.
    pub fn case(&self, chain: &ChainSpec) -> Case {
        let items = self.block.transactions.iter().zip(&self.senders);
        Case {
            name: format!("example_block_{}", self.block.header.number),
            group: Group::Synthetic,
            chain: chain.clone(),
            header: self.block.header.clone(),
            block_hashes: BTreeMap::new(),
            accounts: self.pre_state.clone(),
            transactions: items
                .map(|(transaction, sender)| CaseTransaction { sender: *sender, transaction: transaction.clone() })
                .collect(),
            checks_gas_used: true,
        }
    }
}

/// The genesis document, as geth reads it.
fn genesis_document() -> Value {
    let people =
        accounts().into_iter().map(|account| (account.address.to_string(), json!({"balance": GENESIS_BALANCE})));
    let silent = REQUEST_CONTRACTS
        .map(|contract| (contract.to_string(), json!({"balance": "0x0", "nonce": "0x1", "code": "0x00"})));
    let alloc: BTreeMap<String, Value> = people.chain(silent).map(|(key, value)| (key.to_lowercase(), value)).collect();
    let blobs =
        |target: u64, max: u64, fraction: u64| json!({"target": target, "max": max, "baseFeeUpdateFraction": fraction});
    json!({
        "config": {
            "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0,
            "blobSchedule": {
                "cancun": blobs(3, 6, 3_338_477), "prague": blobs(6, 9, 5_007_716), "osaka": blobs(6, 9, 5_007_716)
            }
        },
        "nonce": "0x0",
        "timestamp": format!("{GENESIS_TIMESTAMP_SECONDS:#x}"),
        "extraData": "0x",
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "difficulty": "0x0",
        "mixHash": B256::ZERO,
        "coinbase": Address::ZERO,
        "alloc": alloc
    })
}

/// Makes the chain.
///
/// # Panics
/// If Rialto refuses what it made itself.
pub fn chain() -> (Genesis, Vec<ExampleBlock>) {
    let document = genesis_document();
    let genesis = Genesis::from_json(&JsonCursor::new(&document, "")).unwrap_or_else(|error| panic!("{error}"));
    let mut state = genesis.state();
    let mut trie = StateTrie::from_memory(&state).unwrap_or_else(|error| panic!("{error}"));
    let mut parent = genesis.header.clone();
    let mut chain = Vec::new();
    for transactions in blocks() {
        let block = seal(&genesis.chain, &parent, &mut state, &mut trie, transactions);
        parent = block.block.header.clone();
        chain.push(block);
    }
    (genesis, chain)
}

/// Makes the block after `parent`, and moves `state` and `trie` to the state after it.
fn seal(
    chain: &ChainSpec,
    parent: &Header,
    state: &mut MemoryState,
    trie: &mut StateTrie,
    transactions: Vec<Transaction>,
) -> ExampleBlock {
    let pre_state = alloc_of(state);
    let withdrawals = withdrawals(parent.number + 1);
    let mut header = open_header(chain, parent);
    header.transactions_root = transactions_root(&transactions);
    header.withdrawals_root = Some(withdrawals_root(&withdrawals));
    let mut block = Block { header, transactions, ommers: Vec::new(), withdrawals: Some(withdrawals) };
    let outcome = execute(chain, &block, None, state, None).unwrap_or_else(|error| panic!("{error}"));
    let header = &mut block.header;
    header.gas_used = outcome.gas_used;
    header.logs_bloom = outcome.logs_bloom;
    header.receipts_root = receipts_root(&outcome.receipts);
    header.requests_hash = outcome.requests.as_deref().map(requests_hash);
    header.state_root = trie.apply(&outcome.diff).unwrap_or_else(|error| panic!("{error}"));
    state.apply(&outcome.diff);

    validate_header(chain, header, parent).unwrap_or_else(|error| panic!("{error}"));
    verify_outcome(header, &outcome).unwrap_or_else(|error| panic!("{error}"));
    let sender = |transaction: &Transaction| transaction.sender(SRange::Low).unwrap_or_else(|error| panic!("{error}"));
    let senders = block.transactions.iter().map(sender).collect();
    ExampleBlock { block, senders, outcome, pre_state }
}

/// The fields of the next header that are known before the block is executed.
fn open_header(chain: &ChainSpec, parent: &Header) -> Header {
    let number = parent.number + 1;
    let timestamp = parent.timestamp + BLOCK_TIME_SECONDS;
    let rules = chain.rules_at(number, timestamp);
    let excess =
        chain.blob_params(rules.fork).map(|params| next_excess_blob_gas(parent, &params, rules.has_blob_reserve_price));
    let base_fee = parent.base_fee_per_gas.map(|fee| next_base_fee(parent.gas_limit, parent.gas_used, fee));
    Header {
        parent_hash: parent.hash(),
        ommers_hash: ommers_hash(&[]),
        beneficiary: BENEFICIARY,
        number,
        gas_limit: GAS_LIMIT,
        timestamp,
        extra_data: Bytes::from_static(b"rialto example chain"),
        mix_hash: keccak256(format!("rialto example randomness {number}")),
        base_fee_per_gas: base_fee,
        blob_gas_used: Some(0),
        excess_blob_gas: excess,
        parent_beacon_block_root: Some(keccak256(format!("rialto example beacon block {}", number - 1))),
        ..Header::default()
    }
}

/// Every other block pays two validators.
fn withdrawals(number: u64) -> Vec<Withdrawal> {
    let count = if number.is_multiple_of(2) { 2 } else { 0 };
    let withdrawal = |index| Withdrawal {
        index: number - 2 + index,
        validator_index: 1_000 + index,
        address: Address::from_slice(&keccak256(format!("rialto example validator {index}"))[12..]),
        amount: 15_000_000 + index,
    };
    (0..count).map(withdrawal).collect()
}

/// Names and contents of the files in `examples/chain`: `genesis.json`, and each block as `block_N.rlp` and `block_N.json`.
///
/// # Panics
/// If Rialto refuses what it made itself.
pub fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([("genesis.json".to_string(), block_json::text(&genesis_document()))]);
    for example in chain().1 {
        let number = example.block.header.number;
        files.insert(format!("block_{number}.rlp"), example.block.encode());
        files.insert(
            format!("block_{number}.json"),
            block_json::text(&block_json::block(&example.block, &example.senders)),
        );
    }
    files
}

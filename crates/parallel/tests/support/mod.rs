//! Blocks whose transactions are in each other's way, and how outcomes are compared.
#![allow(dead_code, reason = "each test uses a part")]

pub mod nesting;

use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use proptest::prelude::*;
use rialto_state::MemoryState;
use rialto_stf::json::{JsonCursor, parse};
use rialto_stf::{
    Block, ChainSpec, Genesis, Header, Outcome, Transaction, TxType, Withdrawal, address_of_secret_key,
    transactions_root, withdrawals_root,
};
use std::path::Path;

pub const THREADS: [usize; 4] = [1, 2, 4, 16];

pub fn assert_equal(name: &str, found: &Outcome, expected: &Outcome) {
    assert_eq!(found.receipts, expected.receipts, "{name}: receipts");
    assert_eq!(found.gas_used, expected.gas_used, "{name}: gas");
    assert_eq!(found.blob_gas_used, expected.blob_gas_used, "{name}: blob gas");
    assert_eq!(found.logs_bloom, expected.logs_bloom, "{name}: bloom");
    assert_eq!(found.requests, expected.requests, "{name}: requests");
    assert_eq!(found.diff, expected.diff, "{name}: diff");
    assert_eq!(found.block_access_list, expected.block_access_list, "{name}: access list");
    assert_eq!(found.has_receipt_roots, expected.has_receipt_roots, "{name}");
}

/// The example chain: its genesis, the state after that, and its blocks.
pub fn example_chain() -> (Genesis, MemoryState, Vec<Block>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chain");
    let document = parse(&std::fs::read(folder.join("genesis.json")).expect("a file")).expect("JSON");
    let genesis = Genesis::from_json(&JsonCursor::new(&document, "genesis")).expect("a genesis");
    let mut state = genesis.state();
    state.insert_block_hash(0, genesis.header.hash());
    let block = |number| {
        let bytes = std::fs::read(folder.join(format!("block_{number}.rlp"))).expect("a file");
        Block::decode(&bytes).expect("a block")
    };
    (genesis, state, (1..=6).map(block).collect())
}

pub const SENDERS: u64 = 6;
pub const BENEFICIARY: Address = address!("00000000000000000000000000000000000000fe");
/// Adds one to slot 0.
pub const COUNTER: Address = address!("00000000000000000000000000000000000000c0");
/// Stores the balance of the fee recipient in slot 1.
const WATCHER: Address = address!("00000000000000000000000000000000000000c1");
/// Sends all it has to its caller, and is gone if that is before Cancun.
const SUICIDE: Address = address!("00000000000000000000000000000000000000c2");
/// Creates a contract with storage whose code is one byte, and calls it.
const FACTORY: Address = address!("00000000000000000000000000000000000000c3");
/// Reverts after writing.
const REVERTER: Address = address!("00000000000000000000000000000000000000c4");
/// Creates the phoenix, always at the same address.
const NEST: Address = address!("00000000000000000000000000000000000000c5");
/// Adds one to slot 0 and creates a contract that destroys itself when it is called.
const PHOENIX_INITCODE: &str = "5f546001015f556133ff5f526002601ef3";
/// Reads slot 3 of itself.
pub const READER: Address = address!("00000000000000000000000000000000000000c6");
/// Since Cancun these and the next are called before, and since Prague after the transactions.
const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
const HISTORY_STORAGE: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
const WITHDRAWAL_REQUESTS: Address = address!("00000961Ef480Eb55e80D19ad83579A64c007002");
const CONSOLIDATION_REQUESTS: Address = address!("0000BBdDc7CE488642fb579F8B00f3a590007251");

pub fn key(index: u64) -> B256 {
    B256::from(U256::from(index + 1))
}

pub fn sender(index: u64) -> Address {
    address_of_secret_key(&key(index)).expect("a valid key")
}

fn phoenix() -> Address {
    let initcode: Bytes = PHOENIX_INITCODE.parse().expect("hex");
    NEST.create2(B256::ZERO, keccak256(initcode))
}

pub fn state() -> MemoryState {
    let mut state = MemoryState::default();
    for index in 0..SENDERS {
        state.insert_account(sender(index), 0, U256::from(10u64).pow(U256::from(18)), Bytes::new(), []);
    }
    let mut contract = |address, code: &str, slots: &[(u64, u64)]| {
        let code: Bytes = code.parse().expect("hex");
        let slots = slots.iter().map(|(slot, word)| (U256::from(*slot), U256::from(*word)));
        state.insert_account(address, 1, U256::from(5), code, slots.collect::<Vec<_>>());
    };
    contract(COUNTER, "0x5f54600101805f555f525f60205fa0", &[(0, 7)]);
    contract(WATCHER, &format!("0x73{}31600155", alloy_primitives::hex::encode(BENEFICIARY)), &[]);
    contract(SUICIDE, "0x33ff", &[(3, 4)]);
    // PUSH 6001600055 (sstore(0, 1)) 60fe60005360016000f3 (return fe) to memory, CREATE, CALL it.
    contract(FACTORY, "0x6e600160005560fe60005360016000f3600052600f60115ff05f5f5f5f5f945af1", &[]);
    contract(REVERTER, "0x60015f555f5ffd", &[]);
    // Initcode to memory, CREATE2 with salt 0 and what was sent.
    contract(NEST, &format!("0x70{PHOENIX_INITCODE}5f525f6011600f34f500"), &[]);
    contract(READER, "0x600354", &[(3, 9)]);
    // sstore(number, calldataload(0)), and adding one to slot 0.
    contract(BEACON_ROOTS, "0x5f35435500", &[]);
    contract(HISTORY_STORAGE, "0x5f35435500", &[]);
    contract(WITHDRAWAL_REQUESTS, "0x5f546001015f55", &[]);
    contract(CONSOLIDATION_REQUESTS, "0x5f546001015f55", &[]);
    state
}

/// What a transaction does: who sends it, to whom, how much, at which tip.
pub type Plan = (u64, u8, u64, u64);

pub fn plans() -> impl proptest::strategy::Strategy<Value = Vec<Plan>> {
    prop::collection::vec((0..SENDERS, 0..20u8, 0..3u64, 0..3u64), 4..60)
}

/// A transaction of a block.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which of the senders.
    pub from: u64,
    pub to: Option<Address>,
    pub value: u64,
    pub tip: u64,
    pub gas_limit: u64,
    pub input: Bytes,
}

impl Call {
    pub fn of_plan((from, to, value, tip): &Plan) -> Self {
        let to = match to {
            0..=5 => Some(sender(u64::from(*to))),
            6 => Some(BENEFICIARY),
            7 | 8 => Some(COUNTER),
            9 => Some(WATCHER),
            10 => Some(SUICIDE),
            11 => Some(FACTORY),
            12 => Some(REVERTER),
            13 => None,
            14 => Some(NEST),
            15 => Some(phoenix()),
            16 => Some(READER),
            other => Some(Address::with_last_byte(*other)),
        };
        let input = if to.is_none() { Bytes::from_static(&[0x60, 1, 0x5f, 0x55, 0x33, 0xff]) } else { Bytes::new() };
        Self { from: *from, to, value: *value, tip: *tip, gas_limit: 400_000, input }
    }
}

pub fn block(chain: &ChainSpec, plans: &[Plan]) -> Block {
    block_of(chain, &plans.iter().map(Call::of_plan).collect::<Vec<_>>(), &[0; SENDERS as usize])
}

/// Block 1, of these transactions, whose senders have these nonces.
pub fn block_of(chain: &ChainSpec, calls: &[Call], nonces: &[u64]) -> Block {
    let mut nonces = nonces.to_vec();
    let transactions: Vec<Transaction> = calls
        .iter()
        .map(|call| {
            let nonce = &mut nonces[call.from as usize];
            let mut transaction = Transaction {
                tx_type: TxType::DynamicFee,
                chain_id: Some(chain.chain_id),
                nonce: *nonce,
                gas_price: U256::from(100),
                max_priority_fee_per_gas: U256::from(call.tip),
                gas_limit: call.gas_limit,
                value: U256::from(call.value),
                input: call.input.clone(),
                to: call.to,
                ..Transaction::default()
            };
            *nonce += 1;
            transaction.sign(&key(call.from)).expect("a valid key");
            transaction
        })
        .collect();
    let withdrawals = [BENEFICIARY, Address::with_last_byte(0xaa)];
    let withdrawals: Vec<Withdrawal> =
        withdrawals.into_iter().map(|address| Withdrawal { address, amount: 3, ..Withdrawal::default() }).collect();
    let header = Header {
        number: 1,
        timestamp: 12,
        gas_limit: 60_000_000,
        // What it uses, as far as anybody knows before it is run.
        gas_used: 60_000_000,
        beneficiary: BENEFICIARY,
        base_fee_per_gas: Some(7),
        transactions_root: transactions_root(&transactions),
        withdrawals_root: Some(withdrawals_root(&withdrawals)),
        ommers_hash: rialto_stf::ommers_hash(&[]),
        parent_beacon_block_root: Some(B256::repeat_byte(7)),
        excess_blob_gas: Some(0),
        ..Header::default()
    };
    Block { header, transactions, withdrawals: Some(withdrawals), ..Block::default() }
}

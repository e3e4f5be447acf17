//! Whatever the threads do, the outcome is that of one.

use alloy_primitives::{Address, B256, Bytes, U256, address};
use proptest::prelude::*;
use rialto_parallel::{Counts, Strategy, execute, execute_counted};
use rialto_state::MemoryState;
use rialto_stf::json::{JsonCursor, parse};
use rialto_stf::{
    Block, ChainSpec, Genesis, Header, Outcome, Transaction, TxType, address_of_secret_key, transactions_root,
    verify_outcome, withdrawals_root,
};
use std::num::NonZeroUsize;
use std::path::Path;

const THREADS: [usize; 4] = [1, 2, 4, 16];

fn strategy(count: usize) -> Strategy<'static> {
    let threads = NonZeroUsize::new(count).expect("a row of the table");
    Strategy { min_gas: 0, ..Strategy::with_threads(threads) }
}

fn assert_equal(name: &str, found: &Outcome, expected: &Outcome) {
    assert_eq!(found.receipts, expected.receipts, "{name}: receipts");
    assert_eq!(found.gas_used, expected.gas_used, "{name}: gas");
    assert_eq!(found.blob_gas_used, expected.blob_gas_used, "{name}: blob gas");
    assert_eq!(found.logs_bloom, expected.logs_bloom, "{name}: bloom");
    assert_eq!(found.requests, expected.requests, "{name}: requests");
    assert_eq!(found.diff, expected.diff, "{name}: diff");
    assert_eq!(found.has_receipt_roots, expected.has_receipt_roots, "{name}");
}

#[test]
fn the_example_chain() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chain");
    let document = parse(&std::fs::read(folder.join("genesis.json")).expect("a file")).expect("JSON");
    let genesis = Genesis::from_json(&JsonCursor::new(&document, "genesis")).expect("a genesis");
    let mut state = genesis.state();
    state.insert_block_hash(0, genesis.header.hash());
    for number in 1..=6 {
        let bytes = std::fs::read(folder.join(format!("block_{number}.rlp"))).expect("a file");
        let block = Block::decode(&bytes).expect("a block");
        let expected = rialto_stf::execute(&genesis.chain, &block, None, &state, None).expect("a valid block");
        for count in THREADS {
            let outcome = execute(&genesis.chain, &block, None, &state, None, &strategy(count)).expect("a valid block");
            verify_outcome(&block.header, &outcome).expect("what the header says");
            assert_equal(&format!("block {number}, {count} threads"), &outcome, &expected);
        }
        state.apply(&expected.diff);
        state.insert_block_hash(number, block.hash());
    }
}

const SENDERS: u64 = 6;
const BENEFICIARY: Address = address!("00000000000000000000000000000000000000fe");
/// Adds one to slot 0.
const COUNTER: Address = address!("00000000000000000000000000000000000000c0");
/// Stores the balance of the fee recipient in slot 1.
const WATCHER: Address = address!("00000000000000000000000000000000000000c1");
/// Sends all it has to its caller, and is gone if that is before Cancun.
const SUICIDE: Address = address!("00000000000000000000000000000000000000c2");
/// Creates a contract with storage whose code is one byte, and calls it.
const FACTORY: Address = address!("00000000000000000000000000000000000000c3");
/// Reverts after writing.
const REVERTER: Address = address!("00000000000000000000000000000000000000c4");

fn key(index: u64) -> B256 {
    B256::from(U256::from(index + 1))
}

fn sender(index: u64) -> Address {
    address_of_secret_key(&key(index)).expect("a valid key")
}

fn state() -> MemoryState {
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
    state
}

/// What a transaction does: who sends it, to whom, how much, at which tip.
type Plan = (u64, u8, u64, u64);

fn block(chain: &ChainSpec, plans: &[Plan]) -> Block {
    let mut nonces = [0; SENDERS as usize];
    let transactions: Vec<Transaction> = plans
        .iter()
        .map(|(from, to, value, tip)| {
            let to = match to {
                0..=5 => Some(sender(u64::from(*to))),
                6 => Some(BENEFICIARY),
                7 | 8 => Some(COUNTER),
                9 => Some(WATCHER),
                10 => Some(SUICIDE),
                11 => Some(FACTORY),
                12 => Some(REVERTER),
                13 => None,
                other => Some(Address::with_last_byte(*other)),
            };
            let nonce = &mut nonces[*from as usize];
            let mut transaction = Transaction {
                tx_type: TxType::DynamicFee,
                chain_id: Some(chain.chain_id),
                nonce: *nonce,
                gas_price: U256::from(100),
                max_priority_fee_per_gas: U256::from(*tip),
                gas_limit: 200_000,
                value: U256::from(*value),
                input: if to.is_none() { Bytes::from_static(&[0x60, 1, 0x5f, 0x55, 0x33, 0xff]) } else { Bytes::new() },
                to,
                ..Transaction::default()
            };
            *nonce += 1;
            transaction.sign(&key(*from)).expect("a valid key");
            transaction
        })
        .collect();
    let header = Header {
        number: 1,
        timestamp: 12,
        gas_limit: 60_000_000,
        beneficiary: BENEFICIARY,
        base_fee_per_gas: Some(7),
        transactions_root: transactions_root(&transactions),
        withdrawals_root: Some(withdrawals_root(&[])),
        ommers_hash: rialto_stf::ommers_hash(&[]),
        ..Header::default()
    };
    Block { header, transactions, withdrawals: Some(Vec::new()), ..Block::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn random_blocks(plans in prop::collection::vec((0..SENDERS, 0..20u8, 0..3u64, 0..3u64), 4..60)) {
        let chain = ChainSpec::from_network("Shanghai", 1).expect("a network");
        let (state, block) = (state(), block(&chain, &plans));
        let expected = rialto_stf::execute(&chain, &block, None, &state, None);
        let expected = expected.expect("a valid block");
        for count in THREADS {
            let (outcome, Counts { ahead, in_turn, alone, .. }) =
                execute_counted(&chain, &block, None, &state, None, &strategy(count)).expect("a valid block");
            assert_equal(&format!("{count} threads"), &outcome, &expected);
            prop_assert_eq!(ahead + in_turn + alone, plans.len());
        }
    }
}

/// A block that is refused is refused for the reason that one thread gives.
#[test]
fn invalid_blocks() {
    let chain = ChainSpec::from_network("Shanghai", 1).expect("a network");
    let plans: Vec<Plan> = (0..30).map(|index| (index % SENDERS, 7, 0, 1)).collect();
    type Spoil = fn(&mut Block);
    let cases: [(&str, Spoil); 4] = [
        ("nonce", |block| block.transactions[20].nonce += 1),
        ("balance", |block| block.transactions[11].value = U256::MAX >> 1),
        ("gas limit", |block| block.header.gas_limit = 600_000),
        ("signature", |block| block.transactions[5].signature.r = U256::ZERO),
    ];
    for (name, spoil) in cases {
        let mut block = block(&chain, &plans);
        spoil(&mut block);
        for (index, transaction) in block.transactions.iter_mut().enumerate() {
            if name != "signature" {
                transaction.sign(&key(plans[index].0)).expect("a valid key");
            }
        }
        block.header.transactions_root = transactions_root(&block.transactions);
        let expected = rialto_stf::execute(&chain, &block, None, &state(), None).map(drop).expect_err(name);
        for count in THREADS {
            let found = execute(&chain, &block, None, &state(), None, &strategy(count)).map(drop).expect_err(name);
            assert_eq!(found, expected, "{name}, {count} threads");
        }
    }
}

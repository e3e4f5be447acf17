//! The state that is measured on, and the block that changes it.
//!
//! Storage is as uneven as on a real chain: one contract has a fifth of all slots, ten have another fifth, and thousands
//! share the rest. The block's changes are spread in the same way. They are made by executing transactions: transfers, and calls of
//! a contract that writes words of its input to slots. So the diff is one that a block leaves, and its execution can be timed.

use crate::BenchError;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use rialto_state::{Diff, MemoryState, StateReader};
use rialto_stf::{
    Block, ChainSpec, Header, Outcome, Transaction, execute, ommers_hash, transactions_root, withdrawals_root,
};
use rialto_vm::Fork;
use std::collections::HashMap;

/// Writes pairs of slot and word from the input to storage.
const WRITER_CODE: [u8; 26] = [
    0x5f, 0x5b, 0x36, 0x81, 0x10, 0x60, 0x09, 0x57, 0x00, // PUSH0; loop: stop unless offset < CALLDATASIZE
    0x5b, 0x80, 0x60, 0x20, 0x01, 0x35, 0x81, 0x35, 0x55, // SSTORE the pair at offset
    0x60, 0x40, 0x01, 0x60, 0x01, 0x56, 0x00, 0x00, // offset += 64; loop
];
/// Slots that one transaction writes.
const SLOTS_PER_CALL: usize = 400;
/// Most gas of one transaction.
const CALL_GAS: u64 = 16_000_000;
/// Contracts of middle size.
const MIDDLE_CONTRACTS: usize = 10;
/// Slots of a small contract, on average, at least.
const SMALL_SLOTS: usize = 100;
/// Slots that the block changes of a small contract.
const SMALL_TOUCHED: usize = 10;
const GWEI: u64 = 1_000_000_000;

/// How large state and block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootSize {
    /// Accounts in the state.
    pub accounts: usize,
    /// Slots in the state.
    pub slots: usize,
    /// Accounts that the block changes.
    pub touched_accounts: usize,
    /// Slots that the block changes.
    pub touched_slots: usize,
}

impl Default for RootSize {
    fn default() -> Self {
        Self { accounts: 1_000_000, slots: 1_000_000, touched_accounts: 10_000, touched_slots: 50_000 }
    }
}

/// Pseudo-random words, the same in every run (SplitMix64).
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn next_word(&mut self) -> U256 {
        U256::from_limbs([self.next(), self.next(), self.next(), self.next()])
    }
}

fn address(family: u64, index: usize) -> Address {
    let mut words = Words(family << 48 ^ index as u64);
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&words.next().to_be_bytes());
    bytes[8..16].copy_from_slice(&words.next().to_be_bytes());
    bytes[16..].copy_from_slice(&words.next().to_be_bytes()[..4]);
    Address::new(bytes)
}

fn person(index: usize) -> Address {
    address(1, index)
}

fn contract(index: usize) -> Address {
    address(2, index)
}

/// The number of a slot of a contract: a hash, as those of mappings are.
fn slot(contract: usize, index: usize) -> U256 {
    Words((contract as u64) << 32 ^ index as u64 ^ 3 << 60).next_word()
}

/// Slots, or touched slots, of each contract.
fn shares(total: usize, small: usize) -> Vec<usize> {
    let fifth = total / 5;
    let mut shares = vec![fifth];
    shares.extend([fifth / MIDDLE_CONTRACTS; MIDDLE_CONTRACTS]);
    let rest = total - shares.iter().sum::<usize>();
    shares.extend((0..small).map(|index| rest / small + usize::from(index < rest % small)));
    shares
}

/// The state and the block.
pub struct RootCase {
    /// The state before the block.
    pub state: MemoryState,
    /// The block.
    pub block: Block,
    /// Who sent its transactions.
    pub senders: Vec<Address>,
    chain: ChainSpec,
}

impl RootCase {
    /// Makes both.
    pub fn new(size: &RootSize) -> Self {
        let small = (size.slots * 3 / 5 / SMALL_SLOTS).clamp(1, 5_000);
        let slots = shares(size.slots, small);
        let people = size.accounts.saturating_sub(slots.len()).max(2);
        let mut state = MemoryState::default();
        for index in 0..people {
            let balance = U256::from(10 + index % 1_000) * U256::from(GWEI) * U256::from(GWEI);
            state.insert_account(person(index), (index % 50) as u64, balance, Bytes::new(), []);
        }
        for (index, count) in slots.iter().enumerate() {
            let mut words = Words(index as u64 ^ 7 << 56);
            // Half of all words are short, as amounts and flags are.
            let storage = (0..*count).map(|number| {
                let word = if number % 2 == 0 { U256::from(words.next() | 1) } else { words.next_word() };
                (slot(index, number), word)
            });
            let balance = U256::from(index * 1_000);
            state.insert_account(contract(index), 1, balance, Bytes::from_static(&WRITER_CODE), storage);
        }
        let chain = ChainSpec::of_fork(Fork::Cancun, 1);
        let (block, senders) = Draft::new(&state, people).block(size, &slots);
        Self { state, block, senders, chain }
    }

    /// Executes the block on a state that `reader` reads.
    pub fn execute(&self, reader: &dyn StateReader) -> Result<Outcome, BenchError> {
        execute(&self.chain, &self.block, Some(&self.senders), reader, None)
            .map_err(|error| BenchError::File { path: "the block".to_string(), reason: error.to_string() })
    }
}

/// The block in the making.
struct Draft<'a> {
    state: &'a MemoryState,
    people: usize,
    nonces: HashMap<Address, u64>,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a MemoryState, people: usize) -> Self {
        Self { state, people, nonces: HashMap::new(), transactions: Vec::new(), senders: Vec::new() }
    }

    fn send(&mut self, sender: Address, to: Address, value: U256, input: Bytes) {
        let before = self.state.get(&sender).map_or(0, |account| account.info.nonce);
        let nonce = self.nonces.entry(sender).or_insert(before);
        let gas_limit = if input.is_empty() { 21_000 } else { CALL_GAS };
        self.transactions.push(Transaction {
            chain_id: Some(1),
            nonce: *nonce,
            gas_price: U256::from(2 * GWEI),
            gas_limit,
            to: Some(to),
            value,
            input,
            ..Transaction::default()
        });
        self.senders.push(sender);
        *nonce += 1;
    }

    /// Four in five changed slots get another word, three in twenty are new, one in twenty is emptied.
    fn writes(contract: usize, slots: usize, touched: usize) -> Vec<u8> {
        let mut words = Words(contract as u64 ^ 9 << 56);
        let mut input = Vec::with_capacity(64 * touched);
        for number in 0..touched {
            let (index, word) = match number % 20 {
                0..3 => (slots + number, U256::from(words.next() | 1)),
                3 => (number * slots.max(1) / touched, U256::ZERO),
                _ => (number * slots.max(1) / touched, words.next_word()),
            };
            input.extend_from_slice(&slot(contract, index).to_be_bytes::<32>());
            input.extend_from_slice(&word.to_be_bytes::<32>());
        }
        input
    }

    fn block(mut self, size: &RootSize, slots: &[usize]) -> (Block, Vec<Address>) {
        let small = (size.touched_slots * 3 / 5 / SMALL_TOUCHED).clamp(1, slots.len() - 1 - MIDDLE_CONTRACTS);
        let touched = shares(size.touched_slots, small);
        // The beneficiary is the last of the touched accounts.
        let persons = size.touched_accounts.saturating_sub(touched.len() + 1).clamp(2, self.people);
        let stride = self.people / persons;
        let spread = |index: usize| person(index * stride);
        let recipients = persons / 2;
        let mut next = 0;
        for index in 0..recipients {
            // Every tenth recipient is new.
            let to = if index % 10 == 0 { address(5, index) } else { spread(2 * index + 1) };
            self.send(spread(2 * index), to, U256::from(GWEI), Bytes::new());
        }
        for (index, count) in touched.iter().enumerate() {
            for pairs in Self::writes(index, slots[index], *count).chunks(64 * SLOTS_PER_CALL) {
                self.send(spread(2 * (next % recipients)), contract(index), U256::ZERO, Bytes::copy_from_slice(pairs));
                next += 1;
            }
        }
        let header = Header {
            number: 1,
            ommers_hash: ommers_hash(&[]),
            transactions_root: transactions_root(&self.transactions),
            withdrawals_root: Some(withdrawals_root(&[])),
            timestamp: 1_720_000_000,
            beneficiary: address(6, 0),
            gas_limit: 1 << 40,
            base_fee_per_gas: Some(GWEI),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            ..Header::default()
        };
        let block =
            Block { header, transactions: self.transactions, ommers: Vec::new(), withdrawals: Some(Vec::new()) };
        (block, self.senders)
    }
}

/// The diff that undoes another.
pub(crate) fn reversed(diff: &Diff) -> Diff {
    let mut reversed = diff.clone();
    reversed.codes.clear();
    for change in &mut reversed.accounts {
        std::mem::swap(&mut change.before, &mut change.after);
        change.storage.iter_mut().for_each(|slot| std::mem::swap(&mut slot.before, &mut slot.after));
        if change.after.is_none() {
            change.storage.clear();
        }
    }
    reversed
}

/// The genesis block's hash, which nothing but the store asks for.
pub(crate) fn genesis_hash() -> B256 {
    keccak256("state root benchmark")
}

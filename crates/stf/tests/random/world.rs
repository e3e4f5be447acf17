//! Something to execute: a fork, a block's environment, a few accounts, and transactions of every type.

use super::choices::Choices;
use super::code::program;
use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use rialto_stf::json::{Alloc, AllocAccount};
use rialto_stf::{
    AccessListItem, Authorization, BlockRules, ChainSpec, Header, Transaction, TxType, address_of_secret_key,
};
use rialto_vm::Fork;
use std::fmt;
use std::sync::OnceLock;

/// The forks that revm has too.
pub const FORKS: [Fork; 14] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::TangerineWhistle,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::Berlin,
    Fork::London,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
];

pub const CHAIN_ID: u64 = 1;
pub const NUMBER: u64 = 9;

const CONTRACTS: [Address; 4] = [
    address!("00000000000000000000000000000000000000c1"),
    address!("00000000000000000000000000000000000000c2"),
    address!("00000000000000000000000000000000000000c3"),
    address!("00000000000000000000000000000000000000c4"),
];
/// Nobody's.
const ABSENT: Address = address!("00000000000000000000000000000000000000ee");
/// Of an account that exists and is empty, where that is possible.
const EMPTY: Address = address!("00000000000000000000000000000000000000e0");
/// Of an account with a balance and nothing else.
const RICH: Address = address!("00000000000000000000000000000000000000e1");
const BENEFICIARY: Address = address!("00000000000000000000000000000000000000be");
const SECRET_KEYS: [B256; 3] = [B256::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3)];

/// The accounts of [`SECRET_KEYS`].
fn senders() -> [Address; 3] {
    static SENDERS: OnceLock<[Address; 3]> = OnceLock::new();
    *SENDERS.get_or_init(|| SECRET_KEYS.map(|key| address_of_secret_key(&key).expect("a key")))
}

/// What a transaction says beside what its sender's account decides.
#[derive(Clone, Debug)]
pub struct WorldTransaction {
    pub sender: Address,
    /// The nonce is what is to be added to the sender's.
    pub transaction: Transaction,
}

#[derive(Clone)]
pub struct World {
    pub chain: ChainSpec,
    pub rules: &'static BlockRules,
    pub header: Header,
    pub accounts: Alloc,
    pub transactions: Vec<WorldTransaction>,
}

impl World {
    pub fn new(bytes: &[u8]) -> Self {
        let mut choices = Choices::new(bytes);
        let choices = &mut choices;
        let fork = FORKS[usize::from(choices.byte()) % FORKS.len()];
        let rules = BlockRules::of(fork);
        let header = header(choices, rules);
        let addresses = addresses(rules);
        let base_fee = header.base_fee_per_gas.unwrap_or(0);
        let count = 1 + choices.below(3);
        let transactions = (0..count).map(|_| transaction(choices, rules, &addresses, base_fee)).collect();
        // Last, because code takes what bytes there are.
        let accounts = accounts(choices, rules, &addresses);
        Self { chain: ChainSpec::of_fork(fork, CHAIN_ID), rules, header, accounts, transactions }
    }

    /// A call of a contract with this code, under the fork that the first byte selects.
    pub fn of_code(bytes: &[u8]) -> Self {
        let (first, code) = bytes.split_first().unwrap_or((&0, &[]));
        let rules = BlockRules::of(FORKS[usize::from(*first) % FORKS.len()]);
        let mut choices = Choices::new(&[]);
        let mut accounts = accounts(&mut choices, rules, &addresses(rules));
        accounts.entry(CONTRACTS[0]).or_default().code = Bytes::copy_from_slice(code);
        let header = header(&mut choices, rules);
        let transaction = Transaction {
            gas_price: U256::from(1_000),
            gas_limit: 1_000_000,
            to: Some(CONTRACTS[0]),
            input: Bytes::copy_from_slice(&code[..code.len().min(36)]),
            ..Transaction::default()
        };
        let transactions = vec![WorldTransaction { sender: senders()[0], transaction }];
        Self { chain: ChainSpec::of_fork(rules.fork, CHAIN_ID), rules, header, accounts, transactions }
    }

    /// The hash of an ancestor.
    pub fn block_hash(number: u64) -> B256 {
        B256::with_last_byte(number as u8 + 1)
    }
}

fn header(choices: &mut Choices<'_>, rules: &BlockRules) -> Header {
    Header {
        number: NUMBER,
        timestamp: 1_000,
        beneficiary: choices.one_of(&[BENEFICIARY, BENEFICIARY, senders()[0], CONTRACTS[0], EMPTY]),
        gas_limit: 60_000_000,
        difficulty: if rules.is_merged { U256::ZERO } else { U256::from(131_072) },
        mix_hash: B256::repeat_byte(7),
        base_fee_per_gas: rules.has_base_fee.then(|| choices.one_of(&[7, 0, 1_000])),
        blob_gas_used: rules.has_blobs.then_some(0),
        excess_blob_gas: rules.has_blobs.then(|| choices.one_of(&[0, 10_000_000, 50_000_000])),
        ..Header::default()
    }
}

/// Whatever code may want to call, look at, or send ether to.
fn addresses(rules: &BlockRules) -> Vec<Address> {
    let mut addresses = CONTRACTS.repeat(2);
    addresses.extend(senders());
    addresses.extend([ABSENT, EMPTY, RICH, BENEFICIARY]);
    // What the first contracts create first.
    addresses.extend(CONTRACTS[..2].iter().map(|contract| contract.create(rules.vm.contract_nonce)));
    addresses.push(senders()[0].create(0));
    addresses.extend((1..=0x12).map(Address::with_last_byte));
    addresses.push(address!("0000000000000000000000000000000000000100"));
    addresses
}

fn accounts(choices: &mut Choices<'_>, rules: &BlockRules, addresses: &[Address]) -> Alloc {
    let mut accounts = Alloc::new();
    for sender in senders() {
        let ether = U256::from(10).pow(U256::from(18));
        let balance = if choices.happens(12) { U256::from(choices.u16()) << choices.below(20) } else { ether };
        accounts.insert(sender, AllocAccount { nonce: choices.one_of(&[0, 1, 7]), balance, ..Default::default() });
    }
    if rules.vm.has_delegation && choices.happens(128) {
        let delegate = choices.one_of(addresses);
        let code = [&hex!("ef0100")[..], delegate.as_slice()].concat();
        let sender = accounts.get_mut(&senders()[2]).expect("inserted");
        (sender.code, sender.nonce) = (code.into(), 1);
    }
    accounts.insert(RICH, AllocAccount { balance: U256::from(1_000), ..Default::default() });
    if !rules.vm.clears_empty_accounts && choices.happens(128) {
        accounts.insert(EMPTY, AllocAccount::default());
    }
    if choices.happens(24) {
        // In the way of a creation.
        let taken = AllocAccount {
            nonce: choices.one_of(&[0, 1]),
            balance: U256::from(choices.byte()),
            code: choices.bytes(1),
            ..Default::default()
        };
        accounts.insert(CONTRACTS[0].create(rules.vm.contract_nonce), taken);
    }
    for contract in CONTRACTS {
        let mut account = AllocAccount {
            nonce: rules.vm.contract_nonce,
            balance: U256::from(choices.one_of(&[0, 1, 1_000])),
            ..Default::default()
        };
        for slot in 0..choices.below(4) {
            let word = U256::from(choices.byte());
            account.storage.insert(U256::from(slot), word);
        }
        account.storage.retain(|_, word| !word.is_zero());
        account.code = program(choices, rules.fork, addresses, 40).into();
        accounts.insert(contract, account);
    }
    accounts
}

fn transaction(
    choices: &mut Choices<'_>,
    rules: &BlockRules,
    addresses: &[Address],
    base_fee: u64,
) -> WorldTransaction {
    let newest = rules.newest_tx_type as usize;
    let types = if choices.happens(4) { TxType::ALL.len() } else { newest + 1 };
    let tx_type = TxType::ALL[choices.below(types)];
    let sender = choices.one_of(&senders());
    let to = match choices.below(8) {
        0..5 => Some(choices.one_of(&CONTRACTS)),
        5 => Some(choices.one_of(addresses)),
        _ if tx_type.can_create_contract() => None,
        _ => Some(sender),
    };
    let gas_limit = match choices.below(8) {
        0..3 => 1_000_000,
        3 => 300_000,
        4 => 60_000,
        5 => 100_000,
        6 => 21_000 + u64::from(choices.u16()),
        _ if choices.happens(64) => u64::from(choices.u16()),
        _ => 10_000_000,
    };
    let input = if to.is_none() {
        program(choices, rules.fork, addresses, 12).into()
    } else {
        let len = choices.below(100);
        choices.bytes(len)
    };
    let mut transaction = Transaction {
        tx_type,
        chain_id: (tx_type != TxType::Legacy).then_some(CHAIN_ID),
        nonce: if choices.happens(4) { 1 } else { 0 },
        gas_price: gas_price(choices, base_fee),
        gas_limit,
        to,
        value: if choices.happens(96) { U256::from(choices.byte()) << choices.below(50) } else { U256::ZERO },
        input,
        ..Transaction::default()
    };
    if tx_type.has_dynamic_fee() {
        let most = if choices.happens(4) { U256::MAX >> 128 } else { transaction.gas_price };
        transaction.max_priority_fee_per_gas = U256::from(choices.one_of(&[0u64, 1, 3, 2_000])).min(most);
    }
    if tx_type >= TxType::AccessList {
        transaction.access_list = access_list(choices, addresses);
    }
    if tx_type == TxType::Blob {
        // No more blobs than the block has room for.
        let count = if choices.happens(8) { 0 } else { 1 + choices.below(2) };
        let hash = |choices: &mut Choices<'_>| {
            let mut hash = B256::repeat_byte(choices.byte());
            hash.0[0] = if choices.happens(4) { 2 } else { 1 };
            hash
        };
        transaction.blob_versioned_hashes = (0..count).map(|_| hash(choices)).collect();
        transaction.max_fee_per_blob_gas =
            if choices.happens(16) { U256::from(choices.byte()) } else { U256::from(10_000_000) };
    }
    if tx_type == TxType::SetCode {
        let count = if choices.happens(8) { 0 } else { 1 + choices.below(3) };
        transaction.authorization_list = (0..count).map(|_| authorization(choices, addresses)).collect();
    }
    WorldTransaction { sender, transaction }
}

fn gas_price(choices: &mut Choices<'_>, base_fee: u64) -> U256 {
    let above = choices.one_of(&[1u64, 0, 10, 1_000]);
    U256::from(if choices.happens(6) { base_fee.saturating_sub(above) } else { base_fee + above })
}

fn access_list(choices: &mut Choices<'_>, addresses: &[Address]) -> Vec<AccessListItem> {
    let item = |choices: &mut Choices<'_>| AccessListItem {
        address: choices.one_of(addresses),
        storage_keys: (0..choices.below(4)).map(|_| B256::with_last_byte(choices.below(5) as u8)).collect(),
    };
    (0..choices.below(4)).map(|_| item(choices)).collect()
}

fn authorization(choices: &mut Choices<'_>, addresses: &[Address]) -> Authorization {
    let mut authorization = Authorization {
        chain_id: U256::from(choices.one_of(&[CHAIN_ID, 0, 1, 2])),
        address: if choices.happens(32) { Address::ZERO } else { choices.one_of(addresses) },
        nonce: choices.one_of(&[0, 1, 2, 7, 8, u64::MAX]),
        ..Authorization::default()
    };
    let secret_key = choices.one_of(&SECRET_KEYS);
    authorization.sign(&secret_key).expect("a key");
    if choices.happens(8) {
        authorization.s += U256::from(choices.byte());
    }
    authorization
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "under {}, block {:#?}", self.rules.fork, self.header)?;
        for (address, account) in &self.accounts {
            writeln!(f, "{address}: {account:?}")?;
        }
        self.transactions.iter().try_for_each(|transaction| writeln!(f, "{transaction:?}"))
    }
}

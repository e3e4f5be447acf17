//! The synthetic cases: each one kind of work, big enough to take milliseconds.
//!
//! Contracts are the project's own (`examples/contracts`). Everything is fixed: accounts come from counters, amounts
//! from indices, so a case is the same in every run and on every machine. [`Draft`] collects accounts and set-up calls
//! on one block, then takes the transactions that are measured.

use crate::case::{Case, CaseTransaction, Group};
use crate::contracts::{Contracts, call_data, word};
use crate::world::World;
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use rialto_stf::json::{Alloc, AllocAccount};
use rialto_stf::{ChainSpec, Header, Transaction, TxType};
use rialto_vm::Fork;
use std::collections::BTreeMap;

/// Gas limit of one transaction of the loops: the most that Osaka allows (EIP-7825).
pub(crate) const MAX_TRANSACTION_GAS: u64 = 1 << 24;
/// Chain id of everything but the main network's blocks.
pub(crate) const CHAIN_ID: u64 = 1;
pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const DEPLOYER: Address = address!("0x00000000000000000000000000000000000d0e01");

/// Every synthetic case.
pub fn cases() -> Vec<Case> {
    let contracts = Contracts::load();
    vec![
        plain_transfers(),
        token_transfers(&contracts),
        swaps(&contracts),
        arithmetic(&contracts),
        ray_tracer(&contracts),
        plain_loops(&contracts),
        keccak(&contracts),
        memory(&contracts),
        storage(&contracts),
        deep_calls(&contracts),
    ]
}

/// The block in which the synthetic transactions run.
pub(crate) fn header() -> Header {
    Header {
        number: 24_000_000,
        timestamp: 1_766_000_000,
        beneficiary: address!("0x000000000000000000000000000000000000c01b"),
        // Far above any case's need, so that a case can be as long as it likes.
        gas_limit: 1 << 40,
        mix_hash: B256::repeat_byte(0x2a),
        base_fee_per_gas: Some(GWEI as u64),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}

fn chain() -> ChainSpec {
    ChainSpec::of_fork(Fork::Osaka, CHAIN_ID)
}

/// Every block ends with calls to these contracts (EIP-7002, EIP-7251). Here they return nothing: no requests.
pub(crate) const REQUEST_CONTRACTS: [Address; 2] =
    [address!("0x00000961ef480eb55e80d19ad83579a64c007002"), address!("0x0000bbddc7ce488642fb579f8b00f3a590007251")];

/// Accounts that a block of these rules needs whatever it does.
pub(crate) fn system_accounts() -> Alloc {
    // STOP.
    let silent = AllocAccount { nonce: 1, code: Bytes::from_static(&[0]), ..AllocAccount::default() };
    REQUEST_CONTRACTS.into_iter().map(|address| (address, silent.clone())).collect()
}

/// The account number `index` of a family of accounts without code.
pub(crate) fn person(family: &str, index: u64) -> Address {
    Address::from_slice(&keccak256(format!("{family} {index}"))[12..])
}

/// A case in the making.
pub(crate) struct Draft {
    name: &'static str,
    world: World,
    /// The next nonce of each sender.
    pub nonces: BTreeMap<Address, u64>,
    transactions: Vec<CaseTransaction>,
}

impl Draft {
    pub fn new(name: &'static str, people: impl IntoIterator<Item = Address>) -> Self {
        let rich = AllocAccount { balance: U256::from(1_000_000 * GWEI * GWEI), ..AllocAccount::default() };
        let accounts = people.into_iter().chain([DEPLOYER, header().beneficiary]).map(|person| (person, rich.clone()));
        let accounts = accounts.chain(system_accounts()).collect();
        let world = World::new(chain(), header(), &accounts, &BTreeMap::new());
        Self { name, world, nonces: BTreeMap::new(), transactions: Vec::new() }
    }

    fn transaction(&mut self, sender: Address, to: Option<Address>, input: Bytes, gas_limit: u64) -> CaseTransaction {
        let nonce = self.nonces.entry(sender).or_default();
        *nonce += 1;
        let transaction = Transaction {
            tx_type: TxType::DynamicFee,
            chain_id: Some(CHAIN_ID),
            nonce: *nonce - 1,
            gas_price: U256::from(3 * GWEI),
            max_priority_fee_per_gas: U256::from(GWEI),
            gas_limit,
            to,
            input,
            ..Transaction::default()
        };
        CaseTransaction { sender, transaction }
    }

    /// Runs a transaction before the measured block; the example contracts accept it, or the case is wrong.
    pub fn prepare(&mut self, sender: Address, to: Option<Address>, input: Bytes) -> Option<Address> {
        let transaction = self.transaction(sender, to, input, MAX_TRANSACTION_GAS);
        let result = self.world.transact(&transaction);
        let result = result.unwrap_or_else(|reason| panic!("setting up {}: {reason}", self.name));
        assert!(result.is_success(), "setting up {}: {result:?}", self.name);
        result.created_address()
    }

    pub fn deploy(&mut self, code: Bytes) -> Address {
        self.prepare(DEPLOYER, None, code).expect("a successful deployment has an address")
    }

    /// Adds a measured call.
    pub fn call(&mut self, sender: Address, to: Address, input: Bytes, gas_limit: u64) {
        let transaction = self.transaction(sender, Some(to), input, gas_limit);
        self.transactions.push(transaction);
    }

    /// Adds a measured transfer of ether.
    pub fn transfer(&mut self, sender: Address, to: Address, wei: U256) {
        let mut transaction = self.transaction(sender, Some(to), Bytes::new(), 21_000);
        transaction.transaction.value = wei;
        self.transactions.push(transaction);
    }

    fn finish(mut self) -> Case {
        self.take_case(self.name.into())
    }

    /// The case of the transactions added so far, of which none are left.
    pub fn take_case(&mut self, name: String) -> Case {
        Case {
            name,
            group: Group::Synthetic,
            chain: chain(),
            header: header(),
            block_hashes: BTreeMap::new(),
            accounts: self.world.accounts(),
            transactions: std::mem::take(&mut self.transactions),
            checks_gas_used: false,
        }
    }
}

/// 2,000 transfers of ether: 500 senders, to one another and, one in ten, to accounts that don't exist yet.
fn plain_transfers() -> Case {
    let senders = 500u64;
    let sender = |index: u64| person("sender", index % senders);
    let mut draft = Draft::new("plain_transfers", (0..senders).map(sender));
    for index in 0..2_000 {
        let to = if index % 10 == 9 { person("newcomer", index) } else { sender(index * 7 + 1) };
        draft.transfer(sender(index), to, U256::from(index + 1));
    }
    draft.finish()
}

/// 1,000 token transfers between 250 holders, one in ten to an account that held none.
fn token_transfers(contracts: &Contracts) -> Case {
    let holders = 250u64;
    let holder = |index: u64| person("holder", index % holders);
    let mut draft = Draft::new("token_transfers", (0..holders).map(holder));
    let token = draft.deploy(contracts.init_code("Token", &[U256::from(GWEI * GWEI)]));
    let transfer = |to, amount| call_data("transfer(address,uint256)", &[word(to), U256::from(amount)]);
    for index in 0..holders {
        draft.prepare(DEPLOYER, Some(token), transfer(holder(index), 1_000_000));
    }
    for index in 0..1_000 {
        let to = if index % 10 == 9 { person("newcomer", index) } else { holder(index * 7 + 1) };
        draft.call(holder(index), token, transfer(to, index + 1), 100_000);
    }
    draft.finish()
}

/// 400 swaps by 100 traders on one constant-product pool, in both directions.
fn swaps(contracts: &Contracts) -> Case {
    let traders = 100u64;
    let trader = |index: u64| person("trader", index % traders);
    let mut draft = Draft::new("swaps", (0..traders).map(trader));
    let supply = U256::from(GWEI * GWEI * GWEI);
    let tokens = [(); 2].map(|()| draft.deploy(contracts.init_code("Token", &[supply])));
    let pair = draft.deploy(contracts.init_code("Pair", &tokens.map(word)));
    let approve = call_data("approve(address,uint256)", &[word(pair), U256::MAX]);
    for token in tokens {
        draft.prepare(DEPLOYER, Some(token), approve.clone());
        for index in 0..traders {
            let gift = call_data("transfer(address,uint256)", &[word(trader(index)), U256::from(GWEI * GWEI)]);
            draft.prepare(DEPLOYER, Some(token), gift);
            draft.prepare(trader(index), Some(token), approve.clone());
        }
    }
    let amounts = [U256::from(1_000 * GWEI * GWEI), U256::from(3_000 * GWEI * GWEI)];
    draft.prepare(DEPLOYER, Some(pair), call_data("addLiquidity(uint256,uint256)", &amounts));
    for index in 0..400u64 {
        let sender = trader(index * 3);
        let zero_for_one = U256::from(index % 2);
        let amount = U256::from(GWEI * 1_000 * u128::from(index + 1));
        let swap = [zero_for_one, amount, U256::ZERO, word(sender)];
        draft.call(sender, pair, call_data("swap(bool,uint256,uint256,address)", &swap), 300_000);
    }
    draft.finish()
}

/// Deploys contract `name` and adds calls that each may use all the gas of a transaction.
fn loops(contracts: &Contracts, case: &'static str, name: &str, calls: &[(&str, &[u64])]) -> Case {
    let caller = person("caller", 0);
    let mut draft = Draft::new(case, [caller]);
    let contract = draft.deploy(contracts.init_code(name, &[]));
    for (signature, arguments) in calls {
        let arguments: Vec<U256> = arguments.iter().map(|argument| U256::from(*argument)).collect();
        draft.call(caller, contract, call_data(signature, &arguments), MAX_TRANSACTION_GAS);
    }
    draft.finish()
}

/// Additions, multiplications, divisions, modular operations, shifts and powers of full words.
fn arithmetic(contracts: &Contracts) -> Case {
    let calls: [(&str, &[u64]); 3] = [
        ("mix(uint256,uint256)", &[8_000, 12345]),
        ("simple(uint256,uint256)", &[15_000, 67890]),
        ("power(uint256,uint256)", &[300, 7]),
    ];
    loops(contracts, "arithmetic_256", "Arithmetic", &calls)
}

/// A picture of five spheres in checked fixed-point integers.
fn ray_tracer(contracts: &Contracts) -> Case {
    loops(contracts, "ray_tracer", "Spheres", &[("render(uint256,uint256,uint256)", &[12, 9, 2])])
}

/// Fibonacci numbers modulo 2^256, and counting.
fn plain_loops(contracts: &Contracts) -> Case {
    let calls: [(&str, &[u64]); 2] = [("fibonacci(uint256)", &[60_000]), ("count(uint256)", &[100_000])];
    loops(contracts, "loops", "Loops", &calls)
}

/// Hash chains over 64 bytes, over an odd length and over kilobytes.
fn keccak(contracts: &Contracts) -> Case {
    let calls: [(&str, &[u64]); 3] = [
        ("words(uint256,uint256)", &[10_000, 1]),
        ("buffers(uint256,uint256,uint256)", &[4_000, 200, 2]),
        ("buffers(uint256,uint256,uint256)", &[300, 4_096, 3]),
    ];
    loops(contracts, "keccak", "Hashing", &calls)
}

/// Words, bytes and copies in memory.
fn memory(contracts: &Contracts) -> Case {
    let caller = person("caller", 0);
    let mut draft = Draft::new("memory", [caller]);
    let contract = draft.deploy(contracts.init_code("Memory", &[]));
    let calls: [(&str, [u64; 2]); 3] = [
        ("words(uint256,uint256)", [40, 16_384]),
        ("words(uint256,uint256)", [1, 400_000]),
        ("copies(uint256,uint256)", [1_500, 1_000]),
    ];
    for (signature, arguments) in calls {
        draft.call(caller, contract, call_data(signature, &arguments.map(U256::from)), MAX_TRANSACTION_GAS);
    }
    let text: Vec<u8> = (0..1_024u32).map(|index| index as u8).collect();
    let words = text.chunks(32).map(U256::from_be_slice);
    let head = [U256::from(4_000), U256::from(64), U256::from(text.len())];
    let arguments: Vec<U256> = head.into_iter().chain(words).collect();
    draft.call(caller, contract, call_data("inputs(uint256,bytes)", &arguments), MAX_TRANSACTION_GAS);
    draft.finish()
}

/// Cold and warm reads and writes over many slots that exist or do not, and transient storage.
fn storage(contracts: &Contracts) -> Case {
    let caller = person("caller", 0);
    let mut draft = Draft::new("storage", [caller]);
    let contract = draft.deploy(contracts.init_code("Storage", &[]));
    let three = |signature, arguments: [u64; 3]| call_data(signature, &arguments.map(U256::from));
    let two = |signature, arguments: [u64; 2]| call_data(signature, &arguments.map(U256::from));
    for first in [0, 600, 1_200, 1_800] {
        draft.prepare(caller, Some(contract), two("touch(uint256,uint256)", [first, 600]));
    }
    let calls = [
        two("touch(uint256,uint256)", [0, 2_400]),
        two("touch(uint256,uint256)", [2_000, 900]),
        three("read(uint256,uint256,uint256)", [0, 2_400, 20]),
        three("write(uint256,uint256,uint256)", [1_200, 1_200, 20]),
        two("passing(uint256,uint256)", [500, 40]),
    ];
    for input in calls {
        draft.call(caller, contract, input, MAX_TRANSACTION_GAS);
    }
    draft.finish()
}

/// Calls that go hundreds of levels down, in one kind and in three, and trees of calls of which some revert.
fn deep_calls(contracts: &Contracts) -> Case {
    let calls: [(&str, &[u64]); 6] = [
        ("descend(uint256)", &[350]),
        ("descend(uint256)", &[350]),
        ("mixed(uint256)", &[300]),
        ("mixed(uint256)", &[300]),
        ("tree(uint256,uint256)", &[4, 5]),
        ("tree(uint256,uint256)", &[9, 2]),
    ];
    loops(contracts, "deep_calls", "DeepCalls", &calls)
}

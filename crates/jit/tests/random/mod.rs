//! Random executions, interpreted and compiled: what they must agree on, and what they are made of.
//!
//! * Transactions of every type on a state of programs that do whatever opcodes can do (`choices`, `code`, `world`, which
//!   are those of the comparison with another engine), arbitrary bytes as code, and programs with the control flow that
//!   a compiler has to see through ([`structured`]).
//! * Each is run many times, with other call data and with other gas limits: code is compiled once, and fails with every
//!   amount of gas at another opcode.
//!
//! [`check`] takes bytes and panics where there is a difference, so that tests, long runs and fuzzers share it.

#![allow(dead_code, unreachable_pub)]

#[path = "../../../stf/tests/random/choices.rs"]
mod choices;
#[path = "../../../stf/tests/random/code.rs"]
mod code;
mod reduce;
mod structured;
#[path = "../../../stf/tests/random/world.rs"]
mod world;

use alloy_primitives::{Address, Bytes, U256, address};
use choices::Choices;
use rialto_jit::Jit;
use rialto_state::{AccountRead, Diff, Log, MemoryState};
use rialto_stf::json::{Alloc, AllocAccount};
use rialto_stf::{BlockRules, ChainSpec, Header, Transaction, TxError, TxRunner, UnitEffects, json};
use rialto_vm::{Fork, Halt};
use std::cell::Cell;
use std::fmt::Write as _;
use world::{CHAIN_ID, NUMBER, World, WorldTransaction};

const SENDER: Address = address!("00000000000000000000000000000000000005e4");
const CONTRACTS: [Address; 3] = [
    address!("00000000000000000000000000000000000000c1"),
    address!("00000000000000000000000000000000000000c2"),
    address!("00000000000000000000000000000000000000c3"),
];

/// Executions, and how they ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub executions: u64,
    /// Transactions that no block may have, which are none.
    pub refused: u64,
    pub successes: u64,
    pub reverts: u64,
    pub out_of_gas: u64,
    pub other_halts: u64,
    /// Gas used before refunds by all of them.
    pub gas: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.executions += other.executions;
        self.refused += other.refused;
        self.successes += other.successes;
        self.reverts += other.reverts;
        self.out_of_gas += other.out_of_gas;
        self.other_halts += other.other_halts;
        self.gas += other.gas;
    }

    fn runs(&self) -> u64 {
        self.executions + self.refused
    }

    fn count(&mut self, ran: Option<&Ran>) {
        let Some(ran) = ran else {
            self.refused += 1;
            return;
        };
        self.executions += 1;
        self.gas += ran.gas[1];
        match ran.halt {
            None => self.successes += 1,
            Some(Halt::Revert) => self.reverts += 1,
            Some(Halt::OutOfGas) => self.out_of_gas += 1,
            Some(_) => self.other_halts += 1,
        }
    }
}

/// Runs what `bytes` describe about `executions` times on each side.
///
/// # Panics
/// If they differ in how it ended, gas, output, logs, in what was read of the state, or in what became of it.
pub fn check(bytes: &[u8], executions: u64, jit: &Jit) -> Tally {
    let (selector, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let world = match selector % 8 {
        0 => World::of_code(bytes),
        1..3 => World::new(bytes),
        _ => structured_world(bytes),
    };
    let seed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    compare(&world, executions, seed, jit)
}

/// Runs calls of a contract with this code on each side.
///
/// # Panics
/// As [`check`].
pub fn check_code(code: &[u8], fork: Fork, executions: u64, jit: &Jit) -> Tally {
    let mut world = structured_world(&[]);
    world.chain = ChainSpec::of_fork(fork, CHAIN_ID);
    world.rules = BlockRules::of(fork);
    world.header.base_fee_per_gas = world.rules.has_base_fee.then_some(7);
    world.accounts.get_mut(&CONTRACTS[0]).expect("it is there").code = Bytes::copy_from_slice(code);
    compare(&world, executions, 1, jit)
}

/// A stream of numbers that look random, each of which the seed decides (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A few contracts of structured code, and a call of the first.
fn structured_world(bytes: &[u8]) -> World {
    let mut choices = Choices::new(bytes);
    let fork = Fork::ALL[usize::from(choices.byte()) % Fork::ALL.len()];
    let rules = BlockRules::of(fork);
    let mut accounts = Alloc::new();
    let ether = U256::from(10).pow(U256::from(18));
    accounts.insert(SENDER, AllocAccount { balance: ether, ..Default::default() });
    let count = 1 + choices.below(CONTRACTS.len());
    for contract in &CONTRACTS[..count] {
        let code = structured::program(&mut choices, fork, &CONTRACTS).into();
        let storage = [(U256::ZERO, choices.word()), (U256::ONE, U256::from(choices.byte()))];
        let storage = storage.into_iter().filter(|(_, word)| !word.is_zero()).collect();
        accounts.insert(*contract, AllocAccount { nonce: 1, balance: U256::from(9), code, storage });
    }
    let header = Header {
        number: NUMBER,
        timestamp: 1_000,
        gas_limit: 60_000_000,
        base_fee_per_gas: rules.has_base_fee.then_some(7),
        blob_gas_used: rules.has_blobs.then_some(0),
        excess_blob_gas: rules.has_blobs.then_some(10_000_000),
        slot_number: (fork >= Fork::AmsterdamDraft).then_some(3),
        ..Header::default()
    };
    let transaction = Transaction {
        gas_price: U256::from(10),
        gas_limit: 400_000,
        to: Some(CONTRACTS[0]),
        input: Bytes::from(vec![0; structured::INPUT_BYTES]),
        ..Transaction::default()
    };
    let transactions = vec![WorldTransaction { sender: SENDER, transaction }];
    World { chain: ChainSpec::of_fork(fork, CHAIN_ID), rules, header, accounts, transactions }
}

/// What the two sides must agree on.
#[derive(Debug, PartialEq)]
struct Ran {
    halt: Option<Halt>,
    gas: [u64; 5],
    output: Bytes,
    contract_address: Option<Address>,
    logs: Vec<Log>,
    accounts: Vec<AccountRead>,
    slots: Vec<(Address, U256, U256)>,
    diff: Diff,
}

fn ran(effects: UnitEffects, runner: &TxRunner<'_>) -> Ran {
    let UnitEffects { mut outcomes, footprint, .. } = effects;
    let outcome = outcomes.pop().expect("one transaction was run");
    Ran {
        halt: outcome.halt,
        gas: [
            outcome.gas_used,
            outcome.max_gas_used,
            outcome.block_regular_gas,
            outcome.block_state_gas,
            outcome.blob_gas_used,
        ],
        output: outcome.output,
        contract_address: outcome.contract_address,
        logs: outcome.logs,
        accounts: footprint.account_reads().copied().collect(),
        slots: footprint.slot_reads().map(|(address, slot, word)| (*address, *slot, *word)).collect(),
        diff: runner.journal().diff(),
    }
}

/// The world's state, and a runner of each kind on it.
struct Sides<'s> {
    world: &'s World,
    jit: &'s Jit,
    interpreted: TxRunner<'s>,
    compiled: TxRunner<'s>,
    tally: Tally,
}

impl<'s> Sides<'s> {
    fn new(world: &'s World, state: &'s MemoryState, jit: &'s Jit) -> Self {
        let runner = || TxRunner::new(&world.chain, &world.header, state, 1);
        Self { world, jit, interpreted: runner(), compiled: runner().with_tier(Some(jit)), tally: Tally::default() }
    }

    /// Gas used before refunds, or `None` where the transaction is refused; in what the sides differ, if they do.
    fn run(&mut self, transaction: &Transaction, sender: Address) -> Result<Option<u64>, Difference> {
        let run = |runner: &mut TxRunner<'_>| {
            runner.run_together(std::slice::from_ref(transaction), &[sender], &Cell::default())
        };
        let (interpreted, compiled) = (run(&mut self.interpreted), run(&mut self.compiled));
        if let Err(TxError::Read(error)) = &interpreted {
            panic!("the state is whole: {error}");
        }
        let interpreted = interpreted.map(|effects| ran(effects, &self.interpreted));
        let compiled = compiled.map(|effects| ran(effects, &self.compiled));
        self.tally.count(interpreted.as_ref().ok());
        if interpreted == compiled {
            return Ok(interpreted.ok().map(|ran| ran.gas[1]));
        }
        Err(Difference { interpreted: format!("{interpreted:#?}"), compiled: format!("{compiled:#?}") })
    }

    /// The same.
    ///
    /// # Panics
    /// If the sides differ; with a case that is as small as can be found.
    fn expect_same(&mut self, transaction: &Transaction, sender: Address) -> Option<u64> {
        if let Ok(used) = self.run(transaction, sender) {
            return used;
        }
        let (mut world, mut transaction) = (self.world.clone(), transaction.clone());
        reduce::reduce(&mut world, &mut transaction, sender, self.jit);
        let state = state(&world);
        let Err(difference) = Sides::new(&world, &state, self.jit).run(&transaction, sender) else {
            panic!("the sides differ, and do no more when asked again\n{}\n{transaction:?}", self.world);
        };
        let mut codes = String::new();
        for (address, account) in &world.accounts {
            let _ = writeln!(codes, "{address} {}\n{}", account.code, reduce::disassembled(&account.code));
        }
        panic!("under {}, {transaction:?}\n{codes}{}", world.rules.fork, difference.lines());
    }
}

/// What each side did.
struct Difference {
    interpreted: String,
    compiled: String,
}

impl Difference {
    /// The lines in which they differ: all, or from the first on if they have not equally many.
    fn lines(&self) -> String {
        let (interpreted, compiled) = (self.interpreted.lines(), self.compiled.lines());
        if interpreted.clone().count() != compiled.clone().count() {
            let same = interpreted.clone().zip(compiled.clone()).take_while(|(a, b)| a == b).count();
            let rest = |side: &str| side.lines().skip(same.saturating_sub(3)).take(30).collect::<Vec<_>>().join("\n");
            return format!("interpreted\n{}\ncompiled\n{}", rest(&self.interpreted), rest(&self.compiled));
        }
        let pairs = interpreted.zip(compiled).filter(|(interpreted, compiled)| interpreted != compiled);
        pairs.map(|(interpreted, compiled)| format!("interpreted {interpreted}\ncompiled    {compiled}\n")).collect()
    }
}

fn state(world: &World) -> MemoryState {
    let mut state = json::memory_state(&world.accounts);
    for number in 0..NUMBER {
        state.insert_block_hash(number, World::block_hash(number));
    }
    state
}

fn compare(world: &World, executions: u64, seed: u64, jit: &Jit) -> Tally {
    let state = state(world);
    let mut sides = Sides::new(world, &state, jit);
    let mut numbers = Numbers(seed);
    for WorldTransaction { sender, transaction } in &world.transactions {
        let mut transaction = transaction.clone();
        transaction.nonce += state.get(sender).map_or(0, |account| account.info.nonce);
        let share = executions / world.transactions.len() as u64;
        vary(&mut sides, &transaction, *sender, share.max(1), &mut numbers);
    }
    sides.tally
}

/// The transaction, then others like it: with other call data, and with less gas than they use.
fn vary(sides: &mut Sides<'_>, transaction: &Transaction, sender: Address, executions: u64, numbers: &mut Numbers) {
    let end = sides.tally.runs() + executions;
    let mut used = sides.expect_same(transaction, sender);
    let mut variant = transaction.clone();
    // What a transaction costs before it runs is about this.
    let least = 21_000 + 16 * transaction.input.len() as u64;
    while sides.tally.runs() < end {
        let other_input = used.is_none_or(|used| used <= least) || numbers.below(3) == 0;
        if other_input && transaction.to.is_some() {
            variant.gas_limit = transaction.gas_limit;
            variant.input = input(numbers, transaction.input.len()).into();
            used = sides.expect_same(&variant, sender);
            continue;
        }
        let Some(used) = used else { return };
        variant.gas_limit = match numbers.below(4) {
            // Just not enough, at the end or anywhere.
            0 => used.saturating_sub(numbers.below(40)),
            _ => least.min(used) + numbers.below(used.saturating_sub(least) + 1),
        };
        sides.expect_same(&variant, sender);
    }
}

/// Call data of words at which something changes.
fn input(numbers: &mut Numbers, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        let random = numbers.next();
        let word = match random % 8 {
            0 => U256::from(random >> 8 & 3),
            1 => U256::from(random >> 8 & 0xff),
            2 => U256::from(random >> 8 & 0xffff),
            3 => U256::MAX - U256::from(random >> 8 & 3),
            4 => (U256::ONE << (random >> 8 & 0xff)).wrapping_sub(U256::from(random >> 16 & 1)),
            5 => U256::from(numbers.next()),
            _ => U256::from_be_slice(&numbers.bytes(32)) >> (random >> 8 & 0xff),
        };
        bytes.extend(word.to_be_bytes::<32>());
    }
    bytes.truncate(len);
    bytes
}

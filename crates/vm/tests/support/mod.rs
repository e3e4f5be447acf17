//! A one-line assembler and a machine set up for one program, for the tables of these tests.
//!
//! Every run is made twice, untraced (fused opcodes, threaded dispatch where it is built) and traced (plain opcodes,
//! stepwise dispatch), and the two must agree in everything, so that each row of each table tests both.

#![allow(dead_code, reason = "each test binary uses a part")]

use alloy_primitives::{Address, B256, Bytes, U256, address};
use rialto_state::{Diff, Journal, Log, MemoryState, ReadError};
use rialto_vm::{
    BlockContext, Enter, Fork, Halt, Leave, Message, MessageKind, NativeModule, Refusal, Rules, StateGas, Step, Tracer,
    TxContext, Vm, opcode,
};
use std::collections::BTreeMap;

/// Sends the outermost message; has ten ether.
pub const CALLER: Address = address!("00000000000000000000000000000000ca11e400");
/// Runs the program under test.
pub const CONTRACT: Address = address!("00000000000000000000000000000000c0de0000");
/// Another account for programs to meet.
pub const OTHER: Address = address!("0000000000000000000000000000000007e40000");
/// COINBASE.
pub const BENEFICIARY: Address = address!("00000000000000000000000000000000be4ef000");
/// Gas of a message unless a row says otherwise.
pub const GAS: u64 = 10_000_000;

/// Assembles words: mnemonics, with the immediate as the next word; numbers, which are pushed by the shortest PUSH that
/// holds them (never PUSH0, which not every fork has); `:name` for a JUMPDEST of that name and `@name` for a PUSH2 of
/// its offset; `raw:` for bytes as they are.
pub fn asm(text: &str) -> Bytes {
    let mut code = Vec::new();
    let mut labels = BTreeMap::new();
    let mut uses = Vec::new();
    let mut parts = text.split_whitespace();
    while let Some(part) = parts.next() {
        if let Some(label) = part.strip_prefix(':') {
            assert!(labels.insert(label, code.len()).is_none(), "label {label} is there twice");
            code.push(opcode::JUMPDEST);
        } else if let Some(label) = part.strip_prefix('@') {
            uses.push((label, code.len() + 1));
            code.extend([opcode::PUSH2, 0, 0]);
        } else if let Some(bytes) = part.strip_prefix("raw:") {
            code.extend(hex(bytes));
        } else if part.starts_with(|first: char| first.is_ascii_digit()) {
            push(&mut code, &number(part));
        } else {
            let number = opcode_of(part);
            code.push(number);
            let len = opcode::OPCODES[usize::from(number)].expect("named").immediate_bytes;
            if len > 0 {
                let immediate = parts.next().unwrap_or_else(|| panic!("{part} has an immediate"));
                let word = self::number(immediate).to_be_bytes::<32>();
                code.extend_from_slice(&word[32 - usize::from(len)..]);
            }
        }
    }
    for (label, at) in uses {
        let offset = *labels.get(label).unwrap_or_else(|| panic!("no label {label}"));
        code[at..at + 2].copy_from_slice(&u16::try_from(offset).expect("two bytes").to_be_bytes());
    }
    code.into()
}

/// The number of a mnemonic.
pub fn opcode_of(name: &str) -> u8 {
    (0..=255u8).find(|&number| opcode::name(number) == Some(name)).unwrap_or_else(|| panic!("no opcode {name}"))
}

/// A decimal or hexadecimal number.
pub fn number(text: &str) -> U256 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The bytes of hexadecimal digits.
pub fn hex(digits: &str) -> Vec<u8> {
    alloy_primitives::hex::decode(digits).unwrap_or_else(|error| panic!("{digits}: {error}"))
}

/// Appends the shortest PUSH of `word`, PUSH1 for zero.
pub fn push(code: &mut Vec<u8>, word: &U256) {
    let len = word.byte_len().max(1);
    code.push(opcode::PUSH1 + len as u8 - 1);
    code.extend_from_slice(&word.to_be_bytes::<32>()[32 - len..]);
}

/// A word with a small value.
pub fn word(value: u64) -> U256 {
    U256::from(value)
}

/// The address in a word.
pub fn as_address(word: U256) -> Address {
    Address::from_word(word.into())
}

/// How a run ended, for tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Success without output.
    Stop,
    /// Success with one word of output.
    Word(U256),
    /// Success with other output.
    Output(Bytes),
    /// Failure.
    Halt(Halt),
}

/// One word of output with a small value.
pub fn returns(value: u64) -> End {
    End::Word(word(value))
}

/// A state, a message and what is around them.
#[derive(Clone)]
pub struct Setup {
    pub fork: Fork,
    pub state: MemoryState,
    pub block: BlockContext,
    pub tx: TxContext,
    pub gas: u64,
    /// State gas (EIP-8037).
    pub reservoir: u64,
    pub value: U256,
    pub input: Bytes,
    /// Who is called.
    pub target: Address,
    /// Whether the input is the code of a creation by CALLER with nonce 0.
    pub creates: bool,
}

impl Setup {
    /// A message to CONTRACT, whose code is the assembled text.
    pub fn new(fork: Fork, code: &str) -> Self {
        Self::with_code(fork, asm(code))
    }

    /// A message to CONTRACT, which has this code.
    pub fn with_code(fork: Fork, code: Bytes) -> Self {
        let mut state = MemoryState::default();
        state.insert_account(CALLER, 0, word(10).pow(word(19)), Bytes::new(), []);
        state.insert_account(CONTRACT, 1, word(0), code, []);
        let block = BlockContext {
            chain_id: 1,
            number: 1_000,
            timestamp_seconds: 1_700_000_000,
            beneficiary: BENEFICIARY,
            gas_limit: 30_000_000,
            ..BlockContext::default()
        };
        let tx = TxContext { origin: CALLER, ..TxContext::default() };
        let (gas, value) = (GAS, word(0));
        let (reservoir, input) = (0, Bytes::new());
        Self { fork, state, block, tx, gas, reservoir, value, input, target: CONTRACT, creates: false }
    }

    /// A creation by CALLER.
    pub fn creation(fork: Fork, initcode: Bytes) -> Self {
        Self { input: initcode, creates: true, ..Self::new(fork, "") }
    }

    pub fn gas(self, gas: u64) -> Self {
        Self { gas, ..self }
    }

    pub fn reservoir(self, reservoir: u64) -> Self {
        Self { reservoir, ..self }
    }

    pub fn value(self, value: u64) -> Self {
        Self { value: word(value), ..self }
    }

    pub fn input(self, input: impl Into<Bytes>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// Adds an account with nonce 1 and this code.
    pub fn account(self, address: Address, code: &str) -> Self {
        self.account_with_code(address, asm(code))
    }

    pub fn account_with_code(mut self, address: Address, code: Bytes) -> Self {
        self.state.insert_account(address, 1, word(0), code, []);
        self
    }

    /// Sets a slot that the block begins with.
    pub fn slot(mut self, address: Address, key: u64, value: u64) -> Self {
        let account = self.state.get(&address).expect("added before").clone();
        let code = self.state.get_code(&account.info.code_hash).expect("held").bytes().clone();
        let storage = account.storage.into_iter().chain([(word(key), word(value))]);
        self.state.insert_account(address, account.info.nonce, account.info.balance, code, storage.collect::<Vec<_>>());
        self
    }

    pub fn balance(mut self, address: Address, balance: u64) -> Self {
        let account = self.state.get(&address).cloned().unwrap_or_default();
        let code = self.state.get_code(&account.info.code_hash).map(|code| code.bytes().clone()).unwrap_or_default();
        let storage: Vec<_> = account.storage.into_iter().collect();
        self.state.insert_account(address, account.info.nonce, word(balance), code, storage);
        self
    }

    /// Runs the message as a transaction of its own.
    pub fn run(&self) -> Run {
        self.run_all(&[], 1).remove(0)
    }

    /// Runs the message in several transactions of one block, with these modules.
    pub fn run_all(&self, modules: &[&dyn NativeModule], count: usize) -> Vec<Run> {
        let untraced = self.try_run(modules, count, None).expect("the state is in memory");
        let mut trace = Trace::default();
        let traced = self.try_run(modules, count, Some(&mut trace)).expect("the state is in memory");
        assert_eq!(untraced, traced, "a traced run is the same run");
        untraced
    }

    /// Runs the message traced.
    pub fn trace(&self) -> (Run, Trace) {
        let mut trace = Trace::default();
        let run = self.try_run(&[], 1, Some(&mut trace)).expect("the state is in memory").remove(0);
        (run, trace)
    }

    pub fn try_run(
        &self,
        modules: &[&dyn NativeModule],
        count: usize,
        tracer: Option<&mut dyn Tracer>,
    ) -> Result<Vec<Run>, ReadError> {
        let mut journal = Journal::new(&self.state, 1);
        let caller = journal.account_id(&CALLER);
        let target = journal.account_id(&self.target);
        let created = journal.account_id(&CALLER.create(0));
        let mut vm = Vm::new(Rules::of(self.fork), self.block.clone(), journal).with_modules(modules);
        if let Some(tracer) = tracer {
            vm = vm.with_tracer(tracer);
        }
        vm.tx = self.tx.clone();
        let mut runs = Vec::new();
        for _ in 0..count {
            for id in [caller, target, created] {
                vm.journal.load(id).expect("in memory");
            }
            let called = if self.creates { created } else { target };
            if vm.rules().has_access_lists {
                vm.journal.warm(caller);
                vm.journal.warm(called);
            }
            let kind = if self.creates {
                MessageKind::Create { account: created }
            } else {
                MessageKind::Call { target, code_account: target }
            };
            let (value, input) = (self.value, self.input.clone());
            let message = Message { kind, caller, value, input, gas: self.gas, state_gas_reservoir: self.reservoir };
            let result = vm.execute(message)?;
            let refund = vm.journal.refund();
            let logs = vm.journal.take_logs();
            vm.journal.end_tx(vm.rules().clears_empty_accounts);
            let diff = vm.journal.diff();
            let mut state = self.state.clone();
            state.apply(&diff);
            runs.push(Run {
                halt: result.halt,
                gas_left: result.gas,
                gas_used: self.gas - result.gas,
                state_gas: result.state_gas,
                output: result.output,
                refund,
                logs,
                diff,
                state: State(state),
            });
        }
        Ok(runs)
    }
}

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub halt: Option<Halt>,
    pub gas_left: u64,
    pub gas_used: u64,
    pub state_gas: StateGas,
    pub output: Bytes,
    pub refund: i64,
    pub logs: Vec<Log>,
    /// Changes since the block began.
    pub diff: Diff,
    /// State after it.
    pub state: State,
}

/// A state; two of them are compared by their diffs.
#[derive(Clone, Debug)]
pub struct State(MemoryState);

impl PartialEq for State {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Run {
    pub fn end(&self) -> End {
        match (self.halt, self.output.len()) {
            (Some(halt), _) => End::Halt(halt),
            (None, 0) => End::Stop,
            (None, 32) => End::Word(U256::from_be_slice(&self.output)),
            (None, _) => End::Output(self.output.clone()),
        }
    }

    /// Words of the output.
    pub fn words(&self) -> Vec<U256> {
        self.output.chunks(32).map(U256::from_be_slice).collect()
    }

    pub fn slot(&self, address: Address, key: u64) -> U256 {
        self.state.0.get(&address).and_then(|account| account.storage.get(&word(key))).copied().unwrap_or_default()
    }

    pub fn balance(&self, address: Address) -> U256 {
        self.state.0.get(&address).map(|account| account.info.balance).unwrap_or_default()
    }

    pub fn exists(&self, address: Address) -> bool {
        self.state.0.get(&address).is_some()
    }

    pub fn code(&self, address: Address) -> Bytes {
        let account = self.state.0.get(&address).cloned().unwrap_or_default();
        self.state.0.get_code(&account.info.code_hash).map(|code| code.bytes().clone()).unwrap_or_default()
    }
}

/// Ends a program by returning the top of the stack.
pub const RETURN_TOP: &str = " 0 MSTORE 32 0 RETURN";

/// What a program leaves on top of the stack.
pub fn top(fork: Fork, code: &str) -> End {
    Setup::new(fork, &format!("{code}{RETURN_TOP}")).run().end()
}

/// Gas that a program uses until it stops.
pub fn gas_of(fork: Fork, code: &str) -> u64 {
    let run = Setup::new(fork, &format!("{code} STOP")).run();
    assert_eq!(run.halt, None, "{code}");
    run.gas_used
}

/// A step as a tracer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedStep {
    pub pc: usize,
    pub opcode: u8,
    pub gas: u64,
    pub depth: usize,
    pub stack: Vec<U256>,
    pub memory_len: usize,
    pub return_data: Bytes,
    pub refund: i64,
    pub address: Address,
}

/// A frame that began, as a tracer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedEnter {
    pub kind: &'static str,
    pub from: Address,
    pub to: Address,
    pub value: U256,
    pub input: Bytes,
    pub gas: u64,
    pub caller_gas: u64,
}

/// Remembers everything.
#[derive(Default)]
pub struct Trace {
    pub steps: Vec<TracedStep>,
    pub enters: Vec<TracedEnter>,
    pub leaves: Vec<(Option<Halt>, u64, Bytes)>,
    /// Logs, refused frames and self-destructs, as text.
    pub events: Vec<String>,
}

impl Tracer for Trace {
    fn step(&mut self, step: Step<'_>) {
        self.steps.push(TracedStep {
            pc: step.pc,
            opcode: step.opcode,
            gas: step.gas,
            depth: step.depth,
            stack: step.stack.to_vec(),
            memory_len: step.memory.len(),
            return_data: Bytes::copy_from_slice(step.return_data),
            refund: step.refund,
            address: step.address,
        });
    }

    fn enter(&mut self, enter: Enter<'_>) {
        let Enter { kind, from, to, value, input, gas, caller_gas } = enter;
        let input = Bytes::copy_from_slice(input);
        self.enters.push(TracedEnter { kind, from, to, value, input, gas, caller_gas });
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.leaves.push((leave.halt, leave.gas, Bytes::copy_from_slice(leave.output)));
    }

    fn refuse(&mut self, enter: Enter<'_>, reason: Refusal) {
        self.events.push(format!("{} of {} refused: {reason:?}", enter.kind, enter.to));
    }

    fn log(&mut self, log: &Log) {
        self.events.push(format!("log of {} with {} topics and {}", log.address, log.topics.len(), log.data));
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.events.push(format!("{account} leaves {balance} to {beneficiary}"));
    }
}

/// The word with this byte in all places.
pub fn repeated(byte: u8) -> U256 {
    B256::repeat_byte(byte).into()
}

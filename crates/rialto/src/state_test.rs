//! State tests: one transaction on a state, under one fork after another.
//!
//! A test has an environment, a state `pre`, a transaction with lists of data, gas limits and values, and under `post`
//! for each fork a list of cases that pick one of each (`indexes`). A case states the state root after the transaction
//! (`hash`), the hash of its logs and, in newer suites, the signed transaction itself (`txbytes`) and the whole state. A
//! transaction that is not valid has an `expectException` and leaves the state as it was.
//!
//! There is no block around it: no system calls, no reward, no withdrawals, and the header is made up from the environment.

use crate::chain_config::{ChainError, chain_of};
use crate::eip3155::{JsonTracer, Summary, TraceOptions};
use crate::exceptions;
use crate::execution::{Disagreement, Execution};
use crate::lone_transaction::{LoneEffects, LoneTransaction};
use crate::vectors::{CaseReport, TraceOutput, VectorOptions, reborrow};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use rialto_state::{Log, MemoryState};
use rialto_stf::json::{self, Alloc, JsonCursor, JsonError};
use rialto_stf::{
    BlockRules, ChainSpec, DecodeError, Header, RlpWriter, SignatureError, Transaction, TxError, TxOutcome, TxType,
    recover_sender,
};
use rialto_trie::{StateTrie, TrieError};
use rialto_vm::Fork;
use serde_json::{Map, Value};
use std::fmt;
use std::io::Write;

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateTestError {
    /// The case itself can't be read.
    Json(JsonError),
    /// Its chain can't be made out.
    Chain(ChainError),
    /// The key that its transaction is to be signed with is none.
    SecretKey(SignatureError),
    /// The signed transaction has another sender than the case states.
    Sender {
        /// The address stated.
        expected: Address,
        /// The address recovered.
        found: Address,
    },
    /// A transaction that should be rejected was not.
    Accepted {
        /// The reason expected.
        expected: String,
    },
    /// A transaction was rejected for another reason than expected, or unexpectedly.
    Rejected {
        /// The reason expected, if one was.
        expected: Option<String>,
        /// Our reason.
        found: Rejection,
    },
    /// The state root after it differs.
    StateRoot {
        /// The root stated.
        expected: B256,
        /// The root found.
        found: B256,
        /// The first account that differs, where the case states the whole state.
        difference: Option<String>,
    },
    /// The logs differ.
    LogsHash {
        /// The hash stated.
        expected: B256,
        /// The hash found.
        found: B256,
    },
    /// Two ways of running it do not agree.
    Strategies(Disagreement),
    /// The trie of the state could not be updated.
    Trie(TrieError),
    /// The trace could not be written.
    Trace(String),
}

/// Why a transaction was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its bytes are no transaction.
    Decode(DecodeError),
    /// It is not valid.
    Invalid(TxError),
}

impl Rejection {
    /// The names that vectors give to the reason.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::Decode(error) => exceptions::of_decoding(error),
            Self::Invalid(error) => exceptions::of_transaction(error).to_vec(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for StateTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Chain(error) => error.fmt(f),
            Self::SecretKey(error) => write!(f, "transaction.secretKey: {error}"),
            Self::Sender { expected, found } => {
                write!(f, "transaction.sender: expected {expected}, the signature gives {found}")
            }
            Self::Accepted { expected } => write!(f, "expected a rejection ({expected}), the transaction is valid"),
            Self::Rejected { expected: None, found } => {
                write!(f, "expected a valid transaction, found {} ({found})", found.names().join("|"))
            }
            Self::Rejected { expected: Some(expected), found } => {
                write!(f, "expected a rejection ({expected}), found {} ({found})", found.names().join("|"))
            }
            Self::StateRoot { expected, found, difference } => {
                write!(f, "state root: expected {expected}, found {found}")?;
                difference.as_ref().map_or(Ok(()), |difference| write!(f, "; {difference}"))
            }
            Self::LogsHash { expected, found } => write!(f, "hash of the logs: expected {expected}, found {found}"),
            Self::Strategies(error) => error.fmt(f),
            Self::Trie(error) => error.fmt(f),
            Self::Trace(error) => write!(f, "trace: {error}"),
        }
    }
}

impl std::error::Error for StateTestError {}

impl From<JsonError> for StateTestError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<TrieError> for StateTestError {
    fn from(error: TrieError) -> Self {
        Self::Trie(error)
    }
}

/// Runs the selected cases of one test.
pub fn run_test(
    name: &str,
    test: &JsonCursor<'_>,
    options: &VectorOptions,
    mut trace: TraceOutput<'_>,
) -> Vec<CaseReport> {
    let whole = |error: StateTestError| {
        vec![CaseReport { name: name.to_string(), error: Some(error.to_string()), ..CaseReport::default() }]
    };
    let cases = match cases(test) {
        Ok(cases) => cases,
        Err(error) => return whole(error.into()),
    };
    let before = match Before::read(test) {
        Ok(before) => before,
        Err(error) => return whole(error),
    };
    let selected = cases.into_iter().filter(|case| options.wants_fork(case.fork));
    selected.map(|case| run_case(name, test, &before, &case, &options.execution, reborrow(&mut trace))).collect()
}

/// A case of a test: where it is, and what it picks.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The fork.
    pub fork: &'a str,
    /// Indexes of data, gas limit and value.
    pub indexes: [usize; 3],
    cursor: JsonCursor<'a>,
}

/// The cases of a test, in order.
pub fn cases<'a>(test: &JsonCursor<'a>) -> Result<Vec<Case<'a>>, JsonError> {
    let mut cases = Vec::new();
    for (fork, list) in test.field("post")?.entries()? {
        for cursor in list.items()? {
            let indexes = cursor.field("indexes")?;
            let index = |name| -> Result<usize, JsonError> { Ok(indexes.field(name)?.u32()? as usize) };
            cases.push(Case { fork, indexes: [index("data")?, index("gas")?, index("value")?], cursor });
        }
    }
    Ok(cases)
}

/// The state before a test's transaction, shared by its cases.
pub struct Before {
    memory: MemoryState,
    trie: StateTrie,
}

impl Before {
    /// Reads `pre`.
    pub fn read(test: &JsonCursor<'_>) -> Result<Self, StateTestError> {
        let memory = json::memory_state(&json::alloc(&test.field("pre")?)?);
        let trie = StateTrie::from_memory(&memory)?;
        Ok(Self { memory, trie })
    }
}

fn run_case(
    name: &str,
    test: &JsonCursor<'_>,
    before: &Before,
    case: &Case<'_>,
    execution: &Execution,
    trace: TraceOutput<'_>,
) -> CaseReport {
    let mut report = CaseReport {
        name: name.to_string(),
        fork: case.fork.to_string(),
        indexes: Some(case.indexes),
        ..CaseReport::default()
    };
    report.error = check_case(test, before, case, execution, trace, &mut report).err().map(|error| error.to_string());
    report
}

fn check_case(
    test: &JsonCursor<'_>,
    before: &Before,
    case: &Case<'_>,
    execution: &Execution,
    trace: TraceOutput<'_>,
    report: &mut CaseReport,
) -> Result<(), StateTestError> {
    let expected_rejection = case.cursor.optional("expectException")?.map(|name| name.string()).transpose()?;
    let after = match execute_case(test, before, case, execution, trace.map(|out| (out, TraceOptions::default())))? {
        Ok(after) => {
            if let Some(expected) = expected_rejection {
                return Err(StateTestError::Accepted { expected: expected.to_string() });
            }
            after
        }
        Err(found) => {
            if !expected_rejection.is_some_and(|expected| exceptions::is_expected(&found.names(), expected)) {
                let expected = expected_rejection.map(str::to_string);
                return Err(StateTestError::Rejected { expected, found });
            }
            After::unchanged(before)
        }
    };
    report.gas_used = after.outcome.as_ref().map(|outcome| outcome.gas_used);
    report.state_root = Some(after.state_root);
    report.logs_hash = Some(after.logs_hash);
    compare(case, &after)
}

fn compare(case: &Case<'_>, after: &After) -> Result<(), StateTestError> {
    let stated = case.cursor.optional("state")?;
    if let Some(expected) = case.cursor.optional("hash")? {
        let expected = expected.b256()?;
        if after.state_root != expected {
            let stated = stated.map(|state| json::alloc(&state)).transpose()?;
            let difference = stated.and_then(|stated| first_difference(&stated, &after.memory));
            return Err(StateTestError::StateRoot { expected, found: after.state_root, difference });
        }
    } else {
        // A case with neither has nothing to compare, which the error says.
        let state = case.cursor.field("state")?;
        let memory = json::memory_state(&json::alloc(&state)?);
        let expected = StateTrie::from_memory(&memory)?.root();
        if after.state_root != expected {
            let difference = first_difference(&json::alloc(&state)?, &after.memory);
            return Err(StateTestError::StateRoot { expected, found: after.state_root, difference });
        }
    }
    if let Some(expected) = case.cursor.optional("logs")? {
        let (expected, found) = (expected.b256()?, after.logs_hash);
        if found != expected {
            return Err(StateTestError::LogsHash { expected, found });
        }
    }
    Ok(())
}

/// What a case's transaction left behind.
pub struct After {
    /// What it did; `None` if it was rejected.
    pub outcome: Option<TxOutcome>,
    /// The state.
    pub memory: MemoryState,
    /// Its root.
    pub state_root: B256,
    /// Keccak-256 of the RLP list of its logs.
    pub logs_hash: B256,
}

impl After {
    fn unchanged(before: &Before) -> Self {
        let state_root = before.trie.clone().root();
        Self { outcome: None, memory: before.memory.clone(), state_root, logs_hash: logs_hash(&[]) }
    }

    fn of(before: &Before, effects: LoneEffects) -> Result<Self, TrieError> {
        let state_root = before.trie.clone().apply(&effects.diff)?;
        let mut memory = before.memory.clone();
        memory.apply(&effects.diff);
        Ok(Self { logs_hash: logs_hash(&effects.logs), outcome: Some(effects.outcome), memory, state_root })
    }
}

/// Runs a case's transaction, with a trace where one is wanted. The inner error is why it was rejected.
fn execute_case(
    test: &JsonCursor<'_>,
    before: &Before,
    case: &Case<'_>,
    execution: &Execution,
    trace: Option<(&mut dyn Write, TraceOptions)>,
) -> Result<Result<After, Rejection>, StateTestError> {
    let chain = chain_of(test, case.fork).map_err(StateTestError::Chain)?;
    let header = header(&test.field("env")?)?;
    let rules = chain.rules_at(header.number, header.timestamp);
    let transaction = match transaction(test, case, &chain)? {
        Ok(transaction) => transaction,
        Err(error) => return Ok(Err(Rejection::Decode(error))),
    };
    let sender = match sender(test, case, &transaction, rules, &chain)? {
        Ok(sender) => sender,
        Err(error) => return Ok(Err(Rejection::Invalid(error))),
    };
    let work =
        LoneTransaction { chain: &chain, header: &header, transaction: &transaction, sender, reader: &before.memory };
    let effects = match trace {
        Some((out, options)) => return trace_run(&work, before, case, JsonTracer::new(out, options)),
        None => work.run(execution).map_err(StateTestError::Strategies)?,
    };
    Ok(match effects {
        Ok(effects) => Ok(After::of(before, effects)?),
        Err(error) => Err(Rejection::Invalid(error)),
    })
}

fn trace_run(
    work: &LoneTransaction<'_>,
    before: &Before,
    case: &Case<'_>,
    mut tracer: JsonTracer<'_>,
) -> Result<Result<After, Rejection>, StateTestError> {
    let result = match work.run_traced(&mut tracer) {
        Ok(effects) => Ok(After::of(before, effects)?),
        Err(error) => Err(Rejection::Invalid(error)),
    };
    if let Ok(after) = &result {
        tracer.line(&summary(after, case.fork).to_line());
    }
    tracer.finish().map_err(|error| StateTestError::Trace(error.to_string()))?;
    Ok(result)
}

fn summary(after: &After, fork: &str) -> Summary {
    let mut summary = Summary { state_root: Some(after.state_root), fork: fork.to_string(), ..Summary::default() };
    if let Some(outcome) = &after.outcome {
        summary.output = outcome.output.to_vec();
        summary.gas_used = outcome.gas_used;
        summary.error = outcome.halt.map(|halt| halt.to_string());
    }
    summary
}

/// Keccak-256 of the RLP list of `logs`.
pub fn logs_hash(logs: &[Log]) -> B256 {
    let mut writer = RlpWriter::new();
    writer.list(|list| {
        for log in logs {
            list.list(|fields| {
                fields.string(log.address.as_slice());
                fields.list(|topics| log.topics.iter().for_each(|topic| topics.string(topic.as_slice())));
                fields.string(&log.data);
            });
        }
    });
    keccak256(writer.into_bytes())
}

/// A header with a test's environment.
fn header(env: &JsonCursor<'_>) -> Result<Header, JsonError> {
    let optional = |name| env.optional(name)?.map(|value| value.u64_or_decimal()).transpose();
    let mut header = Header {
        beneficiary: env.field("currentCoinbase")?.address()?,
        gas_limit: env.field("currentGasLimit")?.u64_or_decimal()?,
        number: env.field("currentNumber")?.u64_or_decimal()?,
        timestamp: env.field("currentTimestamp")?.u64_or_decimal()?,
        base_fee_per_gas: optional("currentBaseFee")?,
        excess_blob_gas: optional("currentExcessBlobGas")?,
        slot_number: optional("slotNumber")?,
        ..Header::default()
    };
    if let Some(difficulty) = env.optional("currentDifficulty")? {
        header.difficulty = difficulty.u256_or_decimal()?;
    }
    if let Some(random) = env.optional("currentRandom")? {
        header.mix_hash = B256::from(random.u256_or_decimal()?);
    }
    Ok(header)
}

/// A case's transaction: its bytes where they are stated, otherwise put together and signed.
fn transaction(
    test: &JsonCursor<'_>,
    case: &Case<'_>,
    chain: &ChainSpec,
) -> Result<Result<Transaction, DecodeError>, StateTestError> {
    if let Some(bytes) = case.cursor.optional("txbytes")? {
        return Ok(Transaction::decode(&bytes.bytes()?));
    }
    let parts = test.field("transaction")?;
    let value = picked_transaction(&parts, case)?;
    let picked = JsonCursor::new(&value, "transaction");
    let mut transaction = json::unsigned_transaction(&picked)?;
    let rules = chain.rules_at(0, 0);
    if transaction.tx_type != TxType::Legacy || rules.has_replay_protection {
        transaction.chain_id = transaction.chain_id.or(Some(chain.chain_id));
    }
    if let Some(key) = parts.optional("secretKey")? {
        transaction.sign(&B256::from(key.u256()?)).map_err(StateTestError::SecretKey)?;
    }
    Ok(Ok(transaction))
}

/// The transaction with the data, gas limit and value that a case picks.
fn picked_transaction(parts: &JsonCursor<'_>, case: &Case<'_>) -> Result<Value, JsonError> {
    let [data, gas, value] = case.indexes;
    let mut picked = Map::new();
    for (name, part) in parts.entries()? {
        let index = match name {
            "data" | "accessLists" => data,
            "gasLimit" => gas,
            "value" => value,
            _ => {
                picked.insert(name.to_string(), part.value().clone());
                continue;
            }
        };
        let items: Vec<JsonCursor<'_>> = part.items()?.collect();
        let item = items.get(index).ok_or_else(|| part.error(json::JsonErrorKind::Missing))?;
        let name = if name == "accessLists" { "accessList" } else { name };
        picked.insert(name.to_string(), item.value().clone());
    }
    Ok(Value::Object(picked))
}

/// Who sent a case's transaction. The signature decides; where there is neither bytes nor a key, the case does.
fn sender(
    test: &JsonCursor<'_>,
    case: &Case<'_>,
    transaction: &Transaction,
    rules: &BlockRules,
    chain: &ChainSpec,
) -> Result<Result<Address, TxError>, StateTestError> {
    let parts = test.field("transaction")?;
    let stated = parts.optional("sender")?.map(|sender| sender.address()).transpose()?;
    let is_signed = case.cursor.optional("txbytes")?.is_some() || parts.optional("secretKey")?.is_some();
    if let (false, Some(stated)) = (is_signed, stated) {
        return Ok(Ok(stated));
    }
    let found = match recover_sender(transaction, rules, chain.chain_id) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    match stated {
        Some(expected) if expected != found => Err(StateTestError::Sender { expected, found }),
        _ => Ok(Ok(found)),
    }
}

/// The first account, by address, in which `found` differs from `expected`.
pub fn first_difference(expected: &Alloc, found: &MemoryState) -> Option<String> {
    let mut addresses: Vec<Address> = found.iter().map(|(address, _)| *address).collect();
    addresses.extend(expected.keys());
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into_iter().find_map(|address| match (expected.get(&address), found.get(&address)) {
        (None, Some(_)) => Some(format!("account {address}: expected none, found one")),
        (Some(_), None) => Some(format!("account {address}: expected one, found none")),
        (Some(expected), Some(account)) => {
            let code = found.get_code(&account.info.code_hash).map(|code| code.bytes().clone()).unwrap_or_default();
            account_difference(expected, account, &code).map(|text| format!("account {address}: {text}"))
        }
        (None, None) => None,
    })
}

fn account_difference(
    expected: &json::AllocAccount,
    found: &rialto_state::MemoryAccount,
    code: &Bytes,
) -> Option<String> {
    if expected.nonce != found.info.nonce {
        return Some(format!("nonce: expected {}, found {}", expected.nonce, found.info.nonce));
    }
    if expected.balance != found.info.balance {
        return Some(format!("balance: expected {:#x}, found {:#x}", expected.balance, found.info.balance));
    }
    if expected.code != *code {
        return Some(format!("code: expected {} bytes, found {} bytes", expected.code.len(), code.len()));
    }
    let mut slots: Vec<_> = expected.storage.keys().chain(found.storage.keys()).collect();
    slots.sort_unstable();
    slots.into_iter().find_map(|slot| {
        let (expected, found) = (expected.storage.get(slot), found.storage.get(slot));
        let text = |word: Option<&alloy_primitives::U256>| format!("{:#x}", word.copied().unwrap_or_default());
        (expected != found).then(|| format!("slot {slot:#x}: expected {}, found {}", text(expected), text(found)))
    })
}

/// The fork of a case, where it is one (and no transition).
pub fn fork_of(case: &Case<'_>) -> Option<Fork> {
    Fork::from_name(case.fork)
}

/// Runs one case with a trace, for `rialto trace`. The outer error is about the case, the inner why it was rejected.
pub fn trace_case(
    test: &JsonCursor<'_>,
    case: &Case<'_>,
    out: &mut dyn Write,
    options: TraceOptions,
) -> Result<Result<(), Rejection>, StateTestError> {
    let before = Before::read(test)?;
    Ok(execute_case(test, &before, case, &Execution::default(), Some((out, options)))?.map(drop))
}

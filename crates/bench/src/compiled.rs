//! Compiled code beside the interpreter, and what compiling costs.
//!
//! A case runs interpreted, compiled and on revm in turns; all of its code is compiled before anything is timed. What that took is
//! told beside, because whoever runs a contract a few times only would lose by it. Contracts that people have deployed are told
//! from those of the cases: every distinct code in the states of main network blocks is compiled once.

use crate::BenchError;
use crate::case::{Case, TransactionResult};
use crate::engine::Engine;
use crate::harness::{Effort, compare};
use crate::rialto_engine::RialtoCase;
use crate::turns::{in_turns, ratio};
use crate::{RevmCase, turns};
use alloy_primitives::B256;
use rialto_jit::{CompiledInfo, Jit};
use rialto_state::Code;
use rialto_vm::Fork;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shorter code is a proxy or nothing at all, which would flatter the figures.
const MIN_CODE_BYTES: usize = 100;

/// A case interpreted and compiled. Medians in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompiledCase {
    /// Name of the case.
    pub name: String,
    /// Interpreted.
    pub interpreter_ns: u64,
    /// Compiled, compiling not included.
    pub compiled_ns: u64,
    /// Compiling all of the case's code, once.
    pub compile_ns: u64,
    /// Bytes of the case's code.
    pub bytecode_bytes: usize,
    /// Bytes of what it was compiled to.
    pub native_bytes: usize,
    /// revm.
    pub revm_ns: u64,
    /// `interpreter_ns` divided by `compiled_ns`.
    pub over_interpreter: f64,
    /// `revm_ns` divided by `compiled_ns`.
    pub over_revm: f64,
    /// Rounds measured.
    pub rounds: usize,
}

/// What compiling real contracts costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CompileTimes {
    /// Contracts compiled.
    pub contracts: usize,
    /// Contracts that the compiler leaves to the interpreter.
    pub refused: usize,
    /// Bytes of bytecode of those compiled.
    pub bytecode_bytes: u64,
    /// Bytes of what they were compiled to.
    pub native_bytes: u64,
    /// Bytecode of the median contract, bytes.
    pub median_bytecode_bytes: u64,
    /// Time for the median contract, nanoseconds.
    pub median_compile_ns: u64,
    /// Time that all but one in twenty stay below.
    pub p95_compile_ns: u64,
    /// Longest time.
    pub max_compile_ns: u64,
    /// Nanoseconds for a kilobyte (1,024 bytes) of bytecode, over all.
    pub compile_ns_per_kilobyte: u64,
}

/// Every distinct code of the case's accounts, but for those that are too short.
fn codes(case: &Case) -> BTreeMap<B256, Code> {
    let long = case.accounts.values().filter(|account| account.code.len() >= MIN_CODE_BYTES);
    let codes = long.map(|account| Code::new(account.code.clone()));
    codes.filter(|code| code.delegate().is_none()).map(|code| (code.hash(), code)).collect()
}

fn fork(case: &Case) -> Fork {
    case.chain.fork_at(case.header.number, case.header.timestamp)
}

/// Measures a case with and without `jit`, which compiles whatever is run; `None` for a case without code.
pub(crate) fn measure(case: &Case, jit: &Jit, effort: &Effort) -> Result<Option<CompiledCase>, BenchError> {
    let codes = codes(case);
    if codes.is_empty() {
        return Ok(None);
    }
    let compiled: Vec<CompiledInfo> =
        codes.values().filter_map(|code| jit.compile(code.bytes(), fork(case)).ok()).collect();
    let (interpreted, native, revm) =
        (RialtoCase::new(case), RialtoCase::new(case).with_tier(Some(jit)), RevmCase::new(case));
    compare(case, &interpreted, &revm)?;
    compare_compiled(case, &interpreted.results()?, &native.results()?)?;
    if interpreted.post_state()? != native.post_state()? {
        return Err(differs(case, "the state afterwards differs from that without it".into()));
    }
    let case_time = effort.case_time * 3 / 2;
    let contestants: [&turns::Contestant<'_>; 3] = [&|| interpreted.time(), &|| native.time(), &|| revm.time()];
    let turns = in_turns(&Effort { case_time, ..*effort }, &contestants)?;
    let (interpreter_ns, compiled_ns, revm_ns) = (turns.medians_ns[0], turns.medians_ns[1], turns.medians_ns[2]);
    Ok(Some(CompiledCase {
        name: case.name.clone(),
        interpreter_ns,
        compiled_ns,
        compile_ns: compiled.iter().map(|code| code.nanoseconds).sum(),
        bytecode_bytes: codes.values().map(Code::len).sum(),
        native_bytes: compiled.iter().map(|code| code.code_bytes).sum(),
        revm_ns,
        over_interpreter: ratio(interpreter_ns, compiled_ns),
        over_revm: ratio(revm_ns, compiled_ns),
        rounds: turns.rounds,
    }))
}

fn differs(case: &Case, what: String) -> BenchError {
    BenchError::Strategy { case: case.name.clone(), how: "compiled", what }
}

fn compare_compiled(
    case: &Case,
    expected: &[TransactionResult],
    found: &[TransactionResult],
) -> Result<(), BenchError> {
    let different = expected.iter().zip(found).position(|(expected, found)| expected != found);
    match different {
        Some(index) => {
            let what = format!("transaction {index}: expected {:?}, found {:?}", expected[index], found[index]);
            Err(differs(case, what))
        }
        None => Ok(()),
    }
}

/// Compiles every distinct code of the cases' accounts once.
pub(crate) fn survey<'a>(cases: impl Iterator<Item = &'a Case>, jit: &Jit) -> CompileTimes {
    let mut all: BTreeMap<B256, (Code, Fork)> = BTreeMap::new();
    for case in cases {
        all.extend(codes(case).into_iter().map(|(hash, code)| (hash, (code, fork(case)))));
    }
    let compiled = all.values().map(|(code, fork)| jit.compile(code.bytes(), *fork));
    let done: Vec<CompiledInfo> = compiled.filter_map(Result::ok).collect();
    let sorted = |figure: fn(&CompiledInfo) -> u64| {
        let mut figures: Vec<u64> = done.iter().map(figure).collect();
        figures.sort_unstable();
        figures
    };
    let quantile = |figures: &[u64], percent: usize| {
        figures.get(figures.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    };
    let (times, sizes) = (sorted(|code| code.nanoseconds), sorted(|code| code.bytecode_bytes as u64));
    let bytecode_bytes: u64 = sizes.iter().sum();
    CompileTimes {
        contracts: done.len(),
        refused: all.len() - done.len(),
        bytecode_bytes,
        native_bytes: done.iter().map(|code| code.code_bytes as u64).sum(),
        median_bytecode_bytes: quantile(&sizes, 50),
        median_compile_ns: quantile(&times, 50),
        p95_compile_ns: quantile(&times, 95),
        max_compile_ns: quantile(&times, 100),
        compile_ns_per_kilobyte: times.iter().sum::<u64>() * 1_024 / bytecode_bytes.max(1),
    }
}

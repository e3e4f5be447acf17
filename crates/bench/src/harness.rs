//! Measuring one case on both engines.
//!
//! First the engines' results are compared, so nothing is timed that is not the same work. Then both take turns.

use crate::BenchError;
use crate::case::{Case, Group, TransactionResult};
use crate::engine::Engine;
use crate::turns::{in_turns, ratio};
use serde::Serialize;
use std::time::Duration;

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Time for the rounds of one case on two engines; more ways to run it get more. A round that has begun is finished.
    pub case_time: Duration,
    /// Fewest rounds of a case, whatever their time.
    pub min_rounds: usize,
    /// Most rounds of a case.
    pub max_rounds: usize,
    /// Rounds that are run before and not counted.
    pub warm_up_rounds: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { case_time: Duration::from_secs(1), min_rounds: 9, max_rounds: 1001, warm_up_rounds: 3 }
    }
}

/// A case's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseReport {
    /// Name of the case.
    pub name: String,
    /// `synthetic`, `mainnet` or `vectors`.
    pub group: &'static str,
    /// Median time of Rialto, nanoseconds.
    pub rialto_ns: u64,
    /// Median time of revm, nanoseconds.
    pub revm_ns: u64,
    /// revm's time divided by Rialto's: above 1 where Rialto is faster.
    pub ratio: f64,
    /// Gas that the transactions used.
    pub gas_used: u64,
    /// Rounds measured.
    pub rounds: usize,
}

impl CaseReport {
    /// Rialto's speed in million gas a second.
    pub fn rialto_mgas_per_second(&self) -> f64 {
        mgas_per_second(self.gas_used, self.rialto_ns)
    }

    /// revm's speed in million gas a second.
    pub fn revm_mgas_per_second(&self) -> f64 {
        mgas_per_second(self.gas_used, self.revm_ns)
    }
}

fn mgas_per_second(gas: u64, nanoseconds: u64) -> f64 {
    gas as f64 * 1_000.0 / nanoseconds.max(1) as f64
}

/// Compares the engines on a case and measures them.
pub(crate) fn measure<A: Engine, B: Engine>(
    case: &Case,
    rialto: &A,
    revm: &B,
    effort: &Effort,
) -> Result<CaseReport, BenchError> {
    let gas_used = compare(case, rialto, revm)?;
    let turns = in_turns(effort, &[&|| rialto.time(), &|| revm.time()])?;
    let (rialto_ns, revm_ns) = (turns.medians_ns[0], turns.medians_ns[1]);
    Ok(CaseReport {
        name: case.name.clone(),
        group: case.group.name(),
        rialto_ns,
        revm_ns,
        ratio: ratio(revm_ns, rialto_ns),
        gas_used,
        rounds: turns.rounds,
    })
}

/// Checks that both engines do the same with every transaction, and as much as the header says. Returns the gas used.
pub fn compare<A: Engine, B: Engine>(case: &Case, rialto: &A, revm: &B) -> Result<u64, BenchError> {
    let revm_results = revm.results()?;
    let rialto_results = rialto.results()?;
    let mismatch = |transaction, what, ours: String, theirs: String| {
        let case = case.name.clone();
        Err(BenchError::Mismatch { case, transaction, what, rialto: ours, revm: theirs })
    };
    if rialto_results.len() != revm_results.len() {
        let (ours, theirs) = (rialto_results.len(), revm_results.len());
        return mismatch(ours.min(theirs), "number of results", ours.to_string(), theirs.to_string());
    }
    for (index, (ours, theirs)) in rialto_results.iter().zip(&revm_results).enumerate() {
        if let Some((what, ours, theirs)) = difference(ours, theirs) {
            return mismatch(index, what, ours, theirs);
        }
    }
    let gas_used = revm_results.iter().map(|result| result.gas_used).sum();
    if case.checks_gas_used && gas_used != case.header.gas_used {
        let (case, header) = (case.name.clone(), case.header.gas_used);
        return Err(BenchError::GasUsed { case, engine: B::NAME, header, found: gas_used });
    }
    Ok(gas_used)
}

/// The first thing in which two results differ, and both values.
fn difference(ours: &TransactionResult, theirs: &TransactionResult) -> Option<(&'static str, String, String)> {
    if ours.success != theirs.success {
        return Some(("success", ours.success.to_string(), theirs.success.to_string()));
    }
    if ours.gas_used != theirs.gas_used {
        return Some(("gas used", ours.gas_used.to_string(), theirs.gas_used.to_string()));
    }
    if ours.output != theirs.output {
        return Some(("output", ours.output.to_string(), theirs.output.to_string()));
    }
    if ours.logs.len() != theirs.logs.len() {
        return Some(("number of logs", ours.logs.len().to_string(), theirs.logs.len().to_string()));
    }
    let different = ours.logs.iter().zip(&theirs.logs).find(|(ours, theirs)| ours != theirs);
    different.map(|(ours, theirs)| ("log", format!("{ours:?}"), format!("{theirs:?}")))
}

/// The geometric mean of the ratios of a group's cases, `None` if it has none.
pub(crate) fn geometric_mean(cases: &[CaseReport], group: Group) -> Option<f64> {
    let logarithms: Vec<f64> =
        cases.iter().filter(|case| case.group == group.name()).map(|case| case.ratio.ln()).collect();
    let count = logarithms.len() as f64;
    (!logarithms.is_empty()).then(|| (logarithms.iter().sum::<f64>() / count).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic_cases;
    use alloy_primitives::{Address, Bytes};
    use std::cell::RefCell;

    /// An engine that does what it is told.
    struct Scripted {
        nanoseconds: RefCell<Vec<u64>>,
        results: Vec<TransactionResult>,
    }

    impl Scripted {
        fn new(nanoseconds: &[u64], results: &[TransactionResult]) -> Self {
            Self { nanoseconds: RefCell::new(nanoseconds.iter().rev().copied().collect()), results: results.to_vec() }
        }
    }

    impl Engine for Scripted {
        const NAME: &'static str = "scripted";

        fn time(&self) -> Result<Duration, BenchError> {
            Ok(Duration::from_nanos(self.nanoseconds.borrow_mut().pop().unwrap_or(1_000)))
        }

        fn results(&self) -> Result<Vec<TransactionResult>, BenchError> {
            Ok(self.results.clone())
        }
    }

    fn result() -> TransactionResult {
        let log = (Address::ZERO, Vec::new(), Bytes::from_static(b"log"));
        TransactionResult { gas_used: 21_000, success: true, logs: vec![log], output: Bytes::new() }
    }

    fn some_case() -> Case {
        synthetic_cases().swap_remove(0)
    }

    #[test]
    fn figures_are_medians_of_the_measured_rounds() {
        let effort = Effort { case_time: Duration::ZERO, min_rounds: 5, max_rounds: 5, warm_up_rounds: 1 };
        let rialto = Scripted::new(&[999_999, 30, 10, 20, 50, 40], &[result()]);
        let revm = Scripted::new(&[999_999, 90, 70, 60, 1, 2], &[result()]);
        let report = measure(&some_case(), &rialto, &revm, &effort).unwrap();
        assert_eq!((report.rialto_ns, report.revm_ns, report.ratio), (30, 60, 2.0));
        assert_eq!((report.rounds, report.gas_used), (5, 21_000));
        assert_eq!(report.rialto_mgas_per_second(), 700_000.0);
    }

    #[test]
    fn differences_are_named() {
        type Change = fn(&mut TransactionResult);
        let rows: [(&str, Change); 5] = [
            ("success", |result| result.success = false),
            ("gas used", |result| result.gas_used += 1),
            ("output", |result| result.output = Bytes::from_static(b"x")),
            ("number of logs", |result| result.logs.clear()),
            ("log", |result| result.logs[0].2 = Bytes::new()),
        ];
        for (expected, change) in rows {
            let mut changed = result();
            change(&mut changed);
            let (rialto, revm) = (Scripted::new(&[], &[result(), changed]), Scripted::new(&[], &[result(), result()]));
            let error = compare(&some_case(), &rialto, &revm).unwrap_err();
            let BenchError::Mismatch { case, transaction, what, .. } = &error else { panic!("{expected}: {error}") };
            assert_eq!((case.as_str(), *transaction, *what), ("plain_transfers", 1, expected), "{error}");
        }
    }

    #[test]
    fn missing_results_and_wrong_gas_are_errors() {
        let (rialto, revm) = (Scripted::new(&[], &[]), Scripted::new(&[], &[result()]));
        let error = compare(&some_case(), &rialto, &revm).unwrap_err();
        assert!(matches!(error, BenchError::Mismatch { what: "number of results", .. }), "{error}");

        let mut case = some_case();
        (case.checks_gas_used, case.header.gas_used) = (true, 20_999);
        let error = compare(&case, &revm, &revm).unwrap_err();
        assert!(matches!(error, BenchError::GasUsed { header: 20_999, found: 21_000, .. }), "{error}");
    }

    #[test]
    fn geometric_means_are_per_group() {
        let report = |group, ratio| CaseReport {
            name: String::new(),
            group,
            rialto_ns: 1,
            revm_ns: 1,
            ratio,
            gas_used: 0,
            rounds: 1,
        };
        let cases = [report("synthetic", 2.0), report("mainnet", 3.0), report("synthetic", 8.0)];
        let rounded = |group| geometric_mean(&cases, group).map(|mean| (mean * 1e9).round() / 1e9);
        assert_eq!(rounded(Group::Synthetic), Some(4.0));
        assert_eq!(rounded(Group::Mainnet), Some(3.0));
        assert_eq!(rounded(Group::Vectors), None);
    }
}

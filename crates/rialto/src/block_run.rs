//! One block's execution outside the vectors: timed, and compared with its header as far as the state allows.

use crate::block_input::InputBlock;
use crate::execution::{Disagreement, Execution, Work};
use alloy_primitives::{B256, hex};
use rialto_state::{Log, StateReader};
use rialto_stf::{
    BlockError, BlockExecutor, ChainSpec, Header, Outcome, Receipt, RootAfter, TxError, ommers_hash, receipts_root,
    transactions_root, validate_body, verify_outcome, withdrawals_root,
};
use rialto_vm::Tier;
use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Instant;

/// What a block did, and how long it took.
#[derive(Debug)]
pub struct TimedOutcome {
    /// What it did.
    pub outcome: Outcome,
    /// Time of execution, without recovering senders and without computing roots.
    pub nanoseconds: u64,
}

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// The block is not valid, or the state could not be read.
    Block(BlockError),
    /// Two ways of running it do not agree.
    Strategies(Disagreement),
}

impl From<BlockError> for RunError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl From<Disagreement> for RunError {
    fn from(error: Disagreement) -> Self {
        Self::Strategies(error)
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => error.fmt(f),
            Self::Strategies(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

/// Executes a block on the state of `reader`, in each way of `execution`; the time is the first's.
///
/// Its body is compared with the header before; the ommers, where a file has only their hashes, are taken on trust and
/// not rewarded, which nothing but the state root would show.
pub fn execute<'a>(
    execution: &'a Execution,
    chain: &'a ChainSpec,
    input: &'a InputBlock,
    reader: &'a (dyn StateReader + Sync),
    root_after: Option<RootAfter<'a>>,
) -> Result<TimedOutcome, RunError> {
    let mut block = Cow::Borrowed(&input.block);
    if !input.has_ommers {
        // Whoever executes it compares its body with its header once more.
        block.to_mut().header.ommers_hash = ommers_hash(&[]);
    }
    let senders = Some(input.senders.as_slice());
    let work = Work { chain, block: &block, senders, access_list: None, reader, root_after };
    let way = &execution.way;
    let timed = if way.threads == NonZeroUsize::MIN {
        execute_sequentially(chain, input, reader, root_after, way.tier.as_deref())
    } else {
        validate(input, chain)?;
        let start = Instant::now();
        let outcome = execution.run_first(&work);
        outcome.map(|outcome| TimedOutcome { outcome, nanoseconds: nanoseconds_since(start) })
    };
    let (first, nanoseconds) = match timed {
        Ok(timed) => (Ok(timed.outcome), timed.nanoseconds),
        Err(error) => (Err(error), 0),
    };
    execution.check(&work, &first)?;
    Ok(TimedOutcome { outcome: first?, nanoseconds })
}

/// Executes a block on one thread.
pub fn execute_sequentially<'a>(
    chain: &ChainSpec,
    input: &InputBlock,
    reader: &'a dyn StateReader,
    root_after: Option<RootAfter<'a>>,
    tier: Option<&'a dyn Tier>,
) -> Result<TimedOutcome, BlockError> {
    validate(input, chain)?;
    let block = &input.block;
    let mut executor = BlockExecutor::new(chain, &block.header, reader).with_tier(tier);
    if let Some(root_after) = root_after {
        executor = executor.with_root_after(root_after);
    }
    let start = Instant::now();
    executor.begin()?;
    for (index, (transaction, sender)) in block.transactions.iter().zip(&input.senders).enumerate() {
        executor.transaction(transaction, *sender).map_err(|error| match error {
            TxError::Read(error) => BlockError::Read(error),
            error => BlockError::Transaction { index, error: Box::new(error) },
        })?;
    }
    let outcome = executor.finish(&block.ommers, block.withdrawals.as_deref().unwrap_or_default())?;
    Ok(TimedOutcome { outcome, nanoseconds: nanoseconds_since(start) })
}

fn nanoseconds_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Compares the body with the header.
fn validate(input: &InputBlock, chain: &ChainSpec) -> Result<(), BlockError> {
    let header = &input.block.header;
    if input.has_ommers {
        validate_body(chain.rules_at(header.number, header.timestamp), &input.block)
    } else {
        validate_lists(input)
    }
}

/// Compares the lists of a body without ommers with the header.
fn validate_lists(input: &InputBlock) -> Result<(), BlockError> {
    let (header, block) = (&input.block.header, &input.block);
    let compare = |field: &'static str, expected: B256, found: B256| {
        if expected == found { Ok(()) } else { Err(BlockError::BodyRoot { field, expected, found }) }
    };
    compare("transactions_root", header.transactions_root, transactions_root(&block.transactions))?;
    match (&block.withdrawals, header.withdrawals_root) {
        (Some(withdrawals), Some(root)) => compare("withdrawals_root", root, withdrawals_root(withdrawals)),
        _ => Ok(()),
    }
}

/// How an outcome differs from the header, `None` where it does not. Names the first transaction that differs where the
/// block's own receipts are at hand.
pub fn difference(
    header: &Header,
    outcome: &Outcome,
    state_root: Option<B256>,
    stated: Option<&[Receipt]>,
) -> Option<String> {
    let error = match verify_outcome(header, outcome) {
        Err(error) => error,
        Ok(()) => match state_root {
            Some(found) if found != header.state_root => {
                BlockError::Root { field: "state_root", expected: header.state_root, found }
            }
            _ => return None,
        },
    };
    let first = stated.and_then(|stated| first_difference(stated, &outcome.receipts, outcome.has_receipt_roots));
    Some(match first {
        Some(first) => format!("{error}; the first transaction that differs: {first}"),
        None => error.to_string(),
    })
}

/// The first receipt that differs, and in what.
fn first_difference(stated: &[Receipt], found: &[Receipt], has_roots: bool) -> Option<String> {
    if stated.len() != found.len() {
        return Some(format!("receipts: expected {}, found {}", stated.len(), found.len()));
    }
    let mut gas_before = (0, 0);
    for (index, (stated, found)) in stated.iter().zip(found).enumerate() {
        let gas = (stated.cumulative_gas_used - gas_before.0, found.cumulative_gas_used - gas_before.1);
        gas_before = (stated.cumulative_gas_used, found.cumulative_gas_used);
        let differs = |what: &str, expected: String, found: String| {
            Some(format!("transactions[{index}]: {what}: expected {expected}, found {found}"))
        };
        if has_roots && stated.status != found.status {
            return differs("status", format!("{:?}", stated.status), format!("{:?}", found.status));
        }
        if gas.0 != gas.1 {
            return differs("gas used", gas.0.to_string(), gas.1.to_string());
        }
        if stated.logs.len() != found.logs.len() {
            return differs("logs", stated.logs.len().to_string(), found.logs.len().to_string());
        }
        let pair = stated.logs.iter().zip(&found.logs).enumerate().find(|(_, (stated, found))| stated != found);
        if let Some((log, (stated, found))) = pair {
            return differs(&format!("logs[{log}]"), log_text(stated), log_text(found));
        }
    }
    None
}

fn log_text(log: &Log) -> String {
    let topics: Vec<String> = log.topics.iter().map(|topic| topic.to_string()).collect();
    format!("{} [{}] 0x{}", log.address, topics.join(", "), hex::encode(&log.data))
}

/// The receipts' root, where the receipts are complete.
pub fn known_receipts_root(outcome: &Outcome) -> Option<B256> {
    outcome.has_receipt_roots.then(|| receipts_root(&outcome.receipts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::{ReceiptStatus, TxType};

    #[test]
    fn the_first_difference_is_named() {
        let receipt = |success, gas, logs| Receipt::new(TxType::Legacy, ReceiptStatus::Status(success), gas, logs);
        let log = |byte| Log { data: vec![byte].into(), address: Default::default(), topics: Default::default() };
        let stated = [receipt(true, 10, vec![]), receipt(true, 30, vec![log(1)])];
        let rows = [
            ("equal", vec![receipt(true, 10, vec![]), receipt(true, 30, vec![log(1)])], None),
            ("fewer", vec![receipt(true, 10, vec![])], Some("receipts: expected 2, found 1")),
            (
                "gas of the first, which moves the second's sum too",
                vec![receipt(true, 11, vec![]), receipt(true, 31, vec![log(1)])],
                Some("transactions[0]: gas used: expected 10, found 11"),
            ),
            (
                "status of the second",
                vec![receipt(true, 10, vec![]), receipt(false, 30, vec![])],
                Some("transactions[1]: status: expected Status(true), found Status(false)"),
            ),
            (
                "a log",
                vec![receipt(true, 10, vec![]), receipt(true, 30, vec![log(2)])],
                Some(
                    "transactions[1]: logs[0]: expected 0x0000000000000000000000000000000000000000 [] 0x01, found \
                      0x0000000000000000000000000000000000000000 [] 0x02",
                ),
            ),
        ];
        for (name, found, expected) in rows {
            assert_eq!(first_difference(&stated, &found, true).as_deref(), expected, "{name}");
        }
    }
}

//! One block's execution outside the vectors: timed, and compared with its header as far as the state allows.

use crate::block_input::InputBlock;
use alloy_primitives::{B256, hex};
use rialto_state::{Log, StateReader};
use rialto_stf::{
    BlockError, BlockExecutor, ChainSpec, Header, Outcome, Receipt, RootAfter, TxError, receipts_root,
    transactions_root, validate_body, verify_outcome, withdrawals_root,
};
use std::time::Instant;

/// What a block did, and how long it took.
#[derive(Debug)]
pub struct TimedOutcome {
    /// What it did.
    pub outcome: Outcome,
    /// Time of execution, without recovering senders and without computing roots.
    pub nanoseconds: u64,
}

/// Executes a block on the state of `reader`.
///
/// Its body is compared with the header before; the ommers, where a file has only their hashes, are taken on trust and
/// not rewarded, which nothing but the state root would show.
pub fn execute(
    chain: &ChainSpec,
    input: &InputBlock,
    reader: &dyn StateReader,
    root_after: Option<RootAfter<'_>>,
) -> Result<TimedOutcome, BlockError> {
    let block = &input.block;
    let mut executor = BlockExecutor::new(chain, &block.header, reader);
    if let Some(root_after) = root_after {
        executor = executor.with_root_after(root_after);
    }
    if input.has_ommers {
        validate_body(executor.rules(), block)?;
    } else {
        validate_lists(input)?;
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
    let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(TimedOutcome { outcome, nanoseconds })
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

//! A world executed here.

use super::world::{NUMBER, World, WorldTransaction};
use super::{AccountReport, Report, Status, TxReport};
use alloy_primitives::Address;
use rialto_state::{Diff, MemoryState, StateReader};
use rialto_stf::{BlockExecutor, TxError, TxOutcome, json};
use rialto_vm::{Halt, Tracer};
use std::collections::BTreeMap;

/// Executes the world's transactions as those of one block.
pub fn execute(world: &World, tracer: Option<&mut dyn Tracer>) -> Report {
    let mut state = json::memory_state(&world.accounts);
    for number in 0..NUMBER {
        state.insert_block_hash(number, World::block_hash(number));
    }
    let mut executor = BlockExecutor::new(&world.chain, &world.header, &state);
    if let Some(tracer) = tracer {
        executor = executor.with_tracer(tracer);
    }
    let mut transactions = Vec::new();
    for WorldTransaction { sender, transaction } in &world.transactions {
        let mut transaction = transaction.clone();
        transaction.nonce += nonce(&state, &executor.diff(), sender);
        transactions.push(match executor.transaction(&transaction, *sender) {
            Ok(outcome) => Some(report(outcome, &executor)),
            Err(TxError::Read(error)) => panic!("the state is whole: {error}"),
            Err(_) => None,
        });
    }
    let diff = executor.diff();
    state.apply(&diff);
    Report { transactions, state: accounts(world, &state) }
}

/// The nonce that an account has by now.
fn nonce(state: &MemoryState, diff: &Diff, address: &Address) -> u64 {
    match diff.accounts.binary_search_by_key(address, |account| account.address) {
        Ok(position) => diff.accounts[position].after.map_or(0, |account| account.nonce),
        Err(_) => state.get(address).map_or(0, |account| account.info.nonce),
    }
}

fn report(outcome: TxOutcome, executor: &BlockExecutor<'_>) -> TxReport {
    // The logs of a transaction are in its receipt.
    let receipts = executor.receipts();
    let logs = receipts.last().map(|receipt| receipt.logs.iter()).into_iter().flatten();
    TxReport {
        status: match outcome.halt {
            None => Status::Success,
            Some(Halt::Revert) => Status::Revert,
            Some(_) => Status::Halt,
        },
        gas_used: outcome.gas_used,
        output: outcome.output,
        contract_address: outcome.contract_address,
        logs: logs.map(|log| (log.address, log.topics.to_vec(), log.data.clone())).collect(),
    }
}

fn accounts(world: &World, state: &MemoryState) -> BTreeMap<Address, AccountReport> {
    let mut accounts = BTreeMap::new();
    for (address, account) in state.iter() {
        let report = AccountReport {
            nonce: account.info.nonce,
            balance: account.info.balance,
            code: state.code(&account.info.code_hash).expect("the state is whole").bytes().clone(),
            storage: account.storage.iter().map(|(slot, word)| (*slot, *word)).collect(),
        };
        if !(world.rules.vm.clears_empty_accounts && report.is_empty()) {
            accounts.insert(*address, report);
        }
    }
    accounts
}

//! The transition: transactions that are valid are applied, the others are left out with a reason.
//!
//! The block is an ordinary one under construction, so everything but three things is the state transition function's.
//! Rejected transactions don't end it. Rewards are what the caller says instead of the fork's. And a trace, where one is
//! wanted, goes to a file for each transaction, so the tracer is a switch that is turned between transactions.

use crate::CliError;
use crate::eip3155::{JsonTracer, TraceOptions};
use crate::t8n::env::Env;
use crate::t8n::transactions::ReadTransaction;
use crate::t8n::{T8nError, rejection};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, AccountDiff, Diff, MemoryState, ReadError, StateReader};
use rialto_stf::{
    BlockAccessList, BlockExecutor, ChainSpec, Header, Receipt, Transaction, TxError, TxOutcome, TxType, blob_base_fee,
    recover_sender,
};
use rialto_trie::StateTrie;
use rialto_vm::{Enter, Leave, Step, Tracer};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::rc::Rc;

/// What is applied to what.
pub struct Input {
    /// The rules.
    pub chain: ChainSpec,
    /// The environment.
    pub env: Env,
    /// The state before.
    pub state: MemoryState,
    /// The transactions.
    pub transactions: Vec<ReadTransaction>,
    /// Wei for mining the block; `None` for no reward at all. Zero still touches the fee recipient.
    pub reward: Option<U256>,
    /// Where traces go, one file a transaction, and what is in them.
    pub traces: Option<(PathBuf, TraceOptions)>,
    /// Whether opcodes are counted.
    pub counts_opcodes: bool,
}

/// A transaction that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its index among all.
    pub index: usize,
    /// Why.
    pub error: String,
}

/// A transaction that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The transaction.
    pub transaction: Transaction,
    /// What it did.
    pub outcome: TxOutcome,
}

/// What the transition gave.
pub struct Output {
    /// The header, complete as far as the environment says.
    pub header: Header,
    /// Base fee, wei; what the environment says also where the fork has none.
    pub base_fee: Option<u64>,
    /// The transactions applied.
    pub applied: Vec<Applied>,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// The transactions left out.
    pub rejected: Vec<Rejected>,
    /// Gas that the block counts.
    pub gas_used: u64,
    /// Wei per blob gas; `None` where there can be no blobs.
    pub blob_base_fee: Option<U256>,
    /// Requests to the consensus layer, since Prague.
    pub requests: Option<Vec<alloy_primitives::Bytes>>,
    /// Since Amsterdam.
    pub block_access_list: Option<BlockAccessList>,
    /// The state after.
    pub state: MemoryState,
    /// Its root.
    pub state_root: B256,
    /// Opcodes executed, by number, where they are counted.
    pub opcode_counts: Option<[u64; 256]>,
}

/// Applies the input.
pub fn run(input: Input) -> Result<Output, T8nError> {
    let Input { chain, env, mut state, transactions, reward, traces, counts_opcodes } = input;
    let header = env.header(&chain)?;
    let rules = chain.rules_at(header.number, header.timestamp);
    let blobs = chain.blob_params(rules.fork).filter(|_| rules.has_blobs);
    let blob_base_fee = blobs.zip(header.excess_blob_gas).map(|(params, excess)| blob_base_fee(excess, &params));
    let mut trie = StateTrie::from_memory(&state).map_err(trie_error)?;
    trie.root();
    let before = trie.clone();
    let root_after = |diff: &Diff| before.clone().apply(diff).map_err(|error| error.to_string());

    let slot = Rc::new(RefCell::new(TraceSlot::default()));
    let mut switch = Switch(Rc::clone(&slot));
    let reader = HashReader { state: &state, hashes: &env.block_hashes };
    let mut executor = BlockExecutor::new(&chain, &header, &reader).with_root_after(&root_after);
    if traces.is_some() || counts_opcodes {
        executor = executor.with_tracer(&mut switch);
    }
    executor.begin()?;
    let mut run = Run { executor, slot: &slot, traces, counts_opcodes, applied: Vec::new(), rejected: Vec::new() };
    for (index, transaction) in transactions.into_iter().enumerate() {
        if let Err(error) = run.apply(&chain, transaction, blob_base_fee.is_some())? {
            run.rejected.push(Rejected { index, error });
        }
    }
    let Run { executor, applied, rejected, .. } = run;
    // Before the merge the executor would pay the fork's reward, so the block stays open.
    let (receipts, gas_used, requests, block_access_list, diff) = if rules.is_merged {
        let outcome = executor.finish(&[], env.withdrawals.as_deref().unwrap_or_default())?;
        (outcome.receipts, outcome.gas_used, outcome.requests, outcome.block_access_list, outcome.diff)
    } else {
        let receipts = executor.receipts();
        let gas_used = receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used);
        (receipts, gas_used, None, None, executor.diff())
    };
    let mut state_root = trie.apply(&diff).map_err(trie_error)?;
    state.apply(&diff);
    if let Some(reward) = reward {
        let diff = rewards(&env, &state, reward, rules.vm.clears_empty_accounts);
        state_root = trie.apply(&diff).map_err(trie_error)?;
        state.apply(&diff);
    }
    let opcode_counts = counts_opcodes.then(|| slot.borrow().counts);
    Ok(Output {
        base_fee: header.base_fee_per_gas.or(env.base_fee),
        header,
        applied,
        receipts,
        rejected,
        gas_used,
        blob_base_fee,
        requests,
        block_access_list,
        state,
        state_root,
        opcode_counts,
    })
}

fn trie_error(error: rialto_trie::TrieError) -> T8nError {
    rialto_stf::BlockError::PostStateRoot(error.to_string()).into()
}

/// A block under construction.
struct Run<'r, 's> {
    executor: BlockExecutor<'r>,
    slot: &'s RefCell<TraceSlot>,
    traces: Option<(PathBuf, TraceOptions)>,
    counts_opcodes: bool,
    applied: Vec<Applied>,
    rejected: Vec<Rejected>,
}

impl Run<'_, '_> {
    /// Applies a transaction. The inner error is why it is left out.
    fn apply(
        &mut self,
        chain: &ChainSpec,
        transaction: ReadTransaction,
        has_blob_fee: bool,
    ) -> Result<Result<(), String>, T8nError> {
        let transaction = match transaction {
            Ok(transaction) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        let rules = self.executor.rules();
        if transaction.tx_type == TxType::Blob && rules.has_blobs && !has_blob_fee {
            return Ok(Err("blob tx used but field env.ExcessBlobGas missing".to_string()));
        }
        let sender = match recover_sender(&transaction, rules, chain.chain_id) {
            Ok(sender) => sender,
            Err(error) => return Ok(Err(rejection::text(&error, &transaction, None))),
        };
        self.open_trace(&transaction)?;
        let result = self.executor.transaction(&transaction, sender);
        self.close_trace(result.is_err())?;
        match result {
            Ok(outcome) => {
                self.applied.push(Applied { transaction, outcome });
                Ok(Ok(()))
            }
            Err(TxError::Read(ReadError::MissingBlockHash { number })) => Err(T8nError::MissingBlockHash { number }),
            Err(TxError::Read(error)) => Err(rialto_stf::BlockError::Read(error).into()),
            Err(error) => Ok(Err(rejection::text(&error, &transaction, Some(sender)))),
        }
    }

    fn open_trace(&mut self, transaction: &Transaction) -> Result<(), T8nError> {
        let mut slot = self.slot.borrow_mut();
        slot.is_counting = self.counts_opcodes;
        if let Some((folder, options)) = &self.traces {
            let path = folder.join(format!("trace-{}-{}.jsonl", self.applied.len(), transaction.hash()));
            let file = File::create(&path).map_err(|error| CliError::file(&path, error))?;
            slot.lines = Some((path, JsonTracer::new(BufWriter::new(file), *options)));
        }
        Ok(())
    }

    fn close_trace(&mut self, is_rejected: bool) -> Result<(), T8nError> {
        let mut slot = self.slot.borrow_mut();
        slot.is_counting = false;
        if let Some((path, lines)) = slot.lines.take() {
            lines.finish().map_err(|error| CliError::file(&path, error))?;
            if is_rejected {
                std::fs::remove_file(&path).map_err(|error| CliError::file(&path, error))?;
            }
        }
        Ok(())
    }
}

/// What the switch feeds at the moment: nothing between transactions.
struct TraceSlot {
    lines: Option<(PathBuf, JsonTracer<'static>)>,
    is_counting: bool,
    counts: [u64; 256],
}

impl Default for TraceSlot {
    fn default() -> Self {
        Self { lines: None, is_counting: false, counts: [0; 256] }
    }
}

/// A tracer that passes on what it sees to whatever is in the slot.
struct Switch(Rc<RefCell<TraceSlot>>);

impl Tracer for Switch {
    fn step(&mut self, step: Step<'_>) {
        let mut slot = self.0.borrow_mut();
        if slot.is_counting {
            slot.counts[usize::from(step.opcode)] += 1;
        }
        if let Some((_, lines)) = &mut slot.lines {
            lines.step(step);
        }
    }

    fn enter(&mut self, enter: Enter<'_>) {
        if let Some((_, lines)) = &mut self.0.borrow_mut().lines {
            lines.enter(enter);
        }
    }

    fn leave(&mut self, leave: Leave<'_>) {
        if let Some((_, lines)) = &mut self.0.borrow_mut().lines {
            lines.leave(leave);
        }
    }
}

/// What rewards change: the fee recipient gets the reward and 1/32 of it for each ommer, the miner of an ommer
/// (8 - delta) / 8 of it. Accounts that are still empty then are deleted where the fork does so.
fn rewards(env: &Env, state: &MemoryState, reward: U256, clears_empty_accounts: bool) -> Diff {
    let mut amounts: BTreeMap<Address, U256> = BTreeMap::new();
    let mut add = |address, amount| *amounts.entry(address).or_default() += amount;
    for ommer in &env.ommers {
        add(ommer.address, reward * U256::from(8u64.saturating_sub(ommer.delta)) / U256::from(8));
    }
    let per_ommer = reward / U256::from(32);
    add(env.coinbase, reward + per_ommer * U256::from(env.ommers.len()));
    let accounts = amounts.into_iter().filter_map(|(address, amount)| {
        let before = state.get(&address).map(|account| account.info);
        let mut after = before.unwrap_or(Account::EMPTY);
        after.balance = after.balance.saturating_add(amount);
        let after = (!clears_empty_accounts || !after.is_empty()).then_some(after);
        let is_change = before != after;
        is_change.then_some(AccountDiff { address, before, after, storage_wiped: false, storage: Vec::new() })
    });
    Diff { accounts: accounts.collect(), codes: Vec::new() }
}

/// A state with the hashes that the environment gives.
struct HashReader<'a> {
    state: &'a MemoryState,
    hashes: &'a BTreeMap<u64, B256>,
}

impl StateReader for HashReader<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.state.account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.state.storage(address, slot)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.state.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<rialto_state::Code, ReadError> {
        self.state.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.hashes.get(&number).copied().ok_or(ReadError::MissingBlockHash { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::t8n::env::Ommer;

    #[test]
    fn rewards_go_to_miner_and_ommers() {
        let [miner, first, second] = [1, 2, 3].map(Address::with_last_byte);
        let ommers = vec![Ommer { delta: 1, address: first }, Ommer { delta: 2, address: second }];
        let env = Env { coinbase: miner, ommers, ..Env::default() };
        let rows = [("a reward", 0x80u64, true, vec![(miner, 0x88), (first, 0x70), (second, 0x60)])];
        for (name, reward, clears, expected) in rows {
            let diff = rewards(&env, &MemoryState::default(), U256::from(reward), clears);
            let found = diff.accounts.iter().map(|change| (change.address, change.after.unwrap_or_default().balance));
            let expected = expected.into_iter().map(|(address, amount)| (address, U256::from(amount)));
            assert!(found.eq(expected), "{name}");
        }
        let zero = |clears| rewards(&env, &MemoryState::default(), U256::ZERO, clears).accounts.len();
        assert_eq!((zero(true), zero(false)), (0, 3), "zero touches, which matters before EIP-161");
    }
}

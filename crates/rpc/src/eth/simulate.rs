//! `eth_simulateV1`: blocks of calls on top of a block, as if they were mined.
//!
//! Every simulated block is a real one: its transactions run through the block executor, its header has the roots that its
//! content has (the state's from the tries of the base block, with all changes since), and the next block is its child. Only
//! the checks are fewer, unless `validation` asks for them. Rules, defaults, limits and codes are geth's.

mod input;
mod output;
mod transfers;

use crate::methods::{Module, Registered, heavy};
use crate::simulation::{Base, Overlay, StateOverrides, fault_text, rejection_code, rejection_text};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, U256, keccak256};
use input::{SimulatedBlockInput, SimulationInput};
use output::{CallAnswer, SimulatedBlock, SimulatedTransaction};
use rialto_state::Diff;
use rialto_stf::{
    BlockExecutor, BlockRules, ChainSpec, Checks, Header, Outcome, TxError, TxOutcome, TxType, base_fee_after,
    excess_blob_gas_after, ommers_hash, receipts_root, requests_hash, withdrawals_root,
};
use rialto_trie::{StateTrie, roots::ordered_root};
use rialto_vm::Halt;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use transfers::SharedTracer;

/// Code for a call that failed.
const VM_ERROR: i32 = -32015;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_simulateV1", |params, context| {
        let input: SimulationInput = params.required(0, "simulation")?;
        input.check_limits(context.limits.max_simulated_blocks)?;
        let block = params.optional(1, "block")?.unwrap_or(crate::json::BlockRef::LATEST);
        let view = context.view()?;
        let base = Base::of(context, &view, block)?;
        simulate(context, &base, input)
    })
}

fn simulate(context: &RpcContext, base: &Base, input: SimulationInput) -> Result<Value, RpcError> {
    let spec = context.node.spec();
    let blocks = input::fill_gaps(&base.header, input.blocks, context.limits.max_simulated_blocks)?;
    let headers = preliminary_headers(spec, &base.header, &blocks)?;
    let mut overlay = Overlay::new(&base.state, base.header.number + 1);
    overlay.set_block_hash(base.header.number, base.header.hash());
    let mut simulator = Simulator {
        spec,
        base,
        overlay,
        trie: StateTrie::from_root(base.state.root()),
        gas_budget: context.limits.call_gas_cap,
        deadline: Instant::now() + context.limits.call_timeout,
        traces_transfers: input.traces_transfers,
        validates: input.validates,
    };
    for diff in &base.above_tries {
        simulator.apply_to_trie(diff)?;
    }
    let mut answers = Vec::with_capacity(blocks.len());
    let mut parent = Arc::new(base.header.clone());
    for (block, header) in blocks.iter().zip(headers) {
        let simulated = simulator.block(block, header, &parent)?;
        simulator.overlay.set_block_hash(simulated.header.number, simulated.hash);
        answers.push(simulated.to_json(input.returns_transactions)?);
        parent = Arc::new(simulated.header);
    }
    Ok(Value::Array(answers))
}

/// The headers before execution: what follows from the base block and what is overridden.
fn preliminary_headers(
    spec: &ChainSpec,
    base: &Header,
    blocks: &[SimulatedBlockInput],
) -> Result<Vec<Header>, RpcError> {
    let mut headers: Vec<Header> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let previous = headers.last().unwrap_or(base);
        let mut header = Header {
            ommers_hash: ommers_hash(&[]),
            beneficiary: previous.beneficiary,
            difficulty: previous.difficulty,
            gas_limit: previous.gas_limit,
            ..Header::default()
        };
        block.overrides.make_header(&mut header)?;
        let rules = spec.rules_at(header.number, header.timestamp);
        if rules.is_merged {
            header.difficulty = block.overrides.difficulty.unwrap_or(U256::ZERO);
        }
        if rules.has_blobs {
            header.parent_beacon_block_root = Some(block.overrides.beacon_root.unwrap_or_default());
        }
        if rules.has_access_lists {
            header.slot_number = Some(0);
        }
        headers.push(header);
    }
    Ok(headers)
}

struct Simulator<'a> {
    spec: &'a ChainSpec,
    base: &'a Base,
    overlay: Overlay<'a>,
    trie: StateTrie,
    /// Gas that all calls together may still use.
    gas_budget: u64,
    deadline: Instant,
    traces_transfers: bool,
    validates: bool,
}

/// What the calls of a block did.
struct Executed {
    transactions: Vec<SimulatedTransaction>,
    answers: Vec<CallAnswer>,
    outcome: Outcome,
}

impl Simulator<'_> {
    fn apply_to_trie(&mut self, diff: &Diff) -> Result<(), RpcError> {
        let applied = self.trie.apply_from(diff, &self.base.state);
        applied.map(drop).map_err(|error| RpcError::server(error.to_string()))
    }

    fn block(
        &mut self,
        block: &SimulatedBlockInput,
        mut header: Header,
        parent: &Header,
    ) -> Result<SimulatedBlock, RpcError> {
        let rules = self.spec.rules_at(header.number, header.timestamp);
        header.parent_hash = parent.hash();
        if header.base_fee_per_gas.is_none() {
            let next = base_fee_after(self.spec, parent, header.timestamp);
            header.base_fee_per_gas = if self.validates { next } else { next.map(|_| 0) };
        }
        header.excess_blob_gas = excess_blob_gas_after(self.spec, parent, header.timestamp);
        for (number, hash) in &block.overrides.block_hashes {
            self.overlay.set_block_hash(*number, *hash);
        }
        let (overridden, moves) = match &block.state_overrides {
            Some(overrides) => StateOverrides::apply(overrides, &mut self.overlay, rules)?,
            None => Default::default(),
        };
        self.apply_to_trie(&overridden)?;
        let executed = self.execute(block, &header, &moves)?;
        self.overlay.apply(&executed.outcome.diff);
        self.apply_to_trie(&executed.outcome.diff)?;
        Ok(self.assemble(block, header, rules, executed))
    }

    fn execute(
        &mut self,
        block: &SimulatedBlockInput,
        header: &Header,
        moves: &[(Address, Option<Address>)],
    ) -> Result<Executed, RpcError> {
        let checks =
            Checks { nonce: self.validates, sender_is_eoa: false, gas_limits: false, zero_fees: self.validates };
        let mut tracer = SharedTracer::new(self.traces_transfers);
        let shared = tracer.clone();
        let mut executor = BlockExecutor::new(self.spec, header, &self.overlay).with_checks(checks);
        if let Some(fee) = block.overrides.blob_base_fee {
            executor = executor.with_blob_base_fee(fee);
        }
        for (from, to) in moves {
            executor.move_precompile(from, *to);
        }
        executor.begin().map_err(|error| RpcError::internal(error.to_string()))?;
        executor.set_tracer(Some(&mut tracer));
        let mut run = BlockRun { header, chain_id: self.spec.chain_id, budget: self.gas_budget, gas_used: 0 };
        let (mut transactions, mut answers) = (Vec::new(), Vec::new());
        for args in &block.calls {
            if Instant::now() > self.deadline {
                return Err(RpcError::server("execution aborted (timeout)"));
            }
            shared.reset();
            let (transaction, answer) = run.call(&mut executor, args.clone(), &shared)?;
            transactions.push(transaction);
            answers.push(answer);
        }
        self.gas_budget = run.budget;
        let withdrawals = block.overrides.withdrawals.as_deref().unwrap_or_default();
        let outcome = executor.finish(&[], withdrawals).map_err(|error| RpcError::internal(error.to_string()))?;
        Ok(Executed { transactions, answers, outcome })
    }

    /// Completes the header with what execution gave.
    fn assemble(
        &mut self,
        block: &SimulatedBlockInput,
        mut header: Header,
        rules: &BlockRules,
        executed: Executed,
    ) -> SimulatedBlock {
        let Executed { transactions, answers, outcome } = executed;
        let has_withdrawals = rules.has_withdrawals;
        let withdrawals = has_withdrawals.then(|| block.overrides.withdrawals.clone().unwrap_or_default());
        let encoded: Vec<&[u8]> = transactions.iter().map(|transaction| transaction.encoded.as_slice()).collect();
        header.transactions_root = ordered_root(&encoded);
        header.receipts_root = receipts_root(&outcome.receipts);
        header.logs_bloom = outcome.logs_bloom;
        header.gas_used = outcome.gas_used;
        header.state_root = self.trie.root();
        header.withdrawals_root = withdrawals.as_deref().map(withdrawals_root);
        header.blob_gas_used = rules.has_blobs.then_some(outcome.blob_gas_used);
        header.requests_hash = outcome.requests.as_deref().map(requests_hash);
        header.block_access_list_hash = outcome.block_access_list.as_ref().map(|list| list.hash());
        SimulatedBlock { hash: header.hash(), header, transactions, answers, withdrawals }
    }
}

/// What the calls of one block share.
struct BlockRun<'a> {
    header: &'a Header,
    chain_id: u64,
    budget: u64,
    gas_used: u64,
}

impl BlockRun<'_> {
    fn call(
        &mut self,
        executor: &mut BlockExecutor<'_>,
        args: crate::simulation::CallArgs,
        tracer: &SharedTracer,
    ) -> Result<(SimulatedTransaction, CallAnswer), RpcError> {
        let sender = args.sender();
        let nonce = match args.nonce {
            Some(nonce) => nonce,
            None => executor.state().peek_account(&sender)?.unwrap_or_default().nonce,
        };
        let remaining = self.header.gas_limit.saturating_sub(self.gas_used);
        let required = args.gas.unwrap_or(remaining);
        if remaining < required {
            let message = format!("block gas limit reached: remaining: {remaining}, required: {required}");
            return Err(RpcError::new(-38015, message));
        }
        let gas_limit = required.min(self.budget);
        args.check(self.chain_id)?;
        let has_base_fee = self.header.base_fee_per_gas.is_some();
        let mut transaction = args.transaction(self.chain_id, gas_limit, nonce, has_base_fee);
        let outcome =
            executor.transaction(&transaction, sender).map_err(|error| rejected(&error, sender, gas_limit))?;
        self.gas_used += outcome.block_regular_gas.max(outcome.block_state_gas);
        self.budget = self.budget.checked_sub(outcome.gas_used).ok_or_else(|| {
            let (need, remaining) = (outcome.gas_used, self.budget);
            RpcError::server(format!("RPC gas cap exhausted: need {need}, remaining {remaining}"))
        })?;
        if args.gas_price.is_some() {
            transaction.tx_type = TxType::Legacy;
        }
        let encoded = output::encode_unsigned(&transaction);
        let hash = keccak256(&encoded);
        let answer = self.answer(&outcome, hash, gas_limit < required, args.to.is_none(), tracer);
        Ok((SimulatedTransaction { transaction, sender, encoded, hash }, answer))
    }

    fn answer(
        &self,
        outcome: &TxOutcome,
        transaction_hash: B256,
        is_capped: bool,
        is_create: bool,
        tracer: &SharedTracer,
    ) -> CallAnswer {
        let error = outcome.halt.map(|halt| match halt {
            Halt::Revert => crate::simulation::revert_error(&outcome.output),
            halt => {
                let kind = if is_create { "CREATE" } else { "CALL" };
                let mut message = fault_text(halt, kind, tracer.last_step().as_ref());
                if is_capped {
                    message.push_str(" (gas limit was capped by the RPC server's global gas cap)");
                }
                RpcError::new(VM_ERROR, message)
            }
        });
        // What a failed call returns is told as the error's data.
        let output = if error.is_none() { outcome.output.clone() } else { Default::default() };
        CallAnswer {
            output,
            logs: tracer.take_logs(error.is_some()),
            gas_used: outcome.gas_used,
            max_gas_used: outcome.max_gas_used,
            error,
            transaction_hash,
        }
    }
}

fn rejected(error: &TxError, sender: Address, gas_limit: u64) -> RpcError {
    match error {
        TxError::Read(error) => RpcError::internal(error.to_string()),
        error => {
            let text = rejection_text(error, sender);
            RpcError::new(rejection_code(error), format!("err: {text} (supplied gas {gas_limit})"))
        }
    }
}

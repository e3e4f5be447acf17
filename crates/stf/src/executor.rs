//! A block under construction: system calls, transactions one by one, and what closes it.
//!
//! [`crate::execute`] drives it over a whole block; a block builder, `t8n` and the tests of single transactions drive it
//! by hand. A transaction that is not valid leaves it as it was.

use crate::access_list::BlockListBuilder;
use crate::transact::{Mode, Tip, TxOutcome, transact};
use crate::{
    BlobParams, Block, BlockAccessList, BlockError, BlockRules, ChainSpec, Checks, Header, IntrinsicGas, LogHasher,
    Receipt, ReceiptStatus, Transaction, TxError, TxRunner, TxType, Withdrawal, dao, fees, system,
};
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use rialto_state::{Diff, Journal, Log, StateReader};
use rialto_vm::{BlockContext, Tier, Tracer, Vm};

/// The state root after a diff, for receipts before Byzantium.
pub type RootAfter<'r> = &'r dyn Fn(&Diff) -> Result<B256, String>;

/// A receipt without its bloom filter.
#[derive(Clone, Debug)]
struct ReceiptBody {
    tx_type: TxType,
    status: ReceiptStatus,
    cumulative_gas_used: u64,
    logs: Vec<Log>,
}

impl ReceiptBody {
    fn receipt(self, hasher: &mut LogHasher) -> Receipt {
        let Self { tx_type, status, cumulative_gas_used, logs } = self;
        let logs_bloom = hasher.bloom(&logs);
        Receipt { tx_type, status, cumulative_gas_used, logs_bloom, logs }
    }
}

/// A block that was executed. What remains, hashing logs into bloom filters, depends on nothing but itself, so whoever
/// has another core does it there.
#[derive(Clone, Debug)]
pub struct Executed {
    receipts: Vec<ReceiptBody>,
    outcome: Outcome,
}

impl Executed {
    /// What changed.
    pub fn diff(&self) -> &Diff {
        &self.outcome.diff
    }

    /// The logs of each transaction.
    pub fn logs(&self) -> impl Iterator<Item = &[Log]> {
        let complete = self.outcome.receipts.iter().map(|receipt| receipt.logs.as_slice());
        complete.chain(self.receipts.iter().map(|receipt| receipt.logs.as_slice()))
    }

    /// Completes the receipts.
    pub fn outcome(self) -> Outcome {
        let mut outcome = self.outcome;
        let mut hasher = LogHasher::default();
        let complete = outcome.receipts.len();
        outcome.receipts.extend(self.receipts.into_iter().map(|body| body.receipt(&mut hasher)));
        for receipt in &outcome.receipts[complete..] {
            outcome.logs_bloom |= receipt.logs_bloom;
        }
        outcome
    }
}

/// What a block did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Receipts, in the order of the transactions. Before Byzantium, and without a way to compute roots, each has a root
    /// of zero and `has_receipt_roots` is false.
    pub receipts: Vec<Receipt>,
    /// Whether the receipts are complete.
    pub has_receipt_roots: bool,
    /// Gas that the header counts.
    pub gas_used: u64,
    /// Blob gas of the transactions.
    pub blob_gas_used: u64,
    /// Union of the receipts' bloom filters.
    pub logs_bloom: Bloom,
    /// Requests to the consensus layer, since Prague.
    pub requests: Option<Vec<Bytes>>,
    /// What was accessed and changed when, since Amsterdam, or where it was asked for.
    pub block_access_list: Option<BlockAccessList>,
    /// What changed.
    pub diff: Diff,
}

/// What a transaction that was run elsewhere has to do with the gas of its block.
#[derive(Clone, Copy, Debug, Default)]
pub struct TxGas {
    used: u64,
    regular: u64,
    state: u64,
    blob: u64,
    limit: u64,
    /// What it costs by itself; zero where a block's room is not a matter of it.
    intrinsic: IntrinsicGas,
}

impl TxGas {
    /// Of this transaction, which did this, under these rules.
    pub(crate) fn new(tx: &Transaction, outcome: &TxOutcome, rules: &BlockRules, cost_per_state_byte: u64) -> Self {
        // It takes looking at all the data of a transaction, so it is left out where nobody looks at it.
        let intrinsic = if rules.vm.has_state_gas {
            IntrinsicGas::of(tx, rules, cost_per_state_byte)
        } else {
            IntrinsicGas::default()
        };
        Self {
            used: outcome.gas_used,
            regular: outcome.block_regular_gas,
            state: outcome.block_state_gas,
            blob: outcome.blob_gas_used,
            limit: tx.gas_limit,
            intrinsic,
        }
    }
}

/// Gas of a block so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockGas {
    limit: u64,
    /// What receipts add up to.
    cumulative: u64,
    regular: u64,
    state: u64,
    blob: u64,
    blob_limit: u64,
}

impl BlockGas {
    /// That of a block in which nothing has used any.
    pub fn unused(header: &Header, blobs: Option<&BlobParams>) -> Self {
        let blob_limit = blobs.map_or(0, |params| params.max * fees::GAS_PER_BLOB);
        Self { limit: header.gas_limit, blob_limit, ..Self::default() }
    }

    /// Whether the block has room for a transaction.
    pub fn check_room(&self, tx: &Transaction, gas: &IntrinsicGas, rules: &BlockRules) -> Result<(), TxError> {
        self.check_room_for(tx.gas_limit, fees::GAS_PER_BLOB * tx.blob_versioned_hashes.len() as u64, gas, rules)
    }

    /// Whether the block has room for a transaction with this limit of gas and for this gas of its blobs.
    fn check_room_for(&self, limit: u64, blob: u64, gas: &IntrinsicGas, rules: &BlockRules) -> Result<(), TxError> {
        let fits = |available: u64, found: u64| {
            if found > available { Err(TxError::GasLimitAboveBlock { available, found }) } else { Ok(()) }
        };
        if rules.vm.has_state_gas {
            let most_regular = (limit - gas.state).min(rules.tx_gas_cap.unwrap_or(u64::MAX));
            fits(self.limit.saturating_sub(self.regular), most_regular)?;
            fits(self.limit.saturating_sub(self.state), limit - gas.regular)?;
        } else {
            fits(self.limit.saturating_sub(self.cumulative), limit)?;
        }
        let available = self.blob_limit.saturating_sub(self.blob);
        if blob > available { Err(TxError::BlobGasAboveBlock { available, found: blob }) } else { Ok(()) }
    }

    fn add(&mut self, outcome: &TxOutcome) {
        self.cumulative += outcome.gas_used;
        self.regular += outcome.block_regular_gas;
        self.state += outcome.block_state_gas;
        self.blob += outcome.blob_gas_used;
    }

    /// Adds what a transaction used, if there is room for what it might have.
    fn accept(&mut self, gas: &TxGas, rules: &BlockRules) -> Result<(), TxError> {
        self.check_room_for(gas.limit, gas.blob, &gas.intrinsic, rules)?;
        self.cumulative += gas.used;
        self.regular += gas.regular;
        self.state += gas.state;
        self.blob += gas.blob;
        Ok(())
    }

    /// What the header counts: the larger dimension (EIP-8037).
    fn used(&self) -> u64 {
        self.regular.max(self.state)
    }
}

/// See the module's documentation.
pub struct BlockExecutor<'r> {
    vm: Vm<'r>,
    rules: &'static BlockRules,
    deposit_contract: Address,
    header: Header,
    gas: BlockGas,
    checks: Checks,
    /// Receipts that were written elsewhere, and the union of their bloom filters.
    complete: (Vec<Receipt>, Bloom),
    /// Those that follow them.
    receipts: Vec<ReceiptBody>,
    access_list: Option<BlockListBuilder>,
    root_after: Option<RootAfter<'r>>,
    drains_dao: bool,
}

impl<'r> BlockExecutor<'r> {
    /// A block with the header's environment (number, timestamp, beneficiary, gas limit, base fee, randomness, excess
    /// blob gas, parent hash and beacon root) over the state of `reader`.
    pub fn new(chain: &ChainSpec, header: &Header, reader: &'r dyn StateReader) -> Self {
        Self::seeded(chain, header, reader, HASH_SEED)
    }

    /// As [`BlockExecutor::new`], with a secret that keys the journal's hash tables, so that nobody can make slots
    /// collide. No result depends on it.
    pub fn seeded(chain: &ChainSpec, header: &Header, reader: &'r dyn StateReader, hash_seed: u64) -> Self {
        let rules = chain.rules_at(header.number, header.timestamp);
        let blobs = chain.blob_params(rules.fork);
        let journal = Journal::new(reader, hash_seed);
        let vm = Vm::new(rules.vm, block_context(chain, header, blobs.as_ref()), journal)
            .with_modules(&chain.modules_at(header.timestamp));
        Self {
            vm,
            rules,
            deposit_contract: chain.deposit_contract,
            header: header.clone(),
            gas: BlockGas::unused(header, blobs.as_ref()),
            checks: Checks::ALL,
            complete: (Vec::new(), Bloom::ZERO),
            receipts: Vec::new(),
            access_list: rules.has_access_lists.then(BlockListBuilder::default),
            root_after: None,
            drains_dao: chain.drains_dao && dao::is_fork_block(chain, header.number),
        }
    }

    /// Computes the state roots that receipts carried before Byzantium.
    pub fn with_root_after(mut self, root_after: RootAfter<'r>) -> Self {
        self.root_after = Some(root_after);
        self
    }

    /// Makes room for the receipts of so many transactions that are run here.
    pub fn reserve(&mut self, transactions: usize) {
        self.receipts.reserve(transactions);
    }

    /// Makes room for the receipts of so many transactions that are run elsewhere.
    pub fn reserve_accepted(&mut self, transactions: usize) {
        self.complete.0.reserve(transactions);
    }

    /// Shows every step to `tracer`.
    pub fn with_tracer(mut self, tracer: &'r mut dyn Tracer) -> Self {
        self.vm = self.vm.with_tracer(tracer);
        self
    }

    /// Shows every step from now on to `tracer`, or to nobody.
    pub fn set_tracer(&mut self, tracer: Option<&'r mut dyn Tracer>) {
        self.vm.set_tracer(tracer);
    }

    /// Runs compiled code where `tier` has some.
    pub fn with_tier(mut self, tier: Option<&'r dyn Tier>) -> Self {
        self.vm.set_tier(tier);
        self
    }

    /// Makes only these checks of the transactions, which are then simulations.
    pub fn with_checks(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// Makes only these checks of the transactions from now on.
    pub fn set_checks(&mut self, checks: Checks) {
        self.checks = checks;
    }

    /// Lets blobs cost so much whatever the header says, in wei, for simulations.
    pub fn with_blob_base_fee(mut self, blob_base_fee: U256) -> Self {
        self.vm.set_blob_base_fee(blob_base_fee);
        self
    }

    /// Lets a precompiled contract run at another address than its own, or at none, for simulations.
    pub fn move_precompile(&mut self, from: &Address, to: Option<Address>) {
        self.vm.move_precompile(from, to);
    }

    /// The state as it stands between two transactions.
    pub fn state(&self) -> &Journal<'r> {
        &self.vm.journal
    }

    /// Makes modules read their slots again, in the next transaction, rather than remember them from earlier ones: for a tracer that
    /// wants to know all slots that the transaction touches. Nothing else depends on it.
    pub fn forget_module_caches(&mut self) {
        self.vm.journal.forget_extensions();
    }

    /// Builds the block access list whatever the fork.
    pub fn with_access_list(mut self) -> Self {
        self.access_list.get_or_insert_default();
        self
    }

    /// The block access list under construction, if there is to be one. Whoever has transactions run elsewhere adds, of each
    /// that it gives to [`BlockExecutor::accept`], what it accessed and changed, and ends its part.
    pub fn access_list(&mut self) -> Option<&mut BlockListBuilder> {
        self.access_list.as_mut()
    }

    /// The rules in force.
    pub fn rules(&self) -> &'static BlockRules {
        self.rules
    }

    /// Receipts so far.
    pub fn receipts(&self) -> Vec<Receipt> {
        let mut hasher = LogHasher::default();
        let bodies = self.receipts.iter().cloned().map(|body| body.receipt(&mut hasher));
        self.complete.0.iter().cloned().chain(bodies).collect()
    }

    /// What has changed so far.
    pub fn diff(&self) -> Diff {
        self.vm.journal.diff()
    }

    /// What comes before the first transaction.
    pub fn begin(&mut self) -> Result<(), BlockError> {
        if self.drains_dao {
            dao::drain(&mut self.vm.journal)?;
        }
        system::begin_block(&mut self.vm, self.rules, &self.header)?;
        self.end_part();
        Ok(())
    }

    /// Runs a block from begin to end, one transaction after the other. Its body is not compared with its header.
    pub fn run(mut self, block: &Block, senders: &[Address]) -> Result<Outcome, BlockError> {
        self.reserve(block.transactions.len());
        self.begin()?;
        for (index, (transaction, sender)) in block.transactions.iter().zip(senders).enumerate() {
            self.transaction(transaction, *sender).map_err(|error| BlockError::of_transaction(index, error))?;
        }
        self.finish(&block.ommers, block.withdrawals.as_deref().unwrap_or_default())
    }

    /// Runs the next transaction, which `sender` signed, and appends its receipt.
    pub fn transaction(&mut self, transaction: &Transaction, sender: Address) -> Result<TxOutcome, TxError> {
        let mode = Mode { checks: self.checks, tip: Tip::Paid };
        let result = transact(&mut self.vm, self.rules, &self.gas, mode, transaction, sender);
        let mut outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                // Nothing changed; only warmth and the like may be noted.
                self.vm.journal.end_tx(false);
                return Err(error);
            }
        };
        self.gas.add(&outcome);
        self.end_part();
        let status = self
            .receipt_status(&outcome)
            .map_err(|message| TxError::Read(rialto_state::ReadError::Backend(message)))?;
        let logs = core::mem::take(&mut outcome.logs);
        let (tx_type, cumulative_gas_used) = (transaction.tx_type, self.gas.cumulative);
        self.receipts.push(ReceiptBody { tx_type, status, cumulative_gas_used, logs });
        Ok(outcome)
    }

    /// Appends a transaction that was run elsewhere, on the state that it has here: checks that the block has room for it,
    /// counts its gas and writes its receipt. The state is the caller's. Only where receipts have a status.
    pub fn accept(&mut self, transaction: &Transaction, outcome: TxOutcome) -> Result<(), TxError> {
        let gas = TxGas::new(transaction, &outcome, self.rules, self.vm.cost_per_state_byte());
        self.accept_receipt(&gas, Receipt::of(transaction.tx_type, outcome, &mut LogHasher::default()))
    }

    /// As [`BlockExecutor::accept`], a transaction that has to do with the block's gas what `gas` says. `receipt` is its
    /// receipt, but for the gas that the block has used after it, which this fills in.
    pub fn accept_receipt(&mut self, gas: &TxGas, mut receipt: Receipt) -> Result<(), TxError> {
        assert!(self.rules.has_status_receipts, "a root is of a state that is not here");
        assert!(self.receipts.is_empty(), "transactions that are run here come after those that were run elsewhere");
        self.gas.accept(gas, self.rules)?;
        receipt.cumulative_gas_used = self.gas.cumulative;
        let (receipts, union) = &mut self.complete;
        *union |= receipt.logs_bloom;
        receipts.push(receipt);
        Ok(())
    }

    /// As [`BlockExecutor::accept`], all transactions of the block, which have to do with its gas what `gas` says. `receipts` are
    /// theirs, but for the gas that the block has used after each, which this fills in; `logs_bloom` is the union of their
    /// bloom filters.
    pub fn accept_all(&mut self, gas: &[TxGas], mut receipts: Vec<Receipt>, logs_bloom: Bloom) -> Result<(), TxError> {
        assert!(self.rules.has_status_receipts, "a root is of a state that is not here");
        assert!(self.receipts.is_empty() && receipts.len() == gas.len(), "a receipt for each transaction");
        for (gas, receipt) in gas.iter().zip(&mut receipts) {
            self.gas.accept(gas, self.rules)?;
            receipt.cumulative_gas_used = self.gas.cumulative;
        }
        self.complete = (receipts, logs_bloom);
        Ok(())
    }

    /// Goes on from the state that a runner of this block's transactions has, who began with this block's beginning. Nothing may be
    /// on trial any more. For blocks without access list.
    pub fn go_on_from(&mut self, runner: TxRunner<'r>) {
        assert!(self.access_list.is_none(), "what the runner read for nothing is not accessed");
        self.vm = runner.into_vm();
    }

    /// As [`BlockExecutor::go_on_from`], for any block, from a state that `reader` has: what is read from now on is read of it.
    pub fn go_on_over<'x>(self, chain: &ChainSpec, reader: &'x dyn StateReader) -> BlockExecutor<'x> {
        let Self { gas, checks, complete, receipts, access_list, header, .. } = self;
        let new = BlockExecutor::new(chain, &header, reader);
        BlockExecutor { gas, checks, complete, receipts, access_list, ..new }
    }

    /// What has changed since the beginning or the last call of this. Nothing of the state is remembered after it: what was
    /// changed is the reader's to know from then on.
    pub fn take_diff(&mut self) -> Diff {
        let diff = self.vm.journal.diff();
        if let Some(builder) = &mut self.access_list {
            builder.access_all_of(&self.vm.journal);
        }
        self.vm.forget();
        diff
    }

    fn receipt_status(&self, outcome: &TxOutcome) -> Result<ReceiptStatus, String> {
        if self.rules.has_status_receipts {
            return Ok(ReceiptStatus::Status(outcome.halt.is_none()));
        }
        match self.root_after {
            Some(root_after) => Ok(ReceiptStatus::PostState(root_after(&self.vm.journal.diff())?)),
            None => Ok(ReceiptStatus::PostState(B256::ZERO)),
        }
    }

    /// Closes what was done since the last part of the block: system calls, a transaction, or what ends the block.
    fn end_part(&mut self) {
        let clears_empty = self.rules.vm.clears_empty_accounts;
        match &mut self.access_list {
            Some(builder) => builder.end_part(self.vm.journal.end_tx_with_changes(clears_empty)),
            None => self.vm.journal.end_tx(clears_empty),
        }
    }

    /// What comes after the last transaction: the ends of native modules, withdrawals, rewards and requests; then the outcome.
    pub fn finish(self, ommers: &[Header], withdrawals: &[Withdrawal]) -> Result<Outcome, BlockError> {
        self.finish_execution(ommers, withdrawals).map(Executed::outcome)
    }

    /// As [`BlockExecutor::finish`], leaving what can be done elsewhere to [`Executed::outcome`].
    pub fn finish_execution(mut self, ommers: &[Header], withdrawals: &[Withdrawal]) -> Result<Executed, BlockError> {
        system::end_modules(&mut self.vm)?;
        system::withdraw(&mut self.vm, withdrawals)?;
        system::reward(&mut self.vm, self.rules.block_reward, &self.header, ommers)?;
        let requests = if self.rules.has_requests {
            let logs = self.complete.0.iter().flat_map(|receipt| &receipt.logs);
            let logs = logs.chain(self.receipts.iter().flat_map(|receipt| &receipt.logs));
            Some(system::requests(&mut self.vm, &self.deposit_contract, logs)?)
        } else {
            None
        };
        self.end_part();
        let block_access_list = self.access_list.take().map(|mut builder| {
            builder.access_all_of(&self.vm.journal);
            builder.finish()
        });
        let (receipts, logs_bloom) = self.complete;
        let outcome = Outcome {
            has_receipt_roots: self.rules.has_status_receipts || self.root_after.is_some(),
            receipts,
            gas_used: self.gas.used(),
            blob_gas_used: self.gas.blob,
            logs_bloom,
            requests,
            block_access_list,
            diff: self.vm.journal.diff(),
        };
        Ok(Executed { receipts: self.receipts, outcome })
    }
}

/// Keys the journal's hash tables where the caller has no secret of its own.
const HASH_SEED: u64 = 0x7269_616c_746f;

pub(crate) fn block_context(chain: &ChainSpec, header: &Header, blobs: Option<&BlobParams>) -> BlockContext {
    let blob_base_fee = match (blobs, header.excess_blob_gas) {
        (Some(params), Some(excess)) => fees::blob_base_fee(excess, params),
        _ => U256::ZERO,
    };
    BlockContext {
        chain_id: chain.chain_id,
        number: header.number,
        timestamp_seconds: header.timestamp,
        beneficiary: header.beneficiary,
        gas_limit: header.gas_limit,
        difficulty: header.difficulty,
        prev_randao: header.mix_hash,
        base_fee: U256::from(header.base_fee_per_gas.unwrap_or(0)),
        blob_base_fee,
        slot_number: header.slot_number.unwrap_or(0),
    }
}

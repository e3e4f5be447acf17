//! Builds blocks.
//!
//! A block is built by executing it: the header's environment follows from the parent and the attributes, transactions are
//! tried one after the other, and what does not fit or is not valid leaves no trace. What remains of the header is what came
//! out. Nothing is kept: whoever wants the block in the chain commits its layer, which saves executing it a second time.

use crate::execution::{layer_of, seal};
use crate::tree::Layer;
use crate::{ChainBlock, Node, NodeError, PoolTransaction, StateView};
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use rialto_parallel::RootThreads;
use rialto_state::Diff;
use rialto_stf::{
    Block, BlockAccessList, BlockError, BlockExecutor, BlockRules, Checks, Header, Outcome, Receipt, TxError,
    Withdrawal, base_fee_after, blob_base_fee, excess_blob_gas_after, next_difficulty, ommers_hash, receipts_root,
    requests_hash, transactions_root, withdrawals_root,
};
use rialto_trie::StateTrie;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Bytes that a block's header and its lists' prefixes have at most.
const HEADER_BYTES: usize = 2 << 10;
/// Bytes that a withdrawal has at most.
const WITHDRAWAL_BYTES: usize = 64;
/// Transactions that may fail to fit before a block counts as full.
const MAX_MISFITS: usize = 64;
/// The gas limit changes by less than one part in this from block to block.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1_024;
/// Lowest gas limit.
const MIN_GAS_LIMIT: u64 = 5_000;

/// What a consensus client, or dev mode, says of the block to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadAttributes {
    /// Unix time, seconds; more than the parent's.
    pub timestamp: u64,
    /// Randomness (EIP-4399).
    pub prev_randao: B256,
    /// Recipient of fees.
    pub suggested_fee_recipient: Address,
    /// Withdrawals, since Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// The parent's beacon block root, since Cancun.
    pub parent_beacon_block_root: Option<B256>,
    /// Slot number, since Amsterdam.
    pub slot_number: Option<u64>,
    /// Gas limit; `None` moves the parent's towards the node's target.
    pub gas_limit: Option<u64>,
    /// Extra data; `None` for the node's own.
    pub extra_data: Option<Bytes>,
    /// Base fee; `None` for the one that follows from the parent. Only in dev mode, where the next block may be off the rule.
    pub base_fee_per_gas: Option<u64>,
}

/// Where a block's transactions come from.
#[derive(Clone, Debug)]
pub enum TransactionSource {
    /// From the pool, by tip, as many as there is room for.
    Pool,
    /// These, in this order; one that is not valid is an error.
    Exactly(Vec<Arc<PoolTransaction>>),
    /// These as far as valid, in this order; invalid ones are skipped.
    AsFarAsValid(Vec<Arc<PoolTransaction>>),
    /// These, of which none may be left out, and then as many from the pool as there is room for (a rollup's driver).
    ThenPool(Vec<Arc<PoolTransaction>>),
}

/// A block that was built, with what consensus needs to know of it.
#[derive(Clone)]
pub struct BuiltBlock {
    /// The block.
    pub block: Arc<ChainBlock>,
    /// Its receipts.
    pub receipts: Arc<Vec<Receipt>>,
    /// The pool's transactions in it, in their order, with their blobs.
    pub transactions: Vec<Arc<PoolTransaction>>,
    /// Sum of the tips, in wei.
    pub value: U256,
    /// Requests to the consensus layer, since Prague.
    pub requests: Option<Vec<Bytes>>,
    /// Block access list, since Amsterdam.
    pub block_access_list: Option<BlockAccessList>,
    /// What commits it.
    pub(crate) layer: Arc<Layer>,
}

/// On what a block is built.
pub(crate) struct Site<'a> {
    /// The parent.
    pub parent: &'a ChainBlock,
    /// The state after the parent, with the amendments.
    pub state: &'a StateView,
    /// What dev mode changed outside of blocks since the parent.
    pub amendments: &'a Diff,
}

/// A block's transactions so far.
struct Chosen {
    transactions: Vec<Arc<PoolTransaction>>,
    /// Sum of the tips, in wei.
    value: U256,
    /// Bytes that the block may still grow by.
    room_bytes: usize,
    /// Whether a contract that is impersonated may be a sender, which EIP-3607 forbids.
    may_send_from_contracts: bool,
}

impl Node {
    /// Builds a block; `trie` is that of the parent's state, and is that of the block's state afterwards.
    pub(crate) fn build_on(
        &self,
        site: &Site<'_>,
        attributes: &PayloadAttributes,
        source: &TransactionSource,
        trie: &mut StateTrie,
    ) -> Result<BuiltBlock, NodeError> {
        let mut header = self.next_header(&site.parent.block.header, attributes)?;
        let rules = self.spec.rules_at(header.number, header.timestamp);
        let root_after = |diff: &Diff| {
            let mut trie = StateTrie::from_root(site.state.root());
            trie.apply_from(&site.amendments.then(diff), site.state).map_err(|error| error.to_string())
        };
        let executor = BlockExecutor::new(&self.spec, &header, site.state);
        let mut executor = executor.with_tier(self.config.tier.as_deref());
        if self.is_to_be_hinted(rules) {
            executor = executor.with_access_list();
        }
        if !rules.has_status_receipts {
            executor = executor.with_root_after(&root_after);
        }
        executor.begin().map_err(build_error)?;
        let withdrawals = attributes.withdrawals.clone().or(rules.has_withdrawals.then(Vec::new));
        let used_bytes = HEADER_BYTES + WITHDRAWAL_BYTES * withdrawals.as_ref().map_or(0, Vec::len);
        let room_bytes = rules.max_block_bytes.unwrap_or(usize::MAX).saturating_sub(used_bytes);
        let mut chosen = Chosen {
            transactions: Vec::new(),
            value: U256::ZERO,
            room_bytes,
            may_send_from_contracts: self.config.is_dev,
        };
        self.choose(&mut executor, &header, rules, source, &mut chosen)?;
        let mut outcome = executor.finish(&[], withdrawals.as_deref().unwrap_or_default()).map_err(build_error)?;
        let access_list = if rules.has_access_lists {
            outcome.block_access_list.clone()
        } else {
            // It is no part of the block.
            outcome.block_access_list.take()
        };
        outcome.diff = if site.amendments.is_empty() { outcome.diff } else { site.amendments.then(&outcome.diff) };
        header.state_root = RootThreads::new(self.config.threads).apply(trie, &outcome.diff, site.state)?;
        let block = close(header, rules, &outcome, &chosen.transactions, withdrawals);
        let senders = chosen.transactions.iter().map(|transaction| transaction.sender).collect();
        let block = seal(block, senders, site.parent.total_difficulty);
        let layer = Arc::new(layer_of(block, outcome, trie));
        if let Some(list) = access_list {
            // For whoever executes the block when its layer is gone.
            self.current_view().caches.put_access_list(layer.block.hash, Arc::new(list));
        }
        Ok(BuiltBlock {
            block: Arc::clone(&layer.block),
            receipts: Arc::clone(&layer.receipts),
            transactions: chosen.transactions,
            value: chosen.value,
            requests: layer.requests.clone(),
            block_access_list: layer.block_access_list.clone(),
            layer,
        })
    }

    /// Whether an access list of the block will be of use: it lets threads run all transactions at once if the block comes back.
    /// Dev mode's blocks never do.
    fn is_to_be_hinted(&self, rules: &BlockRules) -> bool {
        self.config.threads > NonZeroUsize::MIN && !self.config.is_dev && rules.has_status_receipts
    }

    /// The header of the next block as far as it is known before execution.
    pub fn next_header(&self, parent: &Header, attributes: &PayloadAttributes) -> Result<Header, NodeError> {
        let (timestamp, number) = (attributes.timestamp, parent.number + 1);
        if timestamp <= parent.timestamp {
            let expected = format!("more than {}, the parent's", parent.timestamp);
            return Err(NodeError::Invalid { field: "timestamp", expected, found: timestamp.to_string() });
        }
        let rules = self.spec.rules_at(number, timestamp);
        let base_fee = base_fee_after(&self.spec, parent, timestamp);
        let is_first_with_base_fee = rules.has_base_fee && parent.base_fee_per_gas.is_none();
        let parent_limit = parent.gas_limit.saturating_mul(if is_first_with_base_fee { 2 } else { 1 });
        let target = self.config.gas_limit_target.unwrap_or(parent_limit);
        Ok(Header {
            parent_hash: parent.hash(),
            ommers_hash: ommers_hash(&[]),
            beneficiary: attributes.suggested_fee_recipient,
            difficulty: if rules.is_merged { U256::ZERO } else { next_difficulty(rules, parent, timestamp) },
            number,
            gas_limit: attributes.gas_limit.unwrap_or_else(|| gas_limit_towards(parent_limit, target)),
            timestamp,
            extra_data: attributes.extra_data.clone().unwrap_or_else(|| self.config.extra_data.clone()),
            mix_hash: attributes.prev_randao,
            nonce: B64::ZERO,
            base_fee_per_gas: base_fee.map(|base_fee| attributes.base_fee_per_gas.unwrap_or(base_fee)),
            excess_blob_gas: excess_blob_gas_after(&self.spec, parent, timestamp),
            parent_beacon_block_root: rules.has_blobs.then(|| attributes.parent_beacon_block_root.unwrap_or_default()),
            slot_number: rules.has_access_lists.then(|| attributes.slot_number.unwrap_or_default()),
            ..Header::default()
        })
    }

    /// Fills the block.
    fn choose(
        &self,
        executor: &mut BlockExecutor<'_>,
        header: &Header,
        rules: &BlockRules,
        source: &TransactionSource,
        chosen: &mut Chosen,
    ) -> Result<(), NodeError> {
        let base_fee = header.base_fee_per_gas.unwrap_or(0);
        match source {
            TransactionSource::Exactly(transactions) | TransactionSource::ThenPool(transactions) => {
                for (index, transaction) in transactions.iter().enumerate() {
                    let result = chosen.try_one(executor, base_fee, transaction);
                    result.map_err(|error| build_error(BlockError::Transaction { index, error: Box::new(error) }))?;
                }
            }
            TransactionSource::AsFarAsValid(transactions) => {
                for transaction in transactions {
                    if let Err(TxError::Read(error)) = chosen.try_one(executor, base_fee, transaction) {
                        return Err(error.into());
                    }
                }
            }
            TransactionSource::Pool => {}
        }
        if matches!(source, TransactionSource::Pool | TransactionSource::ThenPool(_)) {
            let params = self.spec.blob_params(rules.fork);
            let blob_fee = params.zip(header.excess_blob_gas).map(|(params, excess)| blob_base_fee(excess, &params));
            self.choose_from_pool(executor, header, blob_fee.unwrap_or_default(), chosen)?;
        }
        Ok(())
    }

    fn choose_from_pool(
        &self,
        executor: &mut BlockExecutor<'_>,
        header: &Header,
        blob_base_fee: U256,
        chosen: &mut Chosen,
    ) -> Result<(), NodeError> {
        let base_fee = header.base_fee_per_gas.unwrap_or(0);
        let mut best = self.pool.best(base_fee, blob_base_fee).preferring(self.spec.modules_at(header.timestamp));
        let mut misfits = 0;
        while let Some(transaction) = best.next() {
            match chosen.try_one(executor, base_fee, &transaction) {
                Ok(()) => {}
                Err(TxError::Read(error)) => return Err(error.into()),
                // Mined meanwhile; what the sender has after it may be good.
                Err(TxError::NonceTooLow { .. }) => {}
                Err(error) => {
                    tracing::debug!(hash = %transaction.hash, %error, "transaction left out of a block");
                    best.skip_sender();
                    misfits += 1;
                    if misfits == MAX_MISFITS {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Chosen {
    fn try_one(
        &mut self,
        executor: &mut BlockExecutor<'_>,
        base_fee: u64,
        transaction: &Arc<PoolTransaction>,
    ) -> Result<(), TxError> {
        let bytes = transaction.transaction.encode().len() + size_of::<u64>();
        if bytes > self.room_bytes {
            return Err(TxError::GasLimitAboveBlock { available: 0, found: transaction.transaction.gas_limit });
        }
        let outcome = match executor.transaction(&transaction.transaction, transaction.sender) {
            Err(TxError::SenderNotEoa { .. }) if self.may_send_from_contracts => {
                executor.set_checks(Checks { sender_is_eoa: false, ..Checks::ALL });
                let outcome = executor.transaction(&transaction.transaction, transaction.sender);
                executor.set_checks(Checks::ALL);
                outcome?
            }
            outcome => outcome?,
        };
        let tip = outcome.effective_gas_price.saturating_sub(U256::from(base_fee));
        self.value = self.value.saturating_add(tip.saturating_mul(U256::from(outcome.gas_used)));
        self.room_bytes -= bytes;
        self.transactions.push(Arc::clone(transaction));
        Ok(())
    }
}

fn build_error(error: BlockError) -> NodeError {
    match error {
        BlockError::Read(error) => NodeError::Read(error),
        error => NodeError::Build(Box::new(error)),
    }
}

/// The gas limit nearest to `target` that a child of a block with limit `parent_limit` may have.
pub fn gas_limit_towards(parent_limit: u64, target: u64) -> u64 {
    let most = (parent_limit / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    target.clamp(parent_limit.saturating_sub(most), parent_limit.saturating_add(most)).max(MIN_GAS_LIMIT)
}

/// Completes the header with what came out.
fn close(
    mut header: Header,
    rules: &BlockRules,
    outcome: &Outcome,
    chosen: &[Arc<PoolTransaction>],
    withdrawals: Option<Vec<Withdrawal>>,
) -> Block {
    let transactions: Vec<_> = chosen.iter().map(|transaction| transaction.transaction.clone()).collect();
    header.transactions_root = transactions_root(&transactions);
    header.receipts_root = receipts_root(&outcome.receipts);
    header.logs_bloom = outcome.logs_bloom;
    header.gas_used = outcome.gas_used;
    header.withdrawals_root = withdrawals.as_deref().map(withdrawals_root);
    header.blob_gas_used = rules.has_blobs.then_some(outcome.blob_gas_used);
    header.requests_hash = outcome.requests.as_deref().map(requests_hash);
    header.block_access_list_hash = outcome.block_access_list.as_ref().map(BlockAccessList::hash);
    Block { header, transactions, ommers: Vec::new(), withdrawals }
}

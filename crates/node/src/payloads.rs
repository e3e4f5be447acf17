//! Blocks that are being built for a consensus client, and the pending block.
//!
//! A payload is built by a thread of its own as soon as it is asked for, and once more when it is fetched if the pool has
//! changed since: the consensus client waits a slot between the two. The pending block is what dev mode, or a payload with
//! default attributes, would be now.

use crate::builder::Site;
use crate::tree::Layer;
use crate::{BlockId, BuiltBlock, Node, NodeError, PayloadAttributes, PayloadId, TransactionSource};
use alloy_primitives::{B256, U256, keccak256};
use rialto_state::Diff;
use rialto_trie::StateTrie;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most payloads that are kept.
const MAX_PAYLOADS: usize = 16;

/// The best block so far, and the pool's version that it was built from.
type Best = Option<(Arc<BuiltBlock>, u64)>;

/// A payload that was asked for.
struct Job {
    parent: B256,
    attributes: PayloadAttributes,
    source: TransactionSource,
    best: Mutex<Best>,
}

/// The pending block, with what it was built from.
struct Pending {
    head: B256,
    amendments: Arc<Diff>,
    pool_version: u64,
    attributes: PayloadAttributes,
    block: Arc<BuiltBlock>,
}

/// See the module's comment.
#[derive(Default)]
pub(crate) struct Payloads {
    jobs: VecDeque<(PayloadId, Arc<Job>)>,
    pending: Option<Pending>,
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Node {
    fn payloads(&self) -> MutexGuard<'_, Payloads> {
        self.payloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to build a block on `parent` from the pool; the same input gives the same id.
    pub fn start_payload(
        self: &Arc<Self>,
        parent: B256,
        attributes: PayloadAttributes,
    ) -> Result<PayloadId, NodeError> {
        self.start_payload_of(parent, attributes, TransactionSource::Pool)
    }

    /// As [`Node::start_payload`], from transactions that the caller names.
    pub fn start_payload_of(
        self: &Arc<Self>,
        parent: B256,
        attributes: PayloadAttributes,
        source: TransactionSource,
    ) -> Result<PayloadId, NodeError> {
        let id = payload_id(&parent, &attributes, &source);
        let view = self.current_view();
        let header = view.header(BlockId::Hash(parent))?;
        let header = header.ok_or_else(|| NodeError::UnknownBlock { block: parent.to_string() })?;
        self.next_header(&header, &attributes)?;
        let job = Arc::new(Job { parent, attributes, source, best: Mutex::new(None) });
        {
            let mut payloads = self.payloads();
            if payloads.jobs.iter().any(|(known, _)| *known == id) {
                return Ok(id);
            }
            payloads.jobs.push_back((id, Arc::clone(&job)));
            if payloads.jobs.len() > MAX_PAYLOADS {
                payloads.jobs.pop_front();
            }
        }
        let node = Arc::clone(self);
        std::thread::spawn(move || {
            if let Err(error) = node.improve(&job) {
                tracing::warn!(%error, "payload not built");
            }
        });
        Ok(id)
    }

    /// The best block built so far for this id, `None` where there is none. Waits for the first.
    pub fn payload(&self, id: &PayloadId) -> Result<Option<Arc<BuiltBlock>>, NodeError> {
        let job = self.payloads().jobs.iter().find(|(known, _)| known == id).map(|(_, job)| Arc::clone(job));
        job.map(|job| self.improve(&job)).transpose()
    }

    /// Builds a job's block if it is not built or if the pool has changed since.
    fn improve(&self, job: &Job) -> Result<Arc<BuiltBlock>, NodeError> {
        let mut best = job.best.lock().unwrap_or_else(PoisonError::into_inner);
        let pool_version = self.pool.version();
        if let Some((block, version)) = best.as_ref()
            && *version == pool_version
        {
            return Ok(Arc::clone(block));
        }
        let built = Arc::new(self.build(job.parent, &job.attributes, &job.source)?);
        let block = match best.take() {
            Some((old, _)) if old.value > built.value => old,
            _ => built,
        };
        *best = Some((Arc::clone(&block), pool_version));
        Ok(block)
    }

    /// The layer of a block that was built here, so that it is not executed again when it comes back.
    pub(crate) fn own_payload(&self, hash: &B256) -> Option<Arc<Layer>> {
        let payloads = self.payloads();
        payloads.jobs.iter().find_map(|(_, job)| {
            let best = job.best.try_lock().ok()?;
            best.as_ref().map(|(built, _)| &built.layer).filter(|layer| layer.block.hash == *hash).cloned()
        })
    }

    /// Builds a block on `parent`, without keeping it.
    pub fn build(
        &self,
        parent: B256,
        attributes: &PayloadAttributes,
        source: &TransactionSource,
    ) -> Result<BuiltBlock, NodeError> {
        let view = self.current_view();
        let unknown = || NodeError::UnknownBlock { block: parent.to_string() };
        let block = view.block(BlockId::Hash(parent))?.ok_or_else(unknown)?;
        let mut state = view.state_after(&parent)?.ok_or_else(unknown)?;
        let mut amendments = Arc::default();
        if parent == view.head().hash {
            amendments = Arc::clone(&view.current.amendments);
            state = state.with_diff(Arc::clone(&amendments));
        }
        let site = Site { parent: &block, state: &state, amendments: &amendments };
        self.build_on(&site, attributes, source, &mut StateTrie::from_root(block.block.header.state_root))
    }

    /// The block that would be mined now on the head. Cached until head or pool change.
    pub fn pending(&self) -> Result<Arc<BuiltBlock>, NodeError> {
        let view = self.current_view();
        let pool_version = self.pool.version();
        let head = &view.head().block.header;
        let attributes = match self.next_attributes.get() {
            Some(next) => next(view.head()),
            None => PayloadAttributes {
                timestamp: now_seconds().max(head.timestamp + 1),
                prev_randao: head.mix_hash,
                suggested_fee_recipient: self.config.fee_recipient,
                ..PayloadAttributes::default()
            },
        };
        // Time goes on, but it is no reason to build again: only dev mode's clock can jump.
        let is_dev = self.next_attributes.get().is_some();
        let is_of = |pending: &&Pending| {
            pending.head == view.head().hash
                && pending.pool_version == pool_version
                && Arc::ptr_eq(&pending.amendments, &view.current.amendments)
                && (!is_dev || pending.attributes == attributes)
        };
        if let Some(pending) = self.payloads().pending.as_ref().filter(is_of) {
            return Ok(Arc::clone(&pending.block));
        }
        let block = Arc::new(self.build(view.head().hash, &attributes, &TransactionSource::Pool)?);
        self.payloads().pending = Some(Pending {
            head: view.head().hash,
            amendments: Arc::clone(&view.current.amendments),
            pool_version,
            attributes,
            block: Arc::clone(&block),
        });
        Ok(block)
    }
}

/// The first bytes of a hash over everything that makes a payload what it is.
fn payload_id(parent: &B256, attributes: &PayloadAttributes, source: &TransactionSource) -> PayloadId {
    let mut bytes = parent.to_vec();
    let mut word = |word: U256| bytes.extend(word.to_be_bytes::<32>());
    word(U256::from(attributes.timestamp));
    word(attributes.prev_randao.into());
    word(U256::from_be_slice(attributes.suggested_fee_recipient.as_slice()));
    for number in [attributes.slot_number, attributes.gas_limit, attributes.base_fee_per_gas] {
        word(number.map_or(U256::MAX, U256::from));
    }
    word(attributes.parent_beacon_block_root.map_or(U256::MAX, Into::into));
    word(attributes.extra_data.as_ref().map_or(U256::MAX, |data| keccak256(data).into()));
    word(attributes.withdrawals.as_ref().map_or(U256::MAX, |list| U256::from(list.len())));
    for withdrawal in attributes.withdrawals.iter().flatten() {
        bytes.extend(withdrawal.encode());
    }
    let (kind, transactions): (u8, &[_]) = match source {
        TransactionSource::Pool => (0, &[]),
        TransactionSource::Exactly(transactions) => (1, transactions),
        TransactionSource::AsFarAsValid(transactions) => (2, transactions),
        TransactionSource::ThenPool(transactions) => (3, transactions),
    };
    bytes.push(kind);
    for transaction in transactions {
        bytes.extend(transaction.hash);
    }
    keccak256(&bytes)[..8].try_into().expect("a hash has 32 bytes")
}

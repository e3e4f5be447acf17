//! Mining in dev mode: when a block is built, and with what in its header.
//!
//! A thread waits for work. In instant mode work is a transaction in the pool: whoever submitted one takes a ticket, the
//! thread mines one block with all that is pending, and says up to which ticket it served. So a lone transaction has its
//! receipt when its submission returns, while under load the transactions that arrive during one block share the next. In
//! interval mode work is a moment in time; in manual mode there is none, and blocks come from [`Miner::mine`] alone.
//!
//! Two locks, always in this order: `chain` for whatever writes to the chain (mining, changes outside of blocks, going back),
//! held as long as that takes; `control` for the settings, held for a moment.

mod clock;
mod snapshots;

use crate::{BlockId, BuiltBlock, Node, NodeError, PayloadAttributes, PoolTransaction, StateView, TransactionSource};
use alloy_primitives::{Address, B256, keccak256};
use clock::Clock;
use rialto_state::Diff;
use rialto_stf::Header;
use snapshots::{Snapshot, Snapshots};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Most blocks of one request to mine.
pub const MINE_BLOCKS_MAX: u64 = 100_000;
/// Most transactions whose order of arrival is known.
const ARRIVALS_MAX: usize = 65_536;

/// When blocks are mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MiningMode {
    /// As soon as there is a transaction.
    Instant,
    /// One after so much time, with or without transactions.
    Interval(Duration),
    /// When asked.
    Manual,
}

/// Which of the pending transactions comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MiningOrder {
    /// The one that pays most.
    #[default]
    Fees,
    /// The one that came first.
    Fifo,
}

/// How mining begins.
#[derive(Clone, Copy, Debug)]
pub struct MinerConfig {
    /// When blocks are mined.
    pub mode: MiningMode,
    /// Which transaction comes first.
    pub order: MiningOrder,
    /// Recipient of fees.
    pub fee_recipient: Address,
}

/// Mines blocks on a node in dev mode. See the module's documentation.
pub struct Miner {
    node: Arc<Node>,
    order: MiningOrder,
    chain: Mutex<Snapshots>,
    control: Mutex<Control>,
    /// There is work, or none any more.
    wake: Condvar,
    served: watch::Sender<Served>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Settings, and how far the thread is.
struct Control {
    mode: MiningMode,
    clock: Clock,
    fee_recipient: Address,
    gas_limit: Option<u64>,
    next_base_fee: Option<u64>,
    next_prev_randao: Option<B256>,
    /// When the next block of interval mode is due.
    due: Option<Instant>,
    /// Tickets given out.
    requested: u64,
    /// Hashes in the order of arrival, for [`MiningOrder::Fifo`].
    arrivals: VecDeque<B256>,
    is_stopped: bool,
}

/// How far the thread is.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    /// The last ticket served.
    ticket: u64,
    /// Transactions in the block that served it.
    count: usize,
}

/// What the thread is to do.
enum Work {
    /// Mine what is pending and serve this ticket.
    Transactions(u64),
    /// Mine a block whatever is pending.
    Block,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is valid after every statement, so a thread that panicked leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the wall clock shows, Unix seconds.
fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Miner {
    /// Starts mining on `node`, which must be in dev mode.
    pub fn start(node: Arc<Node>, config: MinerConfig) -> Result<Arc<Self>, NodeError> {
        if !node.config().is_dev {
            return Err(NodeError::NotDev);
        }
        let control = Control {
            mode: config.mode,
            clock: Clock::default(),
            fee_recipient: config.fee_recipient,
            gas_limit: None,
            next_base_fee: None,
            next_prev_randao: None,
            due: None,
            requested: 0,
            arrivals: VecDeque::new(),
            is_stopped: false,
        };
        let miner = Arc::new(Self {
            node,
            order: config.order,
            chain: Mutex::default(),
            control: Mutex::new(control),
            wake: Condvar::new(),
            served: watch::Sender::new(Served::default()),
            thread: Mutex::default(),
        });
        // The pending block shows what would be mined. A node has one miner; a second one changes nothing here.
        let of_next = Arc::downgrade(&miner);
        let _ = miner.node.next_attributes.set(Box::new(move |parent| {
            of_next.upgrade().map_or_else(PayloadAttributes::default, |miner| {
                miner.attributes(&lock(&miner.control), wall_seconds(), &parent.block.header, parent.hash)
            })
        }));
        let worker = Arc::clone(&miner);
        let thread = std::thread::Builder::new().name("miner".to_string()).spawn(move || worker.run());
        let thread = thread.map_err(|error| NodeError::Invalid {
            field: "miner",
            expected: "a thread".to_string(),
            found: error.to_string(),
        })?;
        *lock(&miner.thread) = Some(thread);
        Ok(miner)
    }

    /// The node that it mines on.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Ends mining; a block under construction is finished first.
    pub fn stop(&self) {
        lock(&self.control).is_stopped = true;
        self.wake.notify_all();
        self.serve(u64::MAX, 0);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the miner's thread panicked");
        }
    }

    fn run(&self) {
        while let Some(work) = self.wait_for_work() {
            let (ticket, result) = match work {
                Work::Transactions(ticket) => (Some(ticket), self.mine_pending()),
                Work::Block => (None, self.mine_one().map(|built| built.block.block.transactions.len())),
            };
            let count = result.unwrap_or_else(|error| {
                tracing::error!(%error, "a block could not be mined");
                0
            });
            if let Some(ticket) = ticket {
                // What did not fit into the block goes into the next.
                if count > 0 && self.node.pool().status().0 > 0 {
                    lock(&self.control).requested += 1;
                }
                self.serve(ticket, count);
            }
        }
    }

    /// Says that all tickets up to this one are served.
    fn serve(&self, ticket: u64, count: usize) {
        self.served.send_modify(|served| *served = Served { ticket: served.ticket.max(ticket), count });
    }

    fn wait_for_work(&self) -> Option<Work> {
        let mut control = lock(&self.control);
        loop {
            if control.is_stopped {
                return None;
            }
            match control.mode {
                MiningMode::Instant if control.requested > self.served.borrow().ticket => {
                    return Some(Work::Transactions(control.requested));
                }
                MiningMode::Interval(period) => {
                    let now = Instant::now();
                    let due = *control.due.get_or_insert(now + period);
                    if due <= now {
                        // A block that took longer than the period doesn't make the next ones hurry.
                        control.due = Some((due + period).max(now));
                        return Some(Work::Block);
                    }
                    let waited = self.wake.wait_timeout(control, due - now);
                    control = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => control = self.wake.wait(control).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// To be called when the pool has taken in a transaction. In instant mode returns when the transaction is in a block, or
    /// cannot be in the next one; otherwise at once. It has no bound in time of its own.
    pub async fn submitted(&self, hash: &B256) {
        self.note_arrival(hash);
        let mut progress = self.served.subscribe();
        while let Some(ticket) = self.take_ticket() {
            let served = progress.wait_for(|served| served.ticket >= ticket).await;
            let Ok(served) = served.map(|served| *served) else { return };
            // Mined, or waiting for something that no block brings.
            if served.count == 0 || self.node.pool().get(hash).is_none() {
                return;
            }
        }
    }

    fn note_arrival(&self, hash: &B256) {
        if self.order == MiningOrder::Fifo {
            let mut control = lock(&self.control);
            if control.arrivals.len() == ARRIVALS_MAX {
                control.arrivals.pop_front();
            }
            control.arrivals.push_back(*hash);
        }
    }

    /// Has the thread mine a block with what is pending; `None` where it doesn't in this mode.
    fn take_ticket(&self) -> Option<u64> {
        let mut control = lock(&self.control);
        if control.mode != MiningMode::Instant || control.is_stopped {
            return None;
        }
        control.requested += 1;
        self.wake.notify_all();
        Some(control.requested)
    }

    /// Has the thread look at the pool again.
    fn look_at_pool(&self) {
        lock(&self.control).requested += 1;
        self.wake.notify_all();
    }

    fn mine_pending(&self) -> Result<usize, NodeError> {
        if self.node.pool().status().0 == 0 {
            return Ok(0);
        }
        Ok(self.mine_one()?.block.block.transactions.len())
    }

    /// Mines a block with what is pending.
    pub fn mine_one(&self) -> Result<Arc<BuiltBlock>, NodeError> {
        let _chain = lock(&self.chain);
        self.mine_on_head(None)
    }

    /// Mines a block with what is pending, at this time if one is given.
    pub fn mine_at(&self, timestamp: Option<u64>) -> Result<Arc<BuiltBlock>, NodeError> {
        if let Some(timestamp) = timestamp {
            self.set_next_timestamp(timestamp)?;
        }
        self.mine_one()
    }

    /// Mines `count` blocks, at most [`MINE_BLOCKS_MAX`]; the clock is moved forward by `interval_seconds` before each.
    pub fn mine(&self, count: u64, interval_seconds: Option<u64>) -> Result<(), NodeError> {
        if count > MINE_BLOCKS_MAX {
            let expected = format!("at most {MINE_BLOCKS_MAX}");
            return Err(NodeError::Invalid { field: "blocks", expected, found: count.to_string() });
        }
        for _ in 0..count {
            if let Some(seconds) = interval_seconds {
                self.increase_time(seconds);
            }
            self.mine_one()?;
        }
        Ok(())
    }

    /// Mines on the head; the caller holds the lock of the chain.
    fn mine_on_head(&self, source: Option<TransactionSource>) -> Result<Arc<BuiltBlock>, NodeError> {
        let view = self.node.view()?;
        let parent = &view.head().block.header;
        let wall = wall_seconds();
        let (attributes, source) = {
            let mut control = lock(&self.control);
            let source = source.unwrap_or_else(|| self.source(&mut control));
            (self.attributes(&control, wall, parent, view.head().hash), source)
        };
        let built = self.node.mine(&attributes, &source)?;
        let mut control = lock(&self.control);
        control.clock.mined(wall, attributes.timestamp);
        // What a caller set meanwhile is for the block after this one.
        if control.next_base_fee == attributes.base_fee_per_gas {
            control.next_base_fee = None;
        }
        if control.next_prev_randao == Some(attributes.prev_randao) {
            control.next_prev_randao = None;
        }
        Ok(built)
    }

    fn source(&self, control: &mut Control) -> TransactionSource {
        match self.order {
            MiningOrder::Fees => TransactionSource::Pool,
            MiningOrder::Fifo => {
                let pool = self.node.pool();
                let waiting: Vec<_> = control.arrivals.iter().filter_map(|hash| pool.get(hash)).collect();
                control.arrivals = waiting.iter().map(|transaction| transaction.hash).collect();
                TransactionSource::AsFarAsValid(waiting)
            }
        }
    }

    fn attributes(&self, control: &Control, wall: u64, parent: &Header, parent_hash: B256) -> PayloadAttributes {
        let number = parent.number + 1;
        let timestamp = control.clock.next_timestamp(wall, parent.timestamp);
        let rules = self.node.spec().rules_at(number, timestamp);
        PayloadAttributes {
            timestamp,
            // Not random, but different in every block and the same in every run.
            prev_randao: control.next_prev_randao.unwrap_or_else(|| keccak256(parent_hash)),
            suggested_fee_recipient: control.fee_recipient,
            withdrawals: rules.has_withdrawals.then(Vec::new),
            parent_beacon_block_root: rules.has_blobs.then_some(B256::ZERO),
            slot_number: rules.has_access_lists.then_some(number),
            gas_limit: control.gas_limit,
            extra_data: None,
            base_fee_per_gas: control.next_base_fee,
        }
    }

    /// When blocks are mined.
    pub fn mode(&self) -> MiningMode {
        lock(&self.control).mode
    }

    /// Changes when blocks are mined. Going to instant mode mines what is pending.
    pub fn set_mode(&self, mode: MiningMode) {
        let mut control = lock(&self.control);
        control.mode = mode;
        control.due = None;
        control.requested += 1;
        let requested = control.requested;
        drop(control);
        if mode != MiningMode::Instant {
            // Nobody waits for a block that does not come by itself.
            self.serve(requested, 0);
        }
        self.wake.notify_all();
    }

    /// What the clock shows, Unix seconds.
    pub fn now(&self) -> u64 {
        lock(&self.control).clock.now(wall_seconds())
    }

    /// The time that a block mined now would have.
    pub fn next_timestamp(&self) -> Result<u64, NodeError> {
        let parent = self.node.view()?.head().block.header.timestamp;
        Ok(lock(&self.control).clock.next_timestamp(wall_seconds(), parent))
    }

    /// Moves the clock forward; returns by how many seconds it is before the wall clock now.
    pub fn increase_time(&self, seconds: u64) -> i64 {
        lock(&self.control).clock.advance(seconds)
    }

    /// Makes the clock show this time; returns by how many seconds that is later than what it showed, 0 if it is earlier.
    pub fn set_time(&self, timestamp: u64) -> u64 {
        let wall = wall_seconds();
        let mut control = lock(&self.control);
        let before = control.clock.now(wall);
        control.clock.set(wall, timestamp);
        timestamp.saturating_sub(before)
    }

    /// Asks for the next block's time.
    pub fn set_next_timestamp(&self, timestamp: u64) -> Result<(), NodeError> {
        let head = self.node.view()?.head().block.header.timestamp;
        lock(&self.control).clock.set_next(timestamp, head)
    }

    /// Fixes the seconds between blocks, or ends that. Returns whether they were fixed.
    pub fn set_timestamp_interval(&self, seconds: Option<u64>) -> bool {
        lock(&self.control).clock.set_interval(seconds)
    }

    /// Recipient of fees.
    pub fn fee_recipient(&self) -> Address {
        lock(&self.control).fee_recipient
    }

    /// Changes the recipient of fees.
    pub fn set_fee_recipient(&self, recipient: Address) {
        lock(&self.control).fee_recipient = recipient;
    }

    /// Gas limit of the blocks from the next one on.
    pub fn set_gas_limit(&self, gas_limit: u64) {
        lock(&self.control).gas_limit = Some(gas_limit);
    }

    /// Base fee of the next block, wei per gas.
    pub fn set_next_base_fee(&self, base_fee: u64) {
        lock(&self.control).next_base_fee = Some(base_fee);
    }

    /// Randomness of the next block.
    pub fn set_next_prev_randao(&self, prev_randao: B256) {
        lock(&self.control).next_prev_randao = Some(prev_randao);
    }

    /// Changes the state outside of blocks. `make` gets the latest state and returns the change; nobody else changes it
    /// meanwhile.
    pub fn amend<E: From<NodeError>>(&self, make: impl FnOnce(&StateView) -> Result<Diff, E>) -> Result<(), E> {
        {
            let _chain = lock(&self.chain);
            let state = self.node.view()?.state(BlockId::Latest)?;
            let state = state.ok_or_else(|| NodeError::UnknownBlock { block: "latest".to_string() })?;
            self.node.amend(make(&state)?)?;
        }
        self.look_at_pool();
        Ok(())
    }

    /// Takes a snapshot and returns its number.
    pub fn snapshot(&self) -> Result<u64, NodeError> {
        let mut snapshots = lock(&self.chain);
        let view = self.node.view()?;
        let (head, number) = (view.head().hash, view.head().block.header.number);
        let amendments = self.node.amendments();
        let content = self.node.pool().content();
        let pool: Vec<_> = [content.pending, content.queued]
            .into_iter()
            .flat_map(|by_sender| by_sender.into_values().flat_map(|by_nonce| by_nonce.into_values()))
            .collect();
        Ok(snapshots.push(|id| Snapshot { id, head, number, amendments, pool }))
    }

    /// Number, head's number and head's hash of every snapshot, oldest first.
    pub fn snapshots(&self) -> Vec<(u64, u64, B256)> {
        lock(&self.chain).heads()
    }

    /// Goes back to a snapshot: chain, changes outside of blocks, pool and clock. False if there is no such snapshot.
    pub fn revert(&self, id: u64) -> Result<bool, NodeError> {
        {
            let mut snapshots = lock(&self.chain);
            let Some(snapshot) = snapshots.get(id).cloned() else { return Ok(false) };
            self.go_back_to(snapshot.head, Diff::clone(&snapshot.amendments), &snapshot.pool)?;
            snapshots.forget_from(id);
        }
        self.look_at_pool();
        Ok(true)
    }

    /// Takes the last `depth` blocks off the chain, and what was in the pool or changed outside of blocks.
    pub fn rollback(&self, depth: u64) -> Result<(), NodeError> {
        let _chain = lock(&self.chain);
        self.rollback_locked(depth)
    }

    fn rollback_locked(&self, depth: u64) -> Result<(), NodeError> {
        let view = self.node.view()?;
        let head = view.head().block.header.number;
        let number = head.checked_sub(depth).ok_or_else(|| NodeError::Invalid {
            field: "depth",
            expected: format!("at most the head's number, {head}"),
            found: depth.to_string(),
        })?;
        let hash = view.hash(BlockId::Number(number))?;
        let hash = hash.ok_or_else(|| NodeError::UnknownBlock { block: number.to_string() })?;
        self.go_back_to(hash, Diff::default(), &[])
    }

    /// Replaces the last `depth` blocks by as many others, the block with index `i` of them with the transactions that
    /// `blocks` gives for it.
    pub fn reorg(&self, depth: u64, blocks: Vec<Vec<Arc<PoolTransaction>>>) -> Result<(), NodeError> {
        if blocks.len() as u64 != depth {
            let expected = format!("{depth}, as many as are replaced");
            return Err(NodeError::Invalid { field: "blocks", expected, found: blocks.len().to_string() });
        }
        let _chain = lock(&self.chain);
        self.rollback_locked(depth)?;
        for transactions in blocks {
            self.mine_on_head(Some(TransactionSource::Exactly(transactions)))?;
        }
        Ok(())
    }

    /// Goes back to the genesis block and forgets all snapshots and settings but the mode and the recipient of fees.
    pub fn reset(&self) -> Result<(), NodeError> {
        let mut snapshots = lock(&self.chain);
        let genesis = self.node.view()?.hash(BlockId::Earliest)?;
        let genesis = genesis.ok_or_else(|| NodeError::UnknownBlock { block: "earliest".to_string() })?;
        self.go_back_to(genesis, Diff::default(), &[])?;
        snapshots.clear();
        let mut control = lock(&self.control);
        control.clock = Clock::default();
        control.gas_limit = None;
        control.next_base_fee = None;
        control.next_prev_randao = None;
        control.arrivals.clear();
        Ok(())
    }

    /// Makes `head` the head with these changes outside of blocks, and `pool` the pool, and sets the clock to the head's
    /// time. The caller holds the lock of the chain.
    fn go_back_to(&self, head: B256, amendments: Diff, pool: &[Arc<PoolTransaction>]) -> Result<(), NodeError> {
        self.node.set_head(head)?;
        self.node.set_amendments(amendments)?;
        // The pool took back what was in the blocks that are gone.
        self.node.pool().clear();
        for transaction in pool {
            // One that is not valid in the old state any more was not valid in it then.
            if let Err(error) = self.node.submit(PoolTransaction::clone(transaction)) {
                tracing::debug!(hash = %transaction.hash, %error, "a snapshot's transaction was not taken back");
            }
        }
        let timestamp = self.node.view()?.head().block.header.timestamp;
        lock(&self.control).clock.set(wall_seconds(), timestamp);
        Ok(())
    }
}

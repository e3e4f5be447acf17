//! Many blocks in a row, with several of them under way at any time.
//!
//! Executing a block needs what the blocks before it changed, but not their tries. So one thread executes, each block on
//! the diffs of those before, while another, a few blocks behind, updates the tries, compares roots and makes the layers. A
//! third is a few blocks ahead: it recovers senders, which needs no state at all, and reads what is known that a block will
//! read, so that it is in memory then. All of them are committed together, which saves a flush of the disk for each. A
//! block that turns out not to be valid ends the run; what was before it is committed.

use crate::execution::{Task, layer_of, recover_senders, seal};
use crate::prefetch::ReadAhead;
use crate::tree::Layer;
use crate::{ChainBlock, ChainView, ImportError, Node, NodeError, StateView};
use alloy_primitives::Address;
use rialto_parallel::RootThreads;
use rialto_stf::{Block, BlockError, Outcome};
use rialto_trie::StateTrie;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

/// Most blocks that are committed together. A read looks through the diffs of all that are under way.
const MAX_RUN: usize = 32;
/// Blocks that may be executed ahead of their root.
const AHEAD: usize = 4;

/// A block, and who sent its transactions.
type Prepared = (Block, Result<Vec<Address>, BlockError>);
/// A block of which all but the root is checked.
type Executed = (Arc<ChainBlock>, Outcome);

/// Why a run of blocks ended early.
#[derive(Debug)]
pub struct RunError {
    /// Position of the block in the run.
    pub index: usize,
    /// What is wrong with it.
    pub error: ImportError,
}

impl Node {
    /// Imports blocks in their order, each as [`Node::import`] would. On an error all blocks before the one it names are
    /// imported.
    pub fn import_run(&self, blocks: Vec<Block>) -> Result<(), RunError> {
        let mut blocks = blocks.into_iter();
        let mut first = 0;
        loop {
            let run: Vec<Block> = blocks.by_ref().take(MAX_RUN).collect();
            let count = run.len();
            if count == 0 {
                return Ok(());
            }
            let in_all = |RunError { index, error }| RunError { index: first + index, error };
            if self.can_run_ahead(&run) {
                self.import_ahead(run).map_err(in_all)?;
            } else {
                for (index, block) in run.into_iter().enumerate() {
                    self.import(block).map_err(|error| in_all(RunError { index, error }))?;
                }
            }
            first += count;
        }
    }

    /// Whether the blocks continue the head, one after the other, and need nothing of each other but diffs.
    fn can_run_ahead(&self, run: &[Block]) -> bool {
        let head = self.current_view().head().hash;
        let parents = std::iter::once(head).chain(run.iter().map(Block::hash));
        let is_simple = |block: &Block| {
            // Receipts before Byzantium have roots of tries that are not there yet, and ommers are compared with ancestors
            // that would be in no view yet.
            let rules = self.spec.rules_at(block.header.number, block.header.timestamp);
            rules.has_status_receipts && block.ommers.is_empty()
        };
        run.len() > 1
            && run.iter().zip(parents).all(|(block, parent)| block.header.parent_hash == parent && is_simple(block))
    }

    fn import_ahead(&self, blocks: Vec<Block>) -> Result<(), RunError> {
        let at = |index: usize| move |error: ImportError| RunError { index, error };
        let mut writer = self.writer();
        let view = self.current_view();
        let (hash, root) = (view.head().hash, view.head().block.header.state_root);
        let parent_hash = hash;
        let state = view.state_after(&hash).map_err(ImportError::Node).map_err(at(0))?;
        let state = state.ok_or(ImportError::UnknownParent { parent_hash }).map_err(at(0))?;
        let trie = writer.take_trie(&hash, root);
        let begin = Instant::now();
        let (sender, receiver) = sync_channel(AHEAD);
        let (prepared_sender, prepared) = sync_channel(AHEAD);
        let progress = AtomicUsize::new(0);
        let (executed, rooted) = std::thread::scope(|scope| {
            let below = state.clone();
            let threads = RootThreads::new(self.config.threads);
            let roots = scope.spawn(move || root_all(receiver, below, trie, threads));
            let (before, progress) = (state.clone(), &progress);
            scope.spawn(move || self.prepare_all(&before, blocks, progress, prepared_sender));
            let executed = self.execute_all(&view, state, prepared, progress, sender);
            // Whatever is still read ahead is of no use.
            progress.store(usize::MAX, Ordering::Relaxed);
            (executed, roots.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let (layers, trie, root_error) = rooted;
        if let Some(last) = layers.last() {
            let hash = last.block.hash;
            writer.trie = trie.map(|trie| (hash, trie));
            let count = layers.len();
            let each = begin.elapsed() / u32::try_from(count).unwrap_or(u32::MAX);
            (0..count).for_each(|_| self.stats().block_times.observe(each));
            let view =
                self.show(view.current.with_tree(|tree| layers.into_iter().for_each(|layer| tree.insert(layer))));
            self.make_head(&mut writer, &view, hash, None).map_err(at(count - 1))?;
        }
        match (root_error, executed) {
            (Some(error), _) | (None, Err(error)) => Err(error),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Recovers senders, hands the blocks on, and reads ahead what each will read, unless `progress` blocks are executed
    /// before it comes to that. Only where blocks are executed by threads is there anything to gain by reading.
    fn prepare_all(&self, state: &StateView, blocks: Vec<Block>, progress: &AtomicUsize, sender: SyncSender<Prepared>) {
        for (index, block) in blocks.into_iter().enumerate() {
            let senders = recover_senders(&self.spec, &block);
            let ahead = match &senders {
                Ok(senders) if self.config.threads > NonZeroUsize::MIN => ReadAhead::of(&block, senders, None),
                _ => ReadAhead::default(),
            };
            if sender.send((block, senders)).is_err() {
                // The run has ended.
                return;
            }
            ahead.read_now(state, || progress.load(Ordering::Relaxed) > index);
        }
    }

    /// Executes the blocks, each on the diffs of those before, and hands them on.
    fn execute_all(
        &self,
        view: &ChainView,
        mut state: StateView,
        blocks: Receiver<Prepared>,
        progress: &AtomicUsize,
        sender: SyncSender<Executed>,
    ) -> Result<(), RunError> {
        let mut parent = Arc::clone(view.head());
        for (index, (block, senders)) in blocks.into_iter().enumerate() {
            let at = |error: ImportError| RunError { index, error };
            let access_list = view.caches.access_list(&block.hash());
            let strategy = self.config.strategy(access_list.as_deref());
            let task = Task { spec: &self.spec, view, state: &state, parent: &parent.block.header, strategy };
            task.check_header(&block).map_err(at)?;
            let senders = senders.map_err(|error| at(error.into()))?;
            let outcome = task.outcome(&block, &senders).map_err(at)?;
            progress.store(index + 1, Ordering::Relaxed);
            let block = seal(block, senders, parent.total_difficulty);
            state = state.with_executed(&block, Arc::new(outcome.diff.clone()));
            parent = Arc::clone(&block);
            if sender.send((block, outcome)).is_err() {
                // The other thread met a wrong root and says which.
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Updates the tries by one block after the other, until there is none left or one has a wrong root.
fn root_all(
    executed: Receiver<Executed>,
    mut state: StateView,
    mut trie: StateTrie,
    threads: RootThreads,
) -> (Vec<Arc<Layer>>, Option<StateTrie>, Option<RunError>) {
    let mut layers: Vec<Arc<Layer>> = Vec::new();
    for (block, outcome) in executed {
        let index = layers.len();
        let expected = block.block.header.state_root;
        let error = match threads.apply(&mut trie, &outcome.diff, &state) {
            Ok(found) if found == expected => None,
            Ok(found) => Some(BlockError::Root { field: "state_root", expected, found }.into()),
            Err(error) => Some(ImportError::Node(NodeError::Trie(error))),
        };
        if let Some(error) = error {
            return (layers, None, Some(RunError { index, error }));
        }
        let layer = Arc::new(layer_of(block, outcome, &mut trie));
        state = state.with_layer(Arc::clone(&layer));
        layers.push(layer);
    }
    (layers, Some(trie), None)
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunError {}

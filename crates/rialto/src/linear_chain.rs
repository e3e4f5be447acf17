//! Blocks one after the other on a growing state, each checked against the one before it.
//!
//! Only the latest state is kept, with what later blocks may ask for: the last hashes and the blocks in which ommers may
//! have their parents.

use crate::block_input::InputBlock;
use crate::block_run::{self, RunError, TimedOutcome};
use crate::chain_store::ReaderWithHashes;
use crate::execution::Execution;
use alloy_primitives::B256;
use rialto_state::{Diff, MemoryState};
use rialto_stf::{Block, BlockError, ChainSpec, Genesis, Header, Outcome, validate_header, validate_ommers};
use rialto_trie::{StateTrie, TrieError};
use std::collections::{BTreeMap, VecDeque};

/// Ancestors whose hashes a block can ask for.
const HASHES: usize = 256;
/// Ancestors that decide which ommers a block may have.
const OMMER_ANCESTORS: usize = 8;

/// See the module's documentation.
pub struct LinearChain {
    chain: ChainSpec,
    execution: Execution,
    state: MemoryState,
    trie: StateTrie,
    /// Latest first; empty where the state came without its block.
    recent: VecDeque<Block>,
    hashes: BTreeMap<u64, B256>,
    /// Hash of the genesis block, which files of blocks may begin with.
    genesis_hash: Option<B256>,
}

/// What executing a block gave.
#[derive(Debug)]
pub struct Executed {
    /// What it did.
    pub outcome: Outcome,
    /// Time of execution.
    pub nanoseconds: u64,
    /// The state root after it.
    pub state_root: B256,
    trie: StateTrie,
}

impl LinearChain {
    /// A chain from its genesis.
    pub fn of_genesis(genesis: &Genesis) -> Result<Self, TrieError> {
        let block = Block {
            header: genesis.header.clone(),
            withdrawals: genesis.header.withdrawals_root.map(|_| Vec::new()),
            ..Block::default()
        };
        let hash = block.hash();
        let mut chain =
            Self::of_state(genesis.chain.clone(), genesis.state(), BTreeMap::from([(block.header.number, hash)]))?;
        chain.recent.push_front(block);
        chain.genesis_hash = Some(hash);
        Ok(chain)
    }

    /// A chain from a state of which only the hashes of earlier blocks are known.
    pub fn of_state(chain: ChainSpec, state: MemoryState, hashes: BTreeMap<u64, B256>) -> Result<Self, TrieError> {
        let mut trie = StateTrie::from_memory(&state)?;
        trie.root();
        let execution = Execution::default();
        Ok(Self { chain, execution, state, trie, recent: VecDeque::new(), hashes, genesis_hash: None })
    }

    /// Blocks are run so from now on.
    pub fn run_by(self, execution: &Execution) -> Self {
        Self { execution: execution.clone(), ..self }
    }

    /// The chain's rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.chain
    }

    /// Whether this is the genesis block, which is not executed.
    pub fn is_genesis(&self, block: &Block) -> bool {
        Some(block.hash()) == self.genesis_hash
    }

    /// The latest block's header, if it is known.
    pub fn head(&self) -> Option<&Header> {
        self.recent.front().map(|block| &block.header)
    }

    /// Checks and executes the next block. The chain stays as it is; [`LinearChain::append`] adds the block.
    pub fn execute(&self, input: &InputBlock) -> Result<Executed, RunError> {
        let block = &input.block;
        if let Some(parent) = self.head() {
            validate_header(&self.chain, &block.header, parent)?;
        }
        if !block.ommers.is_empty() {
            let ancestors: Vec<Block> = self.recent.iter().cloned().collect();
            validate_ommers(&self.chain, block, &ancestors)?;
        }
        let reader = self.reader();
        let root_after = |diff: &Diff| self.trie.clone().apply(diff).map_err(|error| error.to_string());
        let run = block_run::execute(&self.execution, &self.chain, input, &reader, Some(&root_after));
        let TimedOutcome { outcome, nanoseconds } = run?;
        let mut trie = self.trie.clone();
        let state_root = trie.apply(&outcome.diff).map_err(|error| BlockError::PostStateRoot(error.to_string()))?;
        Ok(Executed { outcome, nanoseconds, state_root, trie })
    }

    /// What the next block reads.
    pub fn reader(&self) -> ReaderWithHashes<'_> {
        ReaderWithHashes { state: &self.state, hashes: self.hashes.clone() }
    }

    /// Adds a block that was executed.
    pub fn append(&mut self, block: Block, executed: Executed) {
        self.state.apply(&executed.outcome.diff);
        self.trie = executed.trie;
        self.hashes.insert(block.header.number, block.hash());
        while self.hashes.len() > HASHES {
            self.hashes.pop_first();
        }
        self.recent.push_front(block);
        self.recent.truncate(OMMER_ANCESTORS);
    }
}

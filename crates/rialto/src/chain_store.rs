//! A chain in memory: every imported block with the state after it, so that a block may extend any of them.
//!
//! States are whole copies. Vectors and example chains have small states and few blocks, and in return a side branch or a
//! reorganisation needs nothing undone: the head is just another entry. A limit on blocks bounds what is kept.

use crate::execution::{Disagreement, Execution, Work};
use alloy_primitives::{B256, U256};
use rialto_state::{Account, Code, MemoryState, ReadError, StateReader};
use rialto_stf::{Block, BlockAccessList, BlockError, BlockExecutor, ChainSpec, Header, Outcome, RootAfter, TxError};
use rialto_stf::{recover_sender, validate_body, validate_header, validate_ommers, verify_outcome};
use rialto_trie::{StateTrie, TrieError};
use rialto_vm::Tracer;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

/// Most blocks that are kept.
const MAX_BLOCKS: usize = 10_000;
/// Ancestors whose hashes a block can ask for.
const HASHES: u64 = 256;
/// Ancestors that decide which ommers a block may have.
const OMMER_ANCESTORS: usize = 8;

/// A block of the chain.
#[derive(Debug)]
pub struct Imported {
    /// The block.
    pub block: Block,
    /// Its hash.
    pub hash: B256,
    /// Sum of the difficulties up to it.
    pub total_difficulty: U256,
    /// The state after it.
    pub state: MemoryState,
    /// The tries of that state.
    pub trie: StateTrie,
}

/// Why a block can't be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// Its parent is not there.
    UnknownParent {
        /// Hash of the parent.
        parent_hash: B256,
    },
    /// It is not valid.
    Invalid(Box<BlockError>),
    /// The tries could not be updated.
    Trie(TrieError),
    /// Two ways of running it do not agree.
    Strategies(Disagreement),
    /// There are too many blocks already.
    TooManyBlocks,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParent { parent_hash } => {
                write!(f, "header.parent_hash: expected a block imported before, found {parent_hash}")
            }
            Self::Invalid(error) => error.fmt(f),
            Self::Trie(error) => error.fmt(f),
            Self::Strategies(error) => error.fmt(f),
            Self::TooManyBlocks => write!(f, "blocks: expected at most {MAX_BLOCKS}, found more"),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<BlockError> for ImportError {
    fn from(error: BlockError) -> Self {
        Self::Invalid(Box::new(error))
    }
}

impl From<Disagreement> for ImportError {
    fn from(error: Disagreement) -> Self {
        Self::Strategies(error)
    }
}

impl From<TrieError> for ImportError {
    fn from(error: TrieError) -> Self {
        Self::Trie(error)
    }
}

/// See the module's documentation.
pub struct ChainStore {
    chain: ChainSpec,
    execution: Execution,
    blocks: HashMap<B256, Rc<Imported>>,
    head: Rc<Imported>,
}

impl ChainStore {
    /// A chain that begins with this block, after which the state is `state`.
    pub fn new(chain: ChainSpec, genesis: Block, state: MemoryState) -> Result<Self, TrieError> {
        let mut trie = StateTrie::from_memory(&state)?;
        trie.root();
        let hash = genesis.hash();
        let total_difficulty = genesis.header.difficulty;
        let head = Rc::new(Imported { block: genesis, hash, total_difficulty, state, trie });
        Ok(Self { chain, execution: Execution::default(), blocks: HashMap::from([(hash, Rc::clone(&head))]), head })
    }

    /// Blocks are run so from now on.
    pub fn run_by(self, execution: Execution) -> Self {
        Self { execution, ..self }
    }

    /// The chain's rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.chain
    }

    /// The last block of the canonical chain.
    pub fn head(&self) -> &Imported {
        &self.head
    }

    /// The block with this hash.
    pub fn get(&self, hash: &B256) -> Option<&Rc<Imported>> {
        self.blocks.get(hash)
    }

    /// The ancestors of a block whose parent has this hash, nearest first.
    pub fn ancestors<'a>(&'a self, parent_hash: &B256) -> impl Iterator<Item = &'a Imported> + use<'a> {
        let mut next = self.blocks.get(parent_hash);
        std::iter::from_fn(move || {
            let block = next?;
            next = self.blocks.get(&block.block.header.parent_hash);
            Some(&**block)
        })
    }

    /// Hashes that a block on top of `parent` can ask for, by number.
    pub fn recent_hashes(&self, parent_hash: &B256) -> BTreeMap<u64, B256> {
        let recent = self.ancestors(parent_hash).take(HASHES as usize);
        recent.map(|block| (block.block.header.number, block.hash)).collect()
    }

    /// Checks and executes a block, which comes with this access list, on its parent's state. The chain stays as it is;
    /// [`ChainStore::add`] adds the block.
    pub fn execute(&self, block: &Block, access_list: Option<&BlockAccessList>) -> Result<Executed, ImportError> {
        self.execute_with(block, |reader, root_after| {
            let (chain, root_after) = (&self.chain, Some(root_after));
            let work = Work { chain, block, senders: None, access_list, reader, root_after };
            Ok(self.execution.run(&work)??)
        })
    }

    /// As [`ChainStore::execute`], sequentially, with every step shown to `tracer`.
    pub fn trace(&self, block: &Block, tracer: &mut dyn Tracer) -> Result<Executed, ImportError> {
        self.execute_with(block, |reader, root_after| {
            let executor = BlockExecutor::new(&self.chain, &block.header, reader).with_root_after(root_after);
            Ok(execute_step_by_step(&self.chain, block, executor.with_tracer(tracer))?)
        })
    }

    fn execute_with(
        &self,
        block: &Block,
        execute: impl FnOnce(&ReaderWithHashes<'_>, RootAfter<'_>) -> Result<Outcome, ImportError>,
    ) -> Result<Executed, ImportError> {
        let parent_hash = block.header.parent_hash;
        let parent = self.blocks.get(&parent_hash).ok_or(ImportError::UnknownParent { parent_hash })?;
        validate_header(&self.chain, &block.header, &parent.block.header)?;
        if !block.ommers.is_empty() {
            let ancestors: Vec<Block> =
                self.ancestors(&parent_hash).take(OMMER_ANCESTORS).map(|ancestor| ancestor.block.clone()).collect();
            validate_ommers(&self.chain, block, &ancestors)?;
        }
        let reader = ReaderWithHashes { state: &parent.state, hashes: self.recent_hashes(&parent_hash) };
        let root_after = |diff: &rialto_state::Diff| parent.trie.clone().apply(diff).map_err(|error| error.to_string());
        let outcome = execute(&reader, &root_after)?;
        let mut trie = parent.trie.clone();
        let state_root = trie.apply(&outcome.diff)?;
        Ok(Executed { parent: Rc::clone(parent), outcome, trie, state_root })
    }

    /// Adds a block that was executed, and makes it the head where it is.
    ///
    /// Under proof of work the head is the end of the branch with the highest total difficulty, and of the first such if
    /// there are several. Under proof of stake it is what the consensus layer says; imported blocks stand for that, in
    /// their order.
    pub fn add(&mut self, block: Block, executed: Executed) -> Result<(), ImportError> {
        if self.blocks.len() >= MAX_BLOCKS {
            return Err(ImportError::TooManyBlocks);
        }
        let Executed { parent, outcome, trie, .. } = executed;
        let mut state = parent.state.clone();
        state.apply(&outcome.diff);
        let total_difficulty = parent.total_difficulty.saturating_add(block.header.difficulty);
        let is_merged = self.chain.rules_at(block.header.number, block.header.timestamp).is_merged;
        let hash = block.hash();
        let imported = Rc::new(Imported { block, hash, total_difficulty, state, trie });
        self.blocks.insert(hash, Rc::clone(&imported));
        if is_merged || total_difficulty > self.head.total_difficulty {
            self.head = imported;
        }
        Ok(())
    }
}

/// What executing a block gave.
#[derive(Debug)]
pub struct Executed {
    /// The block before it.
    pub parent: Rc<Imported>,
    /// What it did.
    pub outcome: Outcome,
    /// The tries after it.
    pub trie: StateTrie,
    /// Their root.
    pub state_root: B256,
}

impl Executed {
    /// Compares everything that execution gave with what the header commits to.
    pub fn verify(&self, header: &Header) -> Result<(), BlockError> {
        verify_outcome(header, &self.outcome)?;
        if header.state_root == self.state_root {
            return Ok(());
        }
        Err(BlockError::Root { field: "state_root", expected: header.state_root, found: self.state_root })
    }
}

/// As [`rialto_stf::execute`], with an executor of the caller's own.
pub fn execute_step_by_step(
    chain: &ChainSpec,
    block: &Block,
    mut executor: BlockExecutor<'_>,
) -> Result<Outcome, BlockError> {
    let rules = executor.rules();
    validate_body(rules, block)?;
    let invalid = |index: usize, error: TxError| match error {
        TxError::Read(error) => BlockError::Read(error),
        error => BlockError::Transaction { index, error: Box::new(error) },
    };
    executor.begin()?;
    for (index, transaction) in block.transactions.iter().enumerate() {
        let sender = recover_sender(transaction, rules, chain.chain_id).map_err(|error| invalid(index, error))?;
        executor.transaction(transaction, sender).map_err(|error| invalid(index, error))?;
    }
    executor.finish(&block.ommers, block.withdrawals.as_deref().unwrap_or_default())
}

/// A state, and the hashes of the blocks before.
#[derive(Debug)]
pub struct ReaderWithHashes<'a> {
    /// The state.
    pub state: &'a MemoryState,
    /// Hashes of ancestors, by number.
    pub hashes: BTreeMap<u64, B256>,
}

impl StateReader for ReaderWithHashes<'_> {
    fn account(&self, address: &alloy_primitives::Address) -> Result<Option<Account>, ReadError> {
        self.state.account(address)
    }

    fn storage(&self, address: &alloy_primitives::Address, slot: &U256) -> Result<U256, ReadError> {
        self.state.storage(address, slot)
    }

    fn has_storage(&self, address: &alloy_primitives::Address) -> Result<bool, ReadError> {
        self.state.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.state.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.hashes.get(&number).copied().ok_or(ReadError::MissingBlockHash { number })
    }
}

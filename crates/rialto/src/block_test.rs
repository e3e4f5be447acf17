//! Blockchain tests: blocks in RLP, imported one after the other on a genesis state.
//!
//! A test has the genesis (`genesisRLP`, `pre`), `blocks`, and what must hold at the end: `lastblockhash` and the state
//! (`postState`, or its root `postStateHash`). A block has its RLP and, where it is valid, the same in JSON, with receipts
//! and block access list in newer suites; where it is not, `expectException` names the reason and the JSON, if there is
//! any, is in `rlp_decoded`.
//!
//! Everything that is stated is compared: the decoded block with its JSON, senders included; each receipt; the access
//! list; the state root with the header through our own tries. A block access list travels beside its block, so it is
//! input: one that comes with a block must have the header's hash and be what execution gives.

use crate::chain_config::{ChainError, chain_of};
use crate::chain_store::{ChainStore, Executed, ImportError};
use crate::eip3155::{JsonTracer, Summary, TraceOptions};
use crate::exceptions;
use crate::execution::Execution;
use crate::node_test::{Beside, NodeUnderTest};
use crate::state_test::{first_difference, logs_hash};
use crate::stateless::{self, StatelessInput, Witness};
use crate::vectors::{CaseReport, TraceOutput, VectorOptions, reborrow};
use alloy_primitives::{B256, Bytes};
use rialto_stf::json::{self, BlockJson, JsonCursor, JsonError};
use rialto_stf::{Block, BlockAccessList, BlockError, DecodeError, Header, Receipt, receipts_root, recover_sender};
use rialto_trie::{StateTrie, TrieError};
use std::fmt;

/// Why a block was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its bytes are no block.
    Decode(DecodeError),
    /// It can't be imported.
    Import(ImportError),
    /// The header has another hash than the block access list beside it.
    AccessListHash {
        /// The header's.
        expected: B256,
        /// The list's.
        found: B256,
    },
}

impl Rejection {
    /// The names that vectors give to the reason.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::Decode(error) => exceptions::of_decoding(error),
            Self::Import(ImportError::UnknownParent { .. }) => {
                vec!["BlockException.UNKNOWN_PARENT", "BlockException.UNKNOWN_PARENT_ZERO"]
            }
            Self::Import(ImportError::Invalid(error)) => exceptions::of_block(error).to_vec(),
            Self::Import(ImportError::Trie(_) | ImportError::TooManyBlocks | ImportError::Strategies(_)) => Vec::new(),
            Self::AccessListHash { .. } => exceptions::ACCESS_LIST_HASH.to_vec(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Import(error) => error.fmt(f),
            Self::AccessListHash { expected, found } => {
                write!(f, "header.block_access_list_hash: found {expected}, the list beside the block has {found}")
            }
        }
    }
}

impl From<BlockError> for Rejection {
    fn from(error: BlockError) -> Self {
        Self::Import(error.into())
    }
}

impl From<ImportError> for Rejection {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockTestError {
    /// The test itself can't be read.
    Json(JsonError),
    /// Its chain can't be made out.
    Chain(ChainError),
    /// A trie could not be built.
    Trie(TrieError),
    /// The genesis block's bytes are no block.
    GenesisRlp(DecodeError),
    /// Something stated is not what we found.
    Differs {
        /// What it is.
        what: String,
        /// What is stated.
        expected: String,
        /// What we found.
        found: String,
    },
    /// A block that should be rejected was not.
    Accepted {
        /// The block's index.
        block: usize,
        /// The reason expected.
        expected: String,
    },
    /// A block was rejected for another reason than expected, or unexpectedly.
    Rejected {
        /// The block's index.
        block: usize,
        /// The reason expected, if one was.
        expected: Option<String>,
        /// Our reason.
        found: Box<Rejection>,
    },
    /// The trace could not be written.
    Trace(String),
}

impl fmt::Display for BlockTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Chain(error) => error.fmt(f),
            Self::Trie(error) => error.fmt(f),
            Self::GenesisRlp(error) => write!(f, "genesisRLP: {error}"),
            Self::Differs { what, expected, found } => write!(f, "{what}: expected {expected}, found {found}"),
            Self::Accepted { block, expected } => {
                write!(f, "blocks[{block}]: expected a rejection ({expected}), the block is valid")
            }
            Self::Rejected { block, expected: None, found } => {
                write!(f, "blocks[{block}]: expected a valid block, found {} ({found})", found.names().join("|"))
            }
            Self::Rejected { block, expected: Some(expected), found } => {
                let names = found.names().join("|");
                write!(f, "blocks[{block}]: expected a rejection ({expected}), found {names} ({found})")
            }
            Self::Trace(error) => write!(f, "trace: {error}"),
        }
    }
}

impl std::error::Error for BlockTestError {}

impl From<JsonError> for BlockTestError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<TrieError> for BlockTestError {
    fn from(error: TrieError) -> Self {
        Self::Trie(error)
    }
}

pub(crate) fn differs(
    what: impl Into<String>,
    expected: impl fmt::Display,
    found: impl fmt::Display,
) -> BlockTestError {
    BlockTestError::Differs { what: what.into(), expected: expected.to_string(), found: found.to_string() }
}

pub(crate) fn compare<T: PartialEq + fmt::Debug>(
    what: impl FnOnce() -> String,
    expected: &T,
    found: &T,
) -> Result<(), BlockTestError> {
    if expected == found { Ok(()) } else { Err(differs(what(), format!("{expected:?}"), format!("{found:?}"))) }
}

/// Runs one test in memory, if it is selected.
pub fn run_test(name: &str, test: &JsonCursor<'_>, options: &VectorOptions, trace: TraceOutput<'_>) -> Vec<CaseReport> {
    run(name, test, options, trace, false)
}

/// Runs one test in memory and, in step with that, through a node, if it is selected.
pub fn run_test_through_node(
    name: &str,
    test: &JsonCursor<'_>,
    options: &VectorOptions,
    trace: TraceOutput<'_>,
) -> Vec<CaseReport> {
    run(name, test, options, trace, true)
}

fn run(
    name: &str,
    test: &JsonCursor<'_>,
    options: &VectorOptions,
    trace: TraceOutput<'_>,
    has_node: bool,
) -> Vec<CaseReport> {
    let network = test.field("network").and_then(|network| network.string().map(str::to_string));
    let mut report = CaseReport { name: name.to_string(), ..CaseReport::default() };
    match network {
        Err(error) => report.error = Some(error.to_string()),
        Ok(network) => {
            if !options.wants_fork(&network) {
                return Vec::new();
            }
            let result = check_test(name, test, &network, &options.execution, trace, has_node, &mut report);
            report.error = result.err().map(|error| error.to_string());
            report.fork = network;
        }
    }
    vec![report]
}

fn check_test(
    name: &str,
    test: &JsonCursor<'_>,
    network: &str,
    execution: &Execution,
    mut trace: TraceOutput<'_>,
    has_node: bool,
    report: &mut CaseReport,
) -> Result<(), BlockTestError> {
    let mut store = genesis(test, network)?.run_by(execution.clone());
    let node = if has_node { Some(NodeUnderTest::new(&store, test.field("pre")?.value(), execution)?) } else { None };
    let mut gas_used = 0;
    let mut logs = Vec::new();
    for (index, entry) in test.field("blocks")?.items()?.enumerate() {
        if let Some(executed) = check_block(&mut store, node.as_ref(), name, index, &entry, reborrow(&mut trace))? {
            gas_used += executed.gas_used;
            logs.extend(executed.receipts.into_iter().flat_map(|receipt| receipt.logs));
        }
    }
    report.gas_used = Some(gas_used);
    report.logs_hash = Some(logs_hash(&logs));
    report.state_root = Some(store.head().trie.clone().root());
    check_end(test, &store)?;
    node.map_or(Ok(()), |node| node.check_end(&store))
}

/// The chain with the genesis block, which must have the hash and the state that the test states.
fn genesis(test: &JsonCursor<'_>, network: &str) -> Result<ChainStore, BlockTestError> {
    let chain = chain_of(test, network).map_err(BlockTestError::Chain)?;
    let header_json = test.field("genesisBlockHeader")?;
    let stated = json::header(&header_json)?;
    let block = match test.optional("genesisRLP")? {
        Some(rlp) => Block::decode(&rlp.bytes()?).map_err(BlockTestError::GenesisRlp)?,
        None => Block { header: stated.clone(), ..Block::default() },
    };
    compare_headers("genesisBlockHeader", &stated, &block.header)?;
    if let Some(hash) = header_json.optional("hash")? {
        compare(|| "genesisBlockHeader.hash".into(), &hash.b256()?, &block.hash())?;
    }
    let state = json::memory_state(&json::alloc(&test.field("pre")?)?);
    let expected = block.header.state_root;
    let store = ChainStore::new(chain, block, state)?;
    compare(|| "root of pre".into(), &expected, &store.head().trie.clone().root())?;
    Ok(store)
}

/// Imports a block as its entry says it should go. What it did, where it is valid.
fn check_block(
    store: &mut ChainStore,
    node: Option<&NodeUnderTest>,
    test_name: &str,
    index: usize,
    entry: &JsonCursor<'_>,
    trace: TraceOutput<'_>,
) -> Result<Option<Imported>, BlockTestError> {
    let expected = entry.optional("expectException")?.map(|name| name.string()).transpose()?;
    let decoded = Block::decode(&entry.field("rlp")?.bytes()?).map_err(Rejection::Decode);
    if let Ok(block) = &decoded {
        check_json(store, index, entry, block, expected.is_none())?;
    }
    let access_list = access_list(entry)?;
    let imported = match decoded {
        Ok(block) => {
            let imported = import(store, &block, access_list.as_ref(), trace)?;
            check_node(store, node, &block, access_list.as_ref(), &imported, expected)?;
            imported
        }
        Err(rejection) => Err(rejection),
    };
    match (imported, expected) {
        (Ok(imported), None) => {
            check_receipts(index, entry, &imported)?;
            check_witness(store, test_name, index, entry, &imported.block)?;
            Ok(Some(imported))
        }
        (Ok(_), Some(expected)) => Err(BlockTestError::Accepted { block: index, expected: expected.to_string() }),
        (Err(found), Some(expected)) if exceptions::is_expected(&found.names(), expected) => Ok(None),
        (Err(found), expected) => Err(BlockTestError::Rejected {
            block: index,
            expected: expected.map(str::to_string),
            found: Box::new(found),
        }),
    }
}

/// Hands the block to the node, if there is one. What should be rejected and was not, or the reverse, is told by the caller.
fn check_node(
    store: &ChainStore,
    node: Option<&NodeUnderTest>,
    block: &Block,
    access_list: Option<&BlockAccessList>,
    imported: &Result<Imported, Rejection>,
    expected: Option<&str>,
) -> Result<(), BlockTestError> {
    match (node, imported, expected) {
        (Some(node), Ok(imported), None) => {
            let access_list = imported.access_list.as_ref();
            node.check_valid(block, &Beside { requests: &imported.requests, access_list }, store.head().hash)
        }
        (Some(node), Err(rejection), Some(expected)) => {
            node.check_invalid(store, block, access_list, rejection, expected)
        }
        _ => Ok(()),
    }
}

/// What an imported block did.
struct Imported {
    block: Block,
    gas_used: u64,
    receipts: Vec<Receipt>,
    requests: Vec<Bytes>,
    access_list: Option<BlockAccessList>,
}

/// The block access list that comes with a block.
fn access_list(entry: &JsonCursor<'_>) -> Result<Option<BlockAccessList>, BlockTestError> {
    let place = entry.optional("rlp_decoded")?.unwrap_or_else(|| entry.clone());
    Ok(place.optional("blockAccessList")?.map(|list| json::block_access_list(&list)).transpose()?)
}

/// Checks, executes, verifies and adds a block. The inner error is why it was rejected.
fn import(
    store: &mut ChainStore,
    block: &Block,
    access_list: Option<&BlockAccessList>,
    trace: TraceOutput<'_>,
) -> Result<Result<Imported, Rejection>, BlockTestError> {
    let executed = match trace {
        None => store.execute(block, access_list),
        Some(out) => {
            let mut tracer = JsonTracer::new(out, TraceOptions::default());
            let executed = store.trace(block, &mut tracer);
            let fork = store.spec().fork_at(block.header.number, block.header.timestamp).to_string();
            let summary = match &executed {
                Ok(executed) => Summary {
                    gas_used: executed.outcome.gas_used,
                    state_root: Some(executed.state_root),
                    fork,
                    ..Summary::default()
                },
                Err(error) => Summary { error: Some(error.to_string()), fork, ..Summary::default() },
            };
            tracer.line(&summary.to_line());
            tracer.finish().map_err(|error| BlockTestError::Trace(error.to_string()))?;
            executed
        }
    };
    let executed = match executed {
        Ok(executed) => executed,
        Err(error) => return Ok(Err(error.into())),
    };
    if let Err(rejection) = verify(block, &executed, access_list) {
        return Ok(Err(rejection));
    }
    let imported = Imported {
        gas_used: executed.outcome.gas_used,
        receipts: executed.outcome.receipts.clone(),
        requests: executed.outcome.requests.clone().unwrap_or_default(),
        access_list: executed.outcome.block_access_list.clone(),
        block: block.clone(),
    };
    Ok(store.add(block.clone(), executed).map(|()| imported).map_err(Rejection::from))
}

/// Compares what execution gave with the header and with the access list that came with the block.
fn verify(block: &Block, executed: &Executed, access_list: Option<&BlockAccessList>) -> Result<(), Rejection> {
    if let (Some(list), Some(expected)) = (access_list, block.header.block_access_list_hash) {
        let found = list.hash();
        if found != expected {
            return Err(Rejection::AccessListHash { expected, found });
        }
        let last_index = u32::try_from(block.transactions.len() + 1).unwrap_or(u32::MAX);
        list.validate(last_index).map_err(BlockError::AccessListForm)?;
    }
    Ok(executed.verify(&block.header)?)
}

/// Compares a decoded block with its JSON form.
///
/// A block that is to be rejected may have a JSON form that no block has, so there only a header that can be read is
/// compared.
fn check_json(
    store: &ChainStore,
    index: usize,
    entry: &JsonCursor<'_>,
    block: &Block,
    is_valid: bool,
) -> Result<(), BlockTestError> {
    if !is_valid {
        let Some(decoded) = entry.optional("rlp_decoded")? else { return Ok(()) };
        let Some(header) = decoded.optional("blockHeader")? else { return Ok(()) };
        return match json::header(&header) {
            Ok(stated) => compare_headers(&format!("blocks[{index}].rlp_decoded.blockHeader"), &stated, &block.header),
            Err(_) => Ok(()),
        };
    }
    if entry.optional("blockHeader")?.is_none() {
        return Ok(());
    }
    let BlockJson { block: stated, hash, senders, .. } = json::block(entry)?;
    compare_headers(&format!("blocks[{index}].blockHeader"), &stated.header, &block.header)?;
    if let Some(hash) = hash {
        compare(|| format!("blocks[{index}].blockHeader.hash"), &hash, &block.hash())?;
    }
    let header = &block.header;
    compare(|| format!("blocks[{index}].transactions"), &stated.transactions, &block.transactions)?;
    compare(|| format!("blocks[{index}].uncleHeaders"), &stated.ommers, &block.ommers)?;
    compare(|| format!("blocks[{index}].withdrawals"), &stated.withdrawals, &block.withdrawals)?;
    let rules = store.spec().rules_at(header.number, header.timestamp);
    for (position, (transaction, stated)) in block.transactions.iter().zip(senders).enumerate() {
        if let (Some(stated), Ok(found)) = (stated, recover_sender(transaction, rules, store.spec().chain_id)) {
            compare(|| format!("blocks[{index}].transactions[{position}].sender"), &stated, &found)?;
        }
    }
    Ok(())
}

/// Compares headers and names the first field that differs.
fn compare_headers(place: &str, expected: &Header, found: &Header) -> Result<(), BlockTestError> {
    macro_rules! compare_fields {
        ($($field:ident)*) => {
            // Naming every field makes a new one an error here.
            let Header { $($field),* } = expected;
            $(compare(|| format!("{place}.{}", stringify!($field)), $field, &found.$field)?;)*
        };
    }
    compare_fields!(
        parent_hash ommers_hash beneficiary state_root transactions_root receipts_root logs_bloom difficulty number
        gas_limit gas_used timestamp extra_data mix_hash nonce base_fee_per_gas withdrawals_root blob_gas_used
        excess_blob_gas parent_beacon_block_root requests_hash block_access_list_hash slot_number
    );
    Ok(())
}

/// Compares a block's receipts, whose root is the header's, with those that are stated.
///
/// The header is the judge of both. Some suites were made with a tool that states success for every transaction, though
/// the header it made has the root of the true receipts; there everything but the status is compared.
fn check_receipts(index: usize, entry: &JsonCursor<'_>, imported: &Imported) -> Result<(), BlockTestError> {
    let Some(receipts) = entry.optional("receipts")? else { return Ok(()) };
    let cursors: Vec<JsonCursor<'_>> = receipts.items()?.collect();
    let stated: Vec<Receipt> = cursors.iter().map(json::receipt).collect::<Result<_, _>>()?;
    compare(|| format!("blocks[{index}].receipts, their number"), &stated.len(), &imported.receipts.len())?;
    let is_of_header = receipts_root(&stated) == imported.block.header.receipts_root;
    for (position, (mut stated, found)) in stated.into_iter().zip(&imported.receipts).enumerate() {
        let place = || format!("blocks[{index}].receipts[{position}]");
        let rlp = cursors[position].optional("rlp")?;
        if is_of_header {
            if let Some(rlp) = rlp {
                compare(|| format!("{}.rlp", place()), &rlp.bytes()?, &found.encode().into())?;
            }
        } else {
            stated.status = found.status;
        }
        compare(place, &stated, found)?;
    }
    Ok(())
}

/// Runs an imported block again from its witness alone, and compares the witness with our own.
///
/// What must come out is stated as the output of a stateless validator, whose input holds block and witness once more.
/// Vectors that tamper with the witness say so: success is zero there where something is missing, and the test's name has
/// [`EXTRA_ITEMS`] where something is in it without need. Every other witness is exactly ours, in any order.
fn check_witness(
    store: &ChainStore,
    test_name: &str,
    index: usize,
    entry: &JsonCursor<'_>,
    block: &Block,
) -> Result<(), BlockTestError> {
    let Some(stated) = entry.optional("executionWitness")? else { return Ok(()) };
    let place = || format!("blocks[{index}].executionWitness");
    let stated = witness(&stated)?;
    let produced = stateless::produce(store, block).map_err(|error| differs(place(), "a witness of our own", error))?;
    if let Err(error) = stateless::validate(store.spec(), block, &produced) {
        return Err(differs(format!("{}, our own", place()), "a valid block", error));
    }
    let result = stateless::validate(store.spec(), block, &stated);
    let Some(input) = entry.optional("statelessInputBytes")? else {
        return result.map_err(|error| differs(place(), "a valid block", error));
    };
    let input = StatelessInput::decode(&input.bytes()?)
        .map_err(|error| differs(format!("blocks[{index}].statelessInputBytes"), "an input", error))?;
    compare(|| format!("{} and that of statelessInputBytes", place()), &stated, &input.witness)?;
    let output = entry.field("statelessOutputBytes")?.bytes()?;
    let place_of_output = || format!("blocks[{index}].statelessOutputBytes");
    compare(place_of_output, &output, &input.output(store.spec()).into())?;
    // The byte after the root says whether validation succeeds.
    let must_succeed = output.get(32) == Some(&1);
    compare(|| format!("{}, whether it is enough", place()), &must_succeed, &result.is_ok())?;
    if must_succeed {
        compare_witnesses(&place(), &stated, &produced, test_name.contains(EXTRA_ITEMS))?;
    }
    Ok(())
}

/// In the name of a test whose witness has more than is needed.
const EXTRA_ITEMS: &str = "extra_unused";

fn witness(cursor: &JsonCursor<'_>) -> Result<Witness, JsonError> {
    let list = |name| cursor.field(name)?.items()?.map(|item| item.bytes()).collect::<Result<Vec<Bytes>, _>>();
    Ok(Witness { state: list("state")?, codes: list("codes")?, headers: list("headers")? })
}

/// Compares the parts of a witness, in any order. What ours has, the stated one must have, and the reverse unless it may
/// have more.
fn compare_witnesses(
    place: &str,
    stated: &Witness,
    produced: &Witness,
    may_have_more: bool,
) -> Result<(), BlockTestError> {
    let parts = [
        ("state", &stated.state, &produced.state),
        ("codes", &stated.codes, &produced.codes),
        ("headers", &stated.headers, &produced.headers),
    ];
    for (name, stated, produced) in parts {
        if let Some(missing) = produced.iter().find(|item| !stated.contains(item)) {
            return Err(differs(format!("{place}.{name}"), "no other items", missing));
        }
        if let Some(missing) = stated.iter().find(|item| !may_have_more && !produced.contains(item)) {
            return Err(differs(format!("{place}.{name}"), missing, "none such"));
        }
    }
    Ok(())
}

fn check_end(test: &JsonCursor<'_>, store: &ChainStore) -> Result<(), BlockTestError> {
    compare(|| "lastblockhash".into(), &test.field("lastblockhash")?.b256()?, &store.head().hash)?;
    if let Some(state) = test.optional("postState")? {
        let stated = json::alloc(&state)?;
        if let Some(difference) = first_difference(&stated, &store.head().state) {
            return Err(differs("postState", "the same accounts", difference));
        }
        let root = StateTrie::from_memory(&json::memory_state(&stated))?.root();
        compare(|| "root of postState".into(), &root, &store.head().trie.clone().root())?;
    } else {
        let root = test.field("postStateHash")?.b256()?;
        compare(|| "postStateHash".into(), &root, &store.head().trie.clone().root())?;
    }
    Ok(())
}

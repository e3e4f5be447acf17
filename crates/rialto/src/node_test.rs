//! Blockchain tests through a node whose database is on the disk.
//!
//! A test runs twice at once: in memory, where [`crate::block_test`] compares everything that the test states, and through a
//! node, block by block, where the outcome must be the same. So a block that is valid there must be valid here, and be the head;
//! one that is not must be refused here for a reason that the test accepts.
//!
//! Since the merge a block goes the way on which a consensus client would send it: as the JSON of `engine_newPayload`, and then
//! of `engine_forkchoiceUpdated`. Not every block that a test has can be sent so: a payload leaves out what follows from the
//! rest, and a header in which that is wrong has another hash. The node must call such a payload invalid, too, and what is wrong
//! with the block is found by [`Node::import`], which takes whole blocks; it is also the way before the merge.
//!
//! At the end the head must be the test's, and every account of the state as the test states it must be what the database has,
//! with a proof under the state root.

use crate::block_test::{BlockTestError, Rejection, compare, differs};
use crate::chain_store::{self, ChainStore};
use crate::exceptions;
use crate::execution::Execution;
use crate::vector_genesis::genesis_document;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_node::{BlockId, ImportError, Node, NodeConfig, StateView};
use rialto_rpc::{EngineRequest, RpcContext, RpcLimits};
use rialto_state::{MemoryAccount, StateReader};
use rialto_stf::{Block, BlockAccessList, ChainSpec, Header, requests_hash};
use rialto_store::{History, StoreOptions};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use tempfile::TempDir;

/// Memory for cached pages of one database.
const CACHE_BYTES: usize = 8 << 20;
/// Code of malformed parameters.
const INVALID_PARAMS: i32 = -32602;
/// Accounts, and slots of each, whose proofs are checked at the end of a test.
const PROVEN_ACCOUNTS: usize = 8;
const PROVEN_SLOTS: usize = 4;

/// A node under test. Its database goes when it goes.
pub struct NodeUnderTest {
    context: Arc<RpcContext>,
    /// Addresses that the genesis block has.
    pre: Vec<Address>,
    _datadir: TempDir,
}

/// What a block that is valid left beside it.
pub struct Beside<'a> {
    /// Its requests.
    pub requests: &'a [Bytes],
    /// Its access list.
    pub access_list: Option<&'a BlockAccessList>,
}

fn failed(what: &str, error: impl fmt::Display) -> BlockTestError {
    differs(format!("node: {what}"), "no error", error)
}

impl NodeUnderTest {
    /// A node with this genesis block. `pre` is the test's. Blocks run as `execution` says first.
    pub fn new(store: &ChainStore, pre: &Value, execution: &Execution) -> Result<Self, BlockTestError> {
        let genesis = store.head();
        let document = genesis_document(store.spec(), &genesis.block.header, pre).to_string().into_bytes();
        let datadir = TempDir::new().map_err(|error| failed("temporary directory", error))?;
        let options = StoreOptions { history: History::Blocks(64), cache_bytes: CACHE_BYTES, is_durable: false };
        let config = NodeConfig {
            datadir: Some(datadir.path().to_path_buf()),
            store: options,
            genesis: Some(document),
            threads: execution.way.threads,
            tier: execution.way.tier.clone(),
            ..NodeConfig::default()
        };
        let node = Node::open(config).map_err(|error| failed("opening", error))?;
        let context = RpcContext::new(node, RpcLimits::default(), String::new(), None);
        let pre = genesis.state.iter().map(|(address, _)| *address).collect();
        let node = Self { context, pre, _datadir: datadir };
        compare(|| "node: genesis block".into(), &genesis.hash, &node.head()?.0)?;
        Ok(node)
    }

    fn node(&self) -> &Node {
        &self.context.node
    }

    fn spec(&self) -> &ChainSpec {
        self.node().spec()
    }

    fn head(&self) -> Result<(B256, u64), BlockTestError> {
        let view = self.node().view().map_err(|error| failed("head", error))?;
        Ok((view.head().hash, view.head().block.header.number))
    }

    fn is_merged(&self, header: &Header) -> bool {
        self.spec().rules_at(header.number, header.timestamp).is_merged
    }

    /// Hands over a block that is valid in memory, where `head` is now the head.
    pub fn check_valid(&self, block: &Block, beside: &Beside<'_>, head: B256) -> Result<(), BlockTestError> {
        let place = || format!("node: block {}", block.header.number);
        if self.is_merged(&block.header) {
            let list = beside.access_list.map(|list| Bytes::from(list.encode()));
            let request = EngineRequest::new_payload(self.spec(), block, beside.requests, list);
            let status = self.call(request)?;
            check_status(&place(), &status, "VALID", Some(block.hash()))?;
            let request = EngineRequest::forkchoice(self.spec(), block, B256::ZERO, B256::ZERO);
            let answer = self.call(request)?;
            check_status(&place(), &answer["payloadStatus"], "VALID", Some(block.hash()))?;
        } else {
            self.node().import(block.clone()).map_err(|error| failed(&place(), error))?;
        }
        compare(|| format!("{}, the head after it", place()), &head, &self.head()?.0)
    }

    /// Hands over a block that is not valid in memory for a reason, of which `expected` are the names in the test.
    pub fn check_invalid(
        &self,
        store: &ChainStore,
        block: &Block,
        access_list: Option<&BlockAccessList>,
        rejection: &Rejection,
        expected: &str,
    ) -> Result<(), BlockTestError> {
        let before = self.head()?;
        if self.is_merged(&block.header) {
            self.check_invalid_payload(store, block, access_list, rejection)?;
        }
        // The list is not part of the block, which may be valid without it.
        if !matches!(rejection, Rejection::AccessListHash { .. }) {
            self.check_import_fails(block, expected)?;
        }
        compare(|| format!("node: head after an invalid block {}", block.header.number), &before, &self.head()?)
    }

    fn check_invalid_payload(
        &self,
        store: &ChainStore,
        block: &Block,
        access_list: Option<&BlockAccessList>,
        rejection: &Rejection,
    ) -> Result<(), BlockTestError> {
        let place = format!("node: payload of invalid block {}", block.header.number);
        let requests = requests_of(store, block);
        let list = access_list.map(|list| Bytes::from(list.encode()));
        let request = EngineRequest::new_payload(self.spec(), block, &requests, list);
        let method = request.method;
        let status = match request.call(&self.context) {
            Ok(status) => status,
            // Fields of another fork make another version of a payload, which this method has not.
            Err(error) if error.code == INVALID_PARAMS => return Ok(()),
            Err(error) => return Err(failed(method, error)),
        };
        let error = status["validationError"].as_str().unwrap_or_default();
        // What the payload shows by itself comes before its place in the chain.
        let is_by_itself = ["blockHash:", "baseFeePerGas:", "transactions[", "blockAccessList:", "expectedBlob"]
            .iter()
            .any(|start| error.starts_with(start));
        let unknown_parent = matches!(rejection, Rejection::Import(chain_store::ImportError::UnknownParent { .. }));
        let parent_hash = block.header.parent_hash;
        let latest_valid = match store.get(&parent_hash) {
            _ if status["latestValidHash"].is_null() && is_by_itself => None,
            Some(parent) if parent.block.header.difficulty.is_zero() => Some(parent_hash),
            Some(_) => Some(B256::ZERO),
            None => None,
        };
        let expected = if unknown_parent && !is_by_itself { "SYNCING" } else { "INVALID" };
        check_status(&place, &status, expected, latest_valid)?;
        let has_error = status["validationError"].as_str().is_some_and(|error| !error.is_empty());
        compare(|| format!("{place}, whether there is a validationError"), &(expected == "INVALID"), &has_error)
    }

    fn check_import_fails(&self, block: &Block, expected: &str) -> Result<(), BlockTestError> {
        let found = match self.node().import(block.clone()) {
            Ok(()) => return Err(differs("node: import", format!("a rejection ({expected})"), "a valid block")),
            Err(ImportError::Invalid { error }) => Rejection::Import(chain_store::ImportError::Invalid(error)),
            Err(ImportError::UnknownParent { parent_hash }) => {
                Rejection::Import(chain_store::ImportError::UnknownParent { parent_hash })
            }
            Err(error) => return Err(failed("import", error)),
        };
        if exceptions::is_expected(&found.names(), expected) {
            return Ok(());
        }
        Err(differs(
            "node: import",
            format!("a rejection ({expected})"),
            format!("{} ({found})", found.names().join("|")),
        ))
    }

    fn call(&self, request: EngineRequest) -> Result<Value, BlockTestError> {
        let method = request.method;
        request.call(&self.context).map_err(|error| failed(method, format!("{} {error}", error.code)))
    }

    /// Compares the state after the head with the one in memory.
    pub fn check_end(&self, store: &ChainStore) -> Result<(), BlockTestError> {
        let view = self.node().view().map_err(|error| failed("view", error))?;
        let head = store.head();
        compare(|| "node: head at the end".into(), &head.hash, &view.head().hash)?;
        let state = view.state(BlockId::Latest).map_err(|error| failed("state of the head", error))?;
        let state = state.ok_or_else(|| differs("node: state of the head", "one", "none"))?;
        compare(|| "node: state root".into(), &head.block.header.state_root, &state.root())?;
        for (index, (address, account)) in head.state.iter().enumerate() {
            check_account(&state, address, Some(account), index < PROVEN_ACCOUNTS)?;
        }
        let is_gone = |address: &&Address| head.state.get(address).is_none();
        self.pre.iter().filter(is_gone).try_for_each(|address| check_account(&state, address, None, true))
    }
}

/// The requests that a block's header commits to, as far as they can be found out: none, or what execution gives.
fn requests_of(store: &ChainStore, block: &Block) -> Vec<Bytes> {
    if block.header.requests_hash.is_none_or(|hash| hash == requests_hash(&[])) {
        return Vec::new();
    }
    let executed = store.execute(block, None);
    executed.ok().and_then(|executed| executed.outcome.requests).unwrap_or_default()
}

fn check_status(place: &str, found: &Value, status: &str, latest_valid: Option<B256>) -> Result<(), BlockTestError> {
    let expected = (status, latest_valid.map(|hash| hash.to_string()));
    let latest_valid = found["latestValidHash"].as_str().map(str::to_string);
    if (found["status"].as_str(), &latest_valid) == (Some(expected.0), &expected.1) {
        return Ok(());
    }
    Err(differs(place.to_string(), format!("{expected:?}"), found))
}

/// Compares an account of the database with what it should be, and proves it.
fn check_account(
    state: &StateView,
    address: &Address,
    expected: Option<&MemoryAccount>,
    is_proven: bool,
) -> Result<(), BlockTestError> {
    let place = |what: &str| format!("node: account {address}{what}");
    let unreadable = |error: &dyn fmt::Display| failed(&format!("account {address}"), error);
    let found = state.account(address).map_err(|error| unreadable(&error))?;
    compare(|| place(""), &expected.map(|account| account.info), &found)?;
    let mut slots: Vec<U256> = vec![U256::ZERO];
    if let Some(expected) = expected {
        for (slot, word) in &expected.storage {
            let found = state.storage(address, slot).map_err(|error| unreadable(&error))?;
            compare(|| place(&format!(", slot {slot:#x}")), word, &found)?;
        }
        slots.extend(expected.storage.keys().take(PROVEN_SLOTS));
        let code = state.code(&expected.info.code_hash).map_err(|error| unreadable(&error))?;
        compare(|| place(", hash of its code"), &expected.info.code_hash, &code.hash())?;
    }
    if is_proven {
        let proof = state.prove(address, &slots).map_err(|error| unreadable(&error))?;
        proof.verify(state.root()).map_err(|error| failed(&place(", proof"), error))?;
    }
    Ok(())
}

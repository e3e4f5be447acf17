//! The walk through the tables of nodes.

use super::{VerifyProgress, VerifyReport};
use crate::codec::node_key;
use crate::tables::Domain;
use crate::{Snapshot, StoreError};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::nodes::{RlpNode, TrieNode};
use redb::ReadableTableMetadata;
use rialto_trie::{Nibbles, TrieAccount};

/// Walks one trie; `leaf` is called with every key and value.
struct Walk<'a> {
    snapshot: &'a Snapshot,
    account: Option<B256>,
    report: &'a mut VerifyReport,
    visited: u64,
    /// Nodes to visit: their path and how their parent names them. At most 16 for each of at most 64 levels.
    pending: Vec<(Nibbles, RlpNode)>,
}

impl Walk<'_> {
    fn domain(&self) -> Domain {
        if self.account.is_some() { Domain::StorageNodes } else { Domain::AccountNodes }
    }

    /// The next leaf in the order of keys: its key as nibbles and its value.
    fn next_leaf(&mut self) -> Result<Option<(Nibbles, Vec<u8>)>, StoreError> {
        while let Some((path, reference)) = self.pending.pop() {
            let Some(rlp) = self.load(&path, &reference)? else { continue };
            let Ok(node) = TrieNode::decode(&mut &rlp[..]) else {
                self.report.problem(format!("node at path {path:?} of {}: expected a trie node", self.name()));
                continue;
            };
            if path.len() >= 64 && !matches!(node, TrieNode::Leaf(_)) {
                self.report.problem(format!("node at path {path:?} of {}: expected a leaf", self.name()));
                continue;
            }
            match node {
                TrieNode::EmptyRoot => {}
                TrieNode::Leaf(leaf) if path.len() + leaf.key.len() == 64 => {
                    return Ok(Some((path.join(&leaf.key), leaf.value)));
                }
                TrieNode::Extension(extension) if path.len() + extension.key.len() < 64 => {
                    self.pending.push((path.join(&extension.key), extension.child));
                }
                TrieNode::Branch(branch) => {
                    let present = (0..16).filter(|nibble| branch.state_mask.is_bit_set(*nibble));
                    let children: Vec<_> = present.zip(branch.stack).collect();
                    for (nibble, child) in children.into_iter().rev() {
                        let mut below = path;
                        below.push(nibble);
                        self.pending.push((below, child));
                    }
                }
                TrieNode::Leaf(_) | TrieNode::Extension(_) => {
                    self.report.problem(format!("node at path {path:?} of {}: expected keys of 32 bytes", self.name()));
                }
            }
        }
        Ok(None)
    }

    /// The RLP of a node: from its parent where it is embedded there, else from the table.
    fn load(&mut self, path: &Nibbles, reference: &RlpNode) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(hash) = reference.as_hash() else { return Ok(Some(reference.to_vec())) };
        self.visited += 1;
        let node = self.snapshot.flat[self.domain() as usize].get(&node_key(self.account.as_ref(), path)[..])?;
        let found = node.as_ref().map(|node| keccak256(node.value()));
        if found != Some(hash) {
            let found = found.map_or("none".into(), |found| found.to_string());
            let name = self.name();
            self.report.problem(format!("node at path {path:?} of {name}: expected {hash}, found {found}"));
            return Ok(None);
        }
        Ok(node.map(|node| node.value().to_vec()))
    }

    fn name(&self) -> String {
        self.account.map_or("the account trie".into(), |account| format!("the storage of hashed account {account}"))
    }
}

impl Snapshot {
    pub(super) fn verify_nodes(
        &self,
        state_root: B256,
        report: &mut VerifyReport,
        progress: VerifyProgress<'_>,
    ) -> Result<(), StoreError> {
        let mut storage_nodes = 0;
        let mut account_walk = self.begin_walk(None, state_root, report);
        while let Some((key, value)) = account_walk.next_leaf()? {
            progress("nodes", account_walk.visited + storage_nodes);
            let key = B256::from_slice(&key.pack());
            let Ok(account) = TrieAccount::decode(&mut &value[..]) else {
                account_walk.report.problem(format!("leaf {key}: expected an account"));
                continue;
            };
            if account.storage_root == EMPTY_ROOT_HASH {
                continue;
            }
            let mut walk = self.begin_walk(Some(key), account.storage_root, account_walk.report);
            while walk.next_leaf()?.is_some() {}
            storage_nodes += walk.visited;
        }
        let account_nodes = account_walk.visited;
        for (domain, visited) in [(Domain::AccountNodes, account_nodes), (Domain::StorageNodes, storage_nodes)] {
            report.nodes += visited;
            let stored = self.flat[domain as usize].len()?;
            if stored != visited {
                report.problem(format!("{domain:?}: expected the {visited} nodes of the tries, found {stored}"));
            }
        }
        Ok(())
    }

    fn begin_walk<'a>(&'a self, account: Option<B256>, root: B256, report: &'a mut VerifyReport) -> Walk<'a> {
        let pending = match root {
            EMPTY_ROOT_HASH => Vec::new(),
            root => vec![(Nibbles::default(), RlpNode::word_rlp(&root))],
        };
        Walk { snapshot: self, account, report, visited: 0, pending }
    }
}

//! Roots of tries that are thrown away: nothing is kept, not even the nodes.
//!
//! With all keys sorted, the items below a node are one run of the list, and the path they share is the common prefix of
//! the run's first and last key. So a node is written by a recursion over runs that is at most 64 deep, looks at every item
//! once per level of the trie, and needs no memory per node: one buffer serves all of them, because a node is written
//! only after its children have shrunk to references of at most 33 bytes.

use crate::{
    EMPTY_ROOT_HASH, TrieAccount,
    key::Key,
    node::{NodeRef, write_branch, write_extension, write_leaf},
};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Encodable;

/// A key and its value, which is never empty.
pub(crate) type Item<'a> = (Key, &'a [u8]);

/// Root of the trie that maps the RLP of each index to the item: the transactions, receipts and withdrawals roots of a
/// header. Items are in their consensus encoding (EIP-2718 for typed transactions and receipts) and not empty.
pub fn ordered_root(items: &[impl AsRef<[u8]>]) -> B256 {
    let mut sorted: Vec<Item<'_>> = Vec::with_capacity(items.len());
    // The RLP of zero is 0x80 and so lies after the one-byte indices up to 0x7f and before all longer ones.
    let order = (1..items.len().min(128)).chain(0..items.len().min(1)).chain(128..items.len());
    for index in order {
        sorted.push((index_key(index), items[index].as_ref()));
    }
    sorted_root(&sorted)
}

fn index_key(index: usize) -> Key {
    let mut rlp = [0; 32];
    let length = match index {
        0 => {
            rlp[0] = 0x80;
            1
        }
        1..128 => {
            rlp[0] = index as u8;
            1
        }
        _ => {
            let bytes = index.to_be_bytes();
            let digits = &bytes[index.leading_zeros() as usize / 8..];
            rlp[0] = 0x80 + digits.len() as u8;
            rlp[1..=digits.len()].copy_from_slice(digits);
            1 + digits.len()
        }
    };
    Key::short(rlp, length as u8)
}

/// Root of a storage: slot to word, in any order; of a repeated slot the last word counts, and zero words are no entries.
pub fn storage_root(slots: impl IntoIterator<Item = (U256, U256)>) -> B256 {
    let mut words: Vec<(B256, U256)> = slots.into_iter().map(|(slot, word)| (slot_key(&slot), word)).collect();
    sort_last_wins(&mut words);
    words.retain(|(_, word)| !word.is_zero());
    secure_root(words.iter().map(|(key, word)| (key, |out: &mut Vec<u8>| word.encode(out))))
}

/// Root of a state: address to account, in any order; of a repeated address the last account counts.
pub fn state_root(accounts: impl IntoIterator<Item = (Address, TrieAccount)>) -> B256 {
    let mut leaves: Vec<(B256, TrieAccount)> =
        accounts.into_iter().map(|(address, account)| (keccak256(address), account)).collect();
    sort_last_wins(&mut leaves);
    secure_root(leaves.iter().map(|(key, account)| (key, |out: &mut Vec<u8>| account.encode(out))))
}

/// Sorts by key and keeps the last of equal keys.
fn sort_last_wins<T: Copy>(leaves: &mut Vec<(B256, T)>) {
    leaves.sort_by_key(|(key, _)| *key);
    leaves.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
}

/// The key of a slot in a storage trie.
pub fn slot_key(slot: &U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

/// Root over sorted hashed keys; values are encoded one after the other into one buffer.
fn secure_root<'a>(leaves: impl ExactSizeIterator<Item = (&'a B256, impl FnOnce(&mut Vec<u8>))>) -> B256 {
    let mut values = Vec::new();
    let mut ends = Vec::with_capacity(leaves.len());
    for (key, encode) in leaves {
        encode(&mut values);
        ends.push((*key, values.len()));
    }
    let mut start = 0;
    let mut items = Vec::with_capacity(ends.len());
    for (key, end) in ends {
        items.push((Key::from_array(key.0), &values[start..end]));
        start = end;
    }
    sorted_root(&items)
}

/// Root over items with ascending, distinct keys.
pub(crate) fn sorted_root(items: &[Item<'_>]) -> B256 {
    debug_assert!(items.is_sorted_by(|a, b| a.0 < b.0), "keys ascend and differ");
    if items.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    run_reference(items, 0, &mut Vec::with_capacity(1024)).root_hash()
}

/// The node over a run of at least one item whose keys share their first `depth` nibbles.
fn run_reference(items: &[Item<'_>], depth: usize, buffer: &mut Vec<u8>) -> NodeRef {
    let (first, last) = (&items[0], &items[items.len() - 1]);
    if items.len() == 1 {
        write_leaf(buffer, &first.0, depth, first.1);
        return NodeRef::of(buffer);
    }
    let fork = first.0.common_prefix(&last.0, depth);
    let branch = branch_reference(items, fork, buffer);
    if fork == depth {
        return branch;
    }
    write_extension(buffer, &first.0.range(depth, fork), branch.as_slice());
    NodeRef::of(buffer)
}

/// The branch at `depth` over a run of at least two items.
fn branch_reference(items: &[Item<'_>], depth: usize, buffer: &mut Vec<u8>) -> NodeRef {
    let mut children = [NodeRef::DIRTY; 16];
    let mut value: &[u8] = &[];
    let mut rest = items;
    // A key that ends here is a prefix of all others and therefore the first of them.
    if rest[0].0.nibbles() == depth {
        value = rest[0].1;
        rest = &rest[1..];
    }
    while let Some((key, _)) = rest.first() {
        let nibble = key.nibble(depth);
        let length = rest.iter().take_while(|(key, _)| key.nibble(depth) == nibble).count();
        let (run, after) = rest.split_at(length);
        children[usize::from(nibble)] = run_reference(run, depth + 1, buffer);
        rest = after;
    }
    write_branch(buffer, &core::array::from_fn(|index| children[index].as_slice()), value);
    NodeRef::of(buffer)
}

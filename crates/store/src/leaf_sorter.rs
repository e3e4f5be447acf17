//! The root of a trie whose leaves come in any order, in bounded memory.
//!
//! Leaves are collected until there are [`MAX_LEAVES`] of them, sorted, and written to a file of their own, a *run*. In the end all
//! runs are read side by side, always the one with the lowest key next, into a hash builder that keeps one path of the trie. A trie that
//! fits into one run needs no file.

use crate::StoreError;
use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder};
use rialto_trie::Nibbles;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::Path;

/// Most leaves in memory, which take at most 150 bytes each.
const MAX_LEAVES: usize = 1 << 19;

/// Collects the leaves of one trie after another.
pub(crate) struct LeafSorter<'a> {
    folder: &'a Path,
    max_leaves: usize,
    /// Key, and where its value lies.
    leaves: Vec<(B256, usize, usize)>,
    values: Vec<u8>,
    runs: Vec<BufReader<File>>,
}

impl<'a> LeafSorter<'a> {
    /// Runs go into `folder`, where they have no name and so disappear with the process.
    pub fn new(folder: &'a Path) -> Self {
        Self { folder, max_leaves: MAX_LEAVES, leaves: Vec::new(), values: Vec::new(), runs: Vec::new() }
    }

    /// Adds a leaf with a value of at most 255 bytes.
    pub fn push(&mut self, key: B256, value: &[u8]) -> Result<(), StoreError> {
        if self.leaves.len() == self.max_leaves {
            self.write_run().map_err(|error| StoreError::io(self.folder, &error))?;
        }
        self.leaves.push((key, self.values.len(), value.len()));
        self.values.extend_from_slice(value);
        Ok(())
    }

    /// The root over all leaves since the last call.
    pub fn root(&mut self) -> Result<B256, StoreError> {
        if self.leaves.is_empty() && self.runs.is_empty() {
            return Ok(EMPTY_ROOT_HASH);
        }
        if self.runs.is_empty() {
            let mut builder = RootBuilder::default();
            self.leaves.sort_unstable();
            for (key, start, length) in self.leaves.drain(..) {
                builder.push(key, &self.values[start..start + length])?;
            }
            self.values.clear();
            return Ok(builder.0.root());
        }
        let io = |error| StoreError::io(self.folder, &error);
        self.write_run().map_err(io)?;
        merge(std::mem::take(&mut self.runs)).map_err(io)?
    }

    fn write_run(&mut self) -> std::io::Result<()> {
        let path = self.folder.join(format!("verify-{}-{}.tmp", std::process::id(), self.runs.len()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?;
        let mut out = BufWriter::new(file);
        self.leaves.sort_unstable();
        for (key, start, length) in self.leaves.drain(..) {
            out.write_all(key.as_slice())?;
            out.write_all(&[length as u8])?;
            out.write_all(&self.values[start..start + length])?;
        }
        self.values.clear();
        let mut file = out.into_inner()?;
        file.rewind()?;
        self.runs.push(BufReader::new(file));
        Ok(())
    }
}

/// A hash builder that refuses keys that do not ascend.
#[derive(Default)]
struct RootBuilder(HashBuilder, Option<B256>);

impl RootBuilder {
    fn push(&mut self, key: B256, value: &[u8]) -> Result<(), StoreError> {
        if self.1.is_some_and(|last| last >= key) {
            return Err(StoreError::corrupt(format!("the state, in which two keys have the hash {key},")));
        }
        self.1 = Some(key);
        self.0.add_leaf(Nibbles::unpack(key), value);
        Ok(())
    }
}

/// Reads runs side by side.
fn merge(mut runs: Vec<BufReader<File>>) -> std::io::Result<Result<B256, StoreError>> {
    let mut builder = RootBuilder::default();
    let mut heads = BinaryHeap::new();
    for (index, run) in runs.iter_mut().enumerate() {
        heads.extend(read_leaf(run)?.map(|(key, value)| Reverse((key, index, value))));
    }
    while let Some(Reverse((key, index, value))) = heads.pop() {
        if let Err(error) = builder.push(key, &value) {
            return Ok(Err(error));
        }
        heads.extend(read_leaf(&mut runs[index])?.map(|(key, value)| Reverse((key, index, value))));
    }
    Ok(Ok(builder.0.root()))
}

fn read_leaf(run: &mut BufReader<File>) -> std::io::Result<Option<(B256, Vec<u8>)>> {
    let mut head = [0; 33];
    match run.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut value = vec![0; usize::from(head[32])];
    run.read_exact(&mut value)?;
    Ok(Some((B256::from_slice(&head[..32]), value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, keccak256};

    #[test]
    fn roots_do_not_depend_on_the_number_of_runs() {
        let slots: Vec<(U256, U256)> = (1..100u64).map(|n| (U256::from(n * 7919), U256::from(n))).collect();
        let expected = rialto_trie::roots::storage_root(slots.iter().copied());
        for max_leaves in [1, 2, 13, 98, 99, 1000] {
            let folder = std::env::temp_dir();
            let mut sorter = LeafSorter { max_leaves, ..LeafSorter::new(&folder) };
            for pass in 0..2 {
                assert_eq!(sorter.root().expect("no leaves"), EMPTY_ROOT_HASH);
                for (slot, word) in &slots {
                    let key = keccak256(slot.to_be_bytes::<32>());
                    sorter.push(key, &alloy_rlp::encode(word)).expect("room");
                }
                assert_eq!(sorter.root().expect("different keys"), expected, "{max_leaves} leaves a run, pass {pass}");
            }
        }
    }
}

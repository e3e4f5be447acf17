//! The keys of a trie in memory in ascending order.

use super::{Link, Node, Target, Trie};
use crate::TrieError;
use alloc::{borrow::ToOwned, vec::Vec};
use nybbles::Nibbles;

/// Walks the entries of a trie in ascending order of keys; a blinded node is an error, after which the walk goes on beside
/// it.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    trie: &'a Trie,
    /// What is still to be visited, the next last. Below each branch of the current path there are at most 16.
    pending: Vec<(Nibbles, Link)>,
}

impl Trie {
    /// The entries in ascending order of keys.
    pub fn iter(&self) -> Iter<'_> {
        Iter { trie: self, pending: Vec::from([(Nibbles::new(), self.root)]) }
    }
}

impl<'a> IntoIterator for &'a Trie {
    type Item = Result<(Vec<u8>, &'a [u8]), TrieError>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<(Vec<u8>, &'a [u8]), TrieError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (path, link) = self.pending.pop()?;
            let id = match link.target() {
                Target::Empty => continue,
                Target::Blinded(index) => {
                    return Some(Err(TrieError::MissingNode { path, hash: self.trie.blinded[index as usize] }));
                }
                Target::Node(id) => id,
            };
            match &self.trie.nodes[id as usize] {
                Node::Leaf { key, value } => return Some(Ok((key.as_slice().to_owned(), value.as_slice()))),
                Node::Extension { path: rest, child } => self.pending.push((path.join(rest), *child)),
                Node::Branch { children, value } => {
                    for (nibble, child) in children.iter().enumerate().rev() {
                        if *child != Link::EMPTY {
                            let mut below = path;
                            below.push(nibble as u8);
                            self.pending.push((below, *child));
                        }
                    }
                    if let Some(value) = value {
                        return Some(Ok((path.pack().to_vec(), value)));
                    }
                }
                Node::Free => unreachable!("a link leads to a node in use"),
            }
        }
    }
}

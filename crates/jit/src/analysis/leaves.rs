//! Functions short enough to be compiled at each place that calls them.
//!
//! What compilers make of a checked addition, or of a decoded argument, is a few opcodes between a JUMPDEST and a jump to
//! an address that the caller has pushed. Compiled where it is called, with the caller's abstract stack, such a *leaf*
//! knows its return address and its operands, and nothing goes through memory on the way in. A leaf is a few bytes from a
//! root on, over other roots too, of which every way ends with a jump to where the stack says, or is cold. A way that
//! went round in a circle would have more bytes.

use super::{Analysis, End, Target, successors};

/// Bytes that a leaf may have.
const MAX_BYTES: usize = 48;

impl Analysis<'_> {
    /// Finds the roots that are leaves.
    pub(super) fn find_leaves(&mut self) {
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            if block.is_root && block.is_reachable && !block.is_entry && !block.is_cold {
                self.blocks[index].leaf_bytes = self.leaf_bytes(index as u32).unwrap_or(0);
            }
        }
    }

    fn leaf_bytes(&self, root: u32) -> Option<usize> {
        let (mut bytes, mut open) = (0, vec![root]);
        while let Some(index) = open.pop() {
            let block = &self.blocks[index as usize];
            bytes += block.stop - block.start;
            if bytes > MAX_BYTES {
                return None;
            }
            match block.end {
                End::Jump(Target::Dynamic) => {}
                End::Jump(Target::Block(_)) | End::Branch(Target::Block(_), _) | End::Fall(_) => {
                    for next in successors(block.end).into_iter().flatten() {
                        let block = &self.blocks[next as usize];
                        if block.is_entry {
                            return None;
                        }
                        if !block.is_cold {
                            open.push(next);
                        }
                    }
                }
                _ => return None,
            }
        }
        Some(bytes)
    }
}

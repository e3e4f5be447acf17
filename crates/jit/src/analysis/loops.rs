//! What a loop changes of the stack, turn by turn.
//!
//! The words that a loop's turns change are parameters of its body, so that they can stay in registers; what a turn leaves as
//! it was is best left in memory, where it is at home: it would take registers, or be moved about, for nothing. A turn is
//! followed opcode by opcode through the root's tree, moving numbers of places instead of words, to each jump back to the
//! root: a place that has the same word then is unchanged.
//!
//! A loop whose turns lead through other trees is not followed. Its uppermost words are parameters.

use super::{Analysis, length, successors};
use rialto_vm::opcode::{self as op, OPCODES};

/// Words that a body gets as parameters at most.
const PARAMETERS: u32 = 4;
/// Words from the top down that may be parameters.
const REACH: usize = 16;
/// A word that is none of those at the turn's beginning.
const OTHER: i32 = i32::MIN;

impl Analysis<'_> {
    /// Finds the parameters of the roots that are loops. Dynamic jumps and suspended frames have all words in memory.
    pub(super) fn find_parameters(&mut self) {
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            let is_loop = block.is_loop && block.is_root && !block.is_cold && block.is_reachable;
            if is_loop && !block.is_target && !block.is_entry {
                self.blocks[index].parameters = self.parameters_of(index as u32);
            }
        }
    }

    /// The words that a turn changes, as bits from the top down.
    fn parameters_of(&self, root: u32) -> u16 {
        let need = self.blocks[root as usize].tree_need;
        let mut changed: Option<u16> = None;
        let mut open = vec![(root, (-need..0).collect::<Vec<i32>>())];
        while let Some((index, mut stack)) = open.pop() {
            self.follow(index as usize, &mut stack);
            for next in successors(self.blocks[index as usize].end).into_iter().flatten() {
                let block = &self.blocks[next as usize];
                if next == root {
                    changed = Some(changed.unwrap_or(0) | changes(&stack, need));
                } else if !block.is_root && !block.is_cold {
                    open.push((next, stack.clone()));
                }
            }
        }
        let uppermost = (1 << (need as u32).min(PARAMETERS)) - 1;
        let mut changed = changed.unwrap_or(uppermost);
        while changed.count_ones() > PARAMETERS {
            changed &= !(1 << changed.ilog2());
        }
        changed
    }

    /// Moves the places of `stack` as the block's opcodes do.
    fn follow(&self, index: usize, stack: &mut Vec<i32>) {
        let (mut pc, stop) = (self.blocks[index].start, self.blocks[index].stop);
        while pc < stop.min(self.code.len()) {
            let opcode = self.code[pc];
            pc += length(opcode);
            let Some(row) = OPCODES[usize::from(opcode)] else { return };
            let top = stack.len();
            match opcode {
                op::DUP1..=op::DUP16 => stack.push(stack[top - usize::from(opcode - op::DUP1) - 1]),
                op::SWAP1..=op::SWAP16 => stack.swap(top - 1, top - usize::from(opcode - op::SWAP1) - 2),
                _ => {
                    stack.truncate(top - usize::from(row.pops));
                    stack.resize(stack.len() + usize::from(row.pushes), OTHER);
                }
            }
        }
    }
}

/// Which of the uppermost words are not at home where the next turn looks for them.
fn changes(stack: &[i32], need: i32) -> u16 {
    let top = stack.len() as i32 - need;
    let is_changed = |depth: usize| depth <= stack.len() && stack[stack.len() - depth] != top - depth as i32;
    (1..=REACH.min(need as usize)).filter(|&depth| is_changed(depth)).fold(0, |bits, depth| bits | 1 << (depth - 1))
}

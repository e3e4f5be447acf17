//! What a loop does to the stack, turn by turn.
//!
//! The words that a loop's turns change are parameters of its body, so that they can stay in registers; what a turn leaves as
//! it was is best left in memory, where it is at home: it would take registers, or be moved about, for nothing. A turn is
//! followed opcode by opcode to each jump back to the root, moving numbers of places instead of words: a place that has the
//! same word then is unchanged. It is followed through functions, too, whose return addresses the caller pushes.
//!
//! Where a place has its own word plus a small constant then, it counts, and what it is compared with says how far: both are
//! *narrow*, presumably. Words of 256 bits are what the machine has, but hardly ever what loops count with.
//!
//! All this only says what is worth while. Whoever jumps to a body hands over the words that are its parameters, has the
//! others at home, and sees to it that the narrow ones are.

use super::{Analysis, End, Target, length, pushed, successors};
use rialto_vm::opcode::{self as op, OPCODES};

/// Limbs that a body gets as parameters at most.
const LIMBS: u32 = 16;
/// Words from the top down that may be parameters or narrow.
const REACH: usize = 16;
/// Words below the top at the turn's beginning that are followed.
const DEPTH: i32 = 160;
/// What a counter is moved by in a turn at most.
const STEP: u64 = 1 << 16;
/// Blocks that are followed from one root.
const BLOCKS: usize = 64;

/// What is known of a word while a turn is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// What this place had when the turn began, plus a number.
    Place(i32, i64),
    Constant(u64),
    Other,
}

/// What is known when a turn is over.
#[derive(Default)]
struct Turns {
    /// Ways back to the root were found.
    is_closed: bool,
    /// Places whose words are others then, as bits from the top down.
    changed: u16,
    /// Those of which they are not their own words plus a small number.
    replaced: u16,
    /// Words that were compared.
    compared: Vec<(Known, Known)>,
}

/// A way through a turn.
#[derive(Clone)]
struct Way {
    block: u32,
    stack: Vec<Known>,
    /// Loops within the loop that it led through.
    loops: Vec<u32>,
}

impl Analysis<'_> {
    /// Finds the parameters of the roots that are loops. Dynamic jumps and suspended frames have all words in memory.
    pub(super) fn find_parameters(&mut self) {
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            let is_loop = block.is_loop && block.is_root && !block.is_cold && block.is_reachable;
            if is_loop && !block.is_target && !block.is_entry {
                let (parameters, narrow) = self.parameters_of(index as u32);
                (self.blocks[index].parameters, self.blocks[index].narrow) = (parameters, narrow);
            }
        }
    }

    /// The words that a turn changes, and those that are narrow, as bits from the top down.
    fn parameters_of(&self, root: u32) -> (u16, u16) {
        let need = self.blocks[root as usize].tree_need;
        let within = ((1u32 << need.min(REACH as i32)) - 1) as u16;
        let turns = self.follow_turns(root);
        let (changed, narrow) =
            if turns.is_closed { (turns.changed & within, narrow(&turns) & within) } else { (within, 0) };
        let mut limbs = 0;
        let mut parameters = 0;
        for bit in (0..REACH).map(|bit| 1 << bit).filter(|bit| changed & bit != 0) {
            limbs += if narrow & bit != 0 { 1 } else { 4 };
            if limbs > LIMBS {
                break;
            }
            parameters |= bit;
        }
        // What is changed and no parameter is not at home.
        (parameters, narrow & (parameters | !changed))
    }

    fn follow_turns(&self, root: u32) -> Turns {
        let mut turns = Turns::default();
        let stack = (-DEPTH..0).map(|place| Known::Place(place, 0)).collect();
        let mut open = vec![Way { block: root, stack, loops: Vec::new() }];
        for _ in 0..BLOCKS {
            let Some(mut way) = open.pop() else { break };
            let Some(nexts) = self.follow(&mut way, &mut turns) else { continue };
            for next in nexts.into_iter().flatten() {
                if next == root {
                    turns.close(&way.stack);
                    continue;
                }
                let block = &self.blocks[next as usize];
                // A loop that begins before is one around this one: there the turns are over.
                let is_around = block.is_loop && next < root;
                if block.is_cold || is_around || way.loops.contains(&next) {
                    continue;
                }
                let mut way = Way { block: next, ..way.clone() };
                if block.is_loop && block.is_root {
                    way.loops.push(next);
                }
                open.push(way);
            }
        }
        turns
    }

    /// Moves what is known as the block's opcodes do; the blocks behind, `None` where there are too few words.
    fn follow(&self, way: &mut Way, turns: &mut Turns) -> Option<[Option<u32>; 2]> {
        let block = &self.blocks[way.block as usize];
        let stack = &mut way.stack;
        let (mut pc, stop) = (block.start, block.stop);
        let mut target = None;
        while pc < stop.min(self.code.len()) {
            let opcode = self.code[pc];
            let row = OPCODES[usize::from(opcode)]?;
            let (top, pops) = (stack.len(), usize::from(row.pops));
            if pops > top {
                return None;
            }
            match opcode {
                op::DUP1..=op::DUP16 => stack.push(stack[top - usize::from(opcode - op::DUP1) - 1]),
                op::SWAP1..=op::SWAP16 => stack.swap(top - 1, top - usize::from(opcode - op::SWAP1) - 2),
                _ => {
                    if matches!(opcode, op::LT | op::GT | op::SLT | op::SGT | op::EQ) {
                        turns.compared.push((stack[top - 1], stack[top - 2]));
                    }
                    if matches!(opcode, op::JUMP | op::JUMPI) {
                        target = stack.last().copied();
                    }
                    let word = self.result(opcode, pc, &stack[top - pops..]);
                    stack.truncate(top - pops);
                    stack.extend((0..row.pushes).map(|_| word));
                }
            }
            pc += length(opcode);
        }
        Some(match (block.end, target) {
            (End::Jump(Target::Dynamic), Some(Known::Constant(target))) => {
                [usize::try_from(target).ok().and_then(|pc| self.block_at(pc)), None]
            }
            (end, _) => successors(end),
        })
    }

    /// What an opcode pushes, whose operands these are, the first on top.
    fn result(&self, opcode: u8, pc: usize, operands: &[Known]) -> Known {
        use Known::{Constant, Place};
        match (opcode, operands) {
            (op::PUSH0..=op::PUSH32, _) => pushed(self.code, pc).map_or(Known::Other, |value| Constant(value as u64)),
            (op::ADD, [Constant(step), Place(place, from)] | [Place(place, from), Constant(step)]) if *step < STEP => {
                Place(*place, from + *step as i64)
            }
            (op::SUB, [Constant(step), Place(place, from)]) if *step < STEP => Place(*place, from - *step as i64),
            _ => Known::Other,
        }
    }
}

impl Turns {
    /// A turn ends with this stack.
    fn close(&mut self, stack: &[Known]) {
        self.is_closed = true;
        // By so many words the stack has grown, and where the next turn looks for its words has moved.
        let growth = stack.len() as i32 - DEPTH;
        for (bit, known) in (0..REACH).zip(stack.iter().rev()) {
            let home = growth - 1 - bit as i32;
            if *known != Known::Place(home, 0) {
                self.changed |= 1 << bit;
            }
            if growth != 0 || !matches!(*known, Known::Place(at, step) if at == home && step.unsigned_abs() < STEP) {
                self.replaced |= 1 << bit;
            }
        }
    }

    /// The bit of what this word comes from, if it is one of those that are followed.
    fn bit(known: Known) -> u16 {
        match known {
            Known::Place(place, _) if place >= -(REACH as i32) => 1 << (-1 - place),
            _ => 0,
        }
    }
}

/// The places whose words are presumably narrow: those that count, and those that they are compared with.
fn narrow(turns: &Turns) -> u16 {
    let counters = turns.changed & !turns.replaced;
    let bounds = turns.compared.iter().fold(0, |bounds, &(a, b)| {
        let (a, b) = (Turns::bit(a), Turns::bit(b));
        let other = |counter: u16, bound: u16| if counters & counter != 0 { bound } else { 0 };
        bounds | other(a, b) | other(b, a)
    });
    counters | bounds & !turns.replaced
}

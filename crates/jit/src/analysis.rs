//! What bytecode looks like before it is compiled: blocks, how they follow one another, and which of them are worth
//! compiling.
//!
//! A *block* is a run of opcodes that is entered at its beginning only: at the code's start, at a JUMPDEST, behind a
//! JUMPI, or behind an opcode that may open a frame. A jump's target is *static* if the PUSH stands right before the
//! jump. Any other number pushed that is a JUMPDEST's offset is taken for a target that a dynamic jump may have, a return
//! address usually; other JUMPDESTs are left to the interpreter when a dynamic jump meets them, so a wrong guess costs
//! time and nothing else.
//!
//! Blocks with one static predecessor and no other way in are compiled as that one's continuation. What they hang from
//! is a *root*: a block that several jumps go to, or a dynamic one, or where a frame goes on. A root and what continues it
//! are its *tree*. Stack bounds are checked once for a tree, with the words that its paths need and the words by which
//! they grow at most: where they do not fit, the interpreter runs the tree, and finds the opcode that fails, if any.
//!
//! A block from which every way leads to REVERT or to failure is *cold*: it is left to the interpreter.
//!
//! Bounds: everything is linear in the code's length. A block or a tree that would need or grow by more than [`WINDOW`]
//! words is cut.

mod leaves;
mod loops;

use rialto_vm::Fork;
use rialto_vm::opcode::{self as op, OPCODES};

/// Words below and above a tree's entry that its paths may touch; what touches more begins a tree of its own.
const WINDOW: i32 = 96;
/// Words that a frame's stack may have.
pub(crate) const STACK_LIMIT: i32 = 1024;
/// Blocks one behind the other in a tree.
const TREE_DEPTH: u32 = 24;
/// Bits of a narrow word: sums and small multiples of such words have one limb.
pub(crate) const NARROW_BITS: u32 = 48;
/// No block.
const NONE: u32 = u32::MAX;

/// Where a jump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To this block.
    Block(u32),
    /// To no JUMPDEST.
    Invalid,
    /// Where the stack says.
    Dynamic,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Jump(Target),
    /// The second is the block behind.
    Branch(Target, u32),
    /// The block behind follows.
    Fall(u32),
    /// Behind an opcode that may open a frame: the frame goes on in that block.
    Opens(u32),
    /// STOP, RETURN, SELFDESTRUCT.
    Stops,
    /// REVERT, INVALID, or a byte that is no opcode.
    Fails,
    /// Before an opcode that is left to the interpreter.
    Leaves,
}

/// A run of opcodes that is entered at its beginning only.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Offset of the first opcode.
    pub start: usize,
    /// Offset behind the last.
    pub stop: usize,
    pub end: End,
    /// Words that must be on the stack, words by which it grows at most, and by which it has grown at the end.
    pub need: i32,
    pub growth: i32,
    pub delta: i32,
    /// The same for all paths from here to the tree's ends.
    pub tree_need: i32,
    pub tree_growth: i32,
    /// Ways in that are known statically.
    pub ways_in: u32,
    pub is_reachable: bool,
    /// A dynamic jump may come here.
    pub is_target: bool,
    /// A frame goes on here.
    pub is_entry: bool,
    /// A way leads back here.
    pub is_loop: bool,
    pub is_root: bool,
    pub is_cold: bool,
    /// Of a loop's root: the words that its body gets as parameters, as bits from the top down.
    pub parameters: u16,
    /// Of a loop's root: the words that are less than 2^[`NARROW_BITS`] whenever its body begins, as such bits.
    pub narrow: u16,
    /// Of a root that is a leaf: its bytes. 0 for others.
    pub leaf_bytes: usize,
    /// Of a cold block: the words that may be looked at before the frame fails.
    pub reach: i32,
    depth: u32,
}

/// Bytecode in blocks.
pub(crate) struct Analysis<'a> {
    pub code: &'a [u8],
    pub fork: Fork,
    pub blocks: Vec<Block>,
    /// For each offset, the block that begins there.
    block_at: Vec<u32>,
    is_jumpdest: Vec<bool>,
}

/// Length of an opcode with its immediate.
pub(crate) fn length(opcode: u8) -> usize {
    1 + OPCODES[usize::from(opcode)].map_or(0, |opcode| usize::from(opcode.immediate_bytes))
}

/// Whether the opcode is one that is compiled: those with immediates that are not pushes are left to the interpreter.
pub(crate) fn is_compiled(opcode: u8, fork: Fork) -> bool {
    op::is_defined(opcode, fork) && !matches!(opcode, op::DUPN | op::SWAPN | op::EXCHANGE | op::INVALID)
}

/// Whether the opcode may open a frame.
pub(crate) fn opens(opcode: u8) -> bool {
    matches!(opcode, op::CREATE | op::CREATE2 | op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL)
}

/// The low 64 bits of the PUSH at `pc`, if its value has no more.
fn pushed(code: &[u8], pc: usize) -> Option<usize> {
    let opcode = code[pc];
    if !(op::PUSH0..=op::PUSH32).contains(&opcode) {
        return None;
    }
    let count = usize::from(opcode - op::PUSH0);
    let mut value = 0usize;
    for i in 0..count {
        if value >> 32 != 0 {
            return None;
        }
        value = value << 8 | usize::from(code.get(pc + 1 + i).copied().unwrap_or(0));
    }
    Some(value)
}

impl<'a> Analysis<'a> {
    pub fn new(code: &'a [u8], fork: Fork) -> Self {
        let mut analysis =
            Self { code, fork, blocks: Vec::new(), block_at: vec![NONE; code.len() + 1], is_jumpdest: Vec::new() };
        analysis.find_jumpdests();
        analysis.find_blocks();
        analysis.find_ways();
        analysis.find_cold();
        analysis.find_trees();
        analysis.find_parameters();
        analysis.find_leaves();
        analysis
    }

    fn find_jumpdests(&mut self) {
        self.is_jumpdest = vec![false; self.code.len()];
        let mut pc = 0;
        while pc < self.code.len() {
            let opcode = self.code[pc];
            self.is_jumpdest[pc] = opcode == op::JUMPDEST;
            pc += if (op::PUSH1..=op::PUSH32).contains(&opcode) { length(opcode) } else { 1 };
        }
    }

    pub fn is_jumpdest(&self, pc: usize) -> bool {
        self.is_jumpdest.get(pc).copied().unwrap_or(false)
    }

    /// The block that begins at `pc`.
    pub fn block_at(&self, pc: usize) -> Option<u32> {
        self.block_at.get(pc).copied().filter(|&block| block != NONE)
    }

    fn find_blocks(&mut self) {
        let mut pc = 0;
        loop {
            let index = self.blocks.len() as u32;
            self.block_at[pc.min(self.code.len())] = index;
            let block = self.scan_block(pc);
            let stop = block.stop;
            self.blocks.push(block);
            if stop >= self.code.len() && pc >= self.code.len() {
                break;
            }
            pc = stop.min(self.code.len());
        }
    }

    /// The block from `pc` on, whose targets are still unknown.
    fn scan_block(&self, start: usize) -> Block {
        let next = self.blocks.len() as u32 + 1;
        let (mut pc, mut height, mut need, mut growth) = (start, 0i32, 0i32, 0i32);
        let end = loop {
            let Some(&opcode) = self.code.get(pc) else { break if pc == start { End::Stops } else { End::Fall(next) } };
            if pc > start && opcode == op::JUMPDEST {
                break End::Fall(next);
            }
            if !is_compiled(opcode, self.fork) {
                let fails = opcode == op::INVALID || !op::is_defined(opcode, self.fork);
                pc += 1;
                break if fails { End::Fails } else { End::Leaves };
            }
            let row = OPCODES[usize::from(opcode)].expect("defined");
            let (pops, pushes) = (i32::from(row.pops), i32::from(row.pushes));
            if pops - height > WINDOW || height - pops + pushes > WINDOW {
                break End::Fall(next);
            }
            need = need.max(pops - height);
            height += pushes - pops;
            growth = growth.max(height);
            pc += length(opcode);
            match opcode {
                op::JUMP => break End::Jump(Target::Dynamic),
                op::JUMPI => break End::Branch(Target::Dynamic, next),
                op::STOP | op::RETURN | op::SELFDESTRUCT => break End::Stops,
                op::REVERT => break End::Fails,
                _ if opens(opcode) => break End::Opens(next),
                _ => {}
            }
        };
        Block {
            start,
            stop: pc,
            end,
            need,
            growth,
            delta: height,
            tree_need: need,
            tree_growth: growth,
            ways_in: 0,
            is_reachable: false,
            is_target: false,
            is_entry: false,
            is_loop: false,
            is_root: false,
            is_cold: false,
            parameters: 0,
            narrow: 0,
            leaf_bytes: 0,
            reach: 0,
            depth: 0,
        }
    }

    /// Follows the jumps from the start, finding static targets and numbers that may be dynamic ones.
    fn find_ways(&mut self) {
        let mut open = vec![0u32];
        self.blocks[0].is_reachable = true;
        self.blocks[0].is_entry = true;
        while let Some(index) = open.pop() {
            let target = self.scan_pushes(index as usize, &mut open);
            let block = &mut self.blocks[index as usize];
            match &mut block.end {
                End::Jump(to) | End::Branch(to, _) => *to = target,
                _ => {}
            }
            let end = block.end;
            if let End::Opens(next) = end {
                self.blocks[next as usize].is_entry = true;
            }
            for next in successors(end).into_iter().flatten() {
                self.blocks[next as usize].ways_in += 1;
                self.blocks[next as usize].is_loop |= next <= index;
                self.reach_block(next, &mut open);
            }
        }
    }

    fn reach_block(&mut self, index: u32, open: &mut Vec<u32>) {
        let block = &mut self.blocks[index as usize];
        if !block.is_reachable {
            block.is_reachable = true;
            open.push(index);
        }
    }

    /// Notes the numbers in a block that may be dynamic targets; where the jump at its end goes.
    fn scan_pushes(&mut self, index: usize, open: &mut Vec<u32>) -> Target {
        let Block { start, stop, .. } = self.blocks[index];
        let mut pc = start;
        let mut last = None;
        while pc < stop.min(self.code.len()) {
            let opcode = self.code[pc];
            if let Some(value) = last.take() {
                let is_target = self.is_jumpdest(value);
                if matches!(opcode, op::JUMP | op::JUMPI) {
                    return if is_target { Target::Block(self.block_at[value]) } else { Target::Invalid };
                }
                if is_target {
                    self.note_target(value, open);
                }
            }
            last = pushed(self.code, pc);
            // A push of more than fits is a jump to nowhere.
            let is_push = (op::PUSH0..=op::PUSH32).contains(&opcode);
            if is_push && last.is_none() {
                last = Some(usize::MAX);
            }
            pc += length(opcode);
        }
        if let Some(value) = last
            && self.is_jumpdest(value)
        {
            self.note_target(value, open);
        }
        Target::Dynamic
    }

    fn note_target(&mut self, pc: usize, open: &mut Vec<u32>) {
        let index = self.block_at[pc];
        self.blocks[index as usize].is_target = true;
        self.reach_block(index, open);
    }

    /// Finds blocks from which every way fails, from the code's end: ways mostly lead forward. What a loop hides from one
    /// pass is compiled for nothing.
    fn find_cold(&mut self) {
        for _ in 0..2 {
            for index in (0..self.blocks.len()).rev() {
                let block = &self.blocks[index];
                let cold = match block.end {
                    End::Fails => Some(block.need),
                    End::Jump(Target::Invalid) => Some(block.need),
                    End::Jump(Target::Block(_)) | End::Branch(Target::Block(_) | Target::Invalid, _) | End::Fall(_) => {
                        successors(block.end).into_iter().flatten().try_fold(block.need, |reach, next| {
                            let next = &self.blocks[next as usize];
                            next.is_cold.then(|| reach.max(next.reach - block.delta))
                        })
                    }
                    _ => None,
                };
                if let Some(reach) = cold {
                    let block = &mut self.blocks[index];
                    block.is_cold = true;
                    block.reach = reach;
                }
            }
        }
    }

    /// Finds the roots, and what their trees need.
    fn find_trees(&mut self) {
        for block in &mut self.blocks {
            block.is_root = block.is_entry || block.is_target || block.ways_in != 1;
        }
        let mut order = Vec::new();
        let mut open = Vec::new();
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            if block.is_reachable && block.is_root {
                open.push(index as u32);
            }
        }
        while let Some(index) = open.pop() {
            order.push(index);
            let depth = self.blocks[index as usize].depth;
            for next in successors(self.blocks[index as usize].end).into_iter().flatten() {
                let next_block = &mut self.blocks[next as usize];
                if next_block.is_root || next_block.is_cold {
                    continue;
                }
                if depth + 1 == TREE_DEPTH {
                    next_block.is_root = true;
                } else {
                    next_block.depth = depth + 1;
                }
                open.push(next);
            }
        }
        for &index in order.iter().rev() {
            self.join_tree(index as usize);
        }
    }

    /// Adds to a block's bounds those of the blocks that continue it, which have theirs; cuts those off that exceed the
    /// window.
    fn join_tree(&mut self, index: usize) {
        let Block { end, delta, need, growth, .. } = self.blocks[index];
        let (mut tree_need, mut tree_growth) = (need, growth);
        for next in successors(end).into_iter().flatten() {
            let next = &mut self.blocks[next as usize];
            if next.is_root || next.is_cold {
                continue;
            }
            let (need, growth) = (tree_need.max(next.tree_need - delta), tree_growth.max(next.tree_growth + delta));
            if need > WINDOW || growth > WINDOW {
                next.is_root = true;
            } else {
                (tree_need, tree_growth) = (need, growth);
            }
        }
        let block = &mut self.blocks[index];
        (block.tree_need, block.tree_growth) = (tree_need, tree_growth);
    }
}

/// The blocks that are known to follow.
pub(crate) fn successors(end: End) -> [Option<u32>; 2] {
    let block = |target| if let Target::Block(index) = target { Some(index) } else { None };
    match end {
        End::Jump(target) => [block(target), None],
        End::Branch(target, next) => [block(target), Some(next)],
        End::Fall(next) | End::Opens(next) => [Some(next), None],
        End::Stops | End::Fails | End::Leaves => [None, None],
    }
}

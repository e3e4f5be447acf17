//! From block to block: bodies and landings of the roots, jumps that are known, jumps that are not.

use super::Translator;
use super::exits::Exit;
use super::stack::{Entry, State};
use crate::analysis::{NARROW_BITS, STACK_LIMIT, Target};
use crate::words::{Limb, Word};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, JumpTableData, MemFlagsData, Value, types::I64};
use cranelift_codegen::packed_option::ReservedValue;
use rialto_vm::native::layout;

/// Words by which every tree that is checked for its growth may grow: so a tree that follows need not be checked anew.
const GROWTH: i32 = 24;

/// Words from the top down among which a leaf's return address is.
const LEAF_WORDS: i32 = 8;

/// The blocks of the function that belong to blocks of the code.
pub(super) struct Ways {
    bodies: Vec<Option<ir::Block>>,
    /// Bodies behind the check of the stack's bounds.
    checked: Vec<Option<ir::Block>>,
    landings: Vec<Option<ir::Block>>,
}

impl Ways {
    pub fn new(blocks: usize) -> Self {
        Self { bodies: vec![None; blocks], checked: vec![None; blocks], landings: vec![None; blocks] }
    }
}

impl Translator<'_, '_> {
    pub(super) fn jump(&mut self, block: ir::Block, arguments: &[Value]) {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        self.builder.ins().jump(block, &arguments);
    }

    /// Goes to the block of `targets` with this index, or to `default`.
    pub(super) fn jump_by_table(
        &mut self,
        index: Value,
        default: ir::Block,
        targets: &[ir::Block],
        arguments: &[Value],
    ) {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        let pool = &mut self.builder.func.dfg.value_lists;
        let calls: Vec<_> =
            targets.iter().map(|&block| ir::BlockCall::new(block, arguments.iter().copied(), pool)).collect();
        let default = ir::BlockCall::new(default, arguments.iter().copied(), pool);
        let table = self.builder.create_jump_table(JumpTableData::new(default, &calls));
        let index = self.builder.ins().ireduce(ir::types::I32, index);
        self.builder.ins().br_table(index, table);
    }

    /// Goes to `block` if the condition holds, and on here otherwise.
    pub(super) fn leave_if(&mut self, condition: Value, block: ir::Block, arguments: &[Value]) {
        let on = self.builder.create_block();
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        self.builder.ins().brif(condition, block, &arguments, on, &[]);
        self.builder.switch_to_block(on);
    }

    /// The words that a root's body gets as parameters, by their depths from the top, 1 for the top itself: those that a
    /// loop changes, which would go through memory in every turn.
    fn parameters(&self, root: u32) -> Vec<i32> {
        let bits = self.analysis.blocks[root as usize].parameters;
        (0..16).filter(|bit| bits >> bit & 1 != 0).map(|bit| bit + 1).collect()
    }

    /// Words from the top down of which some are parameters of the root, or narrow: whoever goes to its body has them.
    fn reach_of_parameters(&self, root: u32) -> i32 {
        let block = &self.analysis.blocks[root as usize];
        16 - (block.parameters | block.narrow).leading_zeros() as i32
    }

    fn is_narrow(&self, root: u32, depth: i32) -> bool {
        self.analysis.blocks[root as usize].narrow >> (depth - 1) & 1 != 0
    }

    /// Limbs of a root's parameter: the others of a narrow one are 0.
    fn limbs_of_parameter(&self, root: u32, depth: i32) -> usize {
        if self.is_narrow(root, depth) { 1 } else { 4 }
    }

    /// The body of a root, which gets its parameters' limbs.
    fn body(&mut self, root: u32) -> ir::Block {
        if let Some(body) = self.ways.bodies[root as usize] {
            return body;
        }
        let body = self.create_body(root);
        *self.ways.bodies[root as usize].insert(body)
    }

    /// The body of a root behind the check of the stack's bounds.
    fn checked_body(&mut self, root: u32) -> ir::Block {
        if !self.is_checked(root) {
            return self.body(root);
        }
        if let Some(body) = self.ways.checked[root as usize] {
            return body;
        }
        let body = self.create_body(root);
        *self.ways.checked[root as usize].insert(body)
    }

    fn create_body(&mut self, root: u32) -> ir::Block {
        let body = self.builder.create_block();
        for depth in self.parameters(root) {
            for _ in 0..self.limbs_of_parameter(root, depth) {
                self.builder.append_block_param(body, I64);
            }
        }
        body
    }

    /// Whether the stack's bounds are to be checked for a tree: not if whoever goes there has the words, and it adds none.
    fn is_checked(&self, root: u32) -> bool {
        let block = &self.analysis.blocks[root as usize];
        block.tree_need > self.reach_of_parameters(root) || block.tree_growth > 0
    }

    /// What is known of the stack's bounds at the entry of a tree that runs: words that are there, and room for more.
    fn bounds(&self, root: u32) -> (i32, i32) {
        let block = &self.analysis.blocks[root as usize];
        let growth = if self.is_checked(root) { block.tree_growth.max(GROWTH) } else { 0 };
        (block.tree_need, growth)
    }

    /// Where to go on in a root, or a cold block, with all words in memory.
    pub(super) fn landing(&mut self, index: u32) -> ir::Block {
        let is_cold = self.analysis.blocks[index as usize].is_cold;
        if !is_cold && self.analysis.blocks[index as usize].parameters == 0 {
            return self.body(index);
        }
        if let Some(landing) = self.ways.landings[index as usize] {
            return landing;
        }
        let landing = self.builder.create_block();
        *self.ways.landings[index as usize].insert(landing)
    }

    pub(super) fn fill_landings(&mut self) {
        for index in 0..self.ways.landings.len() {
            if let Some(landing) = self.ways.landings[index] {
                self.fill_landing(index as u32, landing);
            }
        }
    }

    fn fill_landing(&mut self, index: u32, landing: ir::Block) {
        self.builder.switch_to_block(landing);
        let block = &self.analysis.blocks[index as usize];
        let pc = block.start;
        let is_cold = block.is_cold;
        let reach = if is_cold { 0 } else { self.reach_of_parameters(index) };
        self.state = State::new(reach);
        if is_cold {
            return self.bail(pc);
        }
        let base = self.field(layout::STACK_BASE);
        let sp = self.sp();
        let bytes = self.builder.ins().isub(sp, base);
        let is_short = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, bytes, i64::from(32 * reach));
        self.bail_if(is_short, pc);
        // Nothing is known of the bounds.
        self.bounds = (0, 0);
        self.jump_to_body(index);
    }

    /// Begins a root: its stack's bounds are checked, and its parameters are words that are not in memory.
    pub(super) fn begin_tree(&mut self, root: u32) {
        let block = &self.analysis.blocks[root as usize];
        let (pc, need) = (block.start, block.tree_need);
        let is_too_large = need + block.tree_growth > STACK_LIMIT;
        let body = self.body(root);
        self.builder.switch_to_block(body);
        self.state = self.state_of_body(root, body);
        self.bounds = self.bounds(root);
        if is_too_large {
            // Nothing can run it without failing.
            let never = self.builder.ins().iconst(ir::types::I8, 1);
            return self.bail_storing_if(never, pc);
        }
        if !self.is_checked(root) {
            return;
        }
        let base = self.field(layout::STACK_BASE);
        let sp = self.sp();
        let bytes = self.builder.ins().isub(sp, base);
        let bytes = if need == 0 { bytes } else { self.builder.ins().iadd_imm_s(bytes, i64::from(-32 * need)) };
        let room = i64::from(32 * (STACK_LIMIT - self.bounds.1 - need));
        let is_outside = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, bytes, room);
        self.bail_storing_if(is_outside, pc);
        let arguments = self.builder.block_params(body).to_vec();
        let checked = self.checked_body(root);
        self.jump(checked, &arguments);
        self.builder.switch_to_block(checked);
        self.state = self.state_of_body(root, checked);
    }

    /// At a root's beginning: its parameters are words that are not in memory, and what is narrow is known to be.
    fn state_of_body(&mut self, root: u32, body: ir::Block) -> State {
        let block = &self.analysis.blocks[root as usize];
        let (parameters, narrow) = (block.parameters, block.narrow);
        let mut state = State::new(block.tree_need);
        let mut values = self.builder.block_params(body);
        for depth in 1..=self.reach_of_parameters(root) {
            let has_bit = |bits: u16| bits >> (depth - 1) & 1 != 0;
            match (has_bit(parameters), has_bit(narrow)) {
                (true, true) => {
                    *state.entry(-depth) = Entry::loaded(Word::narrow(Limb::bounded(values[0], NARROW_BITS)));
                    values = &values[1..];
                }
                (true, false) => {
                    *state.entry(-depth) = Entry::loaded(Word([0, 1, 2, 3].map(|i| Limb::value(values[i]))));
                    values = &values[4..];
                }
                (false, true) => {
                    let shape = Word::narrow(Limb::bounded(Value::reserved_value(), NARROW_BITS));
                    state.entry(-depth).shape = Some(shape);
                }
                (false, false) => {}
            }
        }
        state
    }

    /// Goes on in the interpreter if the condition holds, with the parameters of a body stored.
    fn bail_storing_if(&mut self, condition: Value, pc: usize) {
        let (out, on) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(out);
        self.builder.ins().brif(condition, out, &[], on, &[]);
        self.builder.switch_to_block(out);
        let state = self.state.clone();
        self.store_all();
        self.bail(pc);
        self.state = state;
        self.builder.switch_to_block(on);
    }

    /// Goes to a block that is known to follow. One that continues the tree is given back, to go on in place.
    pub(super) fn go(&mut self, index: u32) -> Option<u32> {
        let block = &self.analysis.blocks[index as usize];
        if block.is_cold {
            let top = self.state.top();
            let (pc, reach) = (block.start, block.reach);
            self.store_places(top - reach..top);
            self.bail(pc);
            return None;
        }
        if !block.is_root || self.takes_leaf(index) {
            return Some(index);
        }
        // As many words as the abstract stack has are on the stack: bounds were checked at the tree's entry.
        if self.reach_of_parameters(index) as usize <= self.state.entries.len() {
            self.jump_to_body(index);
        } else {
            self.store_all();
            let landing = self.landing(index);
            self.keep_sp();
            self.jump(landing, &[]);
        }
        None
    }

    /// Whether a root is a leaf that is compiled here: its return address is known, and this tree's check covers its bounds.
    fn takes_leaf(&mut self, root: u32) -> bool {
        let block = &self.analysis.blocks[root as usize];
        let (bytes, need) = (block.leaf_bytes, block.tree_need);
        let is_small = self.builder.func.dfg.num_insts() < self.limits.instructions / 2;
        if bytes == 0 || bytes > self.leaf_budget || !is_small || !self.is_within(need, block.tree_growth) {
            return false;
        }
        let top = self.state.top();
        let is_return = |word: Word| {
            let pc = word.known().and_then(|pc| usize::try_from(pc).ok());
            pc.and_then(|pc| self.analysis.block_at(pc)).is_some_and(|index| self.is_target(index))
        };
        let from = self.state.origin.max(top - LEAF_WORDS);
        let is_known = (from..top).any(|place| self.state.word(place).is_some_and(is_return));
        if is_known {
            self.leaf_budget -= bytes;
        }
        is_known
    }

    /// Whether the words that this tree has, which were checked to be there, and the room that it may need, are enough for
    /// what comes behind.
    fn is_within(&self, need: i32, growth: i32) -> bool {
        let top = self.state.top();
        need <= self.bounds.0 + top && growth + top <= self.bounds.1
    }

    fn jump_to_body(&mut self, root: u32) {
        let top = self.state.top();
        self.check_narrow(root);
        let depths = self.parameters(root);
        let places: Vec<i32> = depths.iter().map(|depth| top - depth).collect();
        let words: Vec<Word> = places.iter().map(|&place| self.word_at(place)).collect();
        self.store_places_but(self.state.origin..top, &places);
        let mut arguments = Vec::new();
        for (word, depth) in words.into_iter().zip(depths) {
            for limb in &word.0[..self.limbs_of_parameter(root, depth)] {
                arguments.push(self.words().value(*limb));
            }
        }
        self.keep_sp();
        let (need, growth) = self.bounds(root);
        let body = if self.is_within(need, growth) { self.checked_body(root) } else { self.body(root) };
        self.jump(body, &arguments);
    }

    /// Has the interpreter run the root if words that are to be narrow are not.
    fn check_narrow(&mut self, root: u32) {
        let top = self.state.top();
        let mut beyond = Limb::Const(0);
        for depth in 1..=self.reach_of_parameters(root) {
            if !self.is_narrow(root, depth) {
                continue;
            }
            let is_narrow = |word: Option<Word>| word.is_some_and(|word| word.bits() <= NARROW_BITS);
            let entry = *self.state.entry(top - depth);
            if is_narrow(entry.word) || entry.word.is_none() && is_narrow(entry.shape) {
                continue;
            }
            let word = self.word_at(top - depth);
            beyond = self.words().or_beyond(beyond, word, NARROW_BITS);
        }
        if !beyond.is_zero() {
            let beyond = self.words().value(beyond);
            self.bail_storing_if(beyond, self.analysis.blocks[root as usize].start);
        }
    }

    /// Jumps where `word` says, which is what the analysis found.
    pub(super) fn go_to_target(&mut self, target: Target, word: Word) -> Option<u32> {
        match target {
            Target::Block(index) => return self.go(index),
            Target::Invalid => self.leave(Exit::InvalidJump),
            Target::Dynamic => match word.known() {
                Some(known) => return self.go_to_constant(usize::try_from(known).unwrap_or(usize::MAX)),
                None => self.go_to_word(word),
            },
        }
        None
    }

    /// A jump to a number that the abstract stack has, but that is not pushed right before.
    fn go_to_constant(&mut self, pc: usize) -> Option<u32> {
        if !self.analysis.is_jumpdest(pc) {
            self.leave(Exit::InvalidJump);
            return None;
        }
        match self.analysis.block_at(pc) {
            Some(index) if self.is_target(index) => self.go(index),
            _ => {
                self.store_all();
                self.bail(pc);
                None
            }
        }
    }

    fn is_target(&self, index: u32) -> bool {
        let block = &self.analysis.blocks[index as usize];
        block.is_target && block.is_reachable
    }

    fn go_to_word(&mut self, word: Word) {
        self.store_all();
        let target = self.saturated(word);
        self.keep_sp();
        let dispatch = self.exit(Exit::Dispatch);
        self.jump(dispatch, &[target]);
    }

    /// Where dynamic jumps go: a table gives each offset of the code its number, and a jump table the number its block.
    pub(super) fn fill_dispatch(&mut self, block: ir::Block) {
        self.builder.switch_to_block(block);
        let [target] = *self.builder.block_params(block) else { unreachable!("one parameter") };
        self.state = State::new(0);
        let invalid = self.exit(Exit::InvalidJump);
        let len = self.analysis.code.len() as i64;
        let is_beyond = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, target, len);
        self.leave_if(is_beyond, invalid, &[]);
        let foreign = self.builder.create_block();
        let mut targets = vec![invalid, foreign];
        for index in 0..self.analysis.blocks.len() as u32 {
            let pc = self.analysis.blocks[index as usize].start;
            if !self.analysis.is_jumpdest(pc) {
                continue;
            }
            if self.is_target(index) {
                self.jumps[pc] = targets.len() as u16;
                let landing = self.landing(index);
                targets.push(landing);
            } else {
                self.jumps[pc] = 1;
            }
        }
        let table = self.builder.ins().iconst(I64, self.jumps.as_ptr() as i64);
        let offset = self.builder.ins().ishl_imm_u(target, 1);
        let place = self.builder.ins().iadd(table, offset);
        let number = self.builder.ins().uload16(I64, MemFlagsData::trusted(), place, 0);
        self.jump_by_table(number, invalid, &targets, &[]);
        self.builder.switch_to_block(foreign);
        let bail = self.exit(Exit::Bail);
        let sp = self.sp();
        self.jump(bail, &[sp, target]);
    }
}

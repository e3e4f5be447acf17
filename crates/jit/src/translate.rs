//! Bytecode to Cranelift's intermediate form: one function for the whole code.
//!
//! The function is entered with the number of an entry (the code's start, or behind an opcode that may open a frame) and
//! goes to that root. Each root of the analysis has a *body*, a block with the words that a loop changes as parameters, and
//! where it has such words a *landing*, which loads them from the stack and goes to the body, for those who come from
//! elsewhere. Words that a loop counts with are handed over as one limb; a loop whose counters turn out to have more is the
//! interpreter's. A tree is compiled depth first, each block with the state that its predecessor ended with, so that constants,
//! loaded words and what is known of memory carry over. A root that is a leaf is compiled as part of the trees that call
//! it, too, as far as the budget for that goes.
//!
//! # Exactness
//! Gas: a block is cut into *segments*, behind every opcode that touches state or frames or fails for another reason than
//! gas. At the beginning of a segment its static gas is checked and charged. If it falls short, the frame fails, and it
//! would fail so opcode by opcode, too: up to its last opcode a segment does nothing that can be observed, and nothing
//! that can fail for another reason, the stack's bounds having been checked. What memory and copies cost is charged when
//! they happen, from less gas than opcode by opcode; if that falls short, the rest of the segment's static gas would.
//! State is touched with exactly the gas that is left then. GAS adds the segment's rest. A segment that ends with a branch
//! charges what both blocks behind it begin with, too, if these are its own: whichever is next would fail for it.
//!
//! Stack: bounds are checked at a tree's entry for all its paths, and the interpreter runs what they don't cover. Who comes
//! from a tree whose own check covers that of the next goes behind the latter, as a loop's turns do.
//!
//! Bounds: [`Limits`] holds the instructions that a function may have; the walk ends with an error beyond.

mod blocks;
mod exits;
mod memory;
mod opcodes;
pub(crate) mod quiet;
mod stack;

use crate::analysis::{Analysis, End, Target};
use crate::words;
use blocks::Ways;
use cranelift_codegen::ir::{
    self, AbiParam, Function, InstBuilder, Signature, StackSlot, StackSlotData, StackSlotKind, Value, types::I64,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use exits::Exits;
use quiet::Quiet;
use stack::State;

/// What one function may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Instructions of the intermediate form.
    pub instructions: usize,
    /// Blocks of the intermediate form.
    pub blocks: usize,
    /// Bytes of leaves that are compiled where they are called.
    pub leaf_bytes: usize,
}

/// The function would exceed its limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLarge;

/// What compiled code is beside its instructions.
pub(crate) struct Tables {
    /// Program counters of the entries.
    pub entries: Vec<u32>,
    /// For each offset of the code, what a dynamic jump there does; the function refers to it.
    pub jumps: Box<[u16]>,
}

struct Translator<'a, 'f> {
    analysis: &'a Analysis<'a>,
    builder: FunctionBuilder<'f>,
    shared: words::Shared,
    limits: Limits,
    /// Bytes of leaves that may still be compiled where they are called.
    leaf_budget: usize,
    quiet: Quiet,
    /// The machine's address, what the caller has in the register that the gas is kept in, and the stack pointer at the
    /// entry of the tree that runs.
    kept: StackSlot,
    state: State,
    /// Words that are known to be on the stack at the entry of the tree that runs, and room for more.
    bounds: (i32, i32),
    /// Static gas of the opcodes behind, up to the segment's end, which is charged.
    rest: u64,
    /// The block of the code, and the opcode's program counter.
    block: u32,
    pc: usize,
    ways: Ways,
    exits: Exits,
    /// Where the walk goes on.
    open: Vec<(u32, ir::Block, State)>,
    jumps: Box<[u16]>,
}

/// The signature of compiled code.
pub(crate) fn signature() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(I64); 4]);
    signature.returns.push(AbiParam::new(I64));
    signature
}

/// Fills `function` with the code of `analysis`.
pub(crate) fn translate(
    analysis: &Analysis,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
    limits: Limits,
    quiet: Quiet,
) -> Result<Tables, TooLarge> {
    function.signature = signature();
    let mut builder = FunctionBuilder::new(function, context);
    let start = builder.create_block();
    builder.append_block_params_for_function_params(start);
    builder.switch_to_block(start);
    let [vm, sp, gas, entry] = *builder.block_params(start) else { unreachable!("four parameters") };
    let kept = builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 24, 3));
    builder.ins().stack_store(I64, vm, kept, 0);
    let pinned = builder.ins().get_pinned_reg(I64);
    builder.ins().stack_store(I64, pinned, kept, 8);
    builder.ins().stack_store(I64, sp, kept, 16);
    builder.ins().set_pinned_reg(gas);
    let mut translator = Translator {
        analysis,
        builder,
        shared: words::Shared::default(),
        limits,
        leaf_budget: limits.leaf_bytes,
        quiet,
        kept,
        state: State::new(0),
        bounds: (0, 0),
        rest: 0,
        block: 0,
        pc: 0,
        ways: Ways::new(analysis.blocks.len()),
        exits: Exits::default(),
        open: Vec::new(),
        jumps: vec![0; analysis.code.len()].into_boxed_slice(),
    };
    let entries = translator.enter(entry);
    for index in 0..analysis.blocks.len() {
        let block = &analysis.blocks[index];
        if block.is_root && block.is_reachable && !block.is_cold {
            translator.compile_tree(index as u32)?;
        }
    }
    translator.fill_exits();
    let Translator { mut builder, jumps, .. } = translator;
    builder.seal_all_blocks();
    builder.finalize(config);
    Ok(Tables { entries, jumps })
}

impl Translator<'_, '_> {
    /// The machine's address, kept and loaded as the stack pointer is.
    fn vm(&mut self) -> Value {
        match self.state.vm {
            Some(vm) => vm,
            None => *self.state.vm.insert(self.builder.ins().stack_load(I64, I64, self.kept, 0)),
        }
    }

    /// The gas left. It has a register to itself: as an ordinary value it would be alive throughout the function, and
    /// allocating registers would be about little else.
    fn gas(&mut self) -> Value {
        self.builder.ins().get_pinned_reg(I64)
    }

    fn set_gas(&mut self, gas: Value) {
        self.builder.ins().set_pinned_reg(gas);
    }

    /// Goes to the root of the entry with the number `entry`; the entries' program counters.
    fn enter(&mut self, entry: Value) -> Vec<u32> {
        let analysis = self.analysis;
        let entries: Vec<u32> = (0..analysis.blocks.len() as u32)
            .filter(|&index| analysis.blocks[index as usize].is_entry && analysis.blocks[index as usize].is_reachable)
            .collect();
        let targets: Vec<ir::Block> = entries.iter().map(|&index| self.landing(index)).collect();
        if let [only] = targets[..] {
            self.jump(only, &[]);
        } else {
            self.jump_by_table(entry, targets[0], &targets, &[]);
        }
        entries.iter().map(|&index| analysis.blocks[index as usize].start as u32).collect()
    }

    /// Compiles a root and what continues it.
    fn compile_tree(&mut self, root: u32) -> Result<(), TooLarge> {
        self.begin_tree(root);
        let mut next = Some(root);
        loop {
            while let Some(index) = next {
                next = self.compile_block(index)?;
            }
            let Some((index, block, state)) = self.open.pop() else { return Ok(()) };
            self.builder.switch_to_block(block);
            self.state = state;
            next = Some(index);
        }
    }

    /// Compiles a block; the one that goes on in place, if one does.
    fn compile_block(&mut self, index: u32) -> Result<Option<u32>, TooLarge> {
        let block = &self.analysis.blocks[index as usize];
        (self.block, self.pc) = (index, block.start);
        let end = block.end;
        (self.state.sp, self.state.vm) = (None, None);
        self.begin_segment();
        while self.pc < block.stop.min(self.analysis.code.len()) {
            let size = &self.builder.func.dfg;
            if size.num_insts() > self.limits.instructions || size.num_blocks() > self.limits.blocks {
                return Err(TooLarge);
            }
            let opcode = self.analysis.code[self.pc];
            if self.ends_block(opcode) {
                break;
            }
            self.compile_opcode(opcode);
            self.pc += crate::analysis::length(opcode);
            if opcodes::ends_segment(opcode) && self.pc < block.stop {
                self.begin_segment();
            }
        }
        Ok(self.end_block(end))
    }

    /// What a block ends with; the block that goes on in place.
    fn end_block(&mut self, end: End) -> Option<u32> {
        match end {
            End::Jump(target) => {
                let word = self.pop();
                self.go_to_target(target, word)
            }
            End::Branch(target, next) => self.branch(target, next),
            End::Fall(next) => self.go(next),
            End::Opens(next) => {
                self.open_frame();
                self.go(next)
            }
            End::Stops | End::Fails => {
                self.end_run();
                None
            }
            End::Leaves => {
                self.store_all();
                self.bail(self.pc);
                None
            }
        }
    }

    fn branch(&mut self, target: Target, next: u32) -> Option<u32> {
        let word = self.pop();
        let condition = self.pop();
        self.state.paid = self.gas_behind(self.block);
        if let Some(condition) = condition.known() {
            return if condition.is_zero() { self.go(next) } else { self.go_to_target(target, word) };
        }
        let condition = self.words().is_nonzero(condition);
        let (taken, other) = (self.builder.create_block(), self.builder.create_block());
        // A branch on a negated flag is one on the flag, the other way round.
        match self.shared.negated.get(&condition) {
            Some(&flag) => self.builder.ins().brif(flag, other, &[], taken, &[]),
            None => self.builder.ins().brif(condition, taken, &[], other, &[]),
        };
        let is_cold = |index: u32| self.analysis.blocks[index as usize].is_cold;
        match target {
            Target::Block(index) if !is_cold(index) => {}
            Target::Dynamic => {}
            _ => self.builder.set_cold_block(taken),
        }
        if is_cold(next) {
            self.builder.set_cold_block(other);
        }
        let state = self.state.clone();
        self.builder.switch_to_block(taken);
        if let Some(child) = self.go_to_target(target, word) {
            let state = core::mem::replace(&mut self.state, state);
            self.open.push((child, taken, state));
        } else {
            self.state = state;
        }
        self.builder.switch_to_block(other);
        self.go(next)
    }
}

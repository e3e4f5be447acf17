//! What each opcode becomes. Arithmetic is `words`' business; what is neither that nor at hand is a helper's.

use super::Translator;
use super::exits::Exit;
use crate::analysis::{End, Target, opens};
use crate::words::{Limb, Word, Words};
use alloy_primitives::U256;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types::I32, types::I64};
use rialto_vm::native::{self, layout};
use rialto_vm::opcode::{self as op, OPCODES};

/// Whether gas that comes behind the opcode must not be charged before it: it touches state or frames, or fails for
/// another reason than gas.
pub(super) fn ends_segment(opcode: u8) -> bool {
    let ends = matches!(
        opcode,
        op::BALANCE
            | op::EXTCODESIZE
            | op::EXTCODECOPY
            | op::EXTCODEHASH
            | op::RETURNDATACOPY
            | op::BLOCKHASH
            | op::SLOAD
            | op::SSTORE
            | op::TLOAD
            | op::TSTORE
            | op::SELFBALANCE
            | op::LOG0
            ..=op::LOG4 | op::JUMP | op::JUMPI | op::STOP | op::RETURN | op::REVERT | op::SELFDESTRUCT
    );
    ends || opens(opcode)
}

/// Whether a helper may end the run.
fn may_end(opcode: u8) -> bool {
    !matches!(opcode, op::TLOAD | op::BLOBHASH | op::SELFBALANCE | op::PREVRANDAO)
}

fn static_gas(opcode: u8) -> u64 {
    OPCODES[usize::from(opcode)].map_or(0, |opcode| opcode.static_gas.into())
}

impl Translator<'_, '_> {
    /// Static gas of the segment that begins at `pc`, and whether it ends with the branch that its block ends with.
    fn segment_gas(&self, mut pc: usize) -> (u64, bool) {
        let (code, fork) = (self.analysis.code, self.analysis.fork);
        let (start, mut gas) = (pc, 0);
        while let Some(&opcode) = code.get(pc) {
            let begins_block = pc > start && self.analysis.block_at(pc).is_some();
            if begins_block || !crate::analysis::is_compiled(opcode, fork) {
                break;
            }
            gas += static_gas(opcode);
            if ends_segment(opcode) {
                return (gas, opcode == op::JUMPI);
            }
            pc += crate::analysis::length(opcode);
        }
        (gas, false)
    }

    /// What a segment that ends with the branch at the block's end charges for the blocks behind: the least that either of
    /// them begins with, where both continue the tree and nothing else leads to them.
    pub(super) fn gas_behind(&self, index: u32) -> u64 {
        let End::Branch(Target::Block(taken), next) = self.analysis.blocks[index as usize].end else { return 0 };
        let first = |index: u32| {
            let block = &self.analysis.blocks[index as usize];
            if block.is_root || block.is_cold {
                return 0;
            }
            let (gas, is_branch) = self.segment_gas(block.start);
            if is_branch { gas + self.gas_behind(index) } else { gas }
        };
        match first(taken) {
            0 => 0,
            gas => gas.min(first(next)),
        }
    }

    /// Checks and charges the static gas of the segment that begins here, as far as it was not charged before.
    pub(super) fn begin_segment(&mut self) {
        let (gas, is_branch) = self.segment_gas(self.pc);
        let gas = if is_branch { gas + self.gas_behind(self.block) } else { gas };
        self.rest = gas;
        let gas = gas - core::mem::take(&mut self.state.paid);
        if gas == 0 {
            return;
        }
        let left = self.gas();
        let is_short = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, left, gas as i64);
        let out_of_gas = self.exit(Exit::OutOfGas);
        self.leave_if(is_short, out_of_gas, &[]);
        let left = self.builder.ins().iadd_imm_s(left, -(gas as i64));
        self.set_gas(left);
    }

    /// Whether the opcode is what its block ends with, which is not compiled by `compile_opcode`.
    pub(super) fn ends_block(&self, opcode: u8) -> bool {
        let ends = matches!(opcode, op::JUMP | op::JUMPI | op::STOP | op::RETURN | op::REVERT | op::SELFDESTRUCT);
        ends || opens(opcode) || !crate::analysis::is_compiled(opcode, self.analysis.fork)
    }

    /// Compiles the opcode at `pc`, which does not end its block.
    pub(super) fn compile_opcode(&mut self, opcode: u8) {
        self.rest -= static_gas(opcode);
        match opcode {
            op::PUSH0..=op::PUSH32 => {
                let word = self.immediate(usize::from(opcode - op::PUSH0));
                self.push(Word::constant(word));
            }
            op::DUP1..=op::DUP16 => self.dup(usize::from(opcode - op::DUP1) + 1),
            op::SWAP1..=op::SWAP16 => self.swap(usize::from(opcode - op::SWAP1) + 1),
            op::POP => self.state.drop_words(1),
            op::JUMPDEST => {}
            op::ISZERO => self.unary(|words, a| words.iszero(a)),
            op::NOT => self.unary(|words, a| words.not(a)),
            op::CLZ => self.unary(|words, a| words.clz(a)),
            op::ADDMOD => self.ternary(|words, a, b, m| words.addmod(a, b, m)),
            op::MULMOD => self.ternary(|words, a, b, m| words.mulmod(a, b, m)),
            op::MLOAD => self.mload(),
            op::MSTORE => self.mstore(),
            op::MSTORE8 => self.mstore8(),
            op::KECCAK256 => self.keccak256(),
            op::CALLDATALOAD => self.call_data_load(),
            _ => {
                let is_binary = self.compile_binary(opcode);
                if !is_binary && !self.compile_environment(opcode) {
                    self.compile_helper(opcode);
                }
            }
        }
    }

    /// The `count` bytes behind the opcode, with zeros where the code ends.
    fn immediate(&self, count: usize) -> U256 {
        let mut bytes = [0; 32];
        let code = &self.analysis.code[self.pc + 1..];
        let there = count.min(code.len());
        bytes[32 - count..32 - count + there].copy_from_slice(&code[..there]);
        U256::from_be_bytes(bytes)
    }

    fn unary(&mut self, f: impl FnOnce(&mut Words, Word) -> Word) {
        let a = self.pop();
        let word = f(&mut self.words(), a);
        self.push(word);
    }

    fn ternary(&mut self, f: impl FnOnce(&mut Words, Word, Word, Word) -> Word) {
        let (a, b, c) = (self.pop(), self.pop(), self.pop());
        let word = f(&mut self.words(), a, b, c);
        self.push(word);
    }

    /// Compiles an opcode that is a function of two words, if it is one.
    fn compile_binary(&mut self, opcode: u8) -> bool {
        let f: for<'x, 'y, 'z> fn(&'x mut Words<'y, 'z>, Word, Word) -> Word = match opcode {
            op::ADD => |words, a, b| words.add(a, b),
            op::MUL => |words, a, b| words.mul(a, b),
            op::SUB => |words, a, b| words.sub(a, b),
            op::DIV => |words, a, b| words.div(a, b),
            op::SDIV => |words, a, b| words.sdiv(a, b),
            op::MOD => |words, a, b| words.rem(a, b),
            op::SMOD => |words, a, b| words.smod(a, b),
            op::SIGNEXTEND => |words, a, b| words.signextend(a, b),
            op::LT => |words, a, b| words.lt(a, b),
            op::GT => |words, a, b| words.gt(a, b),
            op::SLT => |words, a, b| words.slt(a, b),
            op::SGT => |words, a, b| words.sgt(a, b),
            op::EQ => |words, a, b| words.eq(a, b),
            op::AND => |words, a, b| words.and(a, b),
            op::OR => |words, a, b| words.or(a, b),
            op::XOR => |words, a, b| words.xor(a, b),
            op::BYTE => |words, a, b| words.byte(a, b),
            op::SHL => |words, a, b| words.shl(a, b),
            op::SHR => |words, a, b| words.shr(a, b),
            op::SAR => |words, a, b| words.sar(a, b),
            _ => return false,
        };
        let (a, b) = (self.pop(), self.pop());
        let word = f(&mut self.words(), a, b);
        self.push(word);
        true
    }

    /// Compiles an opcode that pushes something at hand, if it is one.
    fn compile_environment(&mut self, opcode: u8) -> bool {
        let word = match opcode {
            op::ADDRESS => self.address(layout::ADDRESS),
            op::CALLER => self.address(layout::CALLER),
            op::ORIGIN => self.address(layout::ORIGIN),
            op::COINBASE => self.address(layout::BENEFICIARY),
            op::CALLVALUE => self.word_field(layout::VALUE),
            op::GASPRICE => self.word_field(layout::GAS_PRICE),
            op::BASEFEE => self.word_field(layout::BASE_FEE),
            op::BLOBBASEFEE => self.word_field(layout::BLOB_BASE_FEE),
            op::CALLDATASIZE => self.number_field(layout::INPUT_LEN),
            op::TIMESTAMP => self.number_field(layout::TIMESTAMP),
            op::NUMBER => self.number_field(layout::NUMBER),
            op::GASLIMIT => self.number_field(layout::GAS_LIMIT),
            op::CHAINID => self.number_field(layout::CHAIN_ID),
            op::SLOTNUM => self.number_field(layout::SLOT_NUMBER),
            op::MSIZE => self.number_field(layout::MEMORY_LEN),
            op::CODESIZE => Word::constant(U256::from(self.analysis.code.len())),
            op::PC => Word::constant(U256::from(self.pc)),
            op::RETURNDATASIZE => {
                self.settle();
                let vm = self.vm();
                let len = self.call_for_value(native::return_data_len as *const () as usize, &[vm]);
                Word::from_i64(len)
            }
            op::GAS => {
                let gas = self.gas();
                Word::from_i64(self.builder.ins().iadd_imm_s(gas, self.rest as i64))
            }
            _ => return false,
        };
        self.push(word);
        true
    }

    fn number_field(&mut self, offset: usize) -> Word {
        Word::from_i64(self.field(offset))
    }

    fn word_field(&mut self, offset: usize) -> Word {
        let vm = self.vm();
        self.words().load(vm, offset as i32)
    }

    /// The 20 bytes of an address as a word.
    fn address(&mut self, offset: usize) -> Word {
        let flags = MemFlagsData::new().with_notrap();
        let vm = self.vm();
        let mut limb = |type_, from: usize| {
            let bytes = self.builder.ins().load(type_, flags, vm, (offset + from) as i32);
            self.builder.ins().bswap(bytes)
        };
        let (low, middle, high) = (limb(I64, 12), limb(I64, 4), limb(I32, 0));
        let high = self.builder.ins().uextend(I64, high);
        Word([Limb::value(low), Limb::value(middle), Limb::bounded(high, 32), Limb::Const(0)])
    }

    /// Has a helper do the opcode, with its operands in memory.
    fn compile_helper(&mut self, opcode: u8) {
        let helper = native::opcode_helper(opcode).expect("every other opcode has a helper");
        let row = OPCODES[usize::from(opcode)].expect("defined");
        let top = self.state.top();
        let result = top - i32::from(row.pops);
        self.store_places(result..top);
        self.state.drop_words(row.pops.into());
        if row.pushes > 0 {
            self.claim(result);
        }
        self.settle();
        let sp = self.pointer_to(top);
        let pc = self.builder.ins().iconst(I64, self.pc as i64);
        let arguments = [self.vm(), sp, self.gas(), pc];
        if may_end(opcode) {
            self.call_for_gas(helper as *const () as usize, &arguments);
        } else {
            let gas = self.call_for_value(helper as *const () as usize, &arguments);
            self.set_gas(gas);
        }
        if row.pushes > 0 {
            self.push_stored();
        }
    }

    /// Compiles a call or a creation, whose frame is suspended or goes on behind it.
    pub(super) fn open_frame(&mut self) {
        self.store_all();
        self.compile_helper(self.analysis.code[self.pc]);
    }

    /// Compiles the opcode that ends the frame, if there is one.
    pub(super) fn end_run(&mut self) {
        let opcode = self.analysis.code.get(self.pc).copied().unwrap_or(op::STOP);
        match opcode {
            op::STOP => {
                let stop = self.exit(Exit::Stop);
                self.jump(stop, &[]);
            }
            op::RETURN | op::REVERT => {
                let (offset, len) = (self.pop(), self.pop());
                let (offset, len) = (self.saturated(offset), self.saturated(len));
                let opcode = self.builder.ins().iconst(I64, i64::from(opcode));
                let output = self.exit(Exit::Output);
                self.jump(output, &[offset, len, opcode]);
            }
            op::SELFDESTRUCT => {
                let top = self.state.top();
                self.store_places(top - 1..top);
                let helper = native::opcode_helper(opcode).expect("it has one");
                let sp = self.pointer_to(top);
                let pc = self.builder.ins().iconst(I64, self.pc as i64);
                let (vm, gas) = (self.vm(), self.gas());
                self.call_for_value(helper as *const () as usize, &[vm, sp, gas, pc]);
                self.leave(Exit::Ended);
            }
            _ => self.leave(Exit::InvalidOpcode),
        }
    }
}

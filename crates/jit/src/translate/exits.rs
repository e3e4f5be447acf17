//! The ways out of compiled code, each once in a function, and calls of the machine's helpers.

use super::Translator;
use super::stack::State;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AbiParam, InstBuilder, SigRef, Signature, Value, types::I64};
use cranelift_codegen::isa::CallConv;
use rialto_vm::native;

/// A block that all who leave in the same way go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Stack pointer, program counter: the interpreter goes on there.
    Bail,
    /// A helper has ended the run.
    Ended,
    OutOfGas,
    InvalidJump,
    InvalidOpcode,
    Stop,
    /// Offset, length, opcode.
    Output,
    /// Offset: a jump that is not known.
    Dispatch,
}

const EXITS: [Exit; 8] = [
    // Those first that go to others.
    Exit::Dispatch,
    Exit::Bail,
    Exit::Ended,
    Exit::OutOfGas,
    Exit::InvalidJump,
    Exit::InvalidOpcode,
    Exit::Stop,
    Exit::Output,
];

#[derive(Default)]
pub(super) struct Exits {
    blocks: [Option<ir::Block>; EXITS.len()],
    signatures: [[Option<SigRef>; 2]; 6],
    quiet: [Option<SigRef>; 6],
}

impl Translator<'_, '_> {
    pub(super) fn exit(&mut self, exit: Exit) -> ir::Block {
        if let Some(block) = self.exits.blocks[exit as usize] {
            return block;
        }
        let block = self.builder.create_block();
        let parameters = match exit {
            Exit::Bail => 2,
            Exit::Dispatch => 1,
            Exit::Output => 3,
            _ => 0,
        };
        for _ in 0..parameters {
            self.builder.append_block_param(block, I64);
        }
        if exit != Exit::Dispatch {
            self.builder.set_cold_block(block);
        }
        *self.exits.blocks[exit as usize].insert(block)
    }

    /// Goes to an exit without parameters.
    pub(super) fn leave(&mut self, exit: Exit) {
        let block = self.exit(exit);
        self.jump(block, &[]);
    }

    /// Goes on in the interpreter at `pc`; the words are in memory.
    pub(super) fn bail(&mut self, pc: usize) {
        let arguments = self.bail_arguments(pc);
        let block = self.exit(Exit::Bail);
        self.jump(block, &arguments);
    }

    pub(super) fn bail_if(&mut self, condition: Value, pc: usize) {
        let arguments = self.bail_arguments(pc);
        let block = self.exit(Exit::Bail);
        self.leave_if(condition, block, &arguments);
    }

    fn bail_arguments(&mut self, pc: usize) -> [Value; 2] {
        let sp = self.pointer_to(self.state.top());
        let pc = self.builder.ins().iconst(I64, pc as i64);
        [sp, pc]
    }

    /// Calls a helper at `address` with these arguments, all of 64 bits, that gives nothing back. Words in registers are to be
    /// settled before.
    pub(super) fn call(&mut self, address: usize, arguments: &[Value]) {
        let signature = self.helper_signature(arguments.len(), 0);
        let address = self.builder.ins().iconst(I64, address as i64);
        self.builder.ins().call_indirect(signature, address, arguments);
    }

    /// Calls a helper that gives a number back.
    pub(super) fn call_for_value(&mut self, address: usize, arguments: &[Value]) -> Value {
        let signature = self.helper_signature(arguments.len(), 1);
        let address = self.builder.ins().iconst(I64, address as i64);
        let call = self.builder.ins().call_indirect(signature, address, arguments);
        self.builder.inst_results(call)[0]
    }

    /// Calls a helper that gives back the gas left, or says that the run has ended.
    pub(super) fn call_for_gas(&mut self, address: usize, arguments: &[Value]) {
        let gas = self.call_for_value(address, arguments);
        self.go_on_with(gas);
    }

    /// Takes what a helper gave back for the gas left, or leaves if it says that the run has ended.
    pub(super) fn go_on_with(&mut self, gas: Value) {
        self.set_gas(gas);
        let has_ended = self.builder.ins().icmp_imm_s(IntCC::Equal, gas, native::ENDED as i64);
        let ended = self.exit(Exit::Ended);
        self.leave_if(has_ended, ended, &[]);
    }

    /// Calls one of the [`Quiet`](super::quiet::Quiet) helpers, which keep all registers and give nothing back.
    pub(super) fn call_quietly(&mut self, address: usize, arguments: &[Value]) {
        let signature = match self.exits.quiet[arguments.len()] {
            Some(signature) => signature,
            None => {
                let mut signature = Signature::new(CallConv::PreserveAll);
                signature.params.extend(arguments.iter().map(|_| AbiParam::new(I64)));
                *self.exits.quiet[arguments.len()].insert(self.builder.import_signature(signature))
            }
        };
        let address = self.builder.ins().iconst(I64, address as i64);
        self.builder.ins().call_indirect(signature, address, arguments);
    }

    fn helper_signature(&mut self, parameters: usize, returns: usize) -> SigRef {
        if let Some(signature) = self.exits.signatures[parameters][returns] {
            return signature;
        }
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend((0..parameters).map(|_| AbiParam::new(I64)));
        signature.returns.extend((0..returns).map(|_| AbiParam::new(I64)));
        let signature = self.builder.import_signature(signature);
        *self.exits.signatures[parameters][returns].insert(signature)
    }

    pub(super) fn fill_exits(&mut self) {
        // Dispatch asks for landings, and these for bodies only.
        if let Some(block) = self.exits.blocks[Exit::Dispatch as usize] {
            self.fill_dispatch(block);
        }
        self.fill_landings();
        for exit in EXITS {
            if let Some(block) = self.exits.blocks[exit as usize]
                && exit != Exit::Dispatch
            {
                self.builder.switch_to_block(block);
                self.fill_exit(exit, block);
            }
        }
    }

    fn fill_exit(&mut self, exit: Exit, block: ir::Block) {
        let parameters = self.builder.block_params(block).to_vec();
        self.state = State::new(0);
        let (vm, gas) = (self.vm(), self.gas());
        let status = match exit {
            Exit::Bail => {
                let arguments = [vm, parameters[0], gas, parameters[1]];
                self.call(native::bail as *const () as usize, &arguments);
                native::BAIL
            }
            Exit::Stop => {
                self.call(native::stop as *const () as usize, &[vm, gas]);
                native::EXIT
            }
            Exit::Output => {
                let arguments = [vm, parameters[0], parameters[1], gas, parameters[2]];
                self.call(native::end_with_output as *const () as usize, &arguments);
                native::EXIT
            }
            Exit::Ended => native::EXIT,
            Exit::OutOfGas => native::OUT_OF_GAS,
            Exit::InvalidJump => native::INVALID_JUMP,
            Exit::InvalidOpcode => native::INVALID_OPCODE,
            Exit::Dispatch => unreachable!("filled first"),
        };
        let pinned = self.builder.ins().stack_load(I64, I64, self.kept, 8);
        self.builder.ins().set_pinned_reg(pinned);
        let status = self.builder.ins().iconst(I64, status as i64);
        self.builder.ins().return_(&[status]);
    }
}

//! Calls that run code of ours: precompiled contracts, and native modules with the frames that they wait in.
//!
//! Most calls end where they are made and need no frame. A module that calls on gets one when it first does: a frame without
//! code, whose stack holds one word, the success of the call, and whose memory holds the call's input. The call itself is made by
//! the very function that CALL uses, so every rule of a fork about calls holds for it. Whenever such a frame becomes the
//! current one, the machine's loop comes here instead of to the interpreter ([`Vm::run_module`]).
//!
//! Invariant: between two runs of a module in its frame, either `outward` is there and its call was not made yet, or
//! `continuation` is, the call has ended, and its success is the first word of the frame's stack.

use crate::call::CallWords;
use crate::frame::{Frame, Input, Owner, Purpose};
use crate::interpreter::Exit;
use crate::module::{Continuation, ModuleCall, ModuleOutcome, ModuleViolation, OutwardCall, OutwardResult};
use crate::opcode as op;
use crate::program::Program;
use crate::vm::Opening;
use crate::{Halt, NativeModule, PrecompileError, Vm};
use alloc::boxed::Box;
use alloy_primitives::{Address, Bytes, U256};
use rialto_state::{AccountId, Checkpoint, ReadError};

/// A module in the middle of a call.
pub(crate) struct ModuleFrame {
    /// Which of the machine's modules.
    module: usize,
    /// The call that it wants made.
    outward: Option<OutwardCall>,
    /// What it is resumed with.
    continuation: Option<Continuation>,
    /// Stands where other frames have their code.
    program: Program,
}

/// A call to code of ours, with the accounts and addresses as the frame has them.
pub(crate) struct NativeCall {
    pub account: AccountId,
    pub address: Address,
    pub caller: Address,
    pub value: U256,
    pub input: Input,
    pub gas: u64,
    pub is_static: bool,
    pub checkpoint: Checkpoint,
}

/// How a native call ended; its output is in the machine's return data.
pub(crate) struct NativeOutcome {
    pub halt: Option<Halt>,
    /// Gas left.
    pub gas: u64,
}

/// What came of running native code.
pub(crate) enum Native {
    Ended(NativeOutcome),
    /// The module, of this number, waits for a call and has so much gas left.
    Waits(usize, OutwardCall, u64),
}

impl Vm<'_> {
    /// Whether a call of `address` runs native code.
    #[inline]
    pub(crate) fn runs_native(&self, address: &Address) -> bool {
        self.precompile_at(address).is_some() || self.modules.iter().any(|module| module.address() == *address)
    }

    /// Runs the precompiled contract or the module of `address`, which has one.
    pub(crate) fn call_native(&mut self, address: &Address, call: &NativeCall) -> Result<Native, ReadError> {
        let input = match &call.input {
            Input::Memory(start, len) => self.memory.absolute(*start, *len),
            Input::Bytes(bytes) => bytes,
        };
        if let Some(precompile) = self.precompile_at(address) {
            return match precompile.run(input, call.gas, &mut self.return_data) {
                Ok(used) => Ok(Native::Ended(NativeOutcome { halt: None, gas: call.gas - used })),
                Err(PrecompileError::Fatal(message)) => Err(ReadError::Backend(message.into())),
                Err(_) => {
                    self.return_data.clear();
                    Ok(Native::Ended(NativeOutcome { halt: Some(Halt::PrecompileFailed), gas: 0 }))
                }
            };
        }
        let number = self.modules.iter().position(|module| module.address() == *address);
        let number = number.expect("the address is native");
        let module = self.modules[number];
        let told = ModuleCall {
            caller: call.caller,
            value: call.value,
            input,
            gas_limit: call.gas,
            is_static: call.is_static,
            account: call.account,
            is_delegated: self.journal.account(call.account).address != *address,
            block: &self.block,
        };
        self.return_data.clear();
        let logs = self.journal.logs().len();
        let outcome = module.call(&mut self.journal, told, &mut self.return_data)?;
        self.trace_module_run(call.account, logs);
        Ok(self.settle_module(number, outcome, call.gas))
    }

    /// What a module's outcome comes to, where it had so much gas.
    fn settle_module(&mut self, module: usize, outcome: ModuleOutcome, gas: u64) -> Native {
        let (halt, used, call) = match outcome {
            ModuleOutcome::Success { gas_used } => (None, gas_used, None),
            ModuleOutcome::Revert { gas_used } => (Some(Halt::Revert), gas_used, None),
            ModuleOutcome::OutOfGas => (Some(Halt::OutOfGas), gas, None),
            ModuleOutcome::Halt => (Some(Halt::ModuleFailed), gas, None),
            ModuleOutcome::Call(call) => (None, call.gas_used, Some(call)),
        };
        let (halt, left) = match gas.checked_sub(used) {
            Some(left) => (halt, left),
            None => (Some(Halt::OutOfGas), 0),
        };
        match (halt, call) {
            (None, Some(call)) => return Native::Waits(module, call, left),
            (Some(Halt::Revert) | None, _) => {}
            (Some(_), _) => self.return_data.clear(),
        }
        Native::Ended(NativeOutcome { halt, gas: left })
    }

    /// Shows that a module ran on this account, and the logs that it wrote, of which the first has this number in the transaction.
    fn trace_module_run(&mut self, account: AccountId, first_log: usize) {
        let Some(tracer) = &mut self.tracer else { return };
        tracer.module_ran(self.journal.account(account).address, &self.journal);
        for log in self.journal.logs().get(first_log..).unwrap_or_default() {
            tracer.log(log);
        }
    }

    /// The frame for a module that waits.
    fn module_frame(&self, module: usize, call: OutwardCall) -> Box<ModuleFrame> {
        let program = Program::new(Bytes::new(), self.rules.fork, false);
        Box::new(ModuleFrame { module, outward: Some(call), continuation: None, program })
    }

    /// Suspends the current frame for that of the module that it called.
    pub(crate) fn open_module_frame(
        &mut self,
        (module, outward, gas): (usize, OutwardCall, u64),
        call: NativeCall,
        purpose: Purpose,
    ) {
        let frame = self.module_frame(module, outward);
        let NativeCall { account, address, caller, value, input, is_static, checkpoint, .. } = call;
        let program = &raw const frame.program;
        let owner = Owner::Module(frame);
        self.open_frame(Opening {
            program,
            owner,
            gas,
            account,
            address,
            caller,
            value,
            input,
            is_static,
            purpose,
            checkpoint,
        });
    }

    /// Makes a module that a transaction called the outermost frame.
    pub(crate) fn begin_module_frame(
        &mut self,
        (module, outward, gas): (usize, OutwardCall, u64),
        call: NativeCall,
        state_gas: crate::StateGas,
    ) {
        let frame = self.module_frame(module, outward);
        let NativeCall { account, address, caller, value, input, is_static, checkpoint, .. } = call;
        self.frame = Frame {
            program: &raw const frame.program,
            code: frame.program.start(),
            code_len: 0,
            owner: Owner::Module(frame),
            pc: 0,
            gas,
            stack_base: 0,
            stack_len: 0,
            caller_memory_base: 0,
            account,
            address,
            caller,
            value,
            input_len: input.len(),
            input,
            is_static,
            purpose: Purpose::Call { return_offset: 0, return_len: 0 },
            checkpoint,
            state_gas,
        };
    }

    /// Runs the current frame, which is a module's: makes the call that it wants, or resumes it after the call.
    #[inline(never)]
    pub(crate) fn run_module(&mut self) -> Exit {
        self.reserve_stack();
        let Owner::Module(frame) = &mut self.frame.owner else { unreachable!("the caller looked") };
        let Some(call) = frame.outward.take() else { return self.resume_module() };
        let OutwardCall { to, input, gas_limit, is_static, continuation, .. } = call;
        frame.continuation = Some(continuation);
        self.frame.stack_len = 0;
        let grown = self.grow(&U256::ZERO, &U256::from(input.len()), self.frame.gas);
        let Some((start, len, gas)) = grown else { return Exit::Failed(Halt::OutOfGas) };
        self.memory.bytes_mut()[start..start + len].copy_from_slice(&input);
        if let Some(tracer) = &mut self.tracer {
            tracer.module_calls(to, &self.journal);
        }
        let call = CallWords {
            kind: if is_static { op::STATICCALL } else { op::CALL },
            requested_gas: gas_limit,
            target: to,
            value: U256::ZERO,
            input: (start, len),
            output: (0, 0),
        };
        match self.call(&call, gas) {
            Ok((gas, None)) | Err((gas, None)) => {
                self.frame.gas = gas;
                self.resume_module()
            }
            // Its gas was stored before it was suspended.
            Ok((_, Some(Exit::Opened))) | Err((_, Some(Exit::Opened))) => Exit::Opened,
            Ok((gas, Some(exit))) | Err((gas, Some(exit))) => {
                self.frame.gas = gas;
                exit
            }
        }
    }

    /// Resumes the module of the current frame, whose call has ended with its output in the return data.
    fn resume_module(&mut self) -> Exit {
        // SAFETY: the call has written its success there, where `reserve_stack` made room.
        let success = unsafe { !self.stack[self.frame.stack_base].assume_init().is_zero() };
        self.frame.stack_len = 0;
        let returned = core::mem::take(&mut self.return_data);
        let Owner::Module(waiting) = &mut self.frame.owner else { unreachable!("the caller looked") };
        let continuation = waiting.continuation.take().expect("the call was made");
        let (number, frame) = (waiting.module, &self.frame);
        let module = self.modules[number];
        let told = ModuleCall {
            caller: frame.caller,
            value: frame.value,
            input: match &frame.input {
                Input::Memory(start, len) => self.memory.absolute(*start, *len),
                Input::Bytes(bytes) => bytes,
            },
            gas_limit: frame.gas,
            is_static: frame.is_static,
            account: frame.account,
            is_delegated: self.journal.account(frame.account).address != module.address(),
            block: &self.block,
        };
        let logs = self.journal.logs().len();
        let result = OutwardResult { success, output: &returned };
        let outcome = match module.resume(&mut self.journal, told, continuation, result, &mut self.return_data) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.fatal = Some(error);
                return Exit::Fatal;
            }
        };
        self.trace_module_run(self.frame.account, logs);
        match self.settle_module(number, outcome, self.frame.gas) {
            Native::Ended(outcome) => {
                self.frame.gas = outcome.gas;
                outcome.halt.map_or(Exit::Done, Exit::Failed)
            }
            Native::Waits(_, call, left) => {
                self.frame.gas = left;
                let Owner::Module(waiting) = &mut self.frame.owner else { unreachable!("as above") };
                waiting.outward = Some(call);
                Exit::Opened
            }
        }
    }

    /// Ends the block for each module, in their order. The first violation is that of the block; with it comes the module's address.
    pub fn end_block(&mut self) -> Result<Result<(), (Address, ModuleViolation)>, ReadError> {
        for number in 0..self.modules.len() {
            let module: &dyn NativeModule = self.modules[number];
            let address = module.address();
            let account = self.journal.account_id(&address);
            self.journal.load(account)?;
            if let Err(violation) = module.end_block(&mut self.journal, account, &self.block)? {
                return Ok(Err((address, violation)));
            }
        }
        Ok(Ok(()))
    }
}

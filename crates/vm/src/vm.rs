//! The machine: shared buffers, the running frame, and the loop that enters and leaves frames.
//!
//! [`Vm::execute`] runs one message (a transaction's outermost call, a creation, or a system call) to its end. The
//! interpreter runs the current frame until it halts or opens another; this loop then settles it with the frame below.
//! Depth lives in a vector: 1,024 nested calls cost 1,024 frames of a few hundred bytes and nothing on the host's stack.

use crate::frame::{Frame, Input, Owner, Purpose};
use crate::interpreter::{Exit, Registers};
use crate::keccak_cache::KeccakCache;
use crate::memory::Memory;
use crate::native::NativeInput;
use crate::native_call::{Native, NativeCall};
use crate::program::{Program, program_of};
use crate::tier::{Held, Tier};
use crate::tracer::{Enter, Leave, Tracer};
use crate::{BlockContext, Halt, NativeModule, Precompile, Rules, StateGas, TxContext};
use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::{Address, Bytes, U256};
use core::mem::MaybeUninit;
use rialto_state::{AccountId, Checkpoint, Code, Journal, ReadError};

/// Words a frame may have on its stack (Yellow Paper, 9.1).
pub(crate) const STACK_LIMIT: usize = 1024;
/// Frames that may be open above the outermost.
pub(crate) const DEPTH_LIMIT: usize = 1024;

/// What the outermost frame does. Accounts are named by their ids in the machine's journal.
#[derive(Clone, Copy, Debug)]
pub enum MessageKind {
    /// Runs the code of an account.
    Call {
        /// The account called: its storage is used and it gets the value.
        target: AccountId,
        /// Whose code runs; differs from `target` where that one delegates (EIP-7702).
        code_account: AccountId,
    },
    /// Runs initcode and deploys what it returns as the code of this account.
    Create {
        /// The contract to be.
        account: AccountId,
    },
}

/// An outermost frame.
#[derive(Clone, Debug)]
pub struct Message {
    /// Call or creation.
    pub kind: MessageKind,
    /// CALLER of the frame; the value is taken from it. It must be loaded and have that much.
    pub caller: AccountId,
    /// Wei that move.
    pub value: U256,
    /// Call data or initcode.
    pub input: Bytes,
    /// Gas it may use.
    pub gas: u64,
    /// State gas it may use before it takes from `gas` (EIP-8037).
    pub state_gas_reservoir: u64,
}

/// How a message ended.
#[derive(Clone, Debug)]
pub struct CallResult {
    /// Why it failed; `None` for success.
    pub halt: Option<Halt>,
    /// Gas left; zero after a failure other than REVERT.
    pub gas: u64,
    /// State gas left and used (EIP-8037).
    pub state_gas: StateGas,
    /// Gas that was spent as state gas, including what came back as such (EIP-8037).
    pub spilled_gas: u64,
    /// Return data, revert reason, or the code deployed.
    pub output: Bytes,
}

/// The machine. One serves a whole block; its buffers are reused from transaction to transaction.
pub struct Vm<'r> {
    /// State. Open to the caller between messages, who buys gas, pays fees and closes transactions on it.
    pub journal: Journal<'r>,
    /// The transaction around the next message.
    pub tx: TxContext,
    pub(crate) rules: &'static Rules,
    pub(crate) block: BlockContext,
    pub(crate) modules: Vec<&'r dyn NativeModule>,
    pub(crate) moved_precompiles: Vec<(Address, Option<&'static Precompile>)>,
    beneficiary: AccountId,
    pub(crate) tier: Option<&'r dyn Tier>,
    pub(crate) tracer: Option<&'r mut dyn Tracer>,
    pub(crate) stack: Vec<MaybeUninit<U256>>,
    pub(crate) memory: Memory,
    pub(crate) frames: Vec<Frame>,
    pub(crate) frame: Frame,
    pub(crate) return_data: Vec<u8>,
    pub(crate) keccak_cache: KeccakCache,
    pub(crate) fatal: Option<ReadError>,
    pub(crate) spilled_gas: u64,
    pub(crate) registers: Registers,
    pub(crate) cost_per_state_byte: u64,
    pub(crate) held: Held,
    pub(crate) native_exit: Exit,
    pub(crate) native_base: *mut U256,
    pub(crate) native_gas: u64,
    pub(crate) native_input: NativeInput,
}

impl<'r> Vm<'r> {
    /// A machine for `block` over `journal`.
    pub fn new(rules: &'static Rules, block: BlockContext, mut journal: Journal<'r>) -> Self {
        let idle = idle_frame(&mut journal);
        Self {
            cost_per_state_byte: crate::cost_per_state_byte(block.gas_limit),
            beneficiary: journal.account_id(&block.beneficiary),
            journal,
            tx: TxContext::default(),
            rules,
            block,
            modules: Vec::new(),
            moved_precompiles: Vec::new(),
            tier: None,
            tracer: None,
            stack: Vec::new(),
            memory: Memory::new(),
            frames: Vec::new(),
            frame: idle,
            return_data: Vec::new(),
            keccak_cache: KeccakCache::new(),
            fatal: None,
            spilled_gas: 0,
            registers: Registers { ip: core::ptr::null(), sp: core::ptr::null_mut(), gas: 0 },
            held: Held::new(),
            native_exit: Exit::Done,
            native_base: core::ptr::null_mut(),
            native_gas: 0,
            native_input: NativeInput::default(),
        }
    }

    /// Begins again on an empty journal over the same reader, keeping all buffers.
    pub fn forget(&mut self) {
        self.journal.clear();
        self.frames.clear();
        self.beneficiary = self.journal.account_id(&self.block.beneficiary);
    }

    /// Answers calls to these addresses by native code.
    pub fn with_modules(mut self, modules: &[&'r dyn NativeModule]) -> Self {
        self.modules = modules.to_vec();
        self
    }

    /// Runs compiled code where `tier` has some and nobody traces.
    pub fn set_tier(&mut self, tier: Option<&'r dyn Tier>) {
        self.tier = tier;
    }

    /// Shows every step to `tracer`.
    pub fn with_tracer(mut self, tracer: &'r mut dyn Tracer) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// Shows every step from now on to `tracer`, or to nobody.
    pub fn set_tracer(&mut self, tracer: Option<&'r mut dyn Tracer>) {
        self.tracer = tracer;
    }

    /// Lets the fork's precompiled contract `from` run at other addresses than its own, or at none, for simulations. Which
    /// addresses are warm from the start does not change.
    pub fn move_precompile(&mut self, from: &Address, to: Option<Address>) {
        if let Some(to) = to {
            let moved = crate::precompile(self.rules.precompiles, from);
            self.moved_precompiles.insert(0, (to, moved));
        }
        self.moved_precompiles.push((*from, None));
    }

    /// The precompiled contract that runs at `address`.
    #[inline]
    pub(crate) fn precompile_at(&self, address: &Address) -> Option<&'static Precompile> {
        if self.moved_precompiles.is_empty() {
            return crate::precompile(self.rules.precompiles, address);
        }
        match self.moved_precompiles.iter().find(|(moved, _)| moved == address) {
            Some((_, precompile)) => *precompile,
            None => crate::precompile(self.rules.precompiles, address),
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> &'static Rules {
        self.rules
    }

    /// Sets BLOBBASEFEE and what blobs cost, in wei, for simulations.
    pub fn set_blob_base_fee(&mut self, blob_base_fee: U256) {
        self.block.blob_base_fee = blob_base_fee;
    }

    /// The block around it.
    pub fn block(&self) -> &BlockContext {
        &self.block
    }

    /// The account of the block's beneficiary.
    pub fn beneficiary(&self) -> AccountId {
        self.beneficiary
    }

    /// Gas for a byte of new state in this block (EIP-8037).
    pub fn cost_per_state_byte(&self) -> u64 {
        self.cost_per_state_byte
    }

    /// Whether `address` has a precompiled contract or a native module; such accounts are always warm.
    #[inline]
    pub fn is_native(&self, address: &Address) -> bool {
        crate::precompile(self.rules.precompiles, address).is_some()
            || self.modules.iter().any(|module| module.address() == *address)
    }

    /// Runs `message` to its end. State changes of a failed message are undone; the caller's nonce is not touched.
    ///
    /// Errors only where the state can't be read; the block can't be executed then.
    pub fn execute(&mut self, message: Message) -> Result<CallResult, ReadError> {
        assert!(self.frames.is_empty());
        self.memory.clear();
        self.return_data.clear();
        self.spilled_gas = 0;
        let state_gas = StateGas { reservoir: message.state_gas_reservoir, ..StateGas::default() };
        self.trace_enter_outermost(&message);
        let result = match message.kind {
            MessageKind::Call { target, code_account } => {
                self.run_outer_call(target, code_account, message, state_gas)?
            }
            MessageKind::Create { account } => self.run_outer_create(account, message, state_gas)?,
        };
        if let Some(tracer) = &mut self.tracer {
            tracer.leave(Leave { halt: result.halt, gas: result.gas, output: &result.output });
        }
        Ok(result)
    }

    fn run_outer_call(
        &mut self,
        account: AccountId,
        code_account: AccountId,
        message: Message,
        state_gas: StateGas,
    ) -> Result<CallResult, ReadError> {
        let target = self.journal.load(account)?.address;
        let caller = self.journal.account(message.caller).address;
        let checkpoint = self.journal.checkpoint();
        self.move_value(message.caller, account, message.value);
        if code_account == account && self.runs_native(&target) {
            return self.run_outer_native(account, (target, caller), message, checkpoint, state_gas);
        }
        if !self.journal.load(code_account)?.info.has_code() {
            return Ok(self.outer_result(None, message.gas, state_gas));
        }
        let owner = self.owner_of(code_account)?;
        let Owner::Code(code) = &owner else { unreachable!("accounts have code") };
        let program: *const Program = program_of(code, self.rules.fork, self.tracer.is_none());
        self.frame = Frame {
            program,
            // SAFETY: `owner` holds the program.
            code: unsafe { (*program).start() },
            // SAFETY: as above.
            code_len: unsafe { (*program).bytes.len() },
            owner,
            pc: 0,
            gas: message.gas,
            stack_base: 0,
            stack_len: 0,
            caller_memory_base: 0,
            account,
            address: target,
            caller,
            value: message.value,
            input_len: message.input.len(),
            input: Input::Bytes(message.input),
            is_static: false,
            purpose: Purpose::Call { return_offset: 0, return_len: 0 },
            checkpoint,
            state_gas,
        };
        self.run()
    }

    /// What the outermost frame is to hold of an account's code. Often the frame that stands here ran the same code for the
    /// transaction before, and what it holds is handed on.
    fn owner_of(&mut self, code_account: AccountId) -> Result<Owner, ReadError> {
        let code = self.journal.code(code_account)?;
        if matches!(&self.frame.owner, Owner::Code(last) if last == code) {
            return Ok(core::mem::replace(&mut self.frame.owner, Owner::None));
        }
        Ok(Owner::Code(code.clone()))
    }

    /// Runs the native code of `account`, and what a module calls.
    fn run_outer_native(
        &mut self,
        account: AccountId,
        (address, caller): (Address, Address),
        message: Message,
        checkpoint: Checkpoint,
        state_gas: StateGas,
    ) -> Result<CallResult, ReadError> {
        let Message { value, input, gas, .. } = message;
        let input = Input::Bytes(input);
        let call = NativeCall { account, address, caller, value, input, gas, is_static: false, checkpoint };
        match self.call_native(&address, &call)? {
            Native::Ended(outcome) => {
                if outcome.halt.is_some() {
                    self.journal.revert(checkpoint);
                }
                Ok(self.outer_result(outcome.halt, outcome.gas, state_gas))
            }
            Native::Waits(module, outward, left) => {
                self.begin_module_frame((module, outward, left), call, state_gas);
                self.run()
            }
        }
    }

    fn run_outer_create(
        &mut self,
        account: AccountId,
        message: Message,
        state_gas: StateGas,
    ) -> Result<CallResult, ReadError> {
        let address = self.journal.load(account)?.address;
        let caller = self.journal.account(message.caller).address;
        if !self.journal.can_create(account)? {
            return Ok(self.outer_result(Some(Halt::CreateCollision), 0, state_gas));
        }
        let checkpoint = self.journal.checkpoint();
        self.journal.mark_created(account);
        self.journal.set_nonce(account, self.rules.contract_nonce);
        self.move_value(message.caller, account, message.value);
        let program = Box::new(Program::new(message.input, self.rules.fork, false));
        self.frame = Frame {
            program: &raw const *program,
            code: program.start(),
            code_len: program.bytes.len(),
            owner: Owner::Initcode(program),
            pc: 0,
            gas: message.gas,
            stack_base: 0,
            stack_len: 0,
            caller_memory_base: 0,
            account,
            address,
            caller,
            value: message.value,
            input: Input::Bytes(Bytes::new()),
            input_len: 0,
            is_static: false,
            purpose: Purpose::Create { account, address },
            checkpoint,
            state_gas,
        };
        self.run()
    }

    /// Runs the current frame, and all that it opens, to the end.
    fn run(&mut self) -> Result<CallResult, ReadError> {
        loop {
            let exit = match self.frame.owner {
                Owner::Module(_) => self.run_module(),
                _ => {
                    self.reserve_stack();
                    self.interpret()
                }
            };
            let halt = match exit {
                Exit::Opened => continue,
                Exit::Stepped => unreachable!("the interpreter goes on after a step"),
                Exit::Done => None,
                Exit::Failed(halt) => Some(halt),
                Exit::Fatal => {
                    self.frames.clear();
                    return Err(self.fatal.take().expect("set before this exit"));
                }
            };
            let halt = self.end_frame(halt);
            match self.frames.pop() {
                Some(parent) => self.go_on_in(parent, halt),
                None => return Ok(self.outer_result(halt, self.frame.gas, self.frame.state_gas)),
            }
        }
    }

    /// Makes room for a whole stack above the current frame's base.
    pub(crate) fn reserve_stack(&mut self) {
        let needed = self.frame.stack_base + STACK_LIMIT;
        if self.stack.len() < needed {
            self.stack.resize_with(needed, MaybeUninit::uninit);
        }
    }

    /// Settles what the current frame, which ended with its output in `return_data`, has done; why it failed.
    fn end_frame(&mut self, mut halt: Option<Halt>) -> Option<Halt> {
        if let (None, Purpose::Create { account, .. }) = (halt, self.frame.purpose) {
            halt = self.deploy(account).err();
        }
        if let Some(reason) = halt {
            self.journal.revert(self.frame.checkpoint);
            if reason != Halt::Revert {
                self.frame.gas = 0;
                self.return_data.clear();
            }
        }
        halt
    }

    /// Makes the frame below the current one, which ended, current.
    fn go_on_in(&mut self, parent: Frame, halt: Option<Halt>) {
        let (gas, state_gas) = (self.frame.gas, self.frame.state_gas);
        let child = core::mem::replace(&mut self.frame, parent);
        self.memory.close(child.caller_memory_base);
        if let Some(tracer) = &mut self.tracer {
            tracer.leave(Leave { halt, gas, output: &self.return_data });
        }
        self.frame.gas += gas;
        match halt {
            None => self.frame.state_gas.join_success(state_gas),
            Some(_) => self.frame.state_gas.join_failure(state_gas),
        }
        let word = match child.purpose {
            Purpose::Call { return_offset, return_len } => {
                let len = return_len.min(self.return_data.len());
                self.memory.bytes_mut()[return_offset..return_offset + len].copy_from_slice(&self.return_data[..len]);
                U256::from(halt.is_none())
            }
            Purpose::Create { address, .. } => {
                if halt.is_some() {
                    self.credit_new_account();
                    U256::ZERO
                } else {
                    self.return_data.clear();
                    U256::from_be_bytes(address.into_word().0)
                }
            }
        };
        self.stack[self.frame.stack_base + self.frame.stack_len].write(word);
        self.frame.stack_len += 1;
    }

    /// The result of the outermost frame, whose output is in `return_data`.
    fn outer_result(&mut self, halt: Option<Halt>, gas: u64, state_gas: StateGas) -> CallResult {
        let settled = match halt {
            None => state_gas,
            Some(_) if !self.rules.returns_state_gas => state_gas,
            Some(_) => StateGas { reservoir: state_gas.reservoir + state_gas.used, ..StateGas::default() },
        };
        if halt.is_some_and(|reason| reason != Halt::Revert) {
            self.return_data.clear();
        }
        let output = Bytes::copy_from_slice(&self.return_data);
        CallResult { halt, gas, state_gas: settled, spilled_gas: self.spilled_gas, output }
    }

    /// Moves value between loaded accounts at the beginning of a frame.
    pub(crate) fn move_value(&mut self, from: AccountId, to: AccountId, value: U256) {
        if !self.rules.clears_empty_accounts {
            self.journal.create_empty(to);
        }
        if value.is_zero() {
            // The caller of a system call is not an account that anything reads (EIP-4788).
            self.journal.touch(to);
            return;
        }
        let moved = self.journal.transfer(from, to, value);
        assert!(moved, "the balance was checked before the frame was opened");
        self.log_transfer(from, to, value);
    }

    fn trace_enter_outermost(&mut self, message: &Message) {
        let Some(tracer) = &mut self.tracer else { return };
        let (kind, to) = match message.kind {
            MessageKind::Call { target, .. } => ("CALL", target),
            MessageKind::Create { account } => ("CREATE", account),
        };
        let address = |id| self.journal.account(id).address;
        let (from, to) = (address(message.caller), address(to));
        let Message { value, ref input, gas, .. } = *message;
        tracer.enter(Enter { kind, from, to, value, input, gas, caller_gas: 0 });
    }
}

/// A frame to stand where none runs.
fn idle_frame(journal: &mut Journal<'_>) -> Frame {
    let program = Box::new(Program::new(Bytes::new(), crate::Fork::Frontier, false));
    Frame {
        program: &raw const *program,
        code: program.start(),
        code_len: program.bytes.len(),
        owner: Owner::Initcode(program),
        pc: 0,
        gas: 0,
        stack_base: 0,
        stack_len: 0,
        caller_memory_base: 0,
        account: journal.account_id(&Address::ZERO),
        address: Address::ZERO,
        caller: Address::ZERO,
        value: U256::ZERO,
        input: Input::Bytes(Bytes::new()),
        input_len: 0,
        is_static: false,
        purpose: Purpose::Call { return_offset: 0, return_len: 0 },
        checkpoint: journal.checkpoint(),
        state_gas: StateGas::default(),
    }
}

/// What both ways of opening an inner frame share.
pub(crate) struct Opening {
    pub program: *const Program,
    pub owner: Owner,
    pub gas: u64,
    pub account: AccountId,
    pub address: Address,
    pub caller: Address,
    pub value: U256,
    pub input: Input,
    pub is_static: bool,
    pub purpose: Purpose,
    pub checkpoint: Checkpoint,
}

impl Vm<'_> {
    /// Suspends the current frame and makes a new one current.
    pub(crate) fn open_frame(&mut self, opening: Opening) {
        let caller_memory_base = self.memory.base();
        self.memory.open();
        self.return_data.clear();
        let reservoir = core::mem::take(&mut self.frame.state_gas.reservoir);
        let frame = Frame {
            program: opening.program,
            // SAFETY: `owner` holds the program.
            code: unsafe { (*opening.program).start() },
            // SAFETY: as above.
            code_len: unsafe { (*opening.program).bytes.len() },
            owner: opening.owner,
            pc: 0,
            gas: opening.gas,
            stack_base: self.frame.stack_base + self.frame.stack_len,
            stack_len: 0,
            caller_memory_base,
            account: opening.account,
            address: opening.address,
            caller: opening.caller,
            value: opening.value,
            input_len: opening.input.len(),
            input: opening.input,
            is_static: opening.is_static,
            purpose: opening.purpose,
            checkpoint: opening.checkpoint,
            state_gas: StateGas { reservoir, ..StateGas::default() },
        };
        let caller = core::mem::replace(&mut self.frame, frame);
        self.frames.push(caller);
    }

    /// The code to run for `code_account`, with its translation.
    pub(crate) fn code_to_run(&mut self, code_account: AccountId) -> Result<(Code, *const Program), ReadError> {
        let code = self.journal.code(code_account)?.clone();
        let program: *const Program = program_of(&code, self.rules.fork, self.tracer.is_none());
        Ok((code, program))
    }
}

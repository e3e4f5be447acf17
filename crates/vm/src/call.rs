//! Opcodes that open frames: the calls and the creations, and the deployment of what a creation returns.
//!
//! The methods are called with the frame's `pc` and `stack_len` already stored behind the opcode and its words popped,
//! so that the frame can be suspended from here. Where no frame is needed (no code, a precompiled contract, a call that
//! can't be made) they push the result themselves and the loop goes on.
//!
//! # Safety
//! As in `memory_ops`: `sp` is the stack pointer before the pops.

use crate::frame::{Frame, Input, Owner, Purpose};
use crate::interpreter::{Exit, Next, fail};
use crate::keccak::keccak256;
use crate::memory_ops::{KECCAK_WORD_GAS, saturate, word, words};
use crate::native_call::{Native, NativeCall, NativeOutcome};
use crate::opcode as op;
use crate::program::Program;
use crate::state_ops::address_of;
use crate::tracer::{Enter, Leave, Refusal};
use crate::vm::{DEPTH_LIMIT, Opening};
use crate::{Halt, Vm};
use alloc::boxed::Box;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{AccountId, Code};

/// Gas for a call that moves value.
const CALL_VALUE_GAS: u64 = 9_000;
/// Gas that such a call gives to the callee.
const CALL_STIPEND: u64 = 2_300;
/// Gas for an account that did not exist before.
pub(crate) const NEW_ACCOUNT_GAS: u64 = 25_000;
/// CREATE and CREATE2.
const CREATE_GAS: u64 = 32_000;
/// CREATE and CREATE2 where the account is paid for in state gas (EIP-8037).
const CREATE_REGULAR_GAS: u64 = 9_000;
/// Gas for a byte of deployed code.
const DEPOSIT_BYTE_GAS: u64 = 200;
/// Gas for hashing a word of deployed code, where the bytes are paid for in state gas (EIP-8037).
const DEPOSIT_WORD_GAS: u64 = 6;

/// A call's words, decoded.
pub(crate) struct CallWords {
    pub kind: u8,
    pub requested_gas: u64,
    pub target: Address,
    pub value: U256,
    pub input: (usize, usize),
    pub output: (usize, usize),
}

impl CallWords {
    /// The frame that the call opens from `caller`.
    fn enter<'a>(&self, caller: &Frame, input: &'a [u8], gas: u64, caller_gas: u64) -> Enter<'a> {
        let value = if self.kind == op::DELEGATECALL { caller.value } else { self.value };
        let kind = op::name(self.kind).expect("a call opcode");
        Enter { kind, from: caller.address, to: self.target, value, input, gas, caller_gas }
    }
}

impl Vm<'_> {
    #[inline(never)]
    pub(crate) unsafe fn op_call(&mut self, sp: *mut U256, gas: u64, kind: u8) -> Next {
        let has_value = kind == op::CALL || kind == op::CALLCODE;
        // SAFETY: CALL and CALLCODE pop 7 words, the others 6.
        let at = |depth: usize| unsafe { *word(sp, depth) };
        let value = if has_value { at(3) } else { U256::ZERO };
        if self.frame.is_static && kind == op::CALL && !value.is_zero() {
            return fail(Halt::StaticViolation);
        }
        let rest = if has_value { 4 } else { 3 };
        let Some((input, output, gas)) = self.grow_for_call(sp, rest, gas) else { return fail(Halt::OutOfGas) };
        let call =
            CallWords { kind, requested_gas: saturate(&at(1)), target: address_of(&at(2)), value, input, output };
        match self.call(&call, gas) {
            Ok(next) | Err(next) => next,
        }
    }

    /// Grows memory for a call's input and output, whose four words begin at `depth`.
    #[allow(clippy::type_complexity)]
    fn grow_for_call(
        &mut self,
        sp: *mut U256,
        depth: usize,
        gas: u64,
    ) -> Option<((usize, usize), (usize, usize), u64)> {
        // SAFETY: the caller counted the words of the opcode.
        let at = |depth: usize| unsafe { *word(sp, depth) };
        let (input_offset, input_len, gas) = self.grow(&at(depth), &at(depth + 1), gas)?;
        let (output_offset, output_len, gas) = self.grow(&at(depth + 2), &at(depth + 3), gas)?;
        Some(((input_offset, input_len), (output_offset, output_len), gas))
    }

    /// Makes a call from the current frame, whose memory reaches over its input and output.
    pub(crate) fn call(&mut self, call: &CallWords, gas: u64) -> Result<Next, Next> {
        let rules = self.rules;
        let short = || fail(Halt::OutOfGas);
        let target = self.journal.account_id(&call.target);
        let moves_value = !call.value.is_zero();
        let mut cost = self.account_access_gas(target, &call.target, rules.call_gas);
        if moves_value {
            cost += CALL_VALUE_GAS;
        }
        let mut gas = gas.checked_sub(cost).ok_or_else(short)?;
        if rules.has_access_lists {
            self.journal.warm(target);
        }
        if let Err(error) = self.journal.load(target) {
            return Err(self.fatal(error));
        }
        let code_account;
        (code_account, gas) = self.resolve_delegation(target, gas)?;
        if call.kind == op::CALL && self.pays_for_new_account(target, moves_value) {
            gas = if rules.has_state_gas {
                self.charge_state_gas(self.new_account_state_gas(), gas).ok_or_else(short)?
            } else {
                gas.checked_sub(NEW_ACCOUNT_GAS).ok_or_else(short)?
            };
        }
        let child_gas = self.gas_for_child(call.requested_gas, gas).ok_or_else(short)?;
        gas -= child_gas;
        let child_gas = if moves_value { child_gas + CALL_STIPEND } else { child_gas };

        let has_funds = self.journal.has_balance(self.frame.account, call.value);
        if self.frames.len() >= DEPTH_LIMIT || !has_funds {
            self.trace_refused_call(call, child_gas, gas);
            self.return_data.clear();
            self.push_word(U256::ZERO);
            return Ok((gas + child_gas, None));
        }
        self.enter_call(call, target, code_account, child_gas, gas)
    }

    /// The account whose code runs when `target` is called, and gas left after paying for the look-up (EIP-7702).
    fn resolve_delegation(&mut self, target: AccountId, gas: u64) -> Result<(AccountId, u64), Next> {
        if !self.rules.has_delegation || !self.journal.account(target).info.has_code() {
            return Ok((target, gas));
        }
        let delegate = match self.journal.code(target) {
            Ok(code) => code.delegate(),
            Err(error) => return Err(self.fatal(error)),
        };
        let Some(address) = delegate else { return Ok((target, gas)) };
        let id = self.journal.account_id(&address);
        let cost = self.account_access_gas(id, &address, self.rules.call_gas);
        let gas = gas.checked_sub(cost).ok_or_else(|| fail(Halt::OutOfGas))?;
        self.journal.warm(id);
        match self.journal.load(id).map(|_| ()).and_then(|()| self.journal.code(id).map(|_| ())) {
            // The code is part of what the look-up reads, whether or not the call is made (EIP-7702).
            Ok(()) => Ok((id, gas)),
            Err(error) => Err(self.fatal(error)),
        }
    }

    /// Gas for a callee that asks for `requested`: all of it or nothing, or capped since EIP-150.
    fn gas_for_child(&self, requested: u64, gas: u64) -> Option<u64> {
        if self.rules.caps_call_gas {
            Some(requested.min(gas - gas / 64))
        } else {
            (requested <= gas).then_some(requested)
        }
    }

    fn enter_call(
        &mut self,
        call: &CallWords,
        target: AccountId,
        code_account: AccountId,
        child_gas: u64,
        gas: u64,
    ) -> Result<Next, Next> {
        let (account, address, caller, value) = match call.kind {
            op::CALLCODE => (self.frame.account, self.frame.address, self.frame.address, call.value),
            op::DELEGATECALL => (self.frame.account, self.frame.address, self.frame.caller, self.frame.value),
            _ => (target, call.target, self.frame.address, call.value),
        };
        self.trace_call(call, child_gas, gas);
        let checkpoint = self.journal.checkpoint();
        match call.kind {
            op::CALL => self.move_value(self.frame.account, target, call.value),
            op::STATICCALL => self.journal.touch(target),
            _ => {}
        }
        let is_static = self.frame.is_static || call.kind == op::STATICCALL;
        let input = Input::Memory(self.memory.base() + call.input.0, call.input.1);
        if code_account == target && self.runs_native(&call.target) {
            let native = NativeCall { account, address, caller, value, input, gas: child_gas, is_static, checkpoint };
            return self.enter_native(call, native, gas);
        }
        if !self.journal.account(code_account).info.has_code() {
            self.return_data.clear();
            let outcome = NativeOutcome { halt: None, gas: child_gas };
            return Ok((gas + self.settle_native(&outcome, call.output), None));
        }
        let (code, program) = match self.code_to_run(code_account) {
            Ok(code) => code,
            Err(error) => return Err(self.fatal(error)),
        };
        self.frame.gas = gas;
        self.open_frame(Opening {
            program,
            owner: Owner::Code(code),
            gas: child_gas,
            account,
            address,
            caller,
            value,
            input,
            is_static,
            purpose: Purpose::Call { return_offset: call.output.0, return_len: call.output.1 },
            checkpoint,
        });
        Ok((0, Some(Exit::Opened)))
    }

    /// Runs the native code that is called. A frame is opened only for a module that waits for a call of its own.
    fn enter_native(&mut self, call: &CallWords, native: NativeCall, gas: u64) -> Result<Next, Next> {
        match self.call_native(&call.target, &native) {
            Ok(Native::Ended(outcome)) => {
                if outcome.halt.is_some() {
                    self.journal.revert(native.checkpoint);
                }
                Ok((gas + self.settle_native(&outcome, call.output), None))
            }
            Ok(Native::Waits(module, outward, left)) => {
                self.frame.gas = gas;
                let purpose = Purpose::Call { return_offset: call.output.0, return_len: call.output.1 };
                self.open_module_frame((module, outward, left), native, purpose);
                Ok((0, Some(Exit::Opened)))
            }
            Err(error) => Err(self.fatal(error)),
        }
    }

    /// Settles a call that needed no frame: copies its output, pushes its result; gas that comes back.
    fn settle_native(&mut self, outcome: &NativeOutcome, output: (usize, usize)) -> u64 {
        let len = output.1.min(self.return_data.len());
        self.memory.bytes_mut()[output.0..output.0 + len].copy_from_slice(&self.return_data[..len]);
        if let Some(tracer) = &mut self.tracer {
            tracer.leave(Leave { halt: outcome.halt, gas: outcome.gas, output: &self.return_data });
        }
        self.push_word(U256::from(outcome.halt.is_none()));
        outcome.gas
    }

    /// Writes the result of an opcode that opened no frame where the loop expects it.
    fn push_word(&mut self, result: U256) {
        self.stack[self.frame.stack_base + self.frame.stack_len].write(result);
    }

    fn trace_call(&mut self, call: &CallWords, child_gas: u64, gas: u64) {
        let Some(tracer) = &mut self.tracer else { return };
        let input = self.memory.absolute(self.memory.base() + call.input.0, call.input.1);
        tracer.enter(call.enter(&self.frame, input, child_gas, gas));
    }

    fn trace_refused_call(&mut self, call: &CallWords, child_gas: u64, gas: u64) {
        let Some(tracer) = &mut self.tracer else { return };
        let input = self.memory.absolute(self.memory.base() + call.input.0, call.input.1);
        let reason = if self.frames.len() >= DEPTH_LIMIT { Refusal::Depth } else { Refusal::Balance };
        tracer.refuse(call.enter(&self.frame, input, child_gas, gas), reason);
    }

    #[inline(never)]
    pub(crate) unsafe fn op_create(&mut self, sp: *mut U256, gas: u64, is_create2: bool) -> Next {
        if self.frame.is_static {
            return fail(Halt::StaticViolation);
        }
        // SAFETY: CREATE pops 3 words, CREATE2 4.
        let at = |depth: usize| unsafe { *word(sp, depth) };
        let (value, offset, len) = (at(1), at(2), at(3));
        let salt = if is_create2 { Some(B256::from(at(4))) } else { None };
        if saturate(&len) > self.rules.max_initcode_size as u64 {
            return fail(Halt::InitcodeTooLong);
        }
        let initcode_words = words(saturate(&len));
        let base_gas = if self.rules.has_state_gas { CREATE_REGULAR_GAS } else { CREATE_GAS };
        let word_gas = self.rules.initcode_word_gas + if is_create2 { KECCAK_WORD_GAS } else { 0 };
        let cost = base_gas.saturating_add(word_gas.saturating_mul(initcode_words));
        let Some(gas) = gas.checked_sub(cost) else { return fail(Halt::OutOfGas) };
        let Some((offset, len, gas)) = self.grow(&offset, &len, gas) else { return fail(Halt::OutOfGas) };
        let Some(gas) = self.charge_state_gas(self.new_account_state_gas(), gas) else { return fail(Halt::OutOfGas) };
        match self.create(value, (offset, len), salt, gas) {
            Ok(next) | Err(next) => next,
        }
    }

    fn create(&mut self, value: U256, range: (usize, usize), salt: Option<B256>, mut gas: u64) -> Result<Next, Next> {
        self.return_data.clear();
        let creator = self.frame.account;
        let creator_nonce = self.journal.account(creator).info.nonce;
        let can_open =
            self.frames.len() < DEPTH_LIMIT && self.journal.has_balance(creator, value) && creator_nonce != u64::MAX;
        if !can_open {
            self.trace_refused_create(value, range, salt, gas);
            self.credit_new_account();
            self.push_word(U256::ZERO);
            return Ok((gas, None));
        }
        let child_gas = if self.rules.caps_call_gas { gas - gas / 64 } else { gas };
        gas -= child_gas;
        let initcode = &self.memory.bytes()[range.0..range.0 + range.1];
        let address = match salt {
            Some(salt) => self.frame.address.create2(salt, keccak256(initcode)),
            None => self.frame.address.create(creator_nonce),
        };
        let program = Box::new(Program::new(Bytes::copy_from_slice(initcode), self.rules.fork, false));
        self.journal.set_nonce(creator, creator_nonce + 1);
        let account = self.journal.account_id(&address);
        if self.rules.has_access_lists {
            self.journal.warm(account);
        }
        self.trace_create(&program, address, value, salt.is_some(), child_gas, gas);
        let is_free = self.journal.load(account).map(|_| ()).and_then(|()| self.journal.can_create(account));
        match is_free {
            Ok(true) => {}
            Ok(false) => {
                self.credit_new_account();
                if let Some(tracer) = &mut self.tracer {
                    tracer.leave(Leave { halt: Some(Halt::CreateCollision), gas: 0, output: &[] });
                }
                self.push_word(U256::ZERO);
                return Ok((gas, None));
            }
            Err(error) => return Err(self.fatal(error)),
        }
        let checkpoint = self.journal.checkpoint();
        self.journal.mark_created(account);
        self.journal.set_nonce(account, self.rules.contract_nonce);
        self.move_value(creator, account, value);
        self.frame.gas = gas;
        self.open_frame(Opening {
            program: &raw const *program,
            owner: Owner::Initcode(program),
            gas: child_gas,
            account,
            address,
            caller: self.frame.address,
            value,
            input: Input::Bytes(Bytes::new()),
            is_static: false,
            purpose: Purpose::Create { account, address },
            checkpoint,
        });
        Ok((0, Some(Exit::Opened)))
    }

    fn trace_refused_create(&mut self, value: U256, range: (usize, usize), salt: Option<B256>, gas: u64) {
        let creator = self.journal.account(self.frame.account).info;
        let Some(tracer) = &mut self.tracer else { return };
        let input = &self.memory.bytes()[range.0..range.0 + range.1];
        let from = self.frame.address;
        let to = match salt {
            Some(salt) => from.create2(salt, keccak256(input)),
            None => from.create(creator.nonce),
        };
        let reason = match (self.frames.len() >= DEPTH_LIMIT, creator.balance < value) {
            (true, _) => Refusal::Depth,
            (false, true) => Refusal::Balance,
            (false, false) => Refusal::Nonce,
        };
        let kind = if salt.is_some() { "CREATE2" } else { "CREATE" };
        let child_gas = if self.rules.caps_call_gas { gas - gas / 64 } else { gas };
        let enter = Enter { kind, from, to, value, input, gas: child_gas, caller_gas: gas - child_gas };
        tracer.refuse(enter, reason);
    }

    fn trace_create(
        &mut self,
        program: &Program,
        to: Address,
        value: U256,
        is_create2: bool,
        gas: u64,
        caller_gas: u64,
    ) {
        let Some(tracer) = &mut self.tracer else { return };
        let kind = if is_create2 { "CREATE2" } else { "CREATE" };
        let from = self.frame.address;
        tracer.enter(Enter { kind, from, to, value, input: &program.bytes, gas, caller_gas });
    }

    /// Makes the return data of the current frame, a creation that succeeded so far, the code of `account`.
    pub(crate) fn deploy(&mut self, account: AccountId) -> Result<(), Halt> {
        let rules = self.rules;
        let len = self.return_data.len();
        if rules.rejects_ef_code && self.return_data.first() == Some(&0xef) {
            return Err(Halt::InvalidCode);
        }
        if len > rules.max_code_size {
            return Err(Halt::CodeTooLong);
        }
        let cost =
            if rules.has_state_gas { DEPOSIT_WORD_GAS * words(len as u64) } else { DEPOSIT_BYTE_GAS * len as u64 };
        let state_cost = if rules.has_state_gas { self.cost_per_state_byte * len as u64 } else { 0 };
        let paid = self.frame.gas.checked_sub(cost).and_then(|gas| self.charge_state_gas(state_cost, gas));
        match paid {
            Some(gas) => self.frame.gas = gas,
            None if rules.fails_on_unpaid_deposit => return Err(Halt::OutOfGas),
            None => {
                self.return_data.clear();
                return Ok(());
            }
        }
        self.journal.set_code(account, Code::new(Bytes::copy_from_slice(&self.return_data)));
        Ok(())
    }
}

//! Native modules: code of ours that a contract calls like any address.
//!
//! A module is called the way a precompile is, but may read and write state, and does so only through the journal: what
//! it does is undone with the frame that called it, pays gas, and lies in its account's storage slots where roots,
//! witnesses and proofs see it.
//!
//! # Calls of its own
//! A module that needs a contract (to move a token, to ask a price) does not call it: it answers [`ModuleOutcome::Call`], and is
//! resumed with what came of the call. In between it is a frame like any other, on the machine's heap, so depth, gas, refunds,
//! tracing and undoing are those of a contract that calls, and the host's stack does not grow. What the module has to remember
//! meanwhile is its [`Continuation`], a value. The contract that is called may call the module again; a module that
//! can't stand that says so in a slot of its own, as a contract does.
//!
//! # What a module must not trust
//! A block may be run on state that is not yet, or never will be, the true one: before its turn, by an access list that lies, with
//! state that a simulation made up. Nothing of that is ever committed, but a module sees it. So it must come to an end, and
//! without a panic, whatever words its slots hold.

use crate::BlockContext;
use alloc::{boxed::Box, string::String, vec::Vec};
use alloy_primitives::{Address, Bytes, U256};
use core::any::Any;
use rialto_state::{AccountId, Journal, ReadError};

/// What a module is called with.
#[derive(Clone, Copy, Debug)]
pub struct ModuleCall<'a> {
    /// The caller's address.
    pub caller: Address,
    /// Wei sent, already moved; under DELEGATECALL the value of the calling frame.
    pub value: U256,
    /// Call data.
    pub input: &'a [u8],
    /// Gas it may use from here on.
    pub gas_limit: u64,
    /// Whether state must not change (EIP-214).
    pub is_static: bool,
    /// The account whose storage it works on: its own, or its caller's under DELEGATECALL and CALLCODE.
    pub account: AccountId,
    /// Whether that is not its own.
    pub is_delegated: bool,
    /// The block.
    pub block: &'a BlockContext,
}

/// What a module remembers while a call of its own runs.
pub type Continuation = Box<dyn Any + Send>;

/// A call that a module makes, without value. Its caller is the module's address.
///
/// It costs what CALL or STATICCALL costs a contract: the access of the account, three gas for each word of input (as memory), and
/// what the callee uses. A module that can't pay for the former two is halted as being out of gas.
#[derive(Debug)]
pub struct OutwardCall {
    /// Gas that the module has used since it was called or resumed; at most its limit.
    pub gas_used: u64,
    /// Who is called.
    pub to: Address,
    /// Call data.
    pub input: Bytes,
    /// Gas for the callee; since EIP-150 at most all but a 64th of what is left.
    pub gas_limit: u64,
    /// Whether the callee must not change state; always so where the module itself must not.
    pub is_static: bool,
    /// What the module is resumed with.
    pub continuation: Continuation,
}

/// What came of an [`OutwardCall`].
#[derive(Clone, Copy, Debug)]
pub struct OutwardResult<'a> {
    /// Whether it succeeded. An account without code succeeds, and so does a call at the greatest depth fail.
    pub success: bool,
    /// Return data, or the reason of a revert.
    pub output: &'a [u8],
}

/// How a module's call ended. Its output is in the buffer it was given.
#[derive(Debug)]
pub enum ModuleOutcome {
    /// Done, with this gas used.
    Success {
        /// At most the call's limit.
        gas_used: u64,
    },
    /// Undone, with the output as reason and this gas used.
    Revert {
        /// At most the call's limit.
        gas_used: u64,
    },
    /// Undone, with all gas used, since there was not enough of it.
    OutOfGas,
    /// Undone, with all gas used, for any other reason.
    Halt,
    /// Not ended: waits for a call of its own, and is resumed. The output is dropped.
    Call(OutwardCall),
}

/// What a module finds wrong with a block at its end: the block is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleViolation {
    /// Which rule is broken, where, and by how much.
    pub text: String,
}

/// A native module.
pub trait NativeModule: Send + Sync {
    /// The address it answers at.
    fn address(&self) -> Address;

    /// Runs one call. Changes of the journal are reverted by the caller unless the outcome is a success. The account is loaded.
    fn call(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError>;

    /// Goes on with a call that waited for a call of its own. `call` is what it was called with, with the gas that is left.
    fn resume(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        continuation: Continuation,
        result: OutwardResult<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        let _ = (journal, call, continuation, result, output);
        Ok(ModuleOutcome::Halt)
    }

    /// Whether a builder should put a transaction with this call data at the beginning of its block. Whoever executes a block takes its
    /// transactions as they come.
    fn goes_first(&self, input: &[u8]) -> bool {
        let _ = input;
        false
    }

    /// Ends a block, after its transactions and before its withdrawals and requests. `account` is the module's own, loaded.
    ///
    /// What it changes belongs to the block, paid by nobody, so it keeps to a budget of its own. Logs have no receipt to be in
    /// and are dropped. A violation makes the block invalid.
    fn end_block(
        &self,
        journal: &mut Journal<'_>,
        account: AccountId,
        block: &BlockContext,
    ) -> Result<Result<(), ModuleViolation>, ReadError> {
        let _ = (journal, account, block);
        Ok(Ok(()))
    }
}

//! Native modules: code of ours that a contract calls like any address.
//!
//! A module is called the way a precompile is, but may read and write state, and does so only through the journal: what
//! it does is undone with the frame that called it, pays gas, and lies in its account's storage slots where roots,
//! witnesses and proofs see it.

use alloc::vec::Vec;
use alloy_primitives::{Address, U256};
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
    /// Gas it may use.
    pub gas_limit: u64,
    /// Whether state must not change (EIP-214).
    pub is_static: bool,
    /// The account whose storage it works on: its own, or its caller's under DELEGATECALL and CALLCODE.
    pub account: AccountId,
}

/// How a module's call ended. Its output is in the buffer it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Undone, with all gas used.
    Halt,
}

/// A native module.
pub trait NativeModule: Send + Sync {
    /// The address it answers at.
    fn address(&self) -> Address;

    /// Runs one call. Changes of the journal are reverted by the caller unless the outcome is a success.
    fn call(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError>;
}

//! Calls that are over before a thread could be woken for them.
//!
//! Most calls read a balance or a price: some hundred opcodes, microseconds. Handing such a call to a thread for blocking work
//! costs more than the call. So it is tried at once on the server's own thread, watched by a tracer that ends it when it takes
//! longer than a glance; then it goes the long way, from the beginning. What it gives is what it gives in any case: the
//! watcher sees and changes nothing.
//!
//! The clock is looked at every so many opcodes, and before each opcode whose own cost can be large. A call of a precompiled
//! contract that computes on curves ends the glance before it begins.

use super::CallArgs;
use alloy_primitives::{Address, U256};
use rialto_vm::{Step, Tracer, opcode};
use std::time::{Duration, Instant};

/// Longest that a call may take on the server's thread.
const GLANCE: Duration = Duration::from_micros(500);
/// Opcodes after which the clock is looked at.
const STEPS: u32 = 64;
/// Most bytes of input.
const MAX_INPUT_BYTES: usize = 16 << 10;
/// Addresses up to this may be those of precompiled contracts.
const LAST_RESERVED: u64 = 0xffff;
/// Of those, the ones that cost microseconds: recovery of a signature, hashes, a copy.
const LAST_CHEAP: u64 = 4;

/// Ends a call that takes long.
pub(crate) struct Glance {
    start: Instant,
    steps: u32,
    is_over: bool,
}

impl Glance {
    /// A glance that begins now, at a call that may be short.
    pub(crate) fn at(args: &CallArgs) -> Option<Self> {
        let may_be_short = args.to.is_some_and(|to| !is_costly(&to))
            && [&args.input, &args.data].into_iter().flatten().all(|input| input.len() <= MAX_INPUT_BYTES)
            && args.authorization_list.is_none()
            && args.access_list.is_none();
        may_be_short.then(|| Self { start: Instant::now(), steps: 0, is_over: false })
    }
}

impl Tracer for Glance {
    fn step(&mut self, step: Step<'_>) {
        self.steps += 1;
        let is_call =
            matches!(step.opcode, opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL);
        if is_call {
            let target = step.stack.len().checked_sub(2).map(|at| step.stack[at]);
            self.is_over |= target.is_some_and(|word| is_costly(&Address::from_word(word.into())));
        }
        let is_heavy = is_call
            || matches!(
                step.opcode,
                opcode::KECCAK256
                    | opcode::SLOAD
                    | opcode::SSTORE
                    | opcode::BALANCE
                    | opcode::CREATE
                    | opcode::CREATE2
                    | opcode::CALLDATACOPY
                    | opcode::CODECOPY
                    | opcode::EXTCODECOPY
                    | opcode::RETURNDATACOPY
                    | opcode::MCOPY
                    | opcode::MLOAD
                    | opcode::MSTORE
            );
        if (is_heavy || self.steps.is_multiple_of(STEPS)) && self.start.elapsed() > GLANCE {
            self.is_over = true;
        }
    }

    fn has_enough(&self) -> bool {
        self.is_over
    }
}

/// Whether the address can be that of a precompiled contract which takes long.
fn is_costly(address: &Address) -> bool {
    let number = U256::from_be_bytes(address.into_word().0);
    number > U256::from(LAST_CHEAP) && number <= U256::from(LAST_RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costly_addresses() {
        let rows = [(0, false), (1, false), (4, false), (5, true), (0x11, true), (0x100, true), (0x1_0000, false)];
        for (number, expected) in rows {
            let address = Address::from_word(U256::from(number).into());
            assert_eq!(is_costly(&address), expected, "{number:#x}");
        }
    }
}

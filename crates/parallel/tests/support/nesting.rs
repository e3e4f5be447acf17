//! Contracts that pass calls on, in every way there is: what they call is in the first twenty bytes of their call data, the rest is what
//! they call it with. So the call data of a transaction can name a whole chain of them.

use alloy_primitives::{Address, Bytes, U256};
use proptest::prelude::*;
use rialto_state::MemoryState;
use rialto_vm::opcode as op;

/// How a contract calls on.
pub const KINDS: [u8; 4] = [op::CALL, op::STATICCALL, op::DELEGATECALL, op::CALLCODE];

/// How it goes on after the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Ends as the call ended, with its output.
    Same,
    /// Succeeds with the call's output whatever came of it, and counts in its slot 0 how often it did.
    Catch,
    /// Reverts with the call's output.
    Revert,
    /// Halts.
    Invalid,
    /// Makes the call a second time, then succeeds.
    Twice,
}

pub const ENDINGS: [Ending; 5] = [Ending::Same, Ending::Catch, Ending::Revert, Ending::Invalid, Ending::Twice];

/// Contracts that there are: each kind with each ending, and for each both with all gas and with half of it.
pub const COUNT: usize = KINDS.len() * ENDINGS.len() * 2;

/// The address of the contract with this number.
pub fn address(number: usize) -> Address {
    Address::from_word(U256::from(0xca11_0000 + number % COUNT).into())
}

/// The number of the contract that calls so, and so much of its gas.
pub fn number(kind: u8, ending: Ending, has_all_gas: bool) -> usize {
    let kind = KINDS.iter().position(|other| *other == kind).expect("one of them");
    let ending = ENDINGS.iter().position(|other| *other == ending).expect("one of them");
    (kind * ENDINGS.len() + ending) * 2 + usize::from(!has_all_gas)
}

fn code(number: usize) -> Bytes {
    let (kind, ending) = (KINDS[number / 2 / ENDINGS.len()], ENDINGS[number / 2 % ENDINGS.len()]);
    // The length of what is passed on, which is copied to memory, stays at the bottom of the stack.
    let mut code =
        vec![op::PUSH1, 20, op::CALLDATASIZE, op::SUB, op::DUP1, op::PUSH1, 20, op::PUSH1, 0, op::CALLDATACOPY];
    let call = |code: &mut Vec<u8>| {
        code.extend([op::PUSH1, 0, op::PUSH1, 0, op::DUP1 + 2, op::PUSH1, 0]);
        if kind == op::CALL || kind == op::CALLCODE {
            code.extend([op::PUSH1, 0]);
        }
        code.extend([op::PUSH1, 0, op::CALLDATALOAD, op::PUSH1, 96, op::SHR, op::GAS]);
        if number % 2 == 1 {
            code.extend([op::PUSH1, 1, op::SHR]);
        }
        code.push(kind);
    };
    call(&mut code);
    let output = [op::RETURNDATASIZE, op::PUSH1, 0, op::PUSH1, 0, op::RETURNDATACOPY, op::RETURNDATASIZE, op::PUSH1, 0];
    match ending {
        Ending::Same => {
            code.extend(output);
            // Success is below size and offset.
            let destination = code.len() as u8 + 5;
            code.extend([op::DUP1 + 2, op::PUSH1, destination, op::JUMPI, op::REVERT, op::JUMPDEST, op::RETURN]);
        }
        Ending::Catch => {
            code.extend([op::POP, op::PUSH1, 0, op::SLOAD, op::PUSH1, 1, op::ADD, op::PUSH1, 0, op::SSTORE]);
            code.extend(output);
            code.push(op::RETURN);
        }
        Ending::Revert => {
            code.extend(output);
            code.push(op::REVERT);
        }
        Ending::Invalid => code.push(op::INVALID),
        Ending::Twice => {
            code.push(op::POP);
            call(&mut code);
            code.extend(output);
            code.push(op::RETURN);
        }
    }
    code.into()
}

/// Puts all of them into a state.
pub fn deploy(state: &mut MemoryState) {
    for number in 0..COUNT {
        state.insert_account(address(number), 1, U256::ZERO, code(number), []);
    }
}

/// Who is called with what, so that `to` is called with `input` through these contracts.
pub fn through(contracts: &[usize], to: Address, input: &[u8]) -> (Address, Bytes) {
    let mut addresses = contracts.iter().map(|number| address(*number)).chain([to]);
    let first = addresses.next().expect("at least the one");
    let mut data: Vec<u8> = addresses.flat_map(|address| address.0.0).collect();
    data.extend_from_slice(input);
    (first, data.into())
}

/// Chains of them, the shorter the likelier.
pub fn chains() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(0..COUNT, 1..3), 1 => prop::collection::vec(0..COUNT, 3..6)]
}

//! What an opcode would have cost that could not be paid.
//!
//! What an opcode did cost is seen in the gas before and after it. One that fails for want of gas leaves none, so its price is
//! computed here from what it had before it. The split is geth's: a constant part, which alone is told where not even that could
//! be paid, and a dynamic one.

use crate::simulation::{LastStep, memory_cost};
use alloy_primitives::{Address, B256, U256};
use rialto_state::Journal;
use rialto_vm::{Rules, Step, opcode as op, precompile};

/// With more gas than this left, no opcode fails for the price of state.
const HIGHEST_STATE_PRICE: u64 = 100_000;
/// Gas for a call that moves value, and for an account that it creates.
const CALL_VALUE_GAS: u64 = 9_000;
const NEW_ACCOUNT_GAS: u64 = 25_000;
/// CREATE and CREATE2.
const CREATE_GAS: u64 = 32_000;

/// What the state says about the price of the opcode at hand, where it may matter.
pub(super) fn state_price(step: &Step<'_>, state: &Journal<'_>, rules: &Rules) -> u64 {
    if step.gas > HIGHEST_STATE_PRICE {
        return 0;
    }
    let word = |depth: usize| step.stack.len().checked_sub(depth).map_or(U256::ZERO, |at| step.stack[at]);
    let account = |depth: usize| Address::from_word(B256::from(word(depth)));
    let is_warm = |address: &Address| {
        state.peek_is_warm(address) || !rules.has_access_lists || precompile(rules.precompiles, address).is_some()
    };
    let cold_surcharge = |address: Address, warm: u64| {
        if is_warm(&address) { 0 } else { rules.cold_account_gas.saturating_sub(warm) }
    };
    let is_empty =
        |address: &Address| state.peek_account(address).ok().flatten().is_none_or(|account| account.is_empty());
    match step.opcode {
        op::SLOAD if rules.has_access_lists => match state.peek_slot(&step.address, &word(1)) {
            Ok(slot) if !slot.is_warm => rules.cold_slot_gas,
            _ => rules.sload_gas,
        },
        op::SSTORE => sstore_price(step, state, rules),
        op::BALANCE => cold_surcharge(account(1), rules.balance_gas),
        op::EXTCODESIZE | op::EXTCODECOPY => cold_surcharge(account(1), rules.ext_code_gas),
        op::EXTCODEHASH => cold_surcharge(account(1), rules.ext_code_hash_gas),
        op::CALL | op::CALLCODE => {
            let (target, has_value) = (account(2), !word(3).is_zero());
            let value_gas = if has_value { CALL_VALUE_GAS } else { 0 };
            let creates = step.opcode == op::CALL && has_value && is_empty(&target);
            cold_surcharge(target, rules.call_gas) + value_gas + if creates { NEW_ACCOUNT_GAS } else { 0 }
        }
        op::DELEGATECALL | op::STATICCALL => cold_surcharge(account(2), rules.call_gas),
        op::SELFDESTRUCT => {
            let has_balance =
                state.peek_account(&step.address).ok().flatten().is_some_and(|own| !own.balance.is_zero());
            let creates = has_balance && is_empty(&account(1));
            cold_surcharge(account(1), 0) + if creates { NEW_ACCOUNT_GAS } else { 0 }
        }
        _ => 0,
    }
}

fn sstore_price(step: &Step<'_>, state: &Journal<'_>, rules: &Rules) -> u64 {
    let [.., value, key] = step.stack else { return 0 };
    if rules.sstore_needs_stipend && step.gas <= 2_300 {
        return 0;
    }
    let slot = state.peek_slot(&step.address, key).unwrap_or_default();
    let cold = if rules.has_access_lists && !slot.is_warm { rules.cold_slot_gas } else { 0 };
    let price = if slot.value == *value || slot.original != slot.value {
        rules.sload_gas
    } else if slot.original.is_zero() {
        rules.sstore_set_gas
    } else {
        rules.sstore_reset_gas
    };
    cold + price
}

/// The part of the price that is the same whatever the opcode does.
pub(super) fn constant_gas(number: u8, rules: &Rules) -> u64 {
    match number {
        op::SLOAD if rules.has_access_lists => 0,
        op::SLOAD => rules.sload_gas,
        op::BALANCE => rules.balance_gas,
        op::EXTCODESIZE | op::EXTCODECOPY => rules.ext_code_gas,
        op::EXTCODEHASH => rules.ext_code_hash_gas,
        op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL => rules.call_gas,
        op::SELFDESTRUCT => rules.selfdestruct_gas,
        op::CREATE | op::CREATE2 => CREATE_GAS,
        op::EXP | op::LOG0..=op::LOG4 => 0,
        _ => op::OPCODES[usize::from(number)].map_or(0, |opcode| u64::from(opcode.static_gas)),
    }
}

/// What the opcode would have cost; `state_price` is what [`state_price`] said before it.
pub(super) fn unpaid_cost(last: &LastStep, state_price: u64, rules: &Rules) -> u64 {
    let constant = constant_gas(last.opcode, rules);
    if last.gas < constant {
        return constant;
    }
    let words = |at: usize| u64::try_from(last.top[at]).unwrap_or(u64::MAX / 64).div_ceil(32);
    let memory = |offset: usize, len: usize| memory_cost(last, offset, len).unwrap_or(0);
    let fixed = |bytes: u64| {
        let mut sized = *last;
        sized.top[1] = U256::from(bytes);
        memory_cost(&sized, 0, 1).unwrap_or(0)
    };
    let dynamic = match last.opcode {
        op::MLOAD | op::MSTORE => fixed(32),
        op::MSTORE8 => fixed(1),
        op::KECCAK256 => memory(0, 1).saturating_add(words(1).saturating_mul(6)),
        op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY => memory(0, 2).saturating_add(words(2).saturating_mul(3)),
        op::MCOPY => memory(0, 2).max(memory(1, 2)).saturating_add(words(2).saturating_mul(3)),
        op::EXTCODECOPY => memory(1, 3).saturating_add(words(3).saturating_mul(3)),
        op::EXP => 10 + rules.exp_byte_gas * last.top[1].byte_len() as u64,
        op::LOG0..=op::LOG4 => {
            let topics = u64::from(last.opcode - op::LOG0);
            let bytes = u64::try_from(last.top[1]).unwrap_or(u64::MAX / 64);
            memory(0, 1).saturating_add(bytes.saturating_mul(8)).saturating_add(375 * (topics + 1))
        }
        op::RETURN | op::REVERT => memory(0, 1),
        op::CREATE => memory(1, 2).saturating_add(words(2).saturating_mul(rules.initcode_word_gas)),
        op::CREATE2 => memory(1, 2).saturating_add(words(2).saturating_mul(rules.initcode_word_gas + 6)),
        op::CALL | op::CALLCODE => memory(3, 4).max(memory(5, 6)),
        op::DELEGATECALL | op::STATICCALL => memory(2, 3).max(memory(4, 5)),
        _ => 0,
    };
    constant.saturating_add(dynamic).saturating_add(state_price)
}

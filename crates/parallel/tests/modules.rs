//! Blocks with a native module in them: whatever runs them, the outcome is that of one thread.
//!
//! The module here keeps counts, calls on, can't stand to be called meanwhile, and counts blocks at their ends. It is called by transactions
//! and through chains of contracts that catch, undo, repeat and delegate, between transactions that have nothing to do with it.

mod strategies;
mod support;

use alloy_primitives::{Address, Bytes, U256, address};
use proptest::prelude::*;
use rialto_state::{AccountId, Journal, Log, MemoryState, ReadError, Topics};
use rialto_stf::{BlockError, ChainModule, ChainSpec};
use rialto_vm::{
    BlockContext, Continuation, ModuleCall, ModuleOutcome, ModuleViolation, NativeModule, OutwardCall, OutwardResult,
};
use support::nesting::{self, Ending, through};
use support::{Call, Plan, SENDERS, block_of, sender, state};

const LEDGER: Address = address!("00000000000000000000000000000000001ed6e5");
/// Gas of a call, and of a resumption.
const CALL_GAS: u64 = 5_000;
/// The block is not valid with more calls in all.
const MOST_CALLS: u64 = 100_000;

/// Slots: the number of calls; the number when the last block ended; that block's number; whether it waits for a call; and from 256
/// on, the calls of each caller.
const CALLS: u64 = 0;
const CALLS_AT_END: u64 = 1;
const BLOCK: u64 = 2;
const IS_BUSY: u64 = 3;
const CALLERS: u64 = 256;

/// See above. The first byte of the call data selects: 0 asks, 1 counts, 2 counts and calls on with the rest and counts again, 3 also,
/// but reverts if the call fails, 4 counts and reverts, 5 counts and halts.
struct Ledger;

fn add(journal: &mut Journal<'_>, account: AccountId, slot: u64) -> Result<U256, ReadError> {
    let id = journal.slot_id(account, &U256::from(slot));
    let value = journal.load_slot(id)?.value.wrapping_add(U256::from(1));
    journal.set_slot(id, value);
    Ok(value)
}

fn set(journal: &mut Journal<'_>, account: AccountId, slot: u64, value: U256) -> Result<U256, ReadError> {
    let id = journal.slot_id(account, &U256::from(slot));
    let before = journal.load_slot(id)?.value;
    journal.set_slot(id, value);
    Ok(before)
}

fn count(journal: &mut Journal<'_>, call: &ModuleCall<'_>) -> Result<(), ReadError> {
    let calls = add(journal, call.account, CALLS)?;
    add(journal, call.account, CALLERS + u64::from(call.caller[19]))?;
    journal.log(Log { address: LEDGER, topics: Topics::new(&[]), data: calls.to_be_bytes::<32>().into() });
    Ok(())
}

impl NativeModule for Ledger {
    fn address(&self) -> Address {
        LEDGER
    }

    fn call(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        let gas_used = CALL_GAS;
        let revert = ModuleOutcome::Revert { gas_used };
        if call.gas_limit < gas_used {
            return Ok(ModuleOutcome::Halt);
        }
        let Some((&selector, rest)) = call.input.split_first() else { return Ok(revert) };
        if call.is_delegated || (call.is_static && selector != 0) {
            return Ok(revert);
        }
        let busy = journal.slot_id(call.account, &U256::from(IS_BUSY));
        if selector != 0 && !journal.load_slot(busy)?.value.is_zero() {
            output.extend_from_slice(b"busy");
            return Ok(revert);
        }
        if selector == 0 {
            let id = journal.slot_id(call.account, &U256::from(CALLS));
            output.extend_from_slice(&journal.load_slot(id)?.value.to_be_bytes::<32>());
            return Ok(ModuleOutcome::Success { gas_used });
        }
        count(journal, &call)?;
        match selector {
            1 => Ok(ModuleOutcome::Success { gas_used }),
            2 | 3 if rest.len() >= 20 => {
                set(journal, call.account, IS_BUSY, U256::from(1))?;
                let (to, input) = (Address::from_slice(&rest[..20]), Bytes::copy_from_slice(&rest[20..]));
                let continuation: Continuation = Box::new(selector);
                let is_static = false;
                Ok(ModuleOutcome::Call(OutwardCall {
                    gas_used,
                    to,
                    input,
                    gas_limit: u64::MAX,
                    is_static,
                    continuation,
                }))
            }
            4 => Ok(revert),
            _ => Ok(ModuleOutcome::Halt),
        }
    }

    fn resume(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        continuation: Continuation,
        result: OutwardResult<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        let gas_used = CALL_GAS;
        if call.gas_limit < gas_used {
            return Ok(ModuleOutcome::Halt);
        }
        output.extend_from_slice(result.output);
        let must_succeed = *continuation.downcast::<u8>().expect("what it left") == 3;
        if must_succeed && !result.success {
            return Ok(ModuleOutcome::Revert { gas_used });
        }
        let was_busy = set(journal, call.account, IS_BUSY, U256::ZERO)?;
        // Only a state that never was can have it otherwise.
        if was_busy.is_zero() {
            return Ok(ModuleOutcome::Halt);
        }
        count(journal, &call)?;
        Ok(ModuleOutcome::Success { gas_used })
    }

    fn end_block(
        &self,
        journal: &mut Journal<'_>,
        account: AccountId,
        block: &BlockContext,
    ) -> Result<Result<(), ModuleViolation>, ReadError> {
        let id = journal.slot_id(account, &U256::from(CALLS));
        let calls = journal.load_slot(id)?.value;
        set(journal, account, CALLS_AT_END, calls)?;
        set(journal, account, BLOCK, U256::from(block.number))?;
        journal.log(Log { address: LEDGER, topics: Topics::new(&[]), data: Bytes::new() });
        if calls > U256::from(MOST_CALLS) {
            return Ok(Err(ModuleViolation { text: format!("expected at most {MOST_CALLS} calls, found {calls}") }));
        }
        Ok(Ok(()))
    }
}

fn chain(fork: &str, activation_seconds: u64) -> ChainSpec {
    let mut chain = ChainSpec::from_network(fork, 1).expect("a network");
    chain.modules.push(ChainModule { activation_seconds, module: &Ledger });
    chain
}

fn state_with_module(calls: u64) -> MemoryState {
    let mut state = state();
    state.insert_account(LEDGER, 1, U256::ZERO, Bytes::from_static(&[0xfe]), [(U256::from(CALLS), U256::from(calls))]);
    nesting::deploy(&mut state);
    state
}

fn slot(state: &MemoryState, slot: u64) -> U256 {
    let account = state.get(&LEDGER).expect("it has a nonce");
    account.storage.get(&U256::from(slot)).copied().unwrap_or_default()
}

fn call(from: u64, contracts: &[usize], input: &[u8], gas_limit: u64) -> Call {
    let (to, input) = through(contracts, LEDGER, input);
    Call { from, to: Some(to), value: 0, tip: 1, gas_limit, input }
}

/// What the module is called with: to count, to ask, to call on through contracts and back to itself.
fn inputs() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    let end = (0..6u8).prop_map(|selector| vec![selector]);
    end.prop_recursive(3, 8, 1, |inner| {
        (2..4u8, nesting::chains(), inner).prop_map(|(selector, contracts, inner)| {
            let (to, data) = through(&contracts, LEDGER, &inner);
            [&[selector][..], to.as_slice(), &data].concat()
        })
    })
}

fn calls() -> impl proptest::strategy::Strategy<Value = Call> {
    let gas = prop::sample::select(vec![45_000, 100_000, 400_000]);
    let native = (0..SENDERS, nesting::chains(), inputs(), gas);
    let native = native.prop_map(|(from, contracts, input, gas)| call(from, &contracts, &input, gas));
    let plain = (0..SENDERS, 0..20u8, 0..3u64, 0..3u64).prop_map(|plan: Plan| Call::of_plan(&plan));
    prop_oneof![3 => native, 1 => plain]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn random_blocks(
        blocks in prop::collection::vec(prop::collection::vec(calls(), 2..30), 1..4),
        fork in prop::sample::select(vec!["Shanghai", "Cancun", "Prague", "Amsterdam"]),
    ) {
        let (chain, mut state) = (chain(fork, 0), state_with_module(40));
        for (index, calls) in blocks.iter().enumerate() {
            let nonces: Vec<u64> =
                (0..SENDERS).map(|index| state.get(&sender(index)).expect("has ether").info.nonce).collect();
            let block = block_of(&chain, calls, &nonces);
            let outcome = strategies::check(&format!("{fork}, block {index}"), &chain, &block, &state);
            state.apply(&outcome.diff);
            prop_assert_eq!(slot(&state, CALLS_AT_END), slot(&state, CALLS));
            prop_assert_eq!(slot(&state, BLOCK), U256::from(1));
            prop_assert_eq!(slot(&state, IS_BUSY), U256::ZERO);
            // Each count that stood has its log, and what is logged at the end is nowhere.
            let logs = outcome.receipts.iter().flat_map(|receipt| &receipt.logs);
            let last = logs.filter(|log| log.address == LEDGER).map(|log| U256::from_be_slice(&log.data)).last();
            if let Some(last) = last {
                prop_assert_eq!(last, slot(&state, CALLS));
            }
        }
    }
}

#[test]
fn contracts_in_between_do_what_they_say() {
    let chain = chain("Prague", 0);
    let call_of = |ending, has_all_gas| nesting::number(rialto_vm::opcode::CALL, ending, has_all_gas);
    let delegate = nesting::number(rialto_vm::opcode::DELEGATECALL, Ending::Same, true);
    let fixed = nesting::number(rialto_vm::opcode::STATICCALL, Ending::Same, true);
    let back = {
        let (to, data) = through(&[call_of(Ending::Catch, true)], LEDGER, &[1]);
        [&[2][..], to.as_slice(), &data].concat()
    };
    // name, contracts, call data, whether the transaction succeeds, calls counted
    type Row = (&'static str, Vec<usize>, Vec<u8>, bool, u64);
    let rows: [Row; 11] = [
        ("directly", vec![], vec![1], true, 1),
        ("passed on", vec![call_of(Ending::Same, true)], vec![1], true, 1),
        ("passed on with half the gas", vec![call_of(Ending::Same, false); 3], vec![1], true, 1),
        ("a revert is passed on", vec![call_of(Ending::Same, true)], vec![4], false, 0),
        ("undone and caught", vec![call_of(Ending::Catch, true), call_of(Ending::Revert, true)], vec![1], true, 0),
        ("halted and caught", vec![call_of(Ending::Catch, false), call_of(Ending::Invalid, true)], vec![1], true, 0),
        ("twice twice", vec![call_of(Ending::Twice, true), call_of(Ending::Twice, true)], vec![1], true, 4),
        ("delegated", vec![delegate], vec![1], false, 0),
        ("static", vec![fixed], vec![1], false, 0),
        ("static asks", vec![fixed], vec![0], true, 0),
        ("called back while busy, caught", vec![call_of(Ending::Same, true)], back, true, 2),
    ];
    for (name, contracts, input, succeeds, calls) in rows {
        let state = state_with_module(0);
        let block = block_of(&chain, &[call(0, &contracts, &input, 400_000)], &[0; SENDERS as usize]);
        let outcome = strategies::check(name, &chain, &block, &state);
        let mut after = state.clone();
        after.apply(&outcome.diff);
        assert_eq!(outcome.receipts[0].status, rialto_stf::ReceiptStatus::Status(succeeds), "{name}");
        assert_eq!(slot(&after, CALLS), U256::from(calls), "{name}");
    }
}

#[test]
fn the_end_of_a_block_can_make_it_invalid() {
    let chain = chain("Prague", 0);
    let calls: Vec<Call> = (0..12).map(|index| call(index % SENDERS, &[], &[1], 100_000)).collect();
    let block = block_of(&chain, &calls, &[0; SENDERS as usize]);
    strategies::check("just enough", &chain, &block, &state_with_module(MOST_CALLS - 12));
    let error = strategies::check_invalid("one too many", &chain, &block, &state_with_module(MOST_CALLS - 11));
    assert!(matches!(&error, BlockError::Module { address, .. } if *address == LEDGER), "{error}");
    let expected = format!("native module {LEDGER}: expected at most 100000 calls, found 100001");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_module_answers_from_its_time_on() {
    // Before it, its account is one whose code halts, and nothing ends the block.
    for (activation_seconds, calls) in [(12, 1), (13, 0)] {
        let (chain, state) = (chain("Prague", activation_seconds), state_with_module(0));
        let block = block_of(&chain, &[call(0, &[], &[1], 100_000)], &[0; SENDERS as usize]);
        let outcome = strategies::check("activation", &chain, &block, &state);
        let mut after = state.clone();
        after.apply(&outcome.diff);
        assert_eq!((slot(&after, CALLS), slot(&after, BLOCK)), (U256::from(calls), U256::from(calls)));
    }
}

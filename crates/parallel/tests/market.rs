//! Blocks full of the market: whatever runs them, the outcome is that of one thread.
//!
//! People and contracts trade, borrow, move money and bring prices, directly and through chains of contracts that catch, undo,
//! repeat and delegate, between transactions that have nothing to do with it; prices jump, so accounts are liquidated. `RIALTO_MARKET_SEED`
//! selects other random blocks, `RIALTO_MARKET_BLOCKS` how many.

mod exchange;
mod strategies;
mod support;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent};
use exchange::{START_SECONDS, Traffic, call_through, chain, opening, world};
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket;
use rialto_state::MemoryState;
use rialto_stf::{Block, ChainSpec, Outcome, ReceiptStatus, Transaction, TxRunner};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::time::Instant;
use support::{Call, SENDERS, block_of, sender};

/// Block `number`, two seconds after the one before it.
fn block(chain: &ChainSpec, state: &MemoryState, number: u64, calls: &[Call]) -> Block {
    let nonces: Vec<u64> = (0..SENDERS).map(|index| state.get(&sender(index)).expect("has ether").info.nonce).collect();
    let mut block = block_of(chain, calls, &nonces);
    block.header.number = number;
    block.header.timestamp = time_of(number);
    block.header.gas_limit = 200_000_000;
    block.header.gas_used = 200_000_000;
    block
}

fn time_of(number: u64) -> u64 {
    START_SECONDS + 2 * number
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}, expected a number")),
        Err(_) => default,
    }
}

/// The state in which all accounts are open.
fn opened(chain: &ChainSpec) -> MemoryState {
    let mut state = world();
    let block = block(chain, &state, 1, &opening());
    let outcome = strategies::check("opening", chain, &block, &state);
    for (index, receipt) in outcome.receipts.iter().enumerate() {
        assert_eq!(receipt.status, ReceiptStatus::Status(true), "opening, transaction {index}");
    }
    state.apply(&outcome.diff);
    state
}

/// How often each event of the market was emitted, and transactions to it succeeded and failed.
#[derive(Default)]
struct Tally {
    events: BTreeMap<&'static str, usize>,
    good: usize,
    bad: usize,
}

impl Tally {
    fn add(&mut self, block: &Block, outcome: &Outcome) {
        let names = [
            ("OrderPlaced", IMarket::OrderPlaced::SIGNATURE_HASH),
            ("OrderCancelled", IMarket::OrderCancelled::SIGNATURE_HASH),
            ("Trade", IMarket::Trade::SIGNATURE_HASH),
            ("TriggerPlaced", IMarket::TriggerPlaced::SIGNATURE_HASH),
            ("PriceUpdated", IMarket::PriceUpdated::SIGNATURE_HASH),
            ("Deposited", IMarket::Deposited::SIGNATURE_HASH),
            ("Withdrawn", IMarket::Withdrawn::SIGNATURE_HASH),
            ("LiquidationQueued", IMarket::LiquidationQueued::SIGNATURE_HASH),
            ("Liquidated", IMarket::Liquidated::SIGNATURE_HASH),
        ];
        for (transaction, receipt) in block.transactions.iter().zip(&outcome.receipts) {
            if transaction.input.len() > 30 {
                let is_good = receipt.status == ReceiptStatus::Status(true);
                *(if is_good { &mut self.good } else { &mut self.bad }) += 1;
            }
            for log in receipt.logs.iter().filter(|log| log.address == MARKET_ADDRESS) {
                let name = names.iter().find(|(_, hash)| log.topics.first() == Some(hash)).map_or("other", |row| row.0);
                *self.events.entry(name).or_default() += 1;
            }
        }
    }
}

/// What a transaction changes in the accounts of the market and its tokens, with the logs that it leaves.
fn changes(
    runner: &mut TxRunner<'_>,
    transaction: &Transaction,
    from: Address,
) -> (bool, Vec<(Address, U256, U256)>, usize) {
    let effects =
        runner.run_together(slice::from_ref(transaction), &[from], &Cell::default()).expect("a valid transaction");
    let footprint = &effects.footprint;
    let changed = footprint.slots.iter().filter(|slot| slot.before != slot.after);
    let changed = changed.map(|slot| (*footprint.address_of(slot), slot.slot, slot.after));
    let ours = [MARKET_ADDRESS, exchange::DOLLAR, exchange::ETHER];
    let mut changed: Vec<_> = changed.filter(|(address, ..)| ours.contains(address)).collect();
    changed.sort_unstable();
    (effects.outcomes[0].halt.is_none(), changed, effects.outcomes[0].logs.len())
}

/// A contract that calls the book and runs out of gas, at each point where it can: all of the market's part happens or nothing.
#[test]
fn out_of_gas_at_every_point() {
    let chain = chain("Prague");
    let mut state = opened(&chain);
    let catch = support::nesting::number(rialto_vm::opcode::CALL, support::nesting::Ending::Catch, true);
    let same = support::nesting::number(rialto_vm::opcode::CALL, support::nesting::Ending::Same, true);
    let order = |is_buy, price_ticks, lots| IMarket::Order {
        instrument: 2,
        isBuy: is_buy,
        priceTicks: price_ticks,
        lots,
        timeInForce: IMarket::TimeInForce::GoodTillCancelled,
        selfTrade: IMarket::SelfTrade::CancelTaker,
        reduceOnly: false,
        clientId: 0,
        expirySeconds: 0,
    };
    let of_catch = 16 + SENDERS as u32 + 1;
    let resting = [(0, 30_010), (1, 30_020), (2, 30_030)].map(|(from, ticks)| {
        let place = IMarket::placeCall { account: 16 + from as u32, order: order(false, ticks, 10) };
        call_through(from, &[], &place, 1_000_000)
    });
    let first = block(&chain, &state, 2, &resting);
    state.apply(&strategies::check("resting orders", &chain, &first, &state).diff);
    let deposit = IMarket::depositCall { account: 16, token: exchange::DOLLAR, amount: U256::from(5) };
    let rows = [
        (
            "place",
            call_through(3, &[catch], &IMarket::placeCall { account: of_catch, order: order(true, 30_025, 25) }, 0),
        ),
        ("deposit", call_through(3, &[], &deposit, 0)),
        (
            "place, passed on",
            call_through(3, &[same, catch], &IMarket::placeCall { account: of_catch, order: order(true, 1, 1) }, 0),
        ),
    ];
    for (name, call) in rows {
        let mut block = block(&chain, &state, 3, &[Call { gas_limit: 3_000_000, ..call }]);
        let transaction = &mut block.transactions[0];
        let mut runner = TxRunner::new(&chain, &block.header, &state, 1);
        let enough = changes(&mut runner, transaction, sender(3));
        assert!(enough.0 && !enough.1.is_empty() && enough.2 > 0, "{name}: {enough:?}");
        let nothing = (Vec::new(), 0);
        let mut since = None;
        for gas_limit in 40_000..700_000 {
            transaction.gas_limit = gas_limit;
            let (_, changed, logs) = changes(&mut runner, transaction, sender(3));
            if (&changed, logs) == (&enough.1, enough.2) {
                since.get_or_insert(gas_limit);
                if since.is_some_and(|since| gas_limit > since + 3_000) {
                    break;
                }
            } else {
                assert_eq!((changed, logs), nothing, "{name}: with {gas_limit} gas a part of it happened");
                assert_eq!(since, None, "{name}: with {gas_limit} gas nothing happens, with less everything");
            }
        }
        assert!(since.is_some(), "{name}: it takes more gas than any here");
    }
}

#[test]
fn random_blocks() {
    let (seed, blocks) = (number("RIALTO_MARKET_SEED", 1), number("RIALTO_MARKET_BLOCKS", 24));
    let mut tally = Tally::default();
    for (world, fork) in (0..).zip(["Shanghai", "Prague", "Amsterdam"]) {
        let chain = chain(fork);
        let mut state = opened(&chain);
        let mut traffic = Traffic::new(seed * 1_000 + world);
        for number in 2..2 + blocks / 3 {
            let count = 5 + traffic.numbers.below(40);
            let block = block(&chain, &state, number, &traffic.block(count, time_of(number)));
            let outcome = strategies::check(&format!("seed {seed}, {fork}, block {number}"), &chain, &block, &state);
            tally.add(&block, &outcome);
            state.apply(&outcome.diff);
        }
    }
    println!("{} transactions succeeded, {} failed; {:?}", tally.good, tally.bad, tally.events);
    // That the blocks are about something.
    let least = [("OrderPlaced", 30), ("OrderCancelled", 3), ("Trade", 10), ("PriceUpdated", 24), ("Deposited", 1)];
    for (name, least) in least {
        let found = tally.events.get(name).copied().unwrap_or(0);
        assert!(found >= least, "{name}: expected at least {least}, found {found}");
    }
    assert!(tally.good > 50 && tally.bad > 50, "{} succeeded, {} failed", tally.good, tally.bad);
}

/// A word that a slot of the market may hold only where somebody else put it there.
fn spoilt_word(traffic: &mut Traffic, was: U256, other: U256) -> U256 {
    match traffic.numbers.below(5) {
        0 => U256::ZERO,
        1 => U256::MAX,
        2 => other,
        3 => was ^ (U256::ONE << traffic.numbers.below(256) as usize),
        _ => U256::from_limbs(std::array::from_fn(|_| traffic.numbers.next())),
    }
}

/// Callers may ask for what a call would do with any words in the market's slots. Then it may do anything, but come to an end.
#[test]
fn any_words_in_slots() {
    let chain = chain("Prague");
    let mut state = opened(&chain);
    let mut traffic = Traffic::new(number("RIALTO_MARKET_SEED", 77));
    for number in 2..6 {
        let block = block(&chain, &state, number, &traffic.block(60, time_of(number)));
        state.apply(&rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block").diff);
    }
    let blocks: Vec<Block> = (0..20).map(|_| block(&chain, &state, 6, &traffic.block(20, time_of(6)))).collect();
    let slots: Vec<(U256, U256)> = {
        let market = state.get(&MARKET_ADDRESS).expect("the market");
        market.storage.iter().map(|(slot, word)| (*slot, *word)).collect()
    };
    let mut fine = 0;
    for index in 0..number("RIALTO_MARKET_WORDS", 400) {
        let mut spoilt = slots.clone();
        for _ in 0..1 + traffic.numbers.below(4) {
            let [at, other] = std::array::from_fn(|_| traffic.numbers.below(slots.len() as u64) as usize);
            spoilt[at].1 = spoilt_word(&mut traffic, spoilt[at].1, slots[other].1);
        }
        let changed: Vec<_> = spoilt.iter().zip(&slots).filter(|(new, old)| new != old).map(|(new, _)| *new).collect();
        let mut other = state.clone();
        other.insert_account(MARKET_ADDRESS, 1, U256::ZERO, Bytes::from_static(&[0xfe]), spoilt);
        let block = &blocks[traffic.numbers.below(20) as usize];
        let begin = Instant::now();
        let run = || rialto_stf::execute(&chain, block, None, &other, None).is_ok();
        let Ok(is_valid) = catch_unwind(AssertUnwindSafe(run)) else {
            panic!("{index}: a panic with these words: {changed:x?}");
        };
        fine += u32::from(is_valid);
        let seconds = begin.elapsed().as_secs();
        assert!(seconds < 60, "{index}: a block took {seconds} s with these words: {changed:x?}");
    }
    assert!(fine > 0, "no block was valid");
}

/// A token whose `transfer` and `transferFrom` call the market with this input before they say that all went well. It keeps one more than
/// the success of that call in slot 1, and the first four bytes of its output in slot 2.
fn token_that_calls_back(input: &[u8]) -> Bytes {
    use rialto_vm::opcode as op;
    let length = u16::try_from(input.len()).expect("a short call").to_be_bytes();
    let mut code =
        vec![op::PUSH1, 0, op::CALLDATALOAD, op::PUSH1, 0xe0, op::SHR, op::PUSH4, 0x70, 0xa0, 0x82, 0x31, op::EQ];
    // Where `balanceOf` is, and where the input begins, are filled in below.
    let balance_at = code.len() + 1;
    code.extend([op::PUSH1, 0, op::JUMPI]);
    // The market's balance is in slot 0, and `transferFrom` adds to it.
    code.extend([op::PUSH1, 0x44, op::CALLDATALOAD, op::PUSH1, 0, op::SLOAD, op::ADD, op::PUSH1, 0, op::SSTORE]);
    let input_at = code.len() + 4;
    code.extend([op::PUSH2, length[0], length[1], op::PUSH1, 0, op::PUSH1, 0, op::CODECOPY]);
    code.extend([op::PUSH1, 32, op::PUSH1, 0, op::PUSH2, length[0], length[1], op::PUSH1, 0, op::PUSH1, 0, op::PUSH20]);
    code.extend(MARKET_ADDRESS.as_slice());
    code.extend([op::GAS, op::CALL, op::PUSH1, 1, op::ADD, op::PUSH1, 1, op::SSTORE]);
    code.extend([op::PUSH1, 0, op::MLOAD, op::PUSH1, 0xe0, op::SHR, op::PUSH1, 2, op::SSTORE]);
    let answer = |push: &[u8]| [push, &[op::PUSH1, 0, op::MSTORE, op::PUSH1, 32, op::PUSH1, 0, op::RETURN]].concat();
    code.extend(answer(&[op::PUSH1, 1]));
    code[balance_at] = code.len() as u8;
    code.push(op::JUMPDEST);
    code.extend(answer(&[op::PUSH1, 0, op::SLOAD]));
    code[input_at] = code.len() as u8;
    code.extend(input);
    code.into()
}

/// A token that calls the market while the market waits for it: what would change it is refused, what asks is answered, and the token's
/// own call ends as though nothing had been.
#[test]
fn a_token_calls_back() {
    let chain = chain("Prague");
    let state = opened(&chain);
    let order = IMarket::Order {
        instrument: 2,
        isBuy: true,
        priceTicks: 30_000,
        lots: 5,
        timeInForce: IMarket::TimeInForce::GoodTillCancelled,
        selfTrade: IMarket::SelfTrade::CancelTaker,
        reduceOnly: false,
        clientId: 0,
        expirySeconds: 0,
    };
    let amount = U256::from(1_000);
    let (account, token, to) = (16, exchange::DOLLAR, sender(0));
    let deposit = IMarket::depositCall { account, token, amount };
    let withdraw = IMarket::withdrawCall { account, token, amount, to };
    let refused = (1, u32::from_be_bytes(IMarket::Reentered::SELECTOR));
    // Name, what the token calls, one more than whether that succeeds, the first bytes of its answer.
    let rows = [
        ("place", IMarket::placeCall { account, order }.abi_encode(), refused),
        ("deposit", deposit.abi_encode(), refused),
        ("withdraw", withdraw.abi_encode(), refused),
        ("open", IMarket::openAccountCall { number: 9 }.abi_encode(), refused),
        ("liquidate", IMarket::liquidateCall { maxAccounts: 1 }.abi_encode(), refused),
        ("pull a price", IMarket::pullPriceCall { feed: 1 }.abi_encode(), refused),
        ("ask", IMarket::balanceOfCall { account, asset: 1 }.abi_encode(), (2, 0)),
    ];
    for (name, input, expected) in rows {
        let mut state = state.clone();
        let held = U256::from(1_000_000_000_000_000_u64);
        state.insert_account(token, 1, U256::ZERO, token_that_calls_back(&input), [(U256::ZERO, held)]);
        for (number, (way, event, call)) in (2..).zip([
            ("a deposit", IMarket::Deposited::SIGNATURE_HASH, call_through(0, &[], &deposit, 1_000_000)),
            ("a withdrawal", IMarket::Withdrawn::SIGNATURE_HASH, call_through(0, &[], &withdraw, 1_000_000)),
        ]) {
            let block = block(&chain, &state, number, &[call]);
            let outcome = strategies::check(&format!("{name} within {way}"), &chain, &block, &state);
            state.apply(&outcome.diff);
            let receipt = &outcome.receipts[0];
            assert_eq!(receipt.status, ReceiptStatus::Status(true), "{name} within {way}");
            let events: Vec<_> = receipt.logs.iter().map(|log| log.topics.first()).collect();
            assert_eq!(events, [Some(&event)], "{name} within {way}: once, and nothing else");
            assert!(outcome.gas_used < 300_000, "{name} within {way}: {} gas", outcome.gas_used);
            let slots = &state.get(&token).expect("the token").storage;
            let seen = [1, 2].map(|slot| slots.get(&U256::from(slot)).copied().unwrap_or_default());
            assert_eq!(seen, [U256::from(expected.0), U256::from(expected.1)], "{name} within {way}");
        }
    }
}

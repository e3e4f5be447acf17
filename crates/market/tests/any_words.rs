//! The market with words in its slots that it would never write: callers may ask what a call would do in such a state. Each word of a busy
//! market is spoilt, one at a time, field by field; whatever is called then ends with an answer, an error or out of gas.

mod exchange;

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use exchange::{ALICE, BITCOIN_FEED, BOB, CAROL, EXPIRY_SECONDS, OPTION, PERPETUAL, PRICE, SPOT, START_SECONDS, World};
use exchange::{VOLATILITY_FEED, buy, sell};
use rialto_market::abi::IMarket::{self, Order, TimeInForce, TriggerKind};
use rialto_market::book::IndexKind;
use rialto_market::book::{IndexWord, namespace};
use rialto_market::module::MarketModule;
use rialto_market::oracle::NewPrice;
use rialto_market::records::{Records, layouts, slot_of};
use rialto_market::types::BlockInfo;
use rialto_market::{MARKET_ADDRESS, Market, Meter};
use rialto_state::{Journal, MemoryState};
use rialto_vm::{BlockContext, ModuleCall, ModuleOutcome, NativeModule};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

const POOR: Address = Address::repeat_byte(0x77);
const GAS: u64 = 5_000_000;

/// A market with orders, positions, triggers, orders that expire, a pool, and an account that waits for liquidation.
fn busy() -> Vec<(U256, U256)> {
    let mut world = World::new();
    let poor = world.call(POOR, IMarket::openAccountCall { number: 0 }).unwrap();
    world.fund(poor, 1, 200_000_000);
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|owner| world.account(owner));
    world.call(CAROL, IMarket::depositBackstopCall { account: carol, amount: 1_000_000 }).unwrap();
    world.call(BOB, IMarket::setMarginModeCall { account: bob, mode: 1 }).unwrap();
    for step in 0..6 {
        let expires =
            Order { expirySeconds: START_SECONDS + 100, clientId: 7 + u64::from(step), ..sell(PRICE + step % 2, 20) };
        world.place(BOB, expires).unwrap();
        world.place(CAROL, buy(PRICE - 10 - step % 2, 20)).unwrap();
        world.place(BOB, Order { instrument: OPTION, ..sell(34_000 + step, 4) }).unwrap();
        world.place(CAROL, Order { instrument: SPOT, ..buy(PRICE - 10 - step, 4) }).unwrap();
        for kind in [TriggerKind::StopLoss, TriggerKind::TakeProfit] {
            let ticks = if kind == TriggerKind::StopLoss { PRICE - 500 } else { PRICE + 500 };
            let order = Order { timeInForce: TimeInForce::ImmediateOrCancel, priceTicks: 0, ..sell(0, 4) };
            world.call(ALICE, IMarket::placeTriggerCall { account: alice, order, kind, triggerTicks: ticks }).unwrap();
        }
    }
    world.place(ALICE, buy(PRICE + 1, 50)).unwrap();
    world.place(POOR, buy(PRICE + 1, 30)).unwrap();
    world.place(ALICE, Order { instrument: OPTION, ..buy(34_000, 4) }).unwrap();
    world.set_prices(PRICE - 200, START_SECONDS + 4);
    world.call(POOR, IMarket::transferCall { from: poor, to: alice, asset: 1, amount: 1 }).unwrap();
    world.slots()
}

/// Every way in which one word is spoilt: each of its fields all ones, or zero, or one; all of it; or what lies in the next slot of its kind.
fn spoilt(slots: &[(U256, U256)]) -> Vec<(String, U256, U256)> {
    let layouts = layouts();
    let tag_of = |slot: &U256| slot.byte(31);
    let mut rows = Vec::new();
    for (at, (slot, word)) in slots.iter().enumerate() {
        let Some(layout) = layouts.iter().find(|layout| layout.0 == tag_of(slot)) else { continue };
        let name = layout.1;
        rows.push((format!("{name}: zero"), *slot, U256::ZERO));
        rows.push((format!("{name}: all ones"), *slot, U256::MAX));
        let others = slots[at + 1..].iter().chain(&slots[..at]);
        if let Some((_, other)) = others.clone().find(|(other, _)| tag_of(other) == tag_of(slot)) {
            rows.push((format!("{name}: another's"), *slot, *other));
        }
        for field in layout.3.iter().filter(|field| field.word == usize::from(slot.byte(0))) {
            let shift = 8 * (32 - field.byte - field.bytes);
            let ones = if field.bytes == 32 { U256::MAX } else { (U256::ONE << (8 * field.bytes)) - U256::ONE };
            for value in [U256::ZERO, U256::ONE, ones, ones >> 1_usize] {
                let new = (word & !(ones << shift)) | (value << shift);
                rows.push((format!("{name}.{} = {value:#x}", field.name), *slot, new));
            }
        }
    }
    rows
}

/// Calls of all kinds, each with who makes it.
fn calls() -> Vec<(Address, Vec<u8>)> {
    let (alice, bob, carol, poor) = (16, 17, 18, 19);
    let of = |order, time_in_force| Order { timeInForce: time_in_force, ..order };
    let now = of(buy(PRICE + 5, 30), TimeInForce::ImmediateOrCancel);
    let kill = of(sell(PRICE - 100, 40), TimeInForce::FillOrKill);
    let stop = of(Order { priceTicks: 0, ..sell(0, 4) }, TimeInForce::ImmediateOrCancel);
    let trigger = IMarket::placeTriggerCall {
        account: alice,
        order: stop,
        kind: TriggerKind::StopLoss,
        triggerTicks: PRICE - 900,
    };
    let spot = Order { instrument: SPOT, ..sell(PRICE - 300, 4) };
    vec![
        (ALICE, IMarket::levelsCall { instrument: PERPETUAL, isBuy: true, most: 64 }.abi_encode()),
        (ALICE, IMarket::ordersOfCall { account: bob, instrument: PERPETUAL }.abi_encode()),
        (ALICE, IMarket::triggersOfCall { account: alice }.abi_encode()),
        (ALICE, IMarket::signersCall {}.abi_encode()),
        (ALICE, IMarket::placeCall { account: alice, order: now }.abi_encode()),
        (BOB, IMarket::placeCall { account: bob, order: kill }.abi_encode()),
        (ALICE, IMarket::placeCall { account: alice, order: spot }.abi_encode()),
        (CAROL, IMarket::placeCall { account: carol, order: buy(PRICE - 700, 4) }.abi_encode()),
        (ALICE, trigger.abi_encode()),
        (ALICE, IMarket::cancelTriggerCall { account: alice, triggerId: (16 << 32) | 2 }.abi_encode()),
        (BOB, IMarket::cancelByClientIdCall { account: bob, clientId: 9 }.abi_encode()),
        (CAROL, IMarket::cancelAllCall { account: carol, instrument: 0 }.abi_encode()),
        (CAROL, IMarket::withdrawBackstopCall { account: carol, shares: 1_000 }.abi_encode()),
        (CAROL, IMarket::depositBackstopCall { account: carol, amount: 1_000 }.abi_encode()),
        (ALICE, IMarket::transferCall { from: alice, to: carol, asset: 1, amount: 5 }.abi_encode()),
        (ALICE, IMarket::setMarginModeCall { account: alice, mode: 1 }.abi_encode()),
        (ALICE, IMarket::auctionOfCall { account: poor, instrument: PERPETUAL }.abi_encode()),
        (BOB, IMarket::liquidateCall { maxAccounts: 10 }.abi_encode()),
        (BOB, IMarket::collectReserveCall { asset: 1 }.abi_encode()),
        (BOB, IMarket::settleExpiredCall { account: alice, instrument: 0 }.abi_encode()),
        // No report at all.
        (
            BOB,
            IMarket::updatePricesCall { report: alloy_sol_types::SolValue::abi_encode(&Vec::<U256>::new()).into() }
                .abi_encode(),
        ),
    ]
}

/// Makes all calls, with prices that fall, rise and expire between them, and ends the blocks.
fn run(slots: Vec<(U256, U256)>, calls: &[(Address, Vec<u8>)]) {
    let mut state = MemoryState::default();
    state.insert_account(MARKET_ADDRESS, 1, U256::ZERO, Default::default(), slots);
    let mut journal = Journal::new(&state, 1);
    let account = journal.account_id(&MARKET_ADDRESS);
    journal.load(account).unwrap();
    let prices =
        [(START_SECONDS + 6, PRICE - 600), (START_SECONDS + 200, PRICE / 10 * 7), (EXPIRY_SECONDS + 1, PRICE * 2)];
    for (number, (timestamp_seconds, ticks)) in (10..).zip(prices) {
        let block = BlockContext { chain_id: 1, number, timestamp_seconds, ..BlockContext::default() };
        let price = |feed, price| NewPrice { feed, price, time_seconds: timestamp_seconds };
        let new = [price(BITCOIN_FEED, u128::from(ticks) * 10_000_000), price(VOLATILITY_FEED, 60_000_000)];
        let info = BlockInfo { number, timestamp_seconds, chain_id: U256::ONE };
        let mut market = Market::new(Records::open(&mut journal, account), info, Address::ZERO, Meter::new(100 * GAS));
        let result = market.accept_prices(&new);
        let (records, _) = market.finish();
        match result {
            Ok(()) => {
                records.close().unwrap();
            }
            Err(_) => records.abandon(),
        }
        journal.end_tx(true);
        for (caller, input) in calls {
            let checkpoint = journal.checkpoint();
            let (caller, value) = (*caller, U256::ZERO);
            let call = ModuleCall {
                caller,
                value,
                input,
                gas_limit: GAS,
                is_static: false,
                account,
                is_delegated: false,
                block: &block,
            };
            let mut output = Vec::new();
            let outcome = MarketModule.call(&mut journal, call, &mut output).unwrap();
            if !matches!(outcome, ModuleOutcome::Success { .. }) {
                journal.revert(checkpoint);
            }
            journal.end_tx(true);
        }
        // A block may well be invalid.
        let _ = MarketModule.end_block(&mut journal, account, &block).unwrap();
        journal.end_tx(true);
    }
}

#[test]
fn whatever_one_word_is() {
    let (slots, calls) = (busy(), calls());
    run(slots.clone(), &calls);
    let rows = spoilt(&slots);
    assert!(rows.len() > 1_000, "{} ways", rows.len());
    let mut slowest = (0, "");
    for (name, slot, word) in &rows {
        let mut slots = slots.clone();
        slots.iter_mut().filter(|(key, _)| key == slot).for_each(|(_, value)| *value = *word);
        let begin = Instant::now();
        let ran = catch_unwind(AssertUnwindSafe(|| run(slots, &calls)));
        assert!(ran.is_ok(), "{name}, slot {slot:#x}, word {word:#x}");
        slowest = slowest.max((begin.elapsed().as_millis(), name.as_str()));
        // Three blocks whose budgets are used up take some seconds.
        assert!(slowest.0 < 120_000, "{slowest:?}");
    }
    println!("{} ways, the slowest: {slowest:?}", rows.len());
}

/// Sets of prices, levels and times that say that there is something at 65,536 numbers at either end, where there is nothing.
#[test]
fn sets_that_promise_what_is_not_there() {
    use IndexKind::{Asks, Bids, Expiry, RiskAbove, RiskBelow, TriggerAbove, TriggerBelow};
    let mark_of_the_perpetual = 1 << 16 | u64::from(PERPETUAL);
    let rows = [
        ("bids", Bids, u64::from(PERPETUAL)),
        ("asks", Asks, u64::from(PERPETUAL)),
        ("accounts that a rise hurts", RiskAbove, mark_of_the_perpetual),
        ("accounts that a fall hurts", RiskBelow, mark_of_the_perpetual),
        ("triggers above", TriggerAbove, u64::from(PERPETUAL)),
        ("triggers below", TriggerBelow, u64::from(PERPETUAL)),
        ("expiries", Expiry, 0),
    ];
    let (slots, calls) = (busy(), calls());
    for (name, kind, id) in rows {
        for end in [0_u32, 0xffff] {
            let set = namespace(kind, id);
            let mut words = vec![(0_u8, 0_u32), (1, end >> 8), (2, end)];
            words.extend((0..256).map(|byte| (3, end << 8 | byte)));
            let mut slots = slots.clone();
            for (depth, prefix) in words {
                let slot = slot_of::<IndexWord>((set, depth, prefix), 0);
                slots.retain(|(key, _)| *key != slot);
                slots.push((slot, U256::MAX));
            }
            let begin = Instant::now();
            run(slots, &calls);
            assert!(begin.elapsed().as_secs() < 120, "{name}, {end:#x}");
        }
    }
}

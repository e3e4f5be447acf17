//! Blocks full of the market: whatever runs them, the outcome is that of one thread.
//!
//! People and contracts trade, borrow, move money and bring prices, directly and through chains of contracts that catch, undo,
//! repeat and delegate, between transactions that have nothing to do with it; prices jump, so accounts are liquidated. `RIALTO_MARKET_SEED`
//! selects other random blocks, `RIALTO_MARKET_BLOCKS` how many.

mod exchange;
mod strategies;
mod support;

use alloy_sol_types::SolEvent;
use exchange::{START_SECONDS, Traffic, chain, opening, world};
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket;
use rialto_state::MemoryState;
use rialto_stf::{Block, ChainSpec, Outcome, ReceiptStatus};
use std::collections::BTreeMap;
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

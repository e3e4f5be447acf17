//! Time and gas of each operation.
//!
//! Every operation is a transaction of one long block in memory. What the same call data cost when they are sent to an account without code
//! is taken away from both time and gas, so that what is left is the market's. Medians of many runs, in which the prices of orders, and so
//! the records that are touched, change from run to run as they would. Records that a block has touched are warm afterwards, as in any
//! block.
//!
//! Beside its gas stands what the operation's cost comes to: its time, at the rate at which blocks are filled, and what SSTORE takes for
//! each slot that it changed, because the state root and the database pay for those whoever changes them.

use super::MakeGenesis;
use super::chain::{Signer, approval, batch, failed, order, place, prices, signers, transaction, word};
use crate::BenchError;
use crate::table::Table;
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket;
use rialto_market::orders::action::Action;
use rialto_market::orders::request::TimeInForce;
use rialto_market::types::{InstrumentId, OrderId, Side, Ticks};
use rialto_state::TxChange;
use rialto_stf::json::{JsonCursor, parse};
use rialto_stf::{Genesis, Header, TxRunner};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::time::{Duration, Instant};

/// Runs of an operation that are counted.
const RUNS: u32 = 200;
/// Runs before that.
const WARM_RUNS: u32 = 20;
/// Gas limit of a transaction.
const GAS_LIMIT: u64 = 16_000_000;
/// Gas that is paid for a nanosecond: a block of 100 million takes a second at the most.
const GAS_OF_NANOSECOND: f64 = 0.1;
/// Gas of SSTORE for a slot that has a value (EIP-2200, EIP-2929).
const GAS_OF_SLOT: u64 = 2_900;
/// The perpetual that is traded.
const PERPETUAL: u16 = 2;
/// Its price at first.
const MARK: Ticks = 30_000;
/// An account without code.
const NOBODY: Address = Address::repeat_byte(0xee);

/// What an operation costs, medians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GasOperation {
    /// What it does.
    pub name: &'static str,
    /// Gas of the market alone.
    pub gas: u64,
    /// Gas of the transaction.
    pub transaction_gas: u64,
    /// Nanoseconds of the market alone.
    pub nanoseconds: u64,
    /// Nanoseconds of a unit of gas.
    pub nanoseconds_per_gas: f64,
    /// Slots of the market that it changed.
    pub slots_changed: u64,
    /// Gas that its cost comes to.
    pub cost_in_gas: u64,
}

/// What each operation costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarketGasReport {
    /// In the order in which they were measured.
    pub operations: Vec<GasOperation>,
}

impl fmt::Display for MarketGasReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["operation", "gas", "with transaction", "µs", "ns per gas", "slots", "cost in gas"];
        let mut table =
            Table::new("The market's operations: medians, without what the transaction costs by itself", &columns);
        for it in &self.operations {
            let micros = format!("{:.2}", it.nanoseconds as f64 / 1_000.0);
            let per_gas = format!("{:.2}", it.nanoseconds_per_gas);
            let [gas, total, slots, cost] =
                [it.gas, it.transaction_gas, it.slots_changed, it.cost_in_gas].map(|number| number.to_string());
            let cells = [gas, total, micros, per_gas, slots, cost];
            table.rows.push([vec![it.name.to_string()], cells.to_vec()].concat());
        }
        write!(f, "{}", table.text())
    }
}

/// Measures all operations.
pub fn run_market_gas(genesis: MakeGenesis<'_>, progress: &mut dyn FnMut(&str)) -> Result<MarketGasReport, BenchError> {
    let signers = signers(4);
    let addresses: Vec<Address> = signers.iter().map(|signer| signer.address).collect();
    let document = genesis(&addresses);
    let (text, read) = (document.to_string(), |error: &dyn fmt::Display| failed(format!("genesis: {error}")));
    let json = parse(text.as_bytes()).map_err(|error| read(&error))?;
    let genesis = Genesis::from_json(&JsonCursor::new(&json, "genesis")).map_err(|error| read(&error))?;
    let state = genesis.state();
    let header = Header {
        number: 1,
        timestamp: genesis.header.timestamp + 1,
        gas_limit: 1 << 60,
        base_fee_per_gas: Some(7),
        ..genesis.header.clone()
    };
    let mut runner = TxRunner::new(&genesis.chain, &header, &state, HASH_SEED);
    runner.forget();
    let (timestamp, nonces) = (header.timestamp, vec![0; signers.len()]);
    let mut bench = GasBench {
        runner,
        nonces,
        signers,
        chain_id: genesis.chain.chain_id,
        timestamp,
        sequence: 0,
        step: 0,
        changes: Vec::new(),
    };
    bench.prepare(&document)?;
    let mut operations = Vec::new();
    for (name, measure) in OPERATIONS {
        progress(name);
        operations.push(bench.measure(name, *measure)?);
    }
    Ok(MarketGasReport { operations })
}

/// Prepares one run and gives who calls with what.
type Prepare = fn(&mut GasBench<'_>) -> Result<(usize, Vec<u8>), BenchError>;

/// The maker, the taker and another trader, by their places among the signers.
const MAKER: usize = 2;
const TAKER: usize = 3;

const OPERATIONS: &[(&str, Prepare)] = &[
    ("bestPrices", |_| Ok((MAKER, IMarket::bestPricesCall { instrument: PERPETUAL }.abi_encode()))),
    ("positionOf", |_| {
        Ok((MAKER, IMarket::positionOfCall { account: account(MAKER), instrument: PERPETUAL }.abi_encode()))
    }),
    ("health", |_| Ok((MAKER, IMarket::healthCall { account: account(MAKER) }.abi_encode()))),
    ("levels of one side, 20", |bench| {
        bench.ladder(20)?;
        Ok((MAKER, IMarket::levelsCall { instrument: PERPETUAL, isBuy: false, most: 20 }.abi_encode()))
    }),
    ("place, rests at a new price", |bench| {
        bench.clear()?;
        let ticks = MARK - 200 - bench.step % 50;
        Ok((MAKER, place(account(MAKER), &order(PERPETUAL, Side::Buy, ticks, 10, TimeInForce::PostOnly))))
    }),
    ("place, rests behind others", |bench| {
        bench.clear()?;
        bench.run(MAKER, place(account(MAKER), &order(PERPETUAL, Side::Buy, MARK - 100, 10, TimeInForce::PostOnly)))?;
        Ok((MAKER, place(account(MAKER), &order(PERPETUAL, Side::Buy, MARK - 100, 10, TimeInForce::PostOnly))))
    }),
    ("place, fills against 1", |bench| bench.fills(1)),
    ("place, fills against 10", |bench| bench.fills(10)),
    ("cancel", |bench| {
        bench.clear()?;
        let buy = order(PERPETUAL, Side::Buy, MARK - 100 - bench.step % 50, 10, TimeInForce::PostOnly);
        let id = bench.rest(&buy)?;
        Ok((MAKER, IMarket::cancelCall { account: account(MAKER), orderId: id.to_u128() }.abi_encode()))
    }),
    ("cancelAll of 20", |bench| {
        bench.ladder(20)?;
        Ok((MAKER, IMarket::cancelAllCall { account: account(MAKER), instrument: PERPETUAL }.abi_encode()))
    }),
    ("batch of 20 orders that rest", |bench| {
        bench.clear()?;
        Ok((MAKER, bench.quotes(20)?))
    }),
    ("batch of 20: cancelAll of 19, 19 orders", |bench| {
        bench.ladder(19)?;
        Ok((MAKER, bench.quotes_anew(19)?))
    }),
    ("transfer", |_| {
        Ok((
            MAKER,
            IMarket::transferCall { from: account(MAKER), to: account(TAKER), asset: 1, amount: 1 }.abi_encode(),
        ))
    }),
    ("setAgent", |bench| {
        let (agent, until) =
            (Address::repeat_byte(1 + (bench.step % 16) as u8), bench.timestamp + u64::from(bench.step));
        Ok((MAKER, IMarket::setAgentCall { account: account(MAKER), agent, untilSeconds: until }.abi_encode()))
    }),
    ("openAccount", |bench| {
        let number = u8::try_from(bench.step % 256).unwrap_or_default();
        Ok((if bench.step < 256 { 0 } else { 1 }, IMarket::openAccountCall { number }.abi_encode()))
    }),
    ("updatePrices, one signer and feed", |bench| {
        bench.clear()?;
        bench.sequence += 1;
        let price = 300_000_000_000 + u128::from(bench.step % 7) * 10_000_000;
        Ok((1, prices(&bench.signers[1], bench.chain_id, bench.sequence, bench.timestamp, price)))
    }),
];

/// The number of a signer's account: they are opened in the signers' order.
fn account(signer: usize) -> u32 {
    rialto_market::layout::FIRST_ACCOUNT + signer as u32 - MAKER as u32
}

/// Keys the journal's hash tables.
const HASH_SEED: u64 = 7;

struct GasBench<'a> {
    runner: TxRunner<'a>,
    nonces: Vec<u64>,
    signers: Vec<Signer>,
    chain_id: u64,
    timestamp: u64,
    sequence: u64,
    /// Counts runs.
    step: u32,
    /// What the last transaction changed.
    changes: Vec<TxChange>,
}

impl GasBench<'_> {
    /// Sends a transaction; gas, time and output.
    fn send(&mut self, from: usize, to: Address, input: &[u8]) -> Result<(u64, Duration, Bytes), BenchError> {
        let sender = self.signers[from].address;
        let transaction = transaction(self.chain_id, self.nonces[from], to, input.to_vec(), GAS_LIMIT);
        let begin = Instant::now();
        let outcome = self.runner.run_in_place(&transaction, sender, &mut self.changes).map_err(failed)?;
        let elapsed = begin.elapsed();
        self.nonces[from] += 1;
        match outcome.halt {
            None => Ok((outcome.gas_used, elapsed, outcome.output)),
            Some(halt) => Err(failed(format!("a call ended with {halt:?}: {}", outcome.output))),
        }
    }

    fn run(&mut self, from: usize, input: Vec<u8>) -> Result<Bytes, BenchError> {
        Ok(self.send(from, MARKET_ADDRESS, &input)?.2)
    }

    /// Opens and funds accounts.
    fn prepare(&mut self, document: &Value) -> Result<(), BenchError> {
        let token = document["config"]["rialto"]["market"]["quoteAsset"]["token"].as_str().unwrap_or_default();
        let token: Address = token.parse().map_err(|_| failed("genesis: expected a quote asset"))?;
        for signer in [MAKER, TAKER] {
            self.run(signer, IMarket::openAccountCall { number: 0 }.abi_encode())?;
            self.send(signer, token, &approval())?;
            let amount = alloy_primitives::U256::from(1_000_000_000_000u64);
            self.run(signer, IMarket::depositCall { account: account(signer), token, amount }.abi_encode())?;
        }
        Ok(())
    }

    /// No orders of the maker's, and no position that grows from run to run.
    fn clear(&mut self) -> Result<(), BenchError> {
        let input = IMarket::cancelAllCall { account: account(MAKER), instrument: PERPETUAL }.abi_encode();
        self.run(MAKER, input).map(drop)
    }

    fn quote_words(&self, count: u32) -> Result<Vec<alloy_primitives::B256>, BenchError> {
        let ticks = |index: u32| MARK + 100 + index * 3 + self.step % 50;
        let quote = |index| order(PERPETUAL, Side::Sell, ticks(index), 10, TimeInForce::PostOnly);
        (0..count).map(|index| word(&Action::Place(quote(index)))).collect()
    }

    fn quotes(&self, count: u32) -> Result<Vec<u8>, BenchError> {
        Ok(batch(account(MAKER), self.quote_words(count)?))
    }

    fn quotes_anew(&self, count: u32) -> Result<Vec<u8>, BenchError> {
        let mut words = vec![word(&Action::CancelAll(InstrumentId(PERPETUAL)))?];
        words.extend(self.quote_words(count)?);
        Ok(batch(account(MAKER), words))
    }

    /// So many asks of the maker's, and no other orders of it.
    fn ladder(&mut self, count: u32) -> Result<(), BenchError> {
        self.clear()?;
        let input = self.quotes(count)?;
        self.run(MAKER, input).map(drop)
    }

    /// Places an order of the maker's that rests.
    fn rest(&mut self, order: &rialto_market::orders::request::OrderRequest) -> Result<OrderId, BenchError> {
        let output = self.run(MAKER, place(account(MAKER), order))?;
        let fill = IMarket::placeCall::abi_decode_returns(&output).map_err(failed)?;
        OrderId::from_u128(fill.orderId).ok_or_else(|| failed("an order that rests has an id"))
    }

    /// An order of the taker's that fills against so many of the maker's; sides take turns, so that positions come back to nothing.
    fn fills(&mut self, makers: u32) -> Result<(usize, Vec<u8>), BenchError> {
        self.clear()?;
        let is_even = self.step.is_multiple_of(2);
        let (maker, taker) = if is_even { (Side::Sell, Side::Buy) } else { (Side::Buy, Side::Sell) };
        let ticks = |index: u32| if is_even { MARK + 1 + index } else { MARK - 1 - index };
        let words: Result<Vec<_>, _> = (0..makers)
            .map(|index| word(&Action::Place(order(PERPETUAL, maker, ticks(index), 10, TimeInForce::PostOnly))))
            .collect();
        self.run(MAKER, batch(account(MAKER), words?))?;
        let lots = 10 * u64::from(makers);
        Ok((
            TAKER,
            place(account(TAKER), &order(PERPETUAL, taker, ticks(makers), lots, TimeInForce::ImmediateOrCancel)),
        ))
    }

    fn measure(&mut self, name: &'static str, prepare: Prepare) -> Result<GasOperation, BenchError> {
        let (mut gas, mut total, mut times, mut slots) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        self.step = 0;
        for run in 0..WARM_RUNS + RUNS {
            let (from, input) = prepare(self).map_err(|error| failed(format!("{name}: {error}")))?;
            let (base_gas, base_time, _) = self.send(from, NOBODY, &input)?;
            let sent = self.send(from, MARKET_ADDRESS, &input).map_err(|error| failed(format!("{name}: {error}")))?;
            self.step += 1;
            if run >= WARM_RUNS {
                gas.push(sent.0.saturating_sub(base_gas));
                total.push(sent.0);
                times.push(sent.1.saturating_sub(base_time).as_nanos() as u64);
                let is_slot =
                    |change: &&TxChange| matches!(change, TxChange::Slot(address, ..) if *address == MARKET_ADDRESS);
                slots.push(self.changes.iter().filter(is_slot).count() as u64);
            }
        }
        let median = |values: &mut Vec<u64>| {
            values.sort_unstable();
            values[values.len() / 2]
        };
        let (gas, transaction_gas, nanoseconds) = (median(&mut gas), median(&mut total), median(&mut times));
        let nanoseconds_per_gas = nanoseconds as f64 / gas.max(1) as f64;
        let slots_changed = median(&mut slots);
        let cost_in_gas = (nanoseconds as f64 * GAS_OF_NANOSECOND) as u64 + slots_changed * GAS_OF_SLOT;
        Ok(GasOperation { name, gas, transaction_gas, nanoseconds, nanoseconds_per_gas, slots_changed, cost_in_gas })
    }
}

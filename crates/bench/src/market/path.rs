//! Orders a second, the full path: signed transactions through the pool into blocks with a state root, on a node.
//!
//! Each transaction is a batch of twenty actions of one account in one instrument: it cancels all its orders there, places nine quotes
//! and ten immediate-or-cancel orders that meet others' quotes. Each block begins with a price that moves a little. Transactions are
//! signed beforehand, as clients would. What is timed is decoding, recovering senders and taking into the pool (on all threads); the
//! block, that is execution with margin checks, receipts and the state root; and, apart, the commit of the block to a database in memory.

use super::MakeGenesis;
use super::chain::{Signer, approval, batch, failed, order, prices, signers, transaction, word};
use crate::BenchError;
use crate::chart::{Chart, Series};
use crate::table::Table;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolEvent};
use rayon::prelude::*;
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket;
use rialto_market::book::Book;
use rialto_market::layout::AccountOf;
use rialto_market::orders::action::Action;
use rialto_market::orders::request::TimeInForce;
use rialto_market::records::{Record, slot_of};
use rialto_market::types::{InstrumentId, Side, Ticks};
use rialto_node::{
    BlockId, BuiltBlock, Miner, MinerConfig, MiningMode, MiningOrder, Node, NodeConfig, PoolConfig, PoolTransaction,
};
use rialto_state::StateReader;
use rialto_stf::Transaction;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Actions of a transaction.
const ACTIONS: u64 = 20;
/// Quotes among them.
const QUOTES: u64 = 9;
/// Gas limit of a batch.
const BATCH_GAS: u64 = 4_000_000;
/// Gas limit of other calls.
const CALL_GAS: u64 = 1_000_000;
/// Transactions of a block in which accounts are opened.
const SETUP_TRANSACTIONS: usize = 2_000;
/// The price of ether at first, in ticks and as the feed has it.
const MARK: Ticks = 30_000;
const FEED_PRICE: u128 = 300_000_000_000;
/// Base units of the quote asset that each account has.
const DEPOSIT: u64 = 1_000_000_000_000;
/// What the first transaction of a block offers, times the others.
const FIRST_TIP: u64 = 100;

/// What is measured.
#[derive(Clone, Debug)]
pub struct MarketPathPlan {
    /// Numbers of accounts, one run for each.
    pub accounts: Vec<usize>,
    /// Perpetuals.
    pub instruments: u16,
    /// Blocks of a run.
    pub blocks: usize,
    /// Transactions of a block.
    pub transactions: usize,
    /// Threads.
    pub threads: usize,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathFigures {
    /// Accounts.
    pub accounts: usize,
    /// Orders that rested in all books in the end.
    pub resting_orders: u64,
    /// Actions a second through pool, execution and state root.
    pub orders_per_second: f64,
    /// Actions a second with the commit as well, one after the other.
    pub committed_orders_per_second: f64,
    /// Milliseconds to decode and take in the transactions of a block, median.
    pub pool_milliseconds: f64,
    /// Milliseconds to commit a block, median.
    pub commit_milliseconds: f64,
    /// Milliseconds of a block: median, 99 of 100, 999 of 1,000, longest.
    pub block_milliseconds: [f64; 4],
    /// Fills a block.
    pub fills_per_block: f64,
    /// Gas a block.
    pub gas_per_block: u64,
}

/// All runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarketPathReport {
    /// Perpetuals.
    pub instruments: u16,
    /// Blocks of a run.
    pub blocks: usize,
    /// Actions of a block.
    pub orders_per_block: u64,
    /// Threads.
    pub threads: usize,
    /// By number of accounts.
    pub runs: Vec<PathFigures>,
}

impl fmt::Display for MarketPathReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            "accounts",
            "resting",
            "orders/s",
            "with commit",
            "pool ms",
            "block p50 ms",
            "p99",
            "p99.9",
            "longest",
            "commit ms",
            "fills a block",
            "gas a block",
        ];
        let mut table = Table::new("Orders through pool, execution and state root", &columns);
        for run in &self.runs {
            let [p50, p99, p999, longest] = run.block_milliseconds.map(|value| format!("{value:.2}"));
            table.rows.push(vec![
                run.accounts.to_string(),
                run.resting_orders.to_string(),
                format!("{:.0}", run.orders_per_second),
                format!("{:.0}", run.committed_orders_per_second),
                format!("{:.2}", run.pool_milliseconds),
                p50,
                p99,
                p999,
                longest,
                format!("{:.2}", run.commit_milliseconds),
                format!("{:.0}", run.fills_per_block),
                run.gas_per_block.to_string(),
            ]);
        }
        let Self { instruments, blocks, orders_per_block, threads, .. } = self;
        writeln!(f, "{instruments} perpetuals, {blocks} blocks of {orders_per_block} orders, {threads} threads\n")?;
        write!(f, "{}", table.text())
    }
}

impl MarketPathReport {
    /// How it grows with accounts and resting orders: an SVG document.
    pub fn chart(&self) -> String {
        let line = |name: &str, value: &dyn Fn(&PathFigures) -> f64| Series {
            name: name.into(),
            values: self.runs.iter().map(|run| Some(value(run))).collect(),
            is_dashed: false,
        };
        Chart {
            title: format!("Time of a block of {} orders, {} threads", self.orders_per_block, self.threads),
            x_name: "accounts (orders that rest)".into(),
            y_name: "milliseconds".into(),
            columns: self.runs.iter().map(|run| format!("{} ({})", run.accounts, run.resting_orders)).collect(),
            series: vec![
                line("median", &|run| run.block_milliseconds[0]),
                line("99 of 100", &|run| run.block_milliseconds[1]),
                line("pool", &|run| run.pool_milliseconds),
                line("commit", &|run| run.commit_milliseconds),
            ],
        }
        .svg()
    }
}

/// Measures all runs.
pub fn run_market_path(
    plan: &MarketPathPlan,
    genesis: MakeGenesis<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<MarketPathReport, BenchError> {
    let mut runs = Vec::new();
    for accounts in &plan.accounts {
        progress(&format!("{accounts} accounts"));
        let mut path = Path::open(plan, *accounts, genesis)?;
        path.open_accounts()?;
        progress(&format!("{accounts} accounts, blocks"));
        runs.push(path.measure()?);
    }
    Ok(MarketPathReport {
        instruments: plan.instruments,
        blocks: plan.blocks,
        orders_per_block: plan.transactions as u64 * ACTIONS,
        threads: plan.threads,
        runs,
    })
}

/// A trader with its account and nonce.
struct Trader {
    signer: Signer,
    account: u32,
    nonce: u64,
}

/// Times of a block.
#[derive(Clone, Copy)]
struct BlockTimes {
    pool: Duration,
    build: Duration,
    commit: Duration,
}

struct Path<'a> {
    plan: &'a MarketPathPlan,
    node: Arc<Node>,
    miner: Arc<Miner>,
    oracle: Signer,
    oracle_nonce: u64,
    traders: Vec<Trader>,
    token: Address,
    random: u64,
}

/// The document with so many perpetuals and nothing else.
fn with_perpetuals(mut document: Value, count: u16) -> Result<Value, BenchError> {
    let instruments = &mut document["config"]["rialto"]["market"]["instruments"];
    let listed = instruments.as_array().map_or(&[][..], Vec::as_slice);
    let perpetual = listed.iter().find(|instrument| instrument["kind"] == "perpetual").cloned();
    let perpetual = perpetual.ok_or_else(|| failed("genesis: expected a perpetual"))?;
    *instruments = std::iter::repeat_n(perpetual, usize::from(count)).collect();
    Ok(document)
}

impl<'a> Path<'a> {
    fn open(plan: &'a MarketPathPlan, accounts: usize, genesis: MakeGenesis<'_>) -> Result<Self, BenchError> {
        let mut all = signers(accounts + 2);
        let addresses: Vec<Address> = all.iter().map(|signer| signer.address).collect();
        let document = with_perpetuals(genesis(&addresses), plan.instruments)?;
        let token = document["config"]["rialto"]["market"]["quoteAsset"]["token"].as_str().unwrap_or_default();
        let token = token.parse().map_err(|_| failed("genesis: expected a quote asset"))?;
        let pool =
            PoolConfig { max_pending: 1 << 20, max_queued: 1 << 20, max_bytes: 1 << 32, ..PoolConfig::default() };
        let config = NodeConfig {
            genesis: Some(document.to_string().into_bytes()),
            is_dev: true,
            pool,
            threads: NonZeroUsize::new(plan.threads).unwrap_or(NonZeroUsize::MIN),
            ..NodeConfig::default()
        };
        let node = Node::open(config).map_err(failed)?;
        let config = MinerConfig { mode: MiningMode::Manual, order: MiningOrder::Fees, fee_recipient: Address::ZERO };
        let miner = Miner::start(Arc::clone(&node), config).map_err(failed)?;
        let traders = all.split_off(2).into_iter().map(|signer| Trader { signer, account: 0, nonce: 0 }).collect();
        Ok(Self { plan, node, miner, oracle: all[1], oracle_nonce: 0, traders, token, random: 0x9e37_79b9_7f4a_7c15 })
    }

    /// The next number below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn chain_id(&self) -> u64 {
        self.node.spec().chain_id
    }

    /// Signs on all threads.
    fn sign(transactions: Vec<(Transaction, B256)>) -> Result<Vec<Vec<u8>>, BenchError> {
        let sign = |(mut transaction, key): (Transaction, B256)| {
            transaction.sign(&key).map_err(failed)?;
            Ok(transaction.encode())
        };
        transactions.into_par_iter().map(sign).collect()
    }

    /// Takes transactions into the pool and mines a block of them.
    fn block(&mut self, raw: &[Vec<u8>]) -> Result<(BlockTimes, Arc<BuiltBlock>), BenchError> {
        let view = self.node.view().map_err(failed)?;
        let header = &view.head().block.header;
        let begin = Instant::now();
        let decoded: Result<Vec<_>, _> =
            raw.par_iter().map(|bytes| PoolTransaction::decode(bytes, self.node.spec(), header)).collect();
        for transaction in decoded.map_err(failed)? {
            self.node.submit(transaction).map_err(failed)?;
        }
        let pool = begin.elapsed();
        let built_before = self.node.stats().block_times.sum_seconds();
        let begin = Instant::now();
        let built = self.miner.mine_one().map_err(failed)?;
        let mined = begin.elapsed();
        // The node's own clock of execution and root; what else mining takes is the commit.
        let build = Duration::from_secs_f64(self.node.stats().block_times.sum_seconds() - built_before);
        let found = built.block.block.transactions.len();
        if found != raw.len() {
            return Err(failed(format!("a block: expected {} transactions, found {found}", raw.len())));
        }
        Ok((BlockTimes { pool, build, commit: mined.saturating_sub(build) }, built))
    }

    fn record<R: Record>(&self, key: R::Key) -> Result<R, BenchError> {
        let view = self.node.view().map_err(failed)?;
        let state = view.state(BlockId::Latest).map_err(failed)?.ok_or_else(|| failed("no state of the head"))?;
        let word = |word| state.storage(&MARKET_ADDRESS, &slot_of::<R>(key, word)).map_err(failed);
        let words: Vec<U256> = (0..R::WORDS).map(word).collect::<Result<_, _>>()?;
        Ok(R::decode(|word| words[word]))
    }

    /// Opens and funds all accounts.
    fn open_accounts(&mut self) -> Result<(), BenchError> {
        let (chain_id, token) = (self.chain_id(), self.token);
        let open = IMarket::openAccountCall { number: 0 }.abi_encode();
        for (to, input) in [(MARKET_ADDRESS, open), (token, approval())] {
            self.send_from_all(|trader| transaction(chain_id, trader.nonce, to, input.clone(), CALL_GAS))?;
        }
        for index in 0..self.traders.len() {
            let found: AccountOf = self.record((self.traders[index].signer.address, 0))?;
            self.traders[index].account = found.account.0;
        }
        let amount = U256::from(DEPOSIT);
        self.send_from_all(|trader| {
            let input = IMarket::depositCall { account: trader.account, token, amount }.abi_encode();
            transaction(chain_id, trader.nonce, MARKET_ADDRESS, input, CALL_GAS)
        })?;
        // Every account has quotes before anything is timed.
        for first in (0..self.traders.len()).step_by(SETUP_TRANSACTIONS) {
            let last = (first + SETUP_TRANSACTIONS).min(self.traders.len());
            let transactions: Result<Vec<_>, _> = (first..last).map(|index| self.trade(index, true)).collect();
            let raw = Self::sign(transactions?)?;
            self.block(&raw)?;
        }
        Ok(())
    }

    /// A transaction from each trader, in blocks.
    fn send_from_all(&mut self, make: impl Fn(&Trader) -> Transaction) -> Result<(), BenchError> {
        for first in (0..self.traders.len()).step_by(SETUP_TRANSACTIONS) {
            let last = (first + SETUP_TRANSACTIONS).min(self.traders.len());
            let traders = &mut self.traders[first..last];
            let transactions = traders.iter_mut().map(|trader| {
                let made = (make(trader), trader.signer.key);
                trader.nonce += 1;
                made
            });
            let raw = Self::sign(transactions.collect())?;
            let (_, built) = self.block(&raw)?;
            let reverted = built.receipts.iter().filter(|receipt| !is_success(receipt)).count();
            if reverted > 0 {
                return Err(failed(format!("opening accounts: {reverted} transactions reverted")));
            }
        }
        Ok(())
    }

    /// A batch of a trader in an instrument of its own choice.
    fn trade(&mut self, index: usize, quotes_only: bool) -> Result<(Transaction, B256), BenchError> {
        let instrument = 1 + (index % usize::from(self.plan.instruments)) as u16;
        let mut words = vec![word(&Action::CancelAll(InstrumentId(instrument)))?];
        for quote in 1..ACTIONS {
            let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
            let (distance, is_quote) = match quote <= QUOTES || quotes_only {
                true => (5 + self.below(200) as i64, true),
                false => (-5 - self.below(20) as i64, false),
            };
            let ticks = match side {
                Side::Buy => i64::from(MARK) - distance,
                Side::Sell => i64::from(MARK) + distance,
            };
            let kind = if is_quote { TimeInForce::GoodTillCancelled } else { TimeInForce::ImmediateOrCancel };
            let lots = 1 + self.below(10);
            words.push(word(&Action::Place(order(instrument, side, ticks as Ticks, lots, kind)))?);
        }
        let chain_id = self.chain_id();
        let trader = &mut self.traders[index];
        let input = batch(trader.account, words);
        let made = transaction(chain_id, trader.nonce, MARKET_ADDRESS, input, BATCH_GAS);
        trader.nonce += 1;
        Ok((made, trader.signer.key))
    }

    /// The transaction that begins a block.
    fn new_price(&mut self) -> Result<(Transaction, B256), BenchError> {
        let view = self.node.view().map_err(failed)?;
        let time = view.head().block.header.timestamp;
        let price = FEED_PRICE + u128::from(self.below(21)) * 10_000_000 - 100_000_000;
        let input = prices(&self.oracle, self.chain_id(), self.oracle_nonce + 1, time, price);
        let mut made = transaction(self.chain_id(), self.oracle_nonce, MARKET_ADDRESS, input, 16_000_000);
        made.max_priority_fee_per_gas *= U256::from(FIRST_TIP);
        self.oracle_nonce += 1;
        Ok((made, self.oracle.key))
    }

    fn measure(&mut self) -> Result<PathFigures, BenchError> {
        let (mut times, mut fills, mut gas, mut next) = (Vec::new(), 0u64, 0u64, 0);
        for _ in 0..self.plan.blocks {
            let mut transactions = vec![self.new_price()?];
            for _ in 0..self.plan.transactions {
                transactions.push(self.trade(next % self.traders.len(), false)?);
                next += 1;
            }
            let raw = Self::sign(transactions)?;
            let (block_times, built) = self.block(&raw)?;
            times.push(block_times);
            let logs = built.receipts.iter().flat_map(|receipt| &receipt.logs);
            fills += logs.filter(|log| log.topics.first() == Some(&IMarket::Trade::SIGNATURE_HASH)).count() as u64;
            gas += built.block.block.header.gas_used;
            if let Some(at) = built.receipts.iter().position(|receipt| !is_success(receipt)) {
                return Err(failed(format!("transaction {at} of a block reverted")));
            }
        }
        self.figures(&times, fills, gas)
    }

    fn figures(&self, times: &[BlockTimes], fills: u64, gas: u64) -> Result<PathFigures, BenchError> {
        let mut resting_orders = 0;
        for instrument in 1..=self.plan.instruments {
            let book: Book = self.record(InstrumentId(instrument))?;
            resting_orders += u64::from(book.bids) + u64::from(book.asks);
        }
        let blocks = times.len() as f64;
        let orders = blocks * self.plan.transactions as f64 * ACTIONS as f64;
        let sorted = |of: fn(&BlockTimes) -> Duration| {
            let mut values: Vec<f64> = times.iter().map(|times| of(times).as_secs_f64() * 1_000.0).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let (pool, build, commit) = (sorted(|it| it.pool), sorted(|it| it.build), sorted(|it| it.commit));
        let at =
            |values: &[f64], of_thousand: usize| values[(values.len() * of_thousand / 1_000).min(values.len() - 1)];
        let sum = |values: &[f64]| values.iter().sum::<f64>() / 1_000.0;
        Ok(PathFigures {
            accounts: self.traders.len(),
            resting_orders,
            orders_per_second: orders / (sum(&pool) + sum(&build)),
            committed_orders_per_second: orders / (sum(&pool) + sum(&build) + sum(&commit)),
            pool_milliseconds: at(&pool, 500),
            commit_milliseconds: at(&commit, 500),
            block_milliseconds: [500, 990, 999, 1_000].map(|of_thousand| at(&build, of_thousand)),
            fills_per_block: fills as f64 / blocks,
            gas_per_block: gas / self.plan.blocks as u64,
        })
    }
}

impl Drop for Path<'_> {
    fn drop(&mut self) {
        self.miner.stop();
    }
}

fn is_success(receipt: &rialto_stf::Receipt) -> bool {
    matches!(receipt.status, rialto_stf::ReceiptStatus::Status(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_column_for_each_figure() {
        let run = PathFigures {
            accounts: 10_000,
            resting_orders: 90_000,
            orders_per_second: 1_000.0,
            committed_orders_per_second: 500.0,
            pool_milliseconds: 1.0,
            commit_milliseconds: 2.0,
            block_milliseconds: [1.0, 2.0, 3.0, 4.0],
            fills_per_block: 5.0,
            gas_per_block: 6,
        };
        let report =
            MarketPathReport { instruments: 20, blocks: 1, orders_per_block: 1_000, threads: 2, runs: vec![run] };
        let text = report.to_string();
        let columns = |line: &str| line.split("  ").filter(|cell| !cell.trim().is_empty()).count();
        let lines: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(columns(lines[0]), columns(lines[1]), "{text}");
        assert!(report.chart().ends_with("</svg>\n"));
    }
}

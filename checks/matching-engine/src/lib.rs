//! The market's matching core behind the interface of a public benchmark of matching engines, `flash1-dev/matching-engine-benchmark`.
//!
//! # What is measured
//! Each message runs through the same `Market::book_match`, `book_insert` and `book_remove` that the module's calls use, on records over a real
//! journal, whose reader below is empty. Every [`BATCH`] messages the call is closed and its transaction ended: the changed words go to the journal's
//! slots, and the next message opens the records anew, as the next transaction of a block would. `RIALTO_MATCHING_BATCH` sets another
//! number; 1 is a transaction for each message. A transaction's reports are handed to the harness' queue when it ends, as the market's
//! events are. Not part of it is what surrounds matching in the module: signatures, margin, positions,
//! fees, logs.
//!
//! Harness ids are dense, and are found in a flat table of order ids, as in the harness' own adapters.

mod abi;

use abi::{Cancel, Modify, NewOrder, Report, ReportType, Transport, TransportTable};
use alloy_primitives::Address;
use core::ffi::c_void;
use rialto_market::book::{self, Cancelled, Matched, Matching, Outcome, Resting, SelfTrade, Stop, Taker, Verdict};
use rialto_market::records::Records;
use rialto_market::types::{AccountId, BlockInfo, InstrumentId, Lots, OrderId, Side, Ticks};
use rialto_market::{MARKET_ADDRESS, Market, MarketError, Meter};
use rialto_state::{AccountId as JournalAccountId, Journal, MemoryState};

/// Messages in one transaction, unless the environment says otherwise.
const BATCH: u32 = 20;

const INSTRUMENT: InstrumentId = InstrumentId(1);
const ACCOUNT: AccountId = AccountId(16);

/// What the hooks report to.
struct Reporter {
    transport: Transport,
    /// Reports of the open transaction.
    reports: Vec<Report>,
    /// The market's id of each order of the harness; zero where it does not rest.
    orders: Vec<OrderId>,
    /// Sequence number and id of the message that is worked on.
    sequence: u64,
    order_id: u64,
}

impl Matching for Reporter {
    #[inline]
    fn before_fill(
        &mut self,
        _: &mut Market<'_, '_>,
        _: &Taker,
        _: &Resting,
        _: Lots,
    ) -> Result<Verdict, MarketError> {
        Ok(Verdict::Fill)
    }

    #[inline]
    fn on_fill(&mut self, _: &mut Market<'_, '_>, _: &Taker, fill: &Matched) -> Result<(), MarketError> {
        let order = &fill.maker.order;
        let (price, quantity) = (order.ticks.into(), fill.lots as u32);
        self.reports.push(Report::trade(self.sequence, price, quantity, order.client_id, self.order_id));
        Ok(())
    }

    fn on_cancelled(&mut self, _: &mut Market<'_, '_>, _: &Cancelled) -> Result<(), MarketError> {
        Ok(())
    }
}

impl Reporter {
    #[inline]
    fn report(&mut self, kind: ReportType, sequence_number: u64, order_id: u64, side: u8, price_ticks: i64, quantity: u32) {
        self.reports.push(Report::order(kind, sequence_number, order_id, side, price_ticks, quantity));
    }

    /// What the transaction reports leaves with it, as the market's events do.
    fn hand_over(&mut self) {
        for report in &self.reports {
            self.transport.push(report);
        }
        self.reports.clear();
    }

    #[inline]
    fn order(&self, order_id: u64) -> OrderId {
        self.orders.get(order_id as usize).copied().unwrap_or_default()
    }

    fn keep(&mut self, order_id: u64, id: OrderId) {
        let at = order_id as usize;
        if at >= self.orders.len() {
            self.orders.resize((at + 1).next_power_of_two(), OrderId::default());
        }
        self.orders[at] = id;
    }
}

/// The journal, the call that is open on it, and what it reports to.
struct Engine {
    /// The open call. It borrows the journal: it ends before anything else touches it.
    market: Option<Market<'static, 'static>>,
    journal: *mut Journal<'static>,
    account: JournalAccountId,
    reporter: Reporter,
    batch: u32,
    /// Messages in the open call.
    messages: u32,
}

impl Engine {
    fn new(transport: Transport) -> Self {
        let reader: &'static MemoryState = Box::leak(Box::default());
        let journal = Box::leak(Box::new(Journal::new(reader, 1)));
        let account = journal.account_id(&MARKET_ADDRESS);
        journal.load(account).expect("a state in memory can be read");
        journal.set_nonce(account, 1);
        journal.end_tx(true);
        let batch = std::env::var("RIALTO_MATCHING_BATCH").ok().and_then(|batch| batch.parse().ok()).unwrap_or(BATCH);
        let reports = Vec::with_capacity(1 << 10);
        let reporter = Reporter { transport, reports, orders: vec![OrderId::default(); 1 << 20], sequence: 0, order_id: 0 };
        Self { market: None, journal, account, reporter, batch, messages: 0 }
    }

    /// Counts a message, and begins a call where none is open.
    #[inline]
    fn begin(&mut self) {
        if self.messages == self.batch {
            self.end_transaction();
        }
        self.messages += 1;
        if self.market.is_none() {
            // SAFETY: the journal is never freed, and only the one open call borrows it.
            let records = Records::open(unsafe { &mut *self.journal }, self.account);
            self.market = Some(Market::new(records, BlockInfo::default(), Address::ZERO, Meter::new(u64::MAX)));
        }
    }

    fn end_transaction(&mut self) {
        if let Some(market) = self.market.take() {
            market.finish().0.close().expect("a state in memory can be read");
            // SAFETY: no call is open.
            unsafe { &mut *self.journal }.end_tx(true);
            self.reporter.hand_over();
        }
        self.messages = 0;
    }

    fn new_order(&mut self, order: &NewOrder) {
        self.begin();
        let NewOrder { order_id, sequence_number, price_ticks, quantity, side, ioc, .. } = *order;
        self.reporter.report(ReportType::OrderAck, sequence_number, order_id, side, price_ticks, quantity);
        let left = self.place(sequence_number, order_id, side_of(side), price_ticks, quantity, ioc != 0);
        if left > 0 && ioc != 0 {
            self.reporter.report(ReportType::CancelAck, sequence_number, order_id, side, price_ticks, left as u32);
        }
    }

    /// Matches an order, and lets its rest rest unless it is to be dropped. Lots that were left.
    fn place(&mut self, sequence: u64, order_id: u64, side: Side, price: i64, quantity: u32, is_ioc: bool) -> Lots {
        let market = self.market.as_mut().expect("a call is open");
        (self.reporter.sequence, self.reporter.order_id) = (sequence, order_id);
        let ticks = Ticks::try_from(price).expect("prices of the workload are positive and small");
        let mut taker = Taker {
            instrument: INSTRUMENT,
            account: ACCOUNT,
            group: 0,
            side,
            limit: ticks,
            lots: quantity.into(),
            self_trade: SelfTrade::CancelTaker,
            is_post_only: false,
            is_fill_or_kill: false,
            max_visits: book::MAKER_VISITS,
        };
        loop {
            let outcome: Outcome = market.book_match(&taker, &mut self.reporter).expect("hooks refuse nothing");
            taker.lots = outcome.left;
            // The harness knows no bound: the rest is sent again.
            if outcome.stop != Stop::Bound {
                break;
            }
        }
        if taker.lots > 0 && !is_ioc {
            let new = book::NewOrder {
                instrument: INSTRUMENT,
                account: ACCOUNT,
                side,
                ticks,
                lots: taker.lots,
                client_id: order_id,
                ..book::NewOrder::default()
            };
            let id = market.book_insert(&new).expect("what crosses was matched");
            self.reporter.keep(order_id, id);
        }
        taker.lots
    }

    /// Takes an order out: its side and price, if it rested.
    fn remove(&mut self, order_id: u64) -> Option<(Side, Ticks)> {
        let market = self.market.as_mut().expect("a call is open");
        let order = market.book_remove(self.reporter.order(order_id)).expect("a state in memory can be read")?;
        Some((order.side, order.ticks))
    }

    fn cancel(&mut self, cancel: &Cancel) {
        self.begin();
        let Cancel { order_id, sequence_number } = *cancel;
        match self.remove(order_id) {
            Some((side, ticks)) => {
                self.reporter.report(ReportType::CancelAck, sequence_number, order_id, side as u8, ticks.into(), 0);
            }
            None => self.reporter.report(ReportType::CancelReject, sequence_number, order_id, 0, 0, 0),
        }
    }

    fn modify(&mut self, modify: &Modify) {
        self.begin();
        let Modify { order_id, sequence_number, new_price_ticks, new_quantity, .. } = *modify;
        let Some((side, _)) = self.remove(order_id) else {
            return self.reporter.report(ReportType::ModifyReject, sequence_number, order_id, 0, 0, 0);
        };
        self.place(sequence_number, order_id, side, new_price_ticks, new_quantity, false);
        let byte = side as u8;
        self.reporter.report(ReportType::ModifyAck, sequence_number, order_id, byte, new_price_ticks, new_quantity);
    }

    fn market(&mut self) -> &mut Market<'static, 'static> {
        self.messages -= 1;
        self.begin();
        self.market.as_mut().expect("a call is open")
    }
}

fn side_of(byte: u8) -> Side {
    if byte == 0 { Side::Buy } else { Side::Sell }
}

static mut ENGINE: *mut Engine = core::ptr::null_mut();

/// The engine.
///
/// # Safety
/// Between `engine_init` and `engine_shutdown`, from the harness' one matching thread.
#[inline]
unsafe fn engine() -> &'static mut Engine {
    // SAFETY: set by `engine_init`, and used by one thread.
    unsafe { &mut *ENGINE }
}

/// # Safety
/// As the harness' interface says; so for all below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_init(_seed: u64, table: *const TransportTable, handle: *mut c_void) {
    // SAFETY: the harness hands over what lives until the end, before any message.
    unsafe { ENGINE = Box::into_raw(Box::new(Engine::new(Transport::new(table, handle)))) };
}

#[unsafe(no_mangle)]
pub extern "C" fn engine_shutdown() {}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_new_order(order: *const NewOrder) {
    // SAFETY: the harness' messages live for the time of the call.
    unsafe { engine().new_order(&*order) };
}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_cancel(cancel: *const Cancel) {
    // SAFETY: the harness' messages live for the time of the call.
    unsafe { engine().cancel(&*cancel) };
}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_modify(modify: *const Modify) {
    // SAFETY: the harness' messages live for the time of the call.
    unsafe { engine().modify(&*modify) };
}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_flush() {
    // SAFETY: as for messages.
    unsafe { engine().end_transaction() };
}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_query_best_bid() -> i64 {
    // SAFETY: as for messages.
    best(unsafe { engine() }, Side::Buy).unwrap_or(i64::MIN)
}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_query_best_ask() -> i64 {
    // SAFETY: as for messages.
    best(unsafe { engine() }, Side::Sell).unwrap_or(i64::MAX)
}

/// # Safety
/// See [`engine_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_query_depth_at(price_ticks: i64, side: u8) -> u64 {
    let Ok(ticks) = Ticks::try_from(price_ticks) else { return 0 };
    // SAFETY: as for messages.
    let market = unsafe { engine() }.market();
    let level = market.records().get::<book::Level>((INSTRUMENT, side_of(side), ticks));
    level.expect("a state in memory can be read").lots
}

fn best(engine: &mut Engine, side: Side) -> Option<i64> {
    let best = engine.market().best(INSTRUMENT, side).expect("a state in memory can be read");
    best.map(|(ticks, _)| ticks.into())
}

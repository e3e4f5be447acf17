//! A long stream of new orders, cancels and replacements around a price that moves, as exchanges see it, through the book and through a
//! naive one: the same fills in the same order, message by message, and the same book at the end of each transaction.
//!
//! Five courses of the price: still, calm, rough, falling, and falling with jumps. Nine of ten orders are cancelled in the end, one
//! of five is replaced, one of seven takes what it gets at once.

mod book;

use book::naive::Naive;
use book::{Recorder, call, check_invariants, with_journal};
use rialto_market::Market;
use rialto_market::book::{MAKER_VISITS, NewOrder, SelfTrade, Stop, Taker};
use rialto_market::types::{InstrumentId, OrderId, Side, Ticks};

const INSTRUMENT: InstrumentId = InstrumentId(1);
const MESSAGES: u32 = 4_000;
const TRANSACTION: u32 = 20;
const START: i64 = 33_504;

/// Numbers by xorshift (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// The stream, with the orders of it that may still rest.
struct Stream {
    random: Random,
    middle: i64,
    live: Vec<(OrderId, Side, Ticks, u64)>,
    number: u64,
    fills: usize,
}

impl Stream {
    fn place(
        &mut self,
        market: &mut Market<'_, '_>,
        naive: &mut Naive,
        side: Side,
        ticks: Ticks,
        lots: u64,
        rests: bool,
    ) {
        self.number += 1;
        let taker = Taker {
            instrument: INSTRUMENT,
            account: Default::default(),
            group: 0,
            side,
            limit: ticks,
            lots,
            self_trade: SelfTrade::CancelTaker,
            is_post_only: false,
            is_fill_or_kill: false,
            max_visits: MAKER_VISITS,
        };
        let mut recorder = Recorder::default();
        let outcome = market.book_match(&taker, &mut recorder).unwrap();
        let (expected, events) = naive.matched(&taker);
        self.fills += events.len();
        assert_eq!((Ok(outcome), recorder.events), (expected, events), "message {}: {taker:?}", self.number);
        if outcome.stop == Stop::NoMaker && rests {
            // From 100 on: the numbers below mean something to the hooks.
            let client_id = 100 + self.number;
            let new =
                NewOrder { instrument: INSTRUMENT, side, ticks, lots: outcome.left, client_id, ..NewOrder::default() };
            let id = market.book_insert(&new).unwrap();
            naive.insert(id, &new);
            self.live.push((id, side, ticks, lots));
        }
    }

    fn message(&mut self, market: &mut Market<'_, '_>, naive: &mut Naive) {
        let kind = self.random.below(20);
        if kind < 11 || self.live.is_empty() {
            let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
            let depth = (self.random.below(12) * self.random.below(12)) as i64 - 4;
            let ticks = (self.middle - side.sign() * depth).max(1) as Ticks;
            let (lots, rests) = (1 + self.random.below(100), self.random.below(7) > 0);
            return self.place(market, naive, side, ticks, lots, rests);
        }
        let at = self.random.below(self.live.len() as u64) as usize;
        let (id, side, ticks, lots) = self.live.swap_remove(at);
        let found = market.book_remove(id).unwrap().map(|order| (order.lots, order.ticks));
        assert_eq!(found, naive.reduce(id, u64::MAX), "cancel of {id:?}");
        if kind >= 18 && found.is_some() {
            let ticks = ticks + self.random.below(2) as u32;
            self.place(market, naive, side, ticks, lots + 1, true);
        }
    }
}

#[test]
fn streams_go_the_same_way() {
    // Ticks that the middle falls in all, and ticks that it jumps by at most.
    let courses = [("still", 0, 1), ("calm", 100, 3), ("rough", 400, 9), ("falling", 1_000, 9), ("crash", 2_000, 30)];
    for (name, fall, jump) in courses {
        let mut stream = Stream { random: Random(0x5eed), middle: START, live: Vec::new(), number: 0, fills: 0 };
        let mut naive = Naive::default();
        let mut most = 0;
        with_journal(|journal| {
            for done in (0..MESSAGES).step_by(TRANSACTION as usize) {
                call(journal, 0, |market| {
                    for message in done..done + TRANSACTION {
                        let noise = stream.random.below(2 * jump - 1) as i64 - (jump as i64 - 1);
                        stream.middle = START - i64::from(message) * fall / i64::from(MESSAGES) + noise;
                        stream.message(market, &mut naive);
                    }
                    let mut resting = 0;
                    for side in [Side::Buy, Side::Sell] {
                        let orders = check_invariants(market, INSTRUMENT, side);
                        assert_eq!(orders, naive.side(side), "{name}: {side:?} after {done} messages");
                        resting += orders.len();
                    }
                    most = most.max(resting);
                });
                journal.end_tx(false);
            }
        });
        assert!(most > 50 && stream.fills > 200, "{name}: at most {most} orders, {} fills", stream.fills);
    }
}

//! The book beside a naive one, which is a list of orders that is searched from one end to the other.
//!
//! Random inserts, cancels, reductions and matches, with all ways of self-trade prevention, expiry, post-only, fill-or-kill, hooks that
//! refuse or clip makers, and small bounds on visits: both books give the same fills, cancels and outcomes and hold the same orders in the
//! same order. After each step the links, totals and indices of the book are walked and checked.

mod book;

use book::naive::Naive;
use book::{GROUPS, Recorder, call, check_invariants, matched, with_journal};
use proptest::prelude::*;
use rialto_market::Market;
use rialto_market::book::{MAKER_VISITS, NewOrder, SelfTrade, Stop, Taker};
use rialto_market::types::{AccountId, InstrumentId, Side, Ticks};

const INSTRUMENT: InstrumentId = InstrumentId(3);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Matches, and lets the rest rest if it may.
    Place {
        taker: Taker,
        client_id: u64,
        expiry_seconds: u64,
        is_immediate: bool,
    },
    /// Takes out the resting order of this number, counted from the oldest.
    Cancel(usize),
    Reduce(usize, u64),
}

/// Steps in one call of the market.
#[derive(Clone, Debug)]
struct Call {
    steps: Vec<Step>,
    wait_seconds: u64,
    ends_transaction: bool,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

/// Prices around one another, in neighbouring words of the index, and at both ends of what there is.
fn ticks() -> impl Strategy<Value = Ticks> {
    prop_oneof![
        8 => 1000u32..1012,
        2 => prop::sample::select(vec![767, 768, 1023, 1024, 65_535, 65_536, 16_777_216]),
        1 => prop::sample::select(vec![1, 2, u32::MAX - 1, u32::MAX]),
    ]
}

fn taker() -> impl Strategy<Value = Taker> {
    let self_trade = prop::sample::select(vec![
        SelfTrade::CancelTaker,
        SelfTrade::CancelMaker,
        SelfTrade::CancelBoth,
        SelfTrade::Decrement,
    ]);
    let kind = prop_oneof![8 => Just((false, false)), 1 => Just((true, false)), 2 => Just((false, true))];
    let max_visits = prop_oneof![4 => Just(MAKER_VISITS), 1 => 0u32..4];
    (side(), ticks(), 1u64..30, 0..GROUPS, self_trade, kind, max_visits).prop_map(
        |(side, limit, lots, group, self_trade, (is_post_only, is_fill_or_kill), max_visits)| Taker {
            instrument: INSTRUMENT,
            account: AccountId(16 + group as u32),
            group,
            side,
            limit,
            lots,
            self_trade,
            is_post_only,
            is_fill_or_kill,
            max_visits,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let expiry = prop_oneof![3 => Just(0u64), 1 => 1u64..40];
    let step = prop_oneof![
        10 => (taker(), 0u64..64, expiry, prop::bool::weighted(0.2)).prop_map(
            |(taker, client_id, expiry_seconds, is_immediate)| {
                Step::Place { taker, client_id, expiry_seconds, is_immediate }
            },
        ),
        3 => (0usize..20).prop_map(Step::Cancel),
        1 => (0usize..20, 1u64..20).prop_map(|(at, lots)| Step::Reduce(at, lots)),
    ];
    prop::collection::vec(step, 1..20)
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (steps(), 0u64..5, any::<bool>()).prop_map(|(steps, wait_seconds, ends_transaction)| Call {
        steps,
        wait_seconds,
        ends_transaction,
    });
    prop::collection::vec(call, 1..12)
}

/// One step in both books, with the same events.
fn run(step: Step, market: &mut Market<'_, '_>, naive: &mut Naive) {
    match step {
        Step::Place { taker, client_id, expiry_seconds, is_immediate } => {
            let mut recorder = Recorder::default();
            let found = matched(market, &taker, &mut recorder);
            let (expected, events) = naive.matched(&taker);
            assert_eq!(found, expected, "outcome of {taker:?}");
            // Nobody hears of what is undone.
            let Ok(outcome) = found else { return };
            assert_eq!(recorder.events, events, "events of {taker:?}");
            if outcome.left > 0 && outcome.stop == Stop::NoMaker && !is_immediate {
                let new = NewOrder {
                    instrument: INSTRUMENT,
                    account: taker.account,
                    group: taker.group,
                    side: taker.side,
                    ticks: taker.limit,
                    lots: outcome.left,
                    client_id,
                    expiry_seconds,
                    is_reduce_only: false,
                };
                let id = market.book_insert(&new).unwrap();
                naive.insert(id, &new);
            }
        }
        Step::Cancel(at) => {
            let id = naive.id(at);
            let found = market.book_remove(id).unwrap().map(|order| (order.lots, order.ticks));
            assert_eq!(found, naive.reduce(id, u64::MAX), "cancel of {id:?}");
            assert_eq!(market.book_order(id).unwrap(), None, "{id:?} is gone");
        }
        Step::Reduce(at, lots) => {
            let id = naive.id(at);
            let found = market.book_reduce(id, lots).unwrap().map(|order| (order.lots, order.ticks));
            assert_eq!(found, naive.reduce(id, lots), "reduction of {id:?}");
        }
    }
}

fn compare(market: &mut Market<'_, '_>, naive: &Naive) {
    for side in [Side::Buy, Side::Sell] {
        let levels = market.book_depth(INSTRUMENT, side, u32::MAX).unwrap();
        let found: Vec<(Ticks, u64, u32)> = levels.iter().map(|level| (level.ticks, level.lots, level.count)).collect();
        assert_eq!(found, naive.levels(side), "levels of {side:?}");
        assert_eq!(check_invariants(market, INSTRUMENT, side), naive.side(side), "orders of {side:?}");
        for lots in [1, 7, 40] {
            let found = market.impact_price(INSTRUMENT, side, lots).unwrap();
            assert_eq!(found, naive.impact_price(side, lots), "impact price of {lots} lots of {side:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn book_is_the_naive_one(calls in calls()) {
        with_journal(|journal| {
            let mut naive = Naive::default();
            for Call { steps, wait_seconds, ends_transaction } in calls {
                naive.now_seconds += wait_seconds;
                call(journal, naive.now_seconds, |market| {
                    for step in steps {
                        run(step, market, &mut naive);
                        compare(market, &naive);
                    }
                });
                if ends_transaction {
                    journal.end_tx(false);
                }
            }
        });
    }
}

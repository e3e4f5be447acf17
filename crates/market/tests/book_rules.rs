//! What the book refuses, names of orders that are gone, and hooks that change the book while it matches.

mod book;

use book::{call, check_invariants, with_journal};
use rialto_market::book::{
    CancelReason, Cancelled, Matched, Matching, NewOrder, Resting, SelfTrade, Stop, Taker, Verdict, group_of,
};
use rialto_market::types::{InstrumentId, Lots, MAX_LOTS, OrderId, Side};
use rialto_market::{Market, MarketError, Rejection};

const INSTRUMENT: InstrumentId = InstrumentId(1);

fn ask(ticks: u32, lots: u64) -> NewOrder {
    NewOrder { instrument: INSTRUMENT, side: Side::Sell, ticks, lots, ..NewOrder::default() }
}

fn buyer(lots: u64) -> Taker {
    Taker {
        instrument: INSTRUMENT,
        account: Default::default(),
        group: 0,
        side: Side::Buy,
        limit: 100,
        lots,
        self_trade: SelfTrade::CancelTaker,
        is_post_only: false,
        is_fill_or_kill: false,
        max_visits: 10,
    }
}

#[test]
fn orders_that_can_not_rest_are_refused() {
    let rows = [
        ("no lots", ask(10, 0), "lots is 0, expected 1 to 1099511627776"),
        ("too many lots", ask(10, MAX_LOTS + 1), "lots is 1099511627777, expected 1 to 1099511627776"),
        ("no price", ask(0, 1), "price is 0, expected 1 to 4294967295"),
        ("would take", NewOrder { side: Side::Buy, ..ask(20, 1) }, "a post-only order would take"),
    ];
    with_journal(|journal| {
        call(journal, 0, |market| {
            market.book_insert(&ask(20, 5)).unwrap();
            for (name, new, expected) in rows {
                assert_eq!(market.book_insert(&new).unwrap_err().to_string(), expected, "{name}");
            }
            assert_eq!(check_invariants(market, INSTRUMENT, Side::Sell).len(), 1);
        });
    });
}

#[test]
fn a_name_is_of_one_order_for_ever() {
    with_journal(|journal| {
        call(journal, 0, |market| {
            let first = market.book_insert(&ask(20, 5)).unwrap();
            assert!(market.book_remove(first).unwrap().is_some());
            let second = market.book_insert(&ask(20, 6)).unwrap();
            assert_eq!((second.handle, second.sequence), (first.handle, first.sequence + 1), "the place is used again");
            let strangers = [
                ("gone", first),
                ("zero", OrderId::default()),
                ("free handle", OrderId { sequence: 0, ..second }),
                ("other handle", OrderId { handle: 9, ..second }),
                ("other instrument", OrderId { instrument: InstrumentId(2), ..second }),
            ];
            for (name, id) in strangers {
                assert_eq!(market.book_order(id).unwrap(), None, "{name}");
                assert_eq!(market.book_remove(id).unwrap(), None, "{name}");
                assert_eq!(market.book_reduce(id, 1).unwrap(), None, "{name}");
            }
            assert_eq!(market.best(INSTRUMENT, Side::Sell).unwrap(), Some((20, 6)));
        });
    });
}

/// Before the first fill, takes out what it is told to.
struct Meddler(Vec<OrderId>, Vec<(OrderId, Lots)>);

impl Matching for Meddler {
    fn before_fill(
        &mut self,
        market: &mut Market<'_, '_>,
        _: &Taker,
        _: &Resting,
        _: Lots,
    ) -> Result<Verdict, MarketError> {
        for id in std::mem::take(&mut self.0) {
            market.book_remove(id)?;
        }
        Ok(Verdict::Fill)
    }

    fn on_fill(&mut self, _: &mut Market<'_, '_>, _: &Taker, fill: &Matched) -> Result<(), MarketError> {
        self.1.push((fill.maker.id, fill.lots));
        Ok(())
    }

    fn on_cancelled(&mut self, _: &mut Market<'_, '_>, cancelled: &Cancelled) -> Result<(), MarketError> {
        assert_ne!(cancelled.reason, CancelReason::Owner, "{cancelled:?}");
        Ok(())
    }
}

/// Orders 0 to 3 rest at 20, 20, 20 and 21; which ones go when the first is met, and who is filled then.
#[test]
fn hooks_may_change_the_book() {
    let rows: [(&str, &[usize], &[usize]); 5] = [
        ("nothing", &[], &[0, 1, 2]),
        ("the maker itself", &[0], &[1, 2, 3]),
        ("the next", &[1], &[0, 2, 3]),
        ("the last of the level", &[2], &[0, 1, 3]),
        ("the whole level", &[2, 1, 0], &[3]),
    ];
    for (name, gone, filled) in rows {
        with_journal(|journal| {
            call(journal, 0, |market| {
                let ids = [20, 20, 20, 21].map(|ticks| market.book_insert(&ask(ticks, 1)).unwrap());
                let mut meddler = Meddler(gone.iter().map(|&at| ids[at]).collect(), Vec::new());
                let outcome = market.book_match(&buyer(3), &mut meddler).unwrap();
                let expected: Vec<_> = filled.iter().map(|&at| (ids[at], 1)).collect();
                assert_eq!(meddler.1, expected, "{name}");
                assert_eq!(outcome.filled, filled.len() as u64, "{name}");
                assert_eq!(outcome.stop, if filled.len() == 3 { Stop::Done } else { Stop::NoMaker }, "{name}");
                check_invariants(market, INSTRUMENT, Side::Sell);
            });
        });
    }
}

#[test]
fn a_level_holds_no_more_than_can_be_counted() {
    with_journal(|journal| {
        call(journal, 0, |market| {
            // Only a level that was made by hand comes this far.
            market
                .records()
                .update::<rialto_market::book::Level, _>((INSTRUMENT, Side::Sell, 20), |level| level.lots = u64::MAX)
                .unwrap();
            let error = market.book_insert(&ask(20, 1)).unwrap_err();
            assert_eq!(error.to_string(), Rejection::Overflow.to_string());
        });
    });
}

#[test]
fn an_owner_has_one_group_and_never_none() {
    let owners = [[0u8; 20], [0xff; 20], core::array::from_fn(|at| at as u8)];
    let groups = owners.map(|bytes| group_of(&bytes.into()));
    assert_eq!(groups, [1, u64::MAX, 0x0c0d_0e0f_1011_1213]);
}

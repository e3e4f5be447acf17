//! The price index beside an ordered set, and the queues by key beside an ordered map of lists.

mod book;

use book::{call, with_journal};
use proptest::prelude::*;
use rialto_market::book::{IndexKind, IndexWord, namespace};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Numbers that share words of the index at each depth, and the ends.
fn keys() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0x0102_0300u32..0x0102_0310,
        2 => (0u8..4, 0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c, d)| u32::from_be_bytes([a, b, c, d].map(|byte| byte * 85))),
        1 => prop::sample::select(vec![0, 1, 255, 256, 65_535, 65_536, 0x00ff_ffff, 0x0100_0000, u32::MAX - 1, u32::MAX]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn index_is_an_ordered_set(changes in prop::collection::vec((any::<bool>(), keys(), keys()), 1..80)) {
        let (prices, other) = (namespace(IndexKind::Bids, 1), namespace(IndexKind::Asks, 1));
        let mut set = BTreeSet::new();
        with_journal(|journal| call(journal, 0, |market| {
            market.index_insert(other, 7).unwrap();
            for (is_insert, key, from) in changes {
                let (found, expected) = match is_insert {
                    true => (market.index_insert(prices, key).unwrap(), set.insert(key)),
                    false => (market.index_remove(prices, key).unwrap(), set.remove(&key)),
                };
                assert_eq!(found, expected, "insert {is_insert} of {key:#x}");
                for from in [from, key, 0, u32::MAX] {
                    let above = market.index_next_at_or_above(prices, from).unwrap();
                    assert_eq!(above, set.range(from..).next().copied(), "at or above {from:#x}");
                    let below = market.index_prev_at_or_below(prices, from).unwrap();
                    assert_eq!(below, set.range(..=from).next_back().copied(), "at or below {from:#x}");
                    assert_eq!(market.index_contains(prices, from).unwrap(), set.contains(&from), "{from:#x}");
                }
            }
            for key in std::mem::take(&mut set) {
                assert!(market.index_remove(prices, key).unwrap());
            }
            let root: IndexWord = market.records().get((prices, 0, 0)).unwrap();
            assert_eq!(root, IndexWord::default(), "an empty set leaves nothing");
            assert_eq!(market.index_next_at_or_above(other, 0).unwrap(), Some(7), "namespaces are apart");
        }));
    }

    #[test]
    fn queues_are_lists_by_key(changes in prop::collection::vec((0u8..4, 0u32..6, 0u64..12), 1..120)) {
        let space = namespace(IndexKind::Expiry, 9);
        let mut lists: BTreeMap<u32, VecDeque<u64>> = BTreeMap::new();
        with_journal(|journal| call(journal, 0, |market| {
            for (kind, key, item) in changes {
                let queued = lists.iter().find(|(_, list)| list.contains(&item)).map(|(key, _)| *key);
                if kind > 0 {
                    let is_new = item != 0 && queued.is_none();
                    assert_eq!(market.queue_push(space, key, item).unwrap(), is_new, "push of {item}");
                    if is_new {
                        lists.entry(key).or_default().push_back(item);
                    }
                } else {
                    assert_eq!(market.queue_remove(space, item).unwrap(), queued, "removal of {item}");
                    lists.values_mut().for_each(|list| list.retain(|other| *other != item));
                    lists.retain(|_, list| !list.is_empty());
                }
                for from in 0..7 {
                    let first = |(key, list): (&u32, &VecDeque<u64>)| (*key, list[0]);
                    let above = market.queue_first_at_or_above(space, from).unwrap();
                    assert_eq!(above, lists.range(from..).next().map(first), "at or above {from}");
                    let below = market.queue_first_at_or_below(space, from).unwrap();
                    assert_eq!(below, lists.range(..=from).next_back().map(first), "at or below {from}");
                }
                for (key, list) in &lists {
                    let mut next = market.queue_first(space, *key).unwrap();
                    for item in list {
                        assert_eq!(next, Some(*item), "queue {key}");
                        assert_eq!(market.queue_key(space, *item).unwrap(), Some(*key), "key of {item}");
                        next = market.queue_after(space, *item).unwrap();
                    }
                    assert_eq!(next, None, "end of queue {key}");
                }
            }
        }));
    }
}

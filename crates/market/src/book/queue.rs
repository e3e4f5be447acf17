//! Queues in the order of a number: first by key, then by time.
//!
//! Items of one key form a doubly linked list; the keys that have items are a set of the price index under the same namespace. So the first item at
//! or beyond any key is found in a few words, and an item is taken out in constant time wherever it is. This is what crossed
//! triggers, falling accounts and expiring orders are found with.
//!
//! An item is a number that means what its owner says, but zero, and is in a namespace once at most.

use crate::error::MarketError;
use crate::market::Market;
use crate::records::record;

record! {
    /// The items of one key.
    pub struct QueueEnds(tag 36, key (u64, u32), "namespace, key") {
        {
            /// First item; zero if there is none.
            pub head: u64,
            /// Last item.
            pub tail: u64,
            /// Number of items.
            pub count: u32,
        }
    }
}

record! {
    /// Where an item is queued.
    pub struct QueueLink(tag 37, key (u64, u64), "namespace, item") {
        {
            /// The item before it; zero if it is first.
            pub prev: u64,
            /// The item after it; zero if it is last.
            pub next: u64,
            /// Its key.
            pub key: u32,
            /// Whether it is queued.
            pub is_queued: bool,
        }
    }
}

impl Market<'_, '_> {
    /// Queues an item behind those of its key; false, and nothing done, if it is queued in the namespace already or is zero.
    pub fn queue_push(&mut self, namespace: u64, key: u32, item: u64) -> Result<bool, MarketError> {
        let link = self.records.locate::<QueueLink>((namespace, item))?;
        if item == 0 || self.records.at(link).is_queued {
            return Ok(false);
        }
        let ends = self.records.locate::<QueueEnds>((namespace, key))?;
        let QueueEnds { tail, count, .. } = *self.records.at(ends);
        *self.records.at_mut(link) = QueueLink { prev: tail, next: 0, key, is_queued: true };
        let ends = self.records.at_mut(ends);
        (ends.tail, ends.count) = (item, count.saturating_add(1));
        if count == 0 {
            ends.head = item;
            self.index_insert(namespace, key)?;
        } else {
            let before = self.records.locate::<QueueLink>((namespace, tail))?;
            self.records.at_mut(before).next = item;
        }
        Ok(true)
    }

    /// Takes an item out; its key, or `None` if it was not queued.
    pub fn queue_remove(&mut self, namespace: u64, item: u64) -> Result<Option<u32>, MarketError> {
        let link = self.records.locate::<QueueLink>((namespace, item))?;
        let QueueLink { prev, next, key, is_queued } = *self.records.at(link);
        if !is_queued {
            return Ok(None);
        }
        *self.records.at_mut(link) = QueueLink::default();
        for (neighbour, is_before) in [(prev, true), (next, false)] {
            if neighbour != 0 {
                let place = self.records.locate::<QueueLink>((namespace, neighbour))?;
                let link = self.records.at_mut(place);
                if is_before {
                    link.next = next;
                } else {
                    link.prev = prev;
                }
            }
        }
        let ends = self.records.locate::<QueueEnds>((namespace, key))?;
        let ends = self.records.at_mut(ends);
        if prev == 0 {
            ends.head = next;
        }
        if next == 0 {
            ends.tail = prev;
        }
        ends.count = ends.count.saturating_sub(1);
        if ends.count == 0 {
            self.index_remove(namespace, key)?;
        }
        Ok(Some(key))
    }

    /// The key of an item that is queued.
    pub fn queue_key(&mut self, namespace: u64, item: u64) -> Result<Option<u32>, MarketError> {
        let link: QueueLink = self.records.get((namespace, item))?;
        Ok(link.is_queued.then_some(link.key))
    }

    /// The first item of a key.
    pub fn queue_first(&mut self, namespace: u64, key: u32) -> Result<Option<u64>, MarketError> {
        let ends: QueueEnds = self.records.get((namespace, key))?;
        Ok((ends.head != 0).then_some(ends.head))
    }

    /// The item after one that is queued, of the same key.
    pub fn queue_after(&mut self, namespace: u64, item: u64) -> Result<Option<u64>, MarketError> {
        let link: QueueLink = self.records.get((namespace, item))?;
        Ok((link.next != 0).then_some(link.next))
    }

    /// The least key at or above this one that has items, and its first item.
    pub fn queue_first_at_or_above(&mut self, namespace: u64, key: u32) -> Result<Option<(u32, u64)>, MarketError> {
        let Some(key) = self.index_next_at_or_above(namespace, key)? else { return Ok(None) };
        Ok(self.queue_first(namespace, key)?.map(|item| (key, item)))
    }

    /// The greatest key at or below this one that has items, and its first item.
    pub fn queue_first_at_or_below(&mut self, namespace: u64, key: u32) -> Result<Option<(u32, u64)>, MarketError> {
        let Some(key) = self.index_prev_at_or_below(namespace, key)? else { return Ok(None) };
        Ok(self.queue_first(namespace, key)?.map(|item| (key, item)))
    }
}

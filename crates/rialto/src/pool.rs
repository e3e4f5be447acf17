//! Work on several cores whose results come out in the order in which the work went in.
//!
//! One thread produces items, a few work on them, and the caller's thread consumes the results in order. What is in
//! flight is bounded twice: the queue of items holds one per worker, and the producer needs a ticket for each item, of
//! which there are `WINDOW`; the consumer returns a ticket per result it consumed. So a slow item holds up the others
//! after it once the window is full, instead of letting their results pile up.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Items between the producer and the consumer, at most.
const WINDOW: usize = 256;

/// How many workers make use of the machine.
pub fn available_workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Hands what `produce` gives to `work` on `workers` threads and the results, in the order of the items, to `consume`.
/// A break of `consume` ends the production; items already under way are still worked on.
pub fn run_ordered<I: Send, O: Send>(
    workers: usize,
    produce: impl FnOnce(&mut dyn FnMut(I) -> ControlFlow<()>) + Send,
    work: impl Fn(I) -> O + Sync,
    mut consume: impl FnMut(O) -> ControlFlow<()>,
) {
    let workers = workers.max(1);
    let (item_sender, item_receiver) = sync_channel::<(usize, I)>(workers);
    let (result_sender, result_receiver) = channel::<(usize, O)>();
    let (ticket_sender, ticket_receiver) = sync_channel::<()>(WINDOW);
    for _ in 0..WINDOW {
        // The channel has room for exactly these.
        let _ = ticket_sender.try_send(());
    }
    // Only the workers hold it: when they are gone, the producer's next item is refused.
    let item_receiver = Arc::new(Mutex::new(item_receiver));
    thread::scope(|scope| {
        scope.spawn(move || produce_all(produce, item_sender, ticket_receiver));
        for _ in 0..workers {
            let (results, items, work) = (result_sender.clone(), Arc::clone(&item_receiver), &work);
            scope.spawn(move || work_all(&items, work, results));
        }
        drop(result_sender);
        drop(item_receiver);
        consume_all(result_receiver, ticket_sender, &mut consume);
    });
}

fn produce_all<I>(
    produce: impl FnOnce(&mut dyn FnMut(I) -> ControlFlow<()>),
    items: SyncSender<(usize, I)>,
    tickets: Receiver<()>,
) {
    let mut index = 0;
    produce(&mut |item| {
        // Either end hangs up when the run is over.
        if tickets.recv().is_err() || items.send((index, item)).is_err() {
            return ControlFlow::Break(());
        }
        index += 1;
        ControlFlow::Continue(())
    });
}

fn work_all<I, O>(items: &Mutex<Receiver<(usize, I)>>, work: &impl Fn(I) -> O, results: Sender<(usize, O)>) {
    loop {
        let next = match items.lock() {
            Ok(items) => items.recv(),
            Err(_) => return,
        };
        let Ok((index, item)) = next else { return };
        if results.send((index, work(item))).is_err() {
            return;
        }
    }
}

fn consume_all<O>(
    results: Receiver<(usize, O)>,
    tickets: SyncSender<()>,
    consume: &mut impl FnMut(O) -> ControlFlow<()>,
) {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (index, result) in results {
        early.insert(index, result);
        while let Some(result) = early.remove(&next) {
            next += 1;
            if consume(result).is_break() {
                return;
            }
            // Refused only when the producer has ended.
            let _ = tickets.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(workers: usize, count: u64, stop_after: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        run_ordered(
            workers,
            |give| {
                for item in 0..count {
                    if give(item).is_break() {
                        return;
                    }
                }
            },
            |item: u64| item * item,
            |square| {
                seen.push(square);
                if seen.len() == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        seen
    }

    #[test]
    fn results_come_in_order_and_once() {
        let rows = [("one worker", 1, 10, 99), ("more items than tickets", 3, 2_000, 9_999), ("nothing", 2, 0, 9)];
        for (name, workers, count, stop_after) in rows {
            let expected: Vec<u64> = (0..count).map(|item| item * item).collect();
            assert_eq!(squares(workers, count, stop_after), expected, "{name}");
        }
    }

    #[test]
    fn breaking_off_ends_the_run() {
        assert_eq!(squares(2, u64::from(u32::MAX), 3), [0, 1, 4]);
    }
}

//! Threads whose every step a seeded choice decides, to try interleavings that a machine would seldom show.
//!
//! While [`explore`] runs something, threads that it starts by [`beside`] go one at a time. Before each operation on what they share
//! (see `sync`) a thread stops, and a generator of pseudo-random numbers says who goes on. So a seed is an interleaving, and
//! a seed that fails fails again.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who may go on.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Whose turn it is.
    current: usize,
    /// Threads that have not ended.
    alive: Vec<usize>,
    random: u64,
    steps: u64,
}

thread_local! {
    /// What this thread belongs to, and its number there.
    static PLACE: RefCell<Option<(Arc<Turns>, usize)>> = const { RefCell::new(None) };
    /// The seed of what is started next.
    static SEED: RefCell<Option<u64>> = const { RefCell::new(None) };
}

impl State {
    /// A number below `count` (splitmix64).
    fn below(&mut self, count: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % count as u64) as usize
    }

    fn choose(&mut self) {
        if !self.alive.is_empty() {
            let place = self.below(self.alive.len());
            self.current = self.alive[place];
        }
    }
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, own: usize) {
        while state.current != own {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, own: usize) {
        let mut state = self.lock();
        state.alive.retain(|other| *other != own);
        state.choose();
        self.changed.notify_all();
    }
}

/// Lets somebody go on, who may be this thread.
pub(crate) fn step() {
    PLACE.with_borrow(|place| {
        let Some((turns, own)) = place else { return };
        let mut state = turns.lock();
        state.steps += 1;
        state.choose();
        if state.current != *own {
            turns.changed.notify_all();
            turns.wait(state, *own);
        }
    });
}

/// Whether threads that are started now are explored.
pub(crate) fn is_on() -> bool {
    SEED.with_borrow(Option::is_some)
}

/// As `pool::beside`, one thread at a time.
pub(crate) fn beside<T>(threads: NonZeroUsize, other: impl Fn() + Sync, own: impl FnOnce() -> T) -> T {
    let seed = SEED.with_borrow(|seed| seed.expect("only while exploring"));
    let state = State { current: 0, alive: (0..threads.get()).collect(), random: seed, steps: 0 };
    let turns = Arc::new(Turns { state: Mutex::new(state), changed: Condvar::new() });
    let run = |number: usize| {
        PLACE.set(Some((Arc::clone(&turns), number)));
        turns.wait(turns.lock(), number);
    };
    let leave = |number: usize| {
        PLACE.set(None);
        turns.end(number);
    };
    std::thread::scope(|scope| {
        for number in 1..threads.get() {
            let (run, leave, other) = (&run, &leave, &other);
            scope.spawn(move || {
                run(number);
                other();
                leave(number);
            });
        }
        run(0);
        let result = own();
        leave(0);
        result
    })
}

/// Runs `work`, whose threads take the steps that `seed` says.
pub(crate) fn explore<T>(seed: u64, work: impl FnOnce() -> T) -> T {
    SEED.set(Some(seed));
    let result = work();
    SEED.set(None);
    result
}

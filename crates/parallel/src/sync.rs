//! What threads share by: the standard library's, where tests can decide who goes on (see `explore`).

pub(crate) use own::*;
pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

/// Locks, for a moment in which no other thread is waited for. A thread that panicked ends the run; what it left is not looked at.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What threads write, on a cache line where nothing else is.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub T);

/// Looks at something before a thread lets others have the core.
const SPINS: usize = 200;

/// Waits for what another thread is about to do.
#[derive(Default)]
pub(crate) struct Patience {
    /// How often it has looked.
    looks: usize,
}

impl Patience {
    /// A moment, after a look that showed nothing.
    pub fn wait(&mut self) {
        self.looks += 1;
        if self.looks < SPINS { spin_loop() } else { yield_now() }
    }
}

/// One that a counter counts as long as it lives, through a panic too.
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Does something where its thread panics, so that no other one waits for it for ever. The panic then goes on in the thread that
/// asked for the work.
pub(crate) struct OnPanic<F: Fn()>(pub F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

/// Does something when it goes, however that comes about.
pub(crate) struct OnEnd<F: Fn()>(pub F);

impl<F: Fn()> Drop for OnEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(not(test))]
mod own {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
    pub(crate) use std::thread::yield_now;
}

#[cfg(test)]
mod own {
    use crate::explore::step;
    use std::sync::atomic::{self, Ordering};

    macro_rules! explored {
        ($($name:ident: $word:ty;)*) => {
            $(
                #[derive(Default)]
                pub(crate) struct $name(atomic::$name);

                #[allow(dead_code, reason = "each has what one of them needs")]
                impl $name {
                    pub fn new(value: $word) -> Self {
                        Self(atomic::$name::new(value))
                    }

                    pub fn load(&self, order: Ordering) -> $word {
                        step();
                        self.0.load(order)
                    }

                    pub fn store(&self, value: $word, order: Ordering) {
                        step();
                        self.0.store(value, order);
                    }

                    pub fn swap(&self, value: $word, order: Ordering) -> $word {
                        step();
                        self.0.swap(value, order)
                    }

                    pub fn into_inner(self) -> $word {
                        self.0.into_inner()
                    }
                }
            )*
        };
    }

    explored! {
        AtomicBool: bool;
        AtomicU32: u32;
        AtomicUsize: usize;
    }

    impl AtomicUsize {
        pub fn fetch_add(&self, value: usize, order: Ordering) -> usize {
            step();
            self.0.fetch_add(value, order)
        }

        pub fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
            step();
            self.0.fetch_sub(value, order)
        }

        pub fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            change: impl FnMut(usize) -> Option<usize>,
        ) -> Result<usize, usize> {
            step();
            self.0.fetch_update(set, fetch, change)
        }
    }

    pub(crate) struct OnceLock<T>(std::sync::OnceLock<T>);

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self(std::sync::OnceLock::new())
        }
    }

    impl<T> OnceLock<T> {
        pub fn get(&self) -> Option<&T> {
            step();
            self.0.get()
        }

        pub fn set(&self, value: T) -> Result<(), T> {
            step();
            self.0.set(value)
        }
    }

    pub(crate) fn spin_loop() {
        step();
    }

    pub(crate) fn yield_now() {
        step();
    }
}

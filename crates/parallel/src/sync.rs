//! What threads share by.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, OnceLock};
use std::sync::{MutexGuard, PoisonError};
pub(crate) use std::thread::yield_now;

/// Locks. A thread that panicked ends the run; what it left is not looked at.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

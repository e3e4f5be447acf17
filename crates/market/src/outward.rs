//! Operations that need a contract: to move a token, to ask a feed.
//!
//! The market does not call contracts itself. An operation that needs one returns [`Step::Call`] with what is to be called and a closure
//! that goes on with the answer. The module closes the records, so that whoever is called sees the state so far, marks the market as
//! busy, and lets the machine make the call; with the answer it opens the records again and runs the closure, which ends the operation or
//! asks for the next call. While the market is busy, calls that would change it are rejected with `Reentered`; asking it is allowed.
//!
//! A closure that rejects undoes the whole call, with what came before, because the machine undoes the frame.

use crate::error::MarketError;
use crate::market::Market;
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes};

/// How an operation goes on.
pub(crate) enum Step {
    /// It is done, with this ABI-encoded answer.
    Done(Vec<u8>),
    /// It waits for a call.
    Call(Outward),
}

/// A call that an operation waits for. Its caller is the market.
pub(crate) struct Outward {
    /// Who is called.
    pub to: Address,
    /// Call data.
    pub input: Bytes,
    /// Most gas for it.
    pub gas_limit: u64,
    /// Whether it must not change state.
    pub is_static: bool,
    /// Goes on with the answer.
    pub then: Then,
}

/// What came of the call.
pub(crate) struct Answer<'a> {
    /// Whether it succeeded. An account without code succeeds without output.
    pub success: bool,
    /// What it returned, or why it reverted.
    pub output: &'a [u8],
}

/// Goes on with an answer.
pub(crate) type Then = Box<dyn for<'a> FnOnce(&mut Market<'_, '_>, Answer<'a>) -> Result<Step, MarketError> + Send>;

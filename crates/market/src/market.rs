//! One call of the market, from its first record to its last event.
//!
//! A call opens the [`Records`], runs one operation on them, and closes them: the changed records go to the journal's slots and the
//! events to its logs. An operation that fails leaves nothing. Within a call, a part that may fail by itself (an action of a batch, one
//! account's liquidation) runs in [`Market::attempt`], which undoes that part alone.
//!
//! All operations are methods of [`Market`], each in the file of its concept.

use crate::error::{MarketError, Rejection};
use crate::meter::Meter;
use crate::records::Records;
use crate::types::BlockInfo;
use alloc::vec::Vec;
use alloy_primitives::{Address, LogData};
use alloy_sol_types::SolEvent;

/// See the module's documentation.
pub struct Market<'c, 'r> {
    /// All state.
    pub(crate) records: Records<'c, 'r>,
    /// The block that the call is part of.
    pub(crate) block: BlockInfo,
    /// Who called.
    pub(crate) caller: Address,
    /// Gas.
    pub(crate) meter: Meter,
    /// Events so far.
    pub(crate) events: Vec<LogData>,
    /// Gas of work that nobody paid for.
    pub(crate) unpaid_gas: u64,
}

impl<'c, 'r> Market<'c, 'r> {
    /// A call on these records.
    pub fn new(records: Records<'c, 'r>, block: BlockInfo, caller: Address, meter: Meter) -> Self {
        Self { records, block, caller, meter, events: Vec::new(), unpaid_gas: 0 }
    }

    /// All state, for who works with single operations of it.
    pub fn records(&mut self) -> &mut Records<'c, 'r> {
        &mut self.records
    }

    /// Ends the work: all state, to be closed or abandoned, and the events.
    pub fn finish(self) -> (Records<'c, 'r>, Vec<LogData>) {
        (self.records, self.events)
    }

    /// Notes an event.
    pub(crate) fn emit(&mut self, event: &impl SolEvent) {
        self.events.push(event.encode_log_data());
    }

    /// Runs a part of the call that may be rejected by itself: then its changes and events are undone, and the call goes on.
    pub(crate) fn attempt<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, MarketError>,
    ) -> Result<Result<T, Rejection>, MarketError> {
        let (mark, events) = (self.records.mark(), self.events.len());
        match part(self) {
            Ok(value) => Ok(Ok(value)),
            Err(MarketError::Rejected(rejection)) => {
                self.records.revert(mark);
                self.events.truncate(events);
                Ok(Err(*rejection))
            }
            Err(fatal) => Err(fatal),
        }
    }
}

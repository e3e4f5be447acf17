//! World state as execution sees it.
//!
//! Three ideas, one file each:
//!
//! * [`StateReader`] is the only way state comes in: a database snapshot, a witness, a multi-version memory, a map in a
//!   test. Readers wrap readers.
//! * [`Journal`] is the overlay a block executes on. It asks its reader once per account, slot and code, keeps what it
//!   read, records how to undo every change, and knows warmth, refunds, logs and transient storage.
//! * [`Diff`] is what leaves: an ordered value with the state before and after. Nothing here ever writes to a reader.
#![no_std]
extern crate alloc;

mod account;
mod code;
mod diff;
mod footprint;
mod journal;
mod log;
mod memory;
mod reader;
mod recorder;

pub use account::Account;
pub use code::{Code, DELEGATION_PREFIX};
pub use diff::{AccountDiff, Diff, Share, SlotDiff};
pub use footprint::{AccountRead, AccountUse, Footprint, SlotUse};
pub use journal::{
    AccountEntry, AccountId, ChangedAccount, ChangedSlot, Changes, Checkpoint, Extension, Journal, JournalReader,
    Located, SlotEntry, SlotId, SlotLook, Trial, TxChange, TxChangeRef, TxChanges,
};
pub use log::{Log, Topics};
pub use memory::{MemoryAccount, MemoryState};
pub use reader::{ReadError, StateReader};
pub use recorder::{AccessRecord, WitnessRecorder};

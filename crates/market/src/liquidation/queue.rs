//! The queue of accounts that wait for liquidation, first in, first out.
//!
//! Entries are numbered; those from `head` up to `tail` are in the queue. An account in the queue has a [`Case`] that says which entry is
//! its own: an account that recovered leaves its entry behind, which is skipped, and may enter again under a new number. So entering and
//! leaving cost a constant number of records. An account whose step is done and that has to wait goes to the end.
//!
//! Invariant: an account has a status other than healthy exactly if its case names an entry between head and tail that names the account;
//! `waiting` is the number of these.

use crate::abi::IMarket;
use crate::error::MarketError;
use crate::layout::{Account, AccountStatus, INSURANCE, TREASURY};
use crate::margin::Health;
use crate::market::Market;
use crate::positions::to_i256;
use crate::records::record;
use crate::types::{AccountId, InstrumentId, Side};

record! {
    /// The queue of liquidations.
    pub struct LiquidationQueue(tag 76, key (), "none") {
        {
            /// Number of the first entry.
            pub head: u64,
            /// Number of the next entry to be made.
            pub tail: u64,
            /// Accounts in the queue.
            pub waiting: u64,
            /// Whether the last search for accounts below maintenance was cut short by its budget.
            pub is_behind: bool,
        }
    }
}

record! {
    /// An entry of the queue.
    pub struct QueueEntry(tag 77, key u64, "number") {
        {
            /// The account.
            pub account: AccountId,
        }
    }
}

record! {
    /// An account's liquidation.
    pub struct Case(tag 78, key AccountId, "account") {
        {
            /// Number of its first entry in the queue, plus one, which names the case.
            pub sequence: u64,
            /// Number of its present entry.
            pub entry: u64,
            /// Block in which its auction began; zero if it has none yet.
            pub auction_block: u64,
            /// Block of its last step.
            pub step_block: u64,
        }
        {
            /// The instrument in which it had its largest position when the liquidation began; zero if it had none.
            pub instrument: InstrumentId,
            /// What it had to do to be rid of that position.
            pub side: Side,
        }
    }
}

impl Market<'_, '_> {
    /// Queues an account that is below maintenance, as its health says.
    pub(crate) fn enqueue(&mut self, id: AccountId, health: &Health) -> Result<(), MarketError> {
        let mut account = self.records.get::<Account>(id)?;
        if account.status != AccountStatus::Healthy || matches!(id, INSURANCE | TREASURY) {
            return Ok(());
        }
        account.status = AccountStatus::Queued;
        self.records.set(id, account)?;
        let entry = self.push_entry(id)?;
        self.records.update((), |queue: &mut LiquidationQueue| queue.waiting = queue.waiting.saturating_add(1))?;
        let case = Case { sequence: entry + 1, entry, ..Case::default() };
        self.records.set(id, case)?;
        self.emit(&IMarket::LiquidationQueued {
            account: id.0,
            sequence: case.sequence,
            equity: to_i256(health.equity),
            maintenanceMargin: to_i256(health.maintenance),
        });
        Ok(())
    }

    fn push_entry(&mut self, account: AccountId) -> Result<u64, MarketError> {
        let entry = self.records.update((), |queue: &mut LiquidationQueue| {
            queue.tail = queue.tail.saturating_add(1);
            queue.tail - 1
        })?;
        self.records.set(entry, QueueEntry { account })?;
        Ok(entry)
    }

    /// Takes the first entry off the queue; the account, if the entry is still its own.
    pub(crate) fn pop_entry(&mut self) -> Result<Option<AccountId>, MarketError> {
        let mut queue = self.records.get::<LiquidationQueue>(())?;
        let entry = queue.head;
        queue.head = queue.head.saturating_add(1);
        self.records.set((), queue)?;
        let account = self.records.get::<QueueEntry>(entry)?.account;
        self.records.set(entry, QueueEntry::default())?;
        let case = self.records.get::<Case>(account)?;
        Ok((account.0 != 0 && case.sequence != 0 && case.entry == entry).then_some(account))
    }

    /// Puts an account that was taken off back at the end.
    pub(crate) fn requeue(&mut self, account: AccountId) -> Result<(), MarketError> {
        let entry = self.push_entry(account)?;
        self.records.update(account, |case: &mut Case| case.entry = entry)?;
        Ok(())
    }

    /// Ends an account's case: it is above maintenance, or has nothing left.
    pub(crate) fn end_case(&mut self, id: AccountId) -> Result<(), MarketError> {
        let case = self.records.get::<Case>(id)?;
        if case.sequence == 0 {
            return Ok(());
        }
        self.records.set(id, Case::default())?;
        self.records.update(id, |account: &mut Account| account.status = AccountStatus::Healthy)?;
        self.records.update((), |queue: &mut LiquidationQueue| queue.waiting = queue.waiting.saturating_sub(1))?;
        let equity = to_i256(self.health(id)?.equity);
        self.emit(&IMarket::LiquidationEnded { account: id.0, sequence: case.sequence, equity });
        self.risk_changed(id)
    }

    /// Notes whether the search for accounts below maintenance was cut short.
    pub(crate) fn note_behind(&mut self, is_behind: bool) -> Result<(), MarketError> {
        self.records.update((), |queue: &mut LiquidationQueue| queue.is_behind = is_behind)?;
        Ok(())
    }
}

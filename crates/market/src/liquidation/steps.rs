//! One step of a liquidation, and the loop over the queue.
//!
//! A step takes an account as far as it can be taken in this block. It never leaves a state that another step could not go on from: every part
//! that may be refused (a halted book, a backstop without margin) runs by itself, and its refusal leads to the next part. An account that has
//! still equity waits for keepers for [`AUCTION_BLOCKS`]; a bankrupt one does not wait, as time can only make it worse.
//!
//! A loop goes through the entries that were in the queue when it began, so that an account has at most one step in a sweep.

use super::auction::AUCTION_BLOCKS;
use super::book::CANCELLED_BY_LIQUIDATION;
use super::queue::{Case, LiquidationQueue};
use crate::abi::IMarket;
use crate::budget::Stopped;
use crate::error::MarketError;
use crate::gas;
use crate::layout::{Account, AccountStatus, BACKSTOP};
use crate::market::Market;
use crate::types::{AccountId, InstrumentId, Side};
use alloc::vec::Vec;

/// Accounts that a sweep settles together at most.
const ROUND_ACCOUNTS: usize = 256;

/// Whose gas liquidations run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    /// The block's budget.
    Block,
    /// Who asked for them.
    Caller,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The account is above maintenance, or has nothing left.
    Done,
    /// It goes on in a later sweep.
    Waits,
    /// Nobody takes what it has, or it owes more than it has: it is settled with others of this side of an instrument.
    Settles(InstrumentId, Side),
}

impl Market<'_, '_> {
    /// Makes steps for accounts in the queue while the meter has gas for one, at most so many. Returns how many.
    /// Where a caller pays, its gas is all there is, and a step that it does not suffice for ends the call.
    pub(crate) fn liquidate_queued(&mut self, most_accounts: u32, who_pays: Payer) -> Result<u32, MarketError> {
        let least = match who_pays {
            Payer::Caller => 0,
            Payer::Block => gas::LIQUIDATION_STEP_MOST + gas::LIQUIDATION_ROUND_MOST,
        };
        let end = self.records.get::<LiquidationQueue>(())?.tail;
        let mut steps = 0;
        let mut settling: Vec<((InstrumentId, Side), AccountId)> = Vec::new();
        while steps < most_accounts
            && settling.len() < ROUND_ACCOUNTS
            && self.records.get::<LiquidationQueue>(())?.head < end
            && self.meter.left() >= least
        {
            self.meter.charge(gas::LIQUIDATION_STEP)?;
            let Some(account) = self.pop_entry()? else { continue };
            steps += 1;
            let step = self.attempt_on_budget(gas::LIQUIDATION_STEP_MOST, |market| market.liquidation_step(account))?;
            match step {
                Ok(Step::Done) => {}
                Ok(Step::Settles(instrument, side)) => settling.push(((instrument, side), account)),
                Err(Stopped::OutOfBudget) if who_pays == Payer::Caller => return Err(MarketError::OutOfGas),
                Ok(Step::Waits) | Err(_) => self.requeue(account)?,
            }
        }
        self.settle_rounds(settling, who_pays)?;
        Ok(steps)
    }

    /// Settles accounts in rounds, one for each side of an instrument.
    fn settle_rounds(
        &mut self,
        mut settling: Vec<((InstrumentId, Side), AccountId)>,
        who_pays: Payer,
    ) -> Result<(), MarketError> {
        // Stable: the order within a round is that of the queue.
        settling.sort_by_key(|((instrument, side), _)| (*instrument, *side == Side::Sell));
        for round in settling.chunk_by(|a, b| a.0 == b.0) {
            let accounts: Vec<AccountId> = round.iter().map(|(_, account)| *account).collect();
            if who_pays == Payer::Caller || self.meter.left() >= gas::LIQUIDATION_ROUND_MOST {
                let settle = |market: &mut Self| market.settle_round(round[0].0, &accounts);
                // A round that fails leaves nothing, and its accounts in the queue.
                let settled = self.attempt_on_budget(gas::LIQUIDATION_ROUND_MOST, settle)?;
                if who_pays == Payer::Caller && settled == Err(Stopped::OutOfBudget) {
                    return Err(MarketError::OutOfGas);
                }
            }
            for account in accounts {
                // Paid with the account's step: what left the queue has to come back to it or end, whatever gas is left.
                self.on_budget(gas::LIQUIDATION_STEP_MOST, |market| market.end_or_requeue(account))?;
            }
        }
        Ok(())
    }

    fn end_or_requeue(&mut self, id: AccountId) -> Result<(), MarketError> {
        if self.health(id)?.is_short() { self.requeue(id) } else { self.end_case(id) }
    }

    fn liquidation_step(&mut self, id: AccountId) -> Result<Step, MarketError> {
        let block = self.block.number;
        let mut case = self.records.get::<Case>(id)?;
        // What is settled pays its final price, whoever asks for it: nobody can take it over or buy it.
        let _ = self.attempt(|market| market.settle_all_expired(id))?;
        if !self.health(id)?.is_short() {
            return self.end_step(id);
        }
        if case.auction_block != 0 && case.step_block == block {
            return Ok(Step::Waits);
        }
        case.step_block = block;
        self.note_largest(id, &mut case)?;
        self.records.set(id, case)?;
        self.cancel_all(id, InstrumentId(0), CANCELLED_BY_LIQUIDATION)?;
        if self.records.get::<Account>(id)?.orders > 0 {
            return Ok(Step::Waits);
        }
        let Some(health) = self.sell_on_book(id)? else { return Ok(Step::Waits) };
        if !health.is_short() {
            return self.end_step(id);
        }
        if health.equity > 0 && id != BACKSTOP && self.auction_goes_on(id, &mut case)? {
            return Ok(Step::Waits);
        }
        if id != BACKSTOP {
            self.backstop_takes(id)?;
            if !self.health(id)?.is_short() {
                return self.end_step(id);
            }
        }
        Ok(Step::Settles(case.instrument, case.side))
    }

    /// Notes where an account has its largest position, if that is not known yet.
    fn note_largest(&mut self, id: AccountId, case: &mut Case) -> Result<(), MarketError> {
        if case.instrument.0 != 0 {
            return Ok(());
        }
        let items = self.items(id)?;
        if let Some(largest) = items.iter().filter(|item| item.asset.0 == 0).max_by_key(|item| item.value) {
            (case.instrument, case.side) = (largest.instrument, largest.side);
        }
        Ok(())
    }

    /// Whether keepers still have time; begins the auction if there is none yet.
    fn auction_goes_on(&mut self, id: AccountId, case: &mut Case) -> Result<bool, MarketError> {
        let block = self.block.number;
        if case.auction_block == 0 {
            case.auction_block = block.max(1);
            self.records.set(id, *case)?;
            self.records.update(id, |account: &mut Account| account.status = AccountStatus::Auctioned)?;
            let (account, sequence) = (id.0, case.sequence);
            self.emit(&IMarket::AuctionStarted { account, sequence, blockNumber: block });
        }
        Ok(block.saturating_sub(case.auction_block) < AUCTION_BLOCKS)
    }

    fn end_step(&mut self, id: AccountId) -> Result<Step, MarketError> {
        self.end_case(id)?;
        Ok(Step::Done)
    }
}

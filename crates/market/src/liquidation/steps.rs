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
use crate::error::MarketError;
use crate::gas;
use crate::layout::{Account, AccountStatus, BACKSTOP};
use crate::market::Market;
use crate::types::{AccountId, InstrumentId};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The account is above maintenance, or has nothing left.
    Done,
    /// It goes on in a later sweep.
    Waits,
}

impl Market<'_, '_> {
    /// Makes steps for accounts in the queue while the meter has gas for one, at most so many. Returns how many.
    pub(crate) fn liquidate_queued(&mut self, most_accounts: u32) -> Result<u32, MarketError> {
        let end = self.records.get::<LiquidationQueue>(())?.tail;
        let mut steps = 0;
        while steps < most_accounts
            && self.records.get::<LiquidationQueue>(())?.head < end
            && self.meter.left() >= gas::LIQUIDATION_STEP_MOST
        {
            self.meter.charge(gas::LIQUIDATION_STEP)?;
            let Some(account) = self.pop_entry()? else { continue };
            steps += 1;
            let step =
                self.attempt_on_budget(gas::LIQUIDATION_STEP_MOST, |market| market.liquidation_step(account))?;
            if step != Ok(Step::Done) {
                self.requeue(account)?;
            }
        }
        Ok(steps)
    }

    fn liquidation_step(&mut self, id: AccountId) -> Result<Step, MarketError> {
        let block = self.block.number;
        let mut case = self.records.get::<Case>(id)?;
        if !self.health(id)?.is_short() {
            return self.end_step(id);
        }
        if case.auction_block != 0 && case.step_block == block {
            return Ok(Step::Waits);
        }
        case.step_block = block;
        self.records.set(id, case)?;
        self.cancel_all(id, InstrumentId(0), CANCELLED_BY_LIQUIDATION)?;
        if self.records.get::<Account>(id)?.orders > 0 {
            return Ok(Step::Waits);
        }
        let health = self.sell_on_book(id)?;
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
        self.settle_bankrupt(id)?;
        if self.health(id)?.is_short() { Ok(Step::Waits) } else { self.end_step(id) }
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

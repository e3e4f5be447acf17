//! What nobody took and what an account owes beyond all it had.
//!
//! Positions that remain are closed at the mark against holders of the other side, in proportion to what they hold: this moves no money but
//! by rounding, which is in the winners' favour. Then the account's loss, the *bad debt* `D = −equity`, is paid
//!
//! 1. by the insurance fund, as far as its balance goes;
//! 2. by the winners: those that hold the other side of what it had, in proportion to their unrealised profits ([`super::deleverage`]). Of each at
//!    most its profit and its slack, so that nobody pays out of collateral and nobody is liquidated for it. All together pay at
//!    most what is left of `D`;
//! 3. by all who hold the quote asset: the supply index falls by the loss over all that is held. It is rounded up, so that the interest
//!    pool, which pays the loss at once and gets it back as balances settle, is never short.
//!
//! # Who the winners are
//! The health index knows them: who is long of a derivative has a trigger on its mark's axis downwards, who is short upwards. The walk begins at
//! the far end, with those who have most room, and takes at most [`MOST_WINNERS`], so that a step is bounded. Accounts in the queue
//! have no triggers and pay nothing; but what nobody else closes is closed against them.

use super::book::{Item, STAGE_DELEVERAGING, signed};
use super::deleverage::{pro_rata, split_lots};
use super::queue::{Case, LiquidationQueue, QueueEntry};
use crate::abi::IMarket;
use crate::assets::AssetState;
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::interest::INDEX_ONE;
use crate::layout::{BACKSTOP, INSURANCE, Instrument, Prices, QUOTE, TREASURY};
use crate::margin::standard::{position_equity, value_down};
use crate::market::Market;
use crate::quotient::mul_div_up;
use crate::risk_index::{Factor, Move, RiskTrigger, RiskLevel, axis};
use crate::types::{AccountId, Amount, InstrumentId, Lots, Side};
use alloc::vec::Vec;
use alloy_primitives::U256;

/// Holders of the other side that a round looks at.
pub(crate) const MOST_WINNERS: usize = 1_024;

/// A holder of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    account: AccountId,
    instrument: InstrumentId,
    lots: Lots,
    /// What it can give up.
    profit: Amount,
}

impl Market<'_, '_> {
    /// Closes what an account still has in derivatives against the other side, and settles its loss if it is bankrupt.
    pub(crate) fn settle_bankrupt(&mut self, id: AccountId) -> Result<(), MarketError> {
        let mut items = self.items(id)?;
        items.retain(|item| item.asset.0 == 0);
        let mut holders = Vec::new();
        for item in &items {
            let found = self.holders(item.instrument, item.side, id)?;
            self.deleverage_position(id, item, &found)?;
            holders.extend(found);
            if let Some(rest) = self.position_item(id, item.instrument)? {
                let waiting = self.waiting_holders(&rest)?;
                self.deleverage_position(id, &rest, &waiting)?;
            }
        }
        let mut debt = self.health(id)?.equity.saturating_neg();
        debt = debt.saturating_sub(self.insurance_pays(id, debt)?);
        if debt <= 0 {
            return Ok(());
        }
        debt = debt.saturating_sub(self.winners_pay(id, debt, &holders)?);
        if debt > 0 {
            self.socialise(id, debt)?;
        }
        Ok(())
    }

    fn insurance_pays(&mut self, id: AccountId, debt: Amount) -> Result<Amount, MarketError> {
        let paid = self.balance(INSURANCE, QUOTE)?.min(debt).max(0);
        if paid > 0 {
            self.move_balance(INSURANCE, id, QUOTE, paid)?;
            self.emit(&IMarket::InsurancePaid { account: id.0, amount: U256::from(paid.unsigned_abs()) });
        }
        Ok(paid)
    }

    /// Holders of the other side of what an account has to sell or buy, those with most room first.
    fn holders(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        except: AccountId,
    ) -> Result<Vec<Holder>, MarketError> {
        // Who sells needs shorts to close, whose triggers lie upwards; from the far end, so against the direction of a sweep.
        let (moves, walk, mut from) = match side {
            Side::Sell => (Move::Up, Move::Down, u32::MAX),
            Side::Buy => (Move::Down, Move::Up, 0),
        };
        let axis = axis(Factor::Mark(instrument).number(), moves);
        let (terms, prices) = (self.records.get::<Instrument>(instrument)?, self.records.get::<Prices>(instrument)?);
        let mut holders = Vec::new();
        let mut visits = 0;
        while let Some(level) = self.first_level(axis, walk, from)? {
            let RiskLevel { mut account, mut place } = self.records.get((axis, level))?;
            while account.0 != 0 && visits < MOST_WINNERS {
                visits += 1;
                self.meter.charge(gas::WINNER_VISIT)?;
                let trigger = self.records.get::<RiskTrigger>((account, place))?;
                let position = self.position(account, instrument)?;
                let is_other_side = (position.lots > 0) == (side == Side::Buy) && position.lots != 0;
                if is_other_side && !matches!(account, INSURANCE | TREASURY) && account != except {
                    let slack = self.health(account)?.slack();
                    let profit = position_equity(&terms, &prices, &position).min(slack).max(0);
                    holders.push(Holder { account, instrument, lots: position.lots.unsigned_abs(), profit });
                }
                (account, place) = (trigger.next_account, trigger.next_place);
            }
            let next = match walk {
                Move::Down => level.checked_sub(1),
                Move::Up => level.checked_add(1),
            };
            match next {
                Some(next) if visits < MOST_WINNERS => from = next,
                _ => break,
            }
        }
        Ok(holders)
    }

    /// Holders of the other side that wait for their own liquidation: they can close at the mark, but have nothing to give.
    fn waiting_holders(&mut self, item: &Item) -> Result<Vec<Holder>, MarketError> {
        let queue = self.records.get::<LiquidationQueue>(())?;
        let mut holders = Vec::new();
        let mut found: Lots = 0;
        for entry in (queue.head..queue.tail).take(MOST_WINNERS) {
            if found >= item.lots {
                break;
            }
            self.meter.charge(gas::WINNER_VISIT)?;
            let account = self.records.get::<QueueEntry>(entry)?.account;
            let case = self.records.get::<Case>(account)?;
            let lots = self.position(account, item.instrument)?.lots;
            if account.0 == 0 || case.sequence == 0 || case.entry != entry || signed(item.side, 1) != lots.signum() {
                continue;
            }
            found = found.saturating_add(lots.unsigned_abs());
            holders.push(Holder { account, instrument: item.instrument, lots: lots.unsigned_abs(), profit: 0 });
        }
        Ok(holders)
    }

    /// Closes a position at the mark against its holders on the other side.
    fn deleverage_position(
        &mut self,
        id: AccountId,
        item: &Item,
        holders: &[Holder],
    ) -> Result<(), MarketError> {
        let terms = self.records.get::<Instrument>(item.instrument)?;
        let held: Vec<Lots> = holders.iter().map(|holder| holder.lots).collect();
        for (holder, lots) in holders.iter().zip(split_lots(item.lots, &held)) {
            if lots == 0 {
                continue;
            }
            self.meter.charge(gas::TAKEOVER)?;
            // Who closes a short pays rounded down, who closes a long is paid rounded up: in favour of the holder.
            let value = match item.side {
                Side::Sell => value_down(&terms, lots, item.mark),
                Side::Buy => crate::margin::standard::value_up(&terms, lots, item.mark),
            };
            let (moved, cost) = (signed(item.side, lots), value * Amount::from(item.side.sign()));
            self.change_position(id, item.instrument, moved, cost)?;
            self.change_position(holder.account, item.instrument, -moved, -cost)?;
            self.tell_liquidated(id, item.instrument, holder.account, STAGE_DELEVERAGING, moved, value, 0);
            self.risk_changed(holder.account)?;
        }
        Ok(())
    }

    /// Takes a loss from winners' profits, in proportion; never more than the loss. Returns what was taken.
    fn winners_pay(
        &mut self,
        id: AccountId,
        debt: Amount,
        holders: &[Holder],
    ) -> Result<Amount, MarketError> {
        // Who is a winner in several instruments has one slack for all of them.
        let mut profits: Vec<Amount> = Vec::with_capacity(holders.len());
        for holder in holders {
            let slack = if holder.profit > 0 { self.health(holder.account)?.slack().max(0) } else { 0 };
            let spoken_for = holders.iter().zip(&profits).filter(|(other, _)| other.account == holder.account);
            let left = spoken_for.fold(slack, |left, (_, profit)| left.saturating_sub(*profit));
            profits.push(holder.profit.min(left).max(0));
        }
        let mut taken: Amount = 0;
        for (holder, cut) in holders.iter().zip(pro_rata(debt, &profits)) {
            if cut == 0 {
                continue;
            }
            self.meter.charge(gas::TAKEOVER)?;
            self.move_balance(holder.account, id, QUOTE, cut)?;
            taken = taken.saturating_add(cut);
            self.emit(&IMarket::Deleveraged {
                winner: holder.account.0,
                account: id.0,
                instrument: holder.instrument.0,
                haircut: U256::from(cut.unsigned_abs()),
            });
            self.risk_changed(holder.account)?;
        }
        Ok(taken)
    }

    /// Takes a loss from all who hold the quote asset.
    fn socialise(&mut self, id: AccountId, loss: Amount) -> Result<(), MarketError> {
        let mut state = self.accrued(QUOTE)?;
        // What is held is at most this; at least a millionth less, as each balance is rounded up by less than a unit of many.
        let margin = loss / 1_000_000 + 1;
        let padded = loss.checked_add(margin).ok_or(Rejection::Overflow)?.unsigned_abs();
        let fall = mul_div_up(padded, INDEX_ONE, state.supply_scaled.max(1));
        if fall >= state.supply_index {
            return Err(Rejection::Forbidden { state: "the loss is larger than all that is held" }.into());
        }
        state.supply_index -= fall;
        state.pool = state.pool.checked_sub(loss).ok_or(Rejection::Overflow)?;
        let supply_index = U256::from(state.supply_index);
        self.records.set::<AssetState>(QUOTE, state)?;
        self.add_balance(id, QUOTE, loss)?;
        let amount = U256::from(loss.unsigned_abs());
        self.emit(&IMarket::LossSocialised { account: id.0, asset: QUOTE.0, amount, supplyIndex: supply_index });
        if id != BACKSTOP {
            self.risk_changed(BACKSTOP)?;
        }
        Ok(())
    }
}

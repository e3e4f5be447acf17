//! What nobody took and what accounts owe beyond all they had.
//!
//! Accounts that got so far in a sweep are settled together, in a *round* for each side of an instrument (an account belongs to where its
//! largest position was when its liquidation began), so that the winners are looked for once and all pay the same share.
//!
//! Positions that remain are closed at the mark against holders of the other side, in proportion to what they hold: this moves no money but
//! by rounding, which is in the winners' favour. Then the accounts' losses, the *bad debt* `D = Σ −equity`, are paid
//!
//! 1. by the insurance fund, as far as its balance goes;
//! 2. by the winners: those that hold the other side of the round's instrument, in proportion to their unrealised profits ([`super::deleverage`]). Of each at
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
use crate::layout::{BACKSTOP, INSURANCE, Instrument, Prices, QUOTE};
use crate::margin::standard::{position_equity, value_down, value_up};
use crate::market::Market;
use crate::quotient::mul_div_up;
use crate::risk_index::{Factor, Move, RiskLevel, RiskTrigger, axis};
use crate::types::{AccountId, Amount, InstrumentId, Lots, Side};
use alloc::vec::Vec;
use alloy_primitives::U256;

/// Holders of the other side that a round looks at.
pub(crate) const MOST_WINNERS: usize = 1_024;

/// Instruments beside its own that a round closes.
const MOST_CLOSED: usize = 1;

/// A holder of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    account: AccountId,
    instrument: InstrumentId,
    lots: Lots,
    /// What it can give up.
    profit: Amount,
}

/// The other side of a market: who sells it, and who holds against that.
type Against = (InstrumentId, Side);

/// An account that is closed, or closes with it, and lots of that.
type Share = (AccountId, Lots);

impl Market<'_, '_> {
    /// A round: closes what accounts still have in derivatives against the other side, and settles the losses of those that are bankrupt.
    /// All had most of their loss on one side of one instrument. At most [`MOST_CLOSED`] other instruments are closed; the rest is for
    /// another round.
    pub(crate) fn settle_round(&mut self, against: Against, accounts: &[AccountId]) -> Result<(), MarketError> {
        let mut open = Vec::new();
        for &account in accounts {
            let items = self.items(account)?;
            open.extend(items.into_iter().filter(|item| item.asset.0 == 0).map(|item| (account, item)));
        }
        // The instrument of the round comes first.
        open.sort_by_key(|(_, item)| (item.instrument != against.0, item.instrument));
        let mut winners = None;
        for market in open.chunk_by(|(_, a), (_, b)| a.instrument == b.instrument).take(1 + MOST_CLOSED) {
            self.close_market(against, market, &mut winners)?;
        }
        let mut debts = Vec::new();
        for &account in accounts {
            let debt = self.health(account)?.equity.saturating_neg();
            let left = debt.saturating_sub(self.insurance_pays(account, debt)?);
            if left > 0 {
                debts.push((account, left));
            }
        }
        if debts.is_empty() {
            return Ok(());
        }
        let winners = match winners {
            Some(winners) => winners,
            None => self.holders(against)?,
        };
        self.winners_pay(&mut debts, &winners)?;
        for (account, loss) in debts.into_iter().filter(|(_, loss)| *loss > 0) {
            self.socialise(account, loss)?;
        }
        Ok(())
    }

    /// Closes positions in one instrument: against each other, then against holders in proportion, then against others that wait.
    fn close_market(
        &mut self,
        against: Against,
        open: &[(AccountId, Item)],
        winners: &mut Option<Vec<Holder>>,
    ) -> Result<(), MarketError> {
        let Some((_, first)) = open.first() else { return Ok(()) };
        let of_side = |side| -> Vec<Share> {
            let items = open.iter().filter(|(_, item)| item.side == side);
            items.map(|(account, item)| (*account, item.lots)).collect()
        };
        let (mut sells, mut buys) = (of_side(Side::Sell), of_side(Side::Buy));
        self.close_pairs(first, Side::Sell, &mut sells, &mut buys)?;
        for (side, mut rest) in [(Side::Sell, sells), (Side::Buy, buys)] {
            let lots = rest.iter().fold(0, |sum: Lots, (_, lots)| sum.saturating_add(*lots));
            if lots == 0 {
                continue;
            }
            let holders = self.holders((first.instrument, side))?;
            let held: Vec<Lots> = holders.iter().map(|holder| holder.lots).collect();
            let shares = holders.iter().zip(split_lots(lots, &held));
            let mut shares: Vec<Share> = shares.map(|(holder, lots)| (holder.account, lots)).collect();
            self.close_pairs(first, side, &mut rest, &mut shares)?;
            if (first.instrument, side) == against {
                *winners = Some(holders);
            }
            let lots = rest.iter().fold(0, |sum: Lots, (_, lots)| sum.saturating_add(*lots));
            let mut waiting = self.waiting_holders((first.instrument, side), lots)?;
            self.close_pairs(first, side, &mut rest, &mut waiting)?;
        }
        Ok(())
    }

    /// Closes lots of the ones, who sell or buy, against the others at the mark, until one side has none.
    fn close_pairs(
        &mut self,
        item: &Item,
        side: Side,
        ones: &mut [Share],
        others: &mut [Share],
    ) -> Result<(), MarketError> {
        let terms = self.records.get::<Instrument>(item.instrument)?;
        let mut ones = ones.iter_mut().filter(|(_, lots)| *lots > 0).peekable();
        for (other, other_left) in others.iter_mut().filter(|(_, lots)| *lots > 0) {
            while *other_left > 0
                && let Some((one, one_left)) = ones.peek_mut()
            {
                self.meter.charge(gas::TAKEOVER)?;
                let lots = (*one_left).min(*other_left);
                // Who closes a short pays rounded down, who closes a long is paid rounded up: in favour of the other.
                let value = match side {
                    Side::Sell => value_down(&terms, lots, item.mark),
                    Side::Buy => value_up(&terms, lots, item.mark),
                };
                let (moved, cost) = (signed(side, lots), value * Amount::from(side.sign()));
                self.change_position(*one, item.instrument, moved, cost)?;
                self.change_position(*other, item.instrument, -moved, -cost)?;
                self.tell_liquidated(*one, item.instrument, *other, STAGE_DELEVERAGING, moved, value, 0);
                (*one_left, *other_left) = (*one_left - lots, *other_left - lots);
                if *one_left == 0 {
                    ones.next();
                }
            }
            self.risk_changed(*other)?;
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
    fn holders(&mut self, (instrument, side): Against) -> Result<Vec<Holder>, MarketError> {
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
            if account.0 == 0 {
                // No level is left without accounts; one that is counts as a visit all the same, so that the walk ends.
                visits += 1;
                self.meter.charge(gas::WINNER_VISIT)?;
            }
            while account.0 != 0 && visits < MOST_WINNERS {
                visits += 1;
                self.meter.charge(gas::WINNER_VISIT)?;
                let trigger = self.records.get::<RiskTrigger>((account, place))?;
                let position = self.position(account, instrument)?;
                let is_other_side = (position.lots > 0) == (side == Side::Buy) && position.lots != 0;
                if is_other_side {
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
    fn waiting_holders(&mut self, (instrument, side): Against, lots: Lots) -> Result<Vec<Share>, MarketError> {
        let queue = self.records.get::<LiquidationQueue>(())?;
        let mut shares = Vec::new();
        let mut found: Lots = 0;
        for entry in (queue.head..queue.tail).take(MOST_WINNERS) {
            if found >= lots {
                break;
            }
            self.meter.charge(gas::WINNER_VISIT)?;
            let account = self.records.get::<QueueEntry>(entry)?.account;
            let case = self.records.get::<Case>(account)?;
            let held = self.position(account, instrument)?.lots;
            let is_waiting = account.0 != 0 && case.sequence != 0 && case.entry == entry;
            if is_waiting && signed(side, 1) == held.signum() {
                found = found.saturating_add(held.unsigned_abs());
                shares.push((account, held.unsigned_abs()));
            }
        }
        Ok(shares)
    }

    /// Takes losses from winners' profits, in proportion; never more than the losses. What is left of them stays in `debts`.
    fn winners_pay(&mut self, debts: &mut [(AccountId, Amount)], winners: &[Holder]) -> Result<(), MarketError> {
        let mut profits: Vec<Amount> = Vec::with_capacity(winners.len());
        for winner in winners {
            let slack = if winner.profit > 0 { self.health(winner.account)?.slack() } else { 0 };
            profits.push(winner.profit.min(slack).max(0));
        }
        let total = debts.iter().fold(0, |sum: Amount, (_, debt)| sum.saturating_add(*debt));
        let mut debts = debts.iter_mut().peekable();
        for (winner, mut cut) in winners.iter().zip(pro_rata(total, &profits)) {
            if cut == 0 {
                continue;
            }
            while cut > 0
                && let Some((account, debt)) = debts.peek_mut()
            {
                self.meter.charge(gas::TAKEOVER)?;
                let paid = cut.min(*debt);
                self.move_balance(winner.account, *account, QUOTE, paid)?;
                self.emit(&IMarket::Deleveraged {
                    winner: winner.account.0,
                    account: account.0,
                    instrument: winner.instrument.0,
                    haircut: U256::from(paid.unsigned_abs()),
                });
                (cut, *debt) = (cut - paid, *debt - paid);
                if *debt == 0 {
                    debts.next();
                }
            }
            self.risk_changed(winner.account)?;
        }
        Ok(())
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

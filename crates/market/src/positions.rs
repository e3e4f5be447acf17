//! Positions: what fills, funding and settlements do to an account.
//!
//! # Derivatives
//! A position is a signed number of lots and what was paid for them, its cost. A fill of `n` lots at `t` ticks has the value
//! `n × t × tick_value`, an exact integer, which is added to the buyer's cost and taken from the seller's. Lots that close a part of a position
//! take their share of its cost with them; the difference between that share and the value of the fill is realised: it goes to
//! the balance of the quote asset. So `balance − cost` moves by exactly the value of the fill, however the share is rounded, and
//!
//! ```text
//! Σ balances − Σ costs + funding pools + interest pool = tokens in custody
//! ```
//!
//! holds for the quote asset to the last unit, because a fill has two sides (sums over accounts, instruments). For other assets there are
//! no costs and no funding. Options are kept in the same way: an option's premium is its cost, and its value is in the equity at its mark
//! price. That they can't be bought on margin is the margin's affair (see [`crate::margin`]): who is long needs the whole value in initial
//! margin, as though the premium had been paid up-front, and who is short can't spend the premium.
//!
//! # Spot
//! A fill of a spot pair moves the base asset and its value in the quote asset between the balances. Nobody has a position in it; the
//! record holds the lots of resting orders alone.
//!
//! # Funding
//! Each lot's funding since it was last settled is the growth of the instrument's funding index. It is settled before a position changes;
//! payers pay rounded up into the instrument's funding pool, receivers get rounded down out of it, so with as many lots long as short
//! the pool is never owed less than it owes.
//!
//! None of these tells the health index: the operation that uses them calls `risk_changed` for each account at its end. Nor do they
//! write an event for a fill, which has its own that says it all.

use crate::abi::IMarket;
use crate::error::{MarketError, Rejection};
use crate::layout::{AccountStatus, Instrument, InstrumentKind, Position, Prices, QUOTE, TREASURY};
use crate::market::Market;
use crate::quotient::{signed_mul_div_down, signed_mul_div_up};
use crate::types::{AccountId, Amount, InstrumentId, Lots, MAX_AMOUNT, MAX_LOTS, Side, Ticks};
use alloy_primitives::{I256, U256};

/// Funding is kept in this part of a quote base unit.
const FUNDING_UNIT: u128 = 1_000_000;

/// What a change of a position brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Realised, in quote base units, before fees and funding.
    pub realised: Amount,
    /// Funding paid; negative is received.
    pub funding: Amount,
}

impl Instrument {
    /// The value of a fill, in quote base units.
    pub fn fill_value(&self, lots: Lots, ticks: Ticks) -> Result<Amount, Rejection> {
        if lots > MAX_LOTS {
            return Err(Rejection::LimitReached { what: "lots", limit: MAX_LOTS });
        }
        let value = (i128::from(lots) * i128::from(ticks)).checked_mul(i128::from(self.tick_value));
        value.filter(|value| *value <= MAX_AMOUNT).ok_or(Rejection::Overflow)
    }

    /// Base units of the base asset in so many lots of a spot pair.
    pub fn base_units(&self, lots: Lots) -> Result<Amount, Rejection> {
        let units = u128::from(lots).checked_mul(self.lot_size).and_then(|units| i128::try_from(units).ok());
        units.filter(|units| *units <= MAX_AMOUNT).ok_or(Rejection::Overflow)
    }
}

impl Position {
    /// Funding that so many lots owe at this index, rounded up; negative is owed to them.
    pub fn funding_owed(&self, funding_index: i128) -> Amount {
        match funding_index.saturating_sub(self.funding_index) {
            0 => 0,
            growth if self.lots >= 0 => signed_mul_div_up(growth, u128::from(self.lots.unsigned_abs()), FUNDING_UNIT),
            growth => -signed_mul_div_down(growth, u128::from(self.lots.unsigned_abs()), FUNDING_UNIT),
        }
    }

    /// Adds lots that cost this much (both negative for a sale). Returns what is realised, rounded down.
    pub(crate) fn add_lots(&mut self, lots: i64, value: Amount) -> Result<Amount, Rejection> {
        if lots == 0 {
            return if value == 0 { Ok(0) } else { Err(Rejection::Forbidden { state: "a value without lots" }) };
        }
        let held = self.lots;
        let after = held.checked_add(lots).filter(|after| after.unsigned_abs() <= MAX_LOTS);
        let after = after.ok_or(Rejection::LimitReached { what: "lots", limit: MAX_LOTS })?;
        let is_closing = held != 0 && (held > 0) != (lots > 0);
        let closed = if is_closing { lots.unsigned_abs().min(held.unsigned_abs()) } else { 0 };
        // Of the cost, the share of the lots that are closed; of the value, likewise. All at once where all is closed.
        let share = |of: Amount, part: u64, whole: u64| {
            if part == whole { of } else { signed_mul_div_up(of, u128::from(part), u128::from(whole)) }
        };
        let (closed_cost, closed_value) = match closed {
            0 => (0, 0),
            _ => (share(self.cost, closed, held.unsigned_abs()), share(value, closed, lots.unsigned_abs())),
        };
        // What was closed is bought and sold: its cost less what it fetched, with the sign of a gain.
        let realised = closed_cost.checked_add(closed_value).and_then(i128::checked_neg);
        let opened_value = value.checked_sub(closed_value);
        let cost = self.cost.checked_sub(closed_cost).zip(opened_value).and_then(|(cost, more)| cost.checked_add(more));
        self.cost = cost.filter(|cost| cost.unsigned_abs() <= MAX_AMOUNT.unsigned_abs()).ok_or(Rejection::Overflow)?;
        self.lots = after;
        realised.ok_or(Rejection::Overflow)
    }

    /// Whether nothing is left of it.
    fn is_empty(&self) -> bool {
        self.lots == 0 && self.bid_lots == 0 && self.ask_lots == 0
    }
}

impl Market<'_, '_> {
    /// A position, or none.
    pub fn position(&mut self, account: AccountId, instrument: InstrumentId) -> Result<Position, MarketError> {
        Ok(self.records.get::<Position>((account, instrument))?)
    }

    /// One side of a fill. Pays the fee (negative is a rebate) to the treasury. Returns what is realised.
    ///
    /// The caller checks margin, the open interest ([`Market::require_open_interest`]) and writes the event.
    pub fn apply_fill(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        lots: Lots,
        ticks: Ticks,
        fee: Amount,
    ) -> Result<Amount, MarketError> {
        let terms = self.listed(instrument)?;
        let value = terms.fill_value(lots, ticks)? * i128::from(side.sign());
        if terms.kind == InstrumentKind::Spot {
            self.fill_spot(account, &terms, side, lots, value.checked_add(fee).ok_or(Rejection::Overflow)?)?;
            self.pay_fee(fee)?;
            return Ok(0);
        }
        // At most MAX_LOTS, which the value has checked.
        let change = self.change_lots(account, instrument, lots as i64 * side.sign(), value)?;
        let gain = change.realised.checked_sub(change.funding).and_then(|gain| gain.checked_sub(fee));
        let gain = gain.ok_or(Rejection::Overflow)?;
        if gain != 0 {
            self.add_balance(account, QUOTE, gain)?;
        }
        self.pay_fee(fee)?;
        Ok(change.realised)
    }

    /// Pays a fee to the treasury, which pays rebates.
    fn pay_fee(&mut self, fee: Amount) -> Result<(), MarketError> {
        if fee != 0 {
            self.add_balance(TREASURY, QUOTE, fee)?;
        }
        Ok(())
    }

    /// An instrument that is listed.
    pub(crate) fn listed(&mut self, id: InstrumentId) -> Result<Instrument, MarketError> {
        let terms = self.records.get::<Instrument>(id)?;
        match terms.kind {
            InstrumentKind::Unlisted => Err(Rejection::Unknown { what: "instrument", id: U256::from(id.0) }.into()),
            _ => Ok(terms),
        }
    }

    /// Moves both assets of a spot fill; `cost` is what is paid, with the fee.
    fn fill_spot(
        &mut self,
        account: AccountId,
        terms: &Instrument,
        side: Side,
        lots: Lots,
        cost: Amount,
    ) -> Result<(), MarketError> {
        let units = terms.base_units(lots)? * i128::from(side.sign());
        // Who is being liquidated did not wish for it: then nothing is refused.
        let is_forced = self.account(account)?.status != AccountStatus::Healthy;
        for (asset, amount) in [(terms.base, units), (QUOTE, cost.saturating_neg())] {
            if is_forced || amount >= 0 {
                self.add_balance(account, asset, amount)?;
            } else {
                self.spend_balance(account, asset, amount.saturating_neg())?;
            }
        }
        Ok(())
    }

    /// Adds lots of a derivative at a value in quote base units (both negative for a sale) to a position. Funding and gain go to
    /// the balance: for takeovers, deleveraging and settlements, whose other side has to be changed by the opposite.
    pub fn change_position(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        lots: i64,
        value: Amount,
    ) -> Result<Amount, MarketError> {
        let change = self.change_lots(account, instrument, lots, value)?;
        let gain = change.realised.checked_sub(change.funding).ok_or(Rejection::Overflow)?;
        self.add_balance(account, QUOTE, gain)?;
        self.emit_position(account, instrument, change.realised)?;
        Ok(change.realised)
    }

    /// Settles funding and changes lots and cost; what comes of it is to be added to the balance.
    fn change_lots(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        lots: i64,
        value: Amount,
    ) -> Result<Change, MarketError> {
        let mut prices = self.records.get::<Prices>(instrument)?;
        let mut position = self.records.get::<Position>((account, instrument))?;
        let was_empty = position.is_empty();
        let funding = position.funding_owed(prices.funding_index);
        let held_long = position.lots.max(0).unsigned_abs();
        let realised = position.add_lots(lots, value)?;
        let long = position.lots.max(0).unsigned_abs();
        position.funding_index = if position.lots == 0 { 0 } else { prices.funding_index };
        prices.open_lots = (prices.open_lots.saturating_add(long)).saturating_sub(held_long);
        prices.funding_pool = prices.funding_pool.checked_add(funding).ok_or(Rejection::Overflow)?;
        self.records.set(instrument, prices)?;
        self.records.set((account, instrument), position)?;
        match (was_empty, position.is_empty()) {
            (true, false) => self.list_position(account, instrument)?,
            (false, true) => self.unlist_position(account, instrument)?,
            _ => {}
        }
        if funding != 0 {
            self.emit_funding(account, instrument, funding);
        }
        Ok(Change { realised, funding })
    }

    /// Pays what funding an account owes in an instrument, or is owed. Returns what it paid.
    pub fn settle_funding(&mut self, account: AccountId, instrument: InstrumentId) -> Result<Amount, MarketError> {
        let mut position = self.records.get::<Position>((account, instrument))?;
        if position.lots == 0 {
            return Ok(0);
        }
        let mut prices = self.records.get::<Prices>(instrument)?;
        let funding = position.funding_owed(prices.funding_index);
        position.funding_index = prices.funding_index;
        self.records.set((account, instrument), position)?;
        if funding == 0 {
            return Ok(0);
        }
        prices.funding_pool = prices.funding_pool.checked_add(funding).ok_or(Rejection::Overflow)?;
        self.records.set(instrument, prices)?;
        self.add_balance(account, QUOTE, funding.checked_neg().ok_or(Rejection::Overflow)?)?;
        self.emit_funding(account, instrument, funding);
        Ok(funding)
    }

    /// Counts lots of an order that now rests.
    pub fn reserve_order(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        lots: Lots,
    ) -> Result<(), MarketError> {
        self.change_resting(account, instrument, side, |resting| {
            resting.checked_add(lots).filter(|lots| *lots <= MAX_LOTS).ok_or(Rejection::Overflow)
        })
    }

    /// Counts lots no longer that were filled or cancelled.
    pub fn release_order(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        lots: Lots,
    ) -> Result<(), MarketError> {
        self.change_resting(account, instrument, side, |resting| Ok(resting.saturating_sub(lots)))
    }

    /// Changes the lots of resting orders of a side, and keeps the account's list of positions.
    fn change_resting(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        change: impl FnOnce(Lots) -> Result<Lots, Rejection>,
    ) -> Result<(), MarketError> {
        let mut position = self.records.get::<Position>((account, instrument))?;
        let was_empty = position.is_empty();
        let resting = position.resting(side);
        *resting = change(*resting)?;
        let is_empty = position.is_empty();
        self.records.set((account, instrument), position)?;
        match (was_empty, is_empty) {
            (true, false) => self.list_position(account, instrument),
            (false, true) => self.unlist_position(account, instrument),
            _ => Ok(()),
        }
    }

    /// Refuses if more lots are open than the instrument allows: to be asked after both sides of a fill.
    pub fn require_open_interest(&mut self, instrument: InstrumentId) -> Result<(), MarketError> {
        let most = self.listed(instrument)?.max_open_lots;
        let open = self.records.get::<Prices>(instrument)?.open_lots;
        if open > most {
            let (value, most) = (U256::from(open), U256::from(most));
            return Err(Rejection::OutOfRange { what: "open lots", value, least: U256::ZERO, most }.into());
        }
        Ok(())
    }

    /// Notes a position that changed otherwise than by a fill.
    pub(crate) fn emit_position(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        realised: Amount,
    ) -> Result<(), MarketError> {
        let position = self.records.get::<Position>((account, instrument))?;
        self.emit(&IMarket::PositionChanged {
            account: account.0,
            instrument: instrument.0,
            lots: position.lots,
            cost: to_i256(position.cost),
            realised: to_i256(realised),
        });
        Ok(())
    }

    fn emit_funding(&mut self, account: AccountId, instrument: InstrumentId, paid: Amount) {
        self.emit(&IMarket::FundingSettled { account: account.0, instrument: instrument.0, paid: to_i256(paid) });
    }
}

impl Position {
    fn resting(&mut self, side: Side) -> &mut Lots {
        match side {
            Side::Buy => &mut self.bid_lots,
            Side::Sell => &mut self.ask_lots,
        }
    }
}

/// As the 256-bit number of the interface.
pub(crate) fn to_i256(amount: Amount) -> I256 {
    I256::try_from(amount).unwrap_or_default()
}

//! Triggers: an account's marks on the axis of a risk factor, in order, so that a factor that moves meets only those between its old
//! value and its new one.
//!
//! A trigger lies in the list of its level; the price index knows which levels have a list. Each account has a fixed place for each of its
//! triggers, so that a trigger is found, moved and removed without a search. A list is entered at its head; its order is of no matter, as
//! all of it is met at once.
//!
//! A factor has a version, the number of its moves that were swept. A trigger remembers the version at which it was set. A trigger whose
//! version is the factor's was set after the factor's last move: it is safe even in the level in which the factor is now, which is how
//! the sweep tells what it has looked at from what it has not (see [`super`]).

use super::level::level_of;
use crate::book::{IndexKind, namespace};
use crate::error::MarketError;
use crate::market::Market;
use crate::records::record;
use crate::types::{AccountId, Amount, AssetId, InstrumentId};

/// What an account's health depends on. Values are in millionths of a quote base unit, of one lot or of `2^64` scaled base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Factor {
    /// The mark of a lot of a derivative.
    Mark(InstrumentId),
    /// What a long lot of a derivative has paid in funding since it was listed.
    Funding(InstrumentId),
    /// The index of an instrument.
    Index(InstrumentId),
    /// The standard deviation of an option's underlying until expiry, in parts of 10^12.
    Deviation(InstrumentId),
    /// The volatility of an option's underlying, in millionths.
    Volatility(InstrumentId),
    /// What is held of an asset: price × supply index.
    Held(AssetId),
    /// What is owed of an asset: price × borrow index.
    Owed(AssetId),
}

impl Factor {
    /// The factor's number.
    pub(crate) fn number(self) -> u64 {
        let (kind, id) = match self {
            Self::Mark(id) => (1, id.0),
            Self::Funding(id) => (2, id.0),
            Self::Index(id) => (3, id.0),
            Self::Deviation(id) => (4, id.0),
            Self::Volatility(id) => (7, id.0),
            Self::Held(id) => (5, id.0),
            Self::Owed(id) => (6, id.0),
        };
        kind << 16 | u64::from(id)
    }

    /// The factor with a number.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        let id = number as u16;
        Some(match number >> 16 {
            1 => Self::Mark(InstrumentId(id)),
            2 => Self::Funding(InstrumentId(id)),
            3 => Self::Index(InstrumentId(id)),
            4 => Self::Deviation(InstrumentId(id)),
            5 => Self::Held(AssetId(id)),
            6 => Self::Owed(AssetId(id)),
            7 => Self::Volatility(InstrumentId(id)),
            _ => return None,
        })
    }
}

/// Which way a factor moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Move {
    /// To smaller values.
    Down,
    /// To larger values.
    Up,
}

/// A factor's axis in one direction, as a namespace of the price index.
pub(crate) fn axis(factor: u64, moves: Move) -> u64 {
    match moves {
        Move::Down => namespace(IndexKind::RiskBelow, factor),
        Move::Up => namespace(IndexKind::RiskAbove, factor),
    }
}

/// Whether a trigger at a level is met by a factor at a level.
pub(crate) fn is_met(moves: Move, trigger: u32, factor: u32) -> bool {
    match moves {
        Move::Down => factor <= trigger,
        Move::Up => factor >= trigger,
    }
}

record! {
    /// A risk factor as it was last swept.
    pub struct FactorState(tag 72, key u64, "factor") {
        {
            /// Value, in millionths of a quote base unit.
            pub value: i128,
            /// Moves so far.
            pub version: u32,
            /// Whether triggers may be met that were not looked at.
            pub is_behind: bool,
            /// Its place in the list of watched factors, plus one; zero if it is not watched.
            pub listed: u32,
        }
    }
}

record! {
    /// How many factors are watched.
    pub struct FactorCount(tag 81, key (), "none") {
        {
            /// Factors, at places 0 to this.
            pub count: u32,
        }
    }
}

record! {
    /// A factor with triggers.
    pub struct WatchedFactor(tag 82, key u32, "place") {
        {
            /// Its number.
            pub factor: u64,
        }
    }
}

record! {
    /// How many triggers an account has.
    pub struct Watch(tag 73, key AccountId, "account") {
        {
            /// Triggers, at places 0 to this.
            pub triggers: u8,
        }
    }
}

record! {
    /// A trigger.
    pub struct RiskTrigger(tag 74, key (AccountId, u8), "account, place") {
        {
            /// The axis that it lies on.
            pub axis: u64,
            /// Its level.
            pub level: u32,
            /// The factor's version when it was set.
            pub version: u32,
            /// Account of the one before it in the list; zero for the first.
            pub previous_account: AccountId,
            /// Place of the one before it.
            pub previous_place: u8,
            /// Account of the one after it; zero for the last.
            pub next_account: AccountId,
            /// Place of the one after it.
            pub next_place: u8,
        }
    }
}

record! {
    /// The list of the triggers at a level.
    pub struct RiskLevel(tag 75, key (u64, u32), "axis, level") {
        {
            /// Account of the first; zero if there is none.
            pub account: AccountId,
            /// Place of the first.
            pub place: u8,
        }
    }
}

/// A trigger to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewTrigger {
    pub factor: Factor,
    pub moves: Move,
    /// The factor's value now.
    pub value: Amount,
    /// Where it is met.
    pub at: Amount,
}

impl Market<'_, '_> {
    /// Sets a trigger at an account's place, which holds none.
    pub(crate) fn trigger_set(&mut self, account: AccountId, place: u8, new: &NewTrigger) -> Result<(), MarketError> {
        let number = new.factor.number();
        let mut state = self.records.get::<FactorState>(number)?;
        let was = state;
        if state.listed == 0 {
            // Nobody has a trigger on it: there is nothing to sweep up to its present value.
            let version = state.version.wrapping_add(1);
            state = FactorState { value: new.value, version, is_behind: false, listed: self.factor_list(number)? };
        }
        let version = if state.value == new.value {
            state.version
        } else {
            // The factor has moved and was not swept yet: the trigger must not pass for one that was set after the move.
            state.is_behind = true;
            state.version.wrapping_sub(1)
        };
        if state != was {
            self.records.set(number, state)?;
        }
        let (axis, level) = (axis(number, new.moves), level_of(new.at));
        let first = self.records.get::<RiskLevel>((axis, level))?;
        if first.account.0 == 0 {
            self.index_insert(axis, level)?;
        } else {
            self.records.update::<RiskTrigger, _>((first.account, first.place), |next| {
                (next.previous_account, next.previous_place) = (account, place);
            })?;
        }
        self.records.set((axis, level), RiskLevel { account, place })?;
        let trigger = RiskTrigger {
            axis,
            level,
            version,
            next_account: first.account,
            next_place: first.place,
            ..RiskTrigger::default()
        };
        self.records.set((account, place), trigger)?;
        Ok(())
    }

    /// Lists a factor as watched. Returns its place plus one.
    fn factor_list(&mut self, factor: u64) -> Result<u32, MarketError> {
        let place = self.records.get::<FactorCount>(())?.count;
        self.records.set(place, WatchedFactor { factor })?;
        let count = place.saturating_add(1);
        self.records.set((), FactorCount { count })?;
        Ok(count)
    }

    /// Takes a factor off the list: nobody has a trigger on it.
    pub(crate) fn factor_unlist(&mut self, factor: u64) -> Result<(), MarketError> {
        let mut state = self.records.get::<FactorState>(factor)?;
        let Some(place) = state.listed.checked_sub(1) else { return Ok(()) };
        let last = self.records.get::<FactorCount>(())?.count.saturating_sub(1);
        let moved = self.records.get::<WatchedFactor>(last)?;
        self.records.set(last, WatchedFactor::default())?;
        if last != place {
            self.records.set(place, moved)?;
            self.records.update(moved.factor, |state: &mut FactorState| state.listed = place + 1)?;
        }
        self.records.set((), FactorCount { count: last })?;
        (state.listed, state.is_behind) = (0, false);
        self.records.set(factor, state)?;
        Ok(())
    }

    /// Removes the trigger at an account's place.
    pub(crate) fn trigger_remove(&mut self, account: AccountId, place: u8) -> Result<(), MarketError> {
        let trigger = self.records.get::<RiskTrigger>((account, place))?;
        if trigger.axis == 0 {
            return Ok(());
        }
        let (next, previous) = (trigger.next_account, trigger.previous_account);
        if next.0 != 0 {
            self.records.update::<RiskTrigger, _>((next, trigger.next_place), |next| {
                (next.previous_account, next.previous_place) = (previous, trigger.previous_place);
            })?;
        }
        if previous.0 != 0 {
            self.records.update::<RiskTrigger, _>((previous, trigger.previous_place), |previous| {
                (previous.next_account, previous.next_place) = (next, trigger.next_place);
            })?;
        } else {
            let first = RiskLevel { account: next, place: trigger.next_place };
            self.records.set((trigger.axis, trigger.level), first)?;
            if next.0 == 0 {
                self.index_remove(trigger.axis, trigger.level)?;
            }
        }
        self.records.set((account, place), RiskTrigger::default())?;
        Ok(())
    }

    /// Removes all triggers of an account.
    pub(crate) fn triggers_remove(&mut self, account: AccountId) -> Result<(), MarketError> {
        let count = self.records.get::<Watch>(account)?.triggers;
        for place in 0..count {
            self.trigger_remove(account, place)?;
        }
        if count > 0 {
            self.records.set(account, Watch::default())?;
        }
        Ok(())
    }

    /// The level of an axis that is met first, at or after `from` in the factor's direction.
    pub(crate) fn first_level(&mut self, axis: u64, moves: Move, from: u32) -> Result<Option<u32>, MarketError> {
        match moves {
            Move::Down => self.index_prev_at_or_below(axis, from),
            Move::Up => self.index_next_at_or_above(axis, from),
        }
    }
}

//! Accounts: who owns them, who may act for them, and what they list.
//!
//! An owner has up to 256 subaccounts, told apart by a number. An isolated account is one that may have positions and orders in one
//! derivative alone, so that a loss there ends there. An agent is another address (a session key, a bot) that may trade for an account
//! until a time, but move nothing out of it.
//!
//! Three accounts exist from the start and have no owner: [`INSURANCE`], [`BACKSTOP`] and [`TREASURY`]; the operator acts for the last.
//!
//! # Lists
//! An account lists the instruments in which it has a position or orders, and the assets that it holds or owes. Every record of
//! [`Position`](crate::layout::Position) or [`Balance`](crate::layout::Balance) that is not all zeros has its id in the list; this is what makes an account's health cost what it has.
//! The quote asset always finds a place, because losses, fees and settlements can't be refused: other assets leave one free.
//! Insurance fund and treasury take anything, listed as far as there is room: they have no margin.

use crate::abi::IMarket;
use crate::error::{MarketError, Rejection};
use crate::layout::{
    Account, AccountOf, AccountStatus, BACKSTOP, FIRST_ACCOUNT, Globals, INSURANCE, InstrumentKind, MarginMode, QUOTE,
    TREASURY,
};
use crate::market::Market;
use crate::records::record;
use crate::types::{AccountId, AssetId, InstrumentId, MAX_ASSETS, MAX_POSITIONS};
use alloy_primitives::{Address, U256};

record! {
    /// Who may trade for an account.
    pub struct Agent(tag 59, key (AccountId, Address), "account, agent") {
        {
            /// Up to when, in seconds; zero is never.
            pub until_seconds: u64,
        }
    }
}

/// Whether it is one of the accounts that the market has for itself.
pub(crate) fn is_system(account: AccountId) -> bool {
    account.0 != 0 && account.0 < FIRST_ACCOUNT
}

impl Market<'_, '_> {
    /// Opens the caller's account with this number. With an instrument it is isolated to that.
    pub fn open_account(&mut self, number: u8, isolated: Option<InstrumentId>) -> Result<AccountId, MarketError> {
        let owner = self.caller;
        if owner.is_zero() {
            return Err(Rejection::NotAllowed.into());
        }
        if self.records.get::<AccountOf>((owner, number))?.account != AccountId::default() {
            return Err(Rejection::Forbidden { state: "the account is open already" }.into());
        }
        if let Some(instrument) = isolated {
            match self.instrument(instrument)?.kind {
                InstrumentKind::Perpetual | InstrumentKind::EuropeanOption => {}
                _ => return Err(Rejection::Forbidden { state: "only derivatives can be isolated" }.into()),
            }
        }
        let account = self.records.update((), |globals: &mut Globals| {
            let id = globals.next_account.max(FIRST_ACCOUNT);
            globals.next_account = id.saturating_add(1);
            AccountId(id)
        })?;
        if account.0 == u32::MAX {
            return Err(Rejection::LimitReached { what: "accounts", limit: u64::from(u32::MAX) }.into());
        }
        let isolated = isolated.unwrap_or_default();
        self.records.set(account, Account { owner, number, isolated, ..Account::default() })?;
        self.records.set((owner, number), AccountOf { account })?;
        self.emit(&IMarket::AccountOpened { account: account.0, owner, number, isolated: isolated.0 });
        Ok(account)
    }

    /// An account that exists.
    pub fn account(&mut self, id: AccountId) -> Result<Account, MarketError> {
        let account = self.records.get::<Account>(id)?;
        if account.owner.is_zero() && !matches!(id, INSURANCE | BACKSTOP | TREASURY) {
            return Err(Rejection::Unknown { what: "account", id: U256::from(id.0) }.into());
        }
        Ok(account)
    }

    /// The account, if the caller owns it.
    pub fn require_owner(&mut self, id: AccountId) -> Result<Account, MarketError> {
        let account = self.account(id)?;
        let owner = if id == TREASURY { self.records.get::<Globals>(())?.operator } else { account.owner };
        if owner.is_zero() || owner != self.caller {
            return Err(Rejection::NotAllowed.into());
        }
        Ok(account)
    }

    /// The account, if the caller owns it or is its agent at present.
    pub fn require_trader(&mut self, id: AccountId) -> Result<Account, MarketError> {
        let account = self.account(id)?;
        if is_system(id) {
            return Err(Rejection::NotAllowed.into());
        }
        if account.owner != self.caller {
            let agent = self.records.get::<Agent>((id, self.caller))?;
            if agent.until_seconds < self.block.timestamp_seconds.max(1) {
                return Err(Rejection::NotAllowed.into());
            }
        }
        Ok(account)
    }

    /// Names an agent until a time, or with zero takes it back.
    pub fn set_agent(&mut self, account: AccountId, agent: Address, until_seconds: u64) -> Result<(), MarketError> {
        self.require_owner(account)?;
        if agent.is_zero() || is_system(account) {
            return Err(Rejection::NotAllowed.into());
        }
        self.records.set((account, agent), Agent { until_seconds })?;
        self.emit(&IMarket::AgentSet { account: account.0, agent, untilSeconds: until_seconds });
        Ok(())
    }

    /// Switches how margin is computed, if the account has the initial margin of the new way.
    pub fn set_margin_mode(&mut self, account: AccountId, mode: u8) -> Result<(), MarketError> {
        let mut record = self.require_owner(account)?;
        if record.status != AccountStatus::Healthy {
            return Err(Rejection::Forbidden { state: "waiting for liquidation" }.into());
        }
        record.mode = MarginMode::from_byte(mode).ok_or_else(|| Rejection::OutOfRange {
            what: "mode",
            value: U256::from(mode),
            least: U256::ZERO,
            most: U256::from(MarginMode::Portfolio as u8),
        })?;
        self.records.set(account, record)?;
        self.require_initial_to_leave(account)?;
        self.emit(&IMarket::MarginModeSet { account: account.0, mode });
        self.risk_changed(account)
    }

    /// Lists an instrument with the account, if it is not yet.
    pub(crate) fn list_position(&mut self, account: AccountId, instrument: InstrumentId) -> Result<(), MarketError> {
        let mut record = self.account(account)?;
        if record.positions.contains(&instrument.0) {
            return Ok(());
        }
        if record.isolated != InstrumentId::default() && record.isolated != instrument {
            return Err(Rejection::Forbidden { state: "isolated to another instrument" }.into());
        }
        match record.positions.iter_mut().find(|place| **place == 0) {
            Some(place) => *place = instrument.0,
            None => return Err(Rejection::LimitReached { what: "positions", limit: MAX_POSITIONS as u64 }.into()),
        }
        self.records.set(account, record)?;
        Ok(())
    }

    /// Takes an instrument off the account's list.
    pub(crate) fn unlist_position(&mut self, account: AccountId, instrument: InstrumentId) -> Result<(), MarketError> {
        self.records.update(account, |record: &mut Account| remove(&mut record.positions, instrument.0))?;
        Ok(())
    }

    /// Lists an asset with the account, if it is not yet.
    pub(crate) fn list_balance(&mut self, account: AccountId, asset: AssetId) -> Result<(), MarketError> {
        let mut record = self.account(account)?;
        if record.assets.contains(&asset.0) {
            return Ok(());
        }
        let others = record.assets.iter().filter(|&&id| id != 0 && id != QUOTE.0).count();
        let is_room = asset == QUOTE || others < MAX_ASSETS - 1;
        match record.assets.iter_mut().find(|place| **place == 0) {
            Some(place) if is_room => *place = asset.0,
            _ if matches!(account, INSURANCE | TREASURY) => {}
            _ => return Err(Rejection::LimitReached { what: "assets", limit: MAX_ASSETS as u64 }.into()),
        }
        self.records.set(account, record)?;
        Ok(())
    }

    /// Takes an asset off the account's list.
    pub(crate) fn unlist_balance(&mut self, account: AccountId, asset: AssetId) -> Result<(), MarketError> {
        self.records.update(account, |record: &mut Account| remove(&mut record.assets, asset.0))?;
        Ok(())
    }
}

/// Removes an id from a list and closes the gap with the last one.
fn remove(list: &mut [u16; 16], id: u16) {
    let Some(at) = list.iter().position(|&other| other == id && other != 0) else { return };
    let last = list.iter().rposition(|&other| other != 0).unwrap_or(at);
    list[at] = list[last];
    list[last] = 0;
}

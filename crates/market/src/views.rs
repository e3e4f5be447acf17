//! What is shown of the market beside single records: an account's margin part by part, and who waits for liquidation.
//!
//! These read what calls read and change nothing that is kept; a node answers questions with them on any state.

use crate::error::MarketError;
use crate::layout::{AccountStatus, Balance, Instrument, InstrumentKind, MarginMode, Position, Prices};
use crate::liquidation::{Case, LiquidationQueue, QueueEntry};
use crate::margin::{Health, share_up, standard};
use crate::market::Market;
use crate::types::{AccountId, Amount, AssetId, InstrumentId};
use alloc::vec::Vec;

/// What an asset is in an account's margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetPart {
    /// The asset.
    pub asset: AssetId,
    /// Base units with interest up to now; negative is a debt.
    pub amount: Amount,
    /// Its value in quote base units, without haircut, rounded down.
    pub value: Amount,
    /// What it adds to the initial requirement.
    pub initial: Amount,
    /// What it adds to the maintenance requirement.
    pub maintenance: Amount,
}

/// What an instrument is in an account's margin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PositionPart {
    /// The instrument.
    pub instrument: InstrumentId,
    /// What the account has of it.
    pub position: Position,
    /// What it adds to equity: value at the mark less cost and funding owed, rounded down.
    pub equity: Amount,
    /// What it adds to the initial requirement by itself; zero where positions are margined together, and for spot pairs.
    pub initial: Amount,
    /// What it adds to the maintenance requirement by itself; zero as above.
    pub maintenance: Amount,
}

/// An account's margin and what it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarginReport {
    /// The sums, as calls see them.
    pub health: Health,
    /// By asset.
    pub assets: Vec<AssetPart>,
    /// By instrument with a position or an open order.
    pub positions: Vec<PositionPart>,
    /// Initial requirement of what has no part of its own: positions that are margined together, and open orders on spot pairs.
    pub combined_initial: Amount,
    /// Maintenance requirement of the same.
    pub combined_maintenance: Amount,
}

/// An account that waits for liquidation, how it stands, and its case.
pub type Waiting = (AccountId, AccountStatus, Case);

/// Entries of the queue of liquidations that one question looks at.
const MOST_ENTRIES: usize = 1 << 16;

impl Market<'_, '_> {
    /// An account's margin, part by part. The parts and what is combined sum up to the health.
    pub fn margin_report(&mut self, id: AccountId) -> Result<MarginReport, MarketError> {
        let account = self.account(id)?;
        let mut report = MarginReport { health: self.health(id)?, ..MarginReport::default() };
        for asset in account.assets.into_iter().take_while(|asset| *asset != 0).map(AssetId) {
            report.assets.push(self.asset_part(id, asset)?);
        }
        let is_single = account.mode == MarginMode::Standard;
        for instrument in account.positions.into_iter().take_while(|id| *id != 0).map(InstrumentId) {
            report.positions.push(self.position_part(id, instrument, is_single)?);
        }
        let parts = report.assets.iter().map(|part| (part.initial, part.maintenance));
        let parts = parts.chain(report.positions.iter().map(|part| (part.initial, part.maintenance)));
        let (initial, maintenance) = parts.fold((0, 0), |(initial, maintenance): (Amount, Amount), part| {
            (initial.saturating_add(part.0), maintenance.saturating_add(part.1))
        });
        report.combined_initial = report.health.initial.saturating_sub(initial);
        report.combined_maintenance = report.health.maintenance.saturating_sub(maintenance);
        Ok(report)
    }

    fn asset_part(&mut self, id: AccountId, asset: AssetId) -> Result<AssetPart, MarketError> {
        let (terms, state) = (self.asset(asset)?, self.accrued(asset)?);
        let amount = state.settle(&self.records.get::<Balance>((id, asset))?);
        let value = state.value(amount);
        let (initial_ppm, maintenance_ppm) = match amount >= 0 {
            true => (terms.initial_haircut_ppm, terms.haircut_ppm),
            false => (terms.initial_debt_weight_ppm, terms.debt_weight_ppm),
        };
        let (initial, maintenance) = (share_up(value, initial_ppm), share_up(value, maintenance_ppm));
        Ok(AssetPart { asset, amount, value, initial, maintenance })
    }

    fn position_part(
        &mut self,
        id: AccountId,
        instrument: InstrumentId,
        is_single: bool,
    ) -> Result<PositionPart, MarketError> {
        let position = self.records.get::<Position>((id, instrument))?;
        let (terms, prices) = (self.records.get::<Instrument>(instrument)?, self.records.get::<Prices>(instrument)?);
        let part = PositionPart { instrument, position, ..PositionPart::default() };
        if terms.kind == InstrumentKind::Spot {
            return Ok(part);
        }
        let equity = standard::position_equity(&terms, &prices, &position);
        let margin = standard::position_margin(&terms, &prices, &position);
        let (initial, maintenance) = if is_single { margin } else { (0, 0) };
        Ok(PositionPart { equity, initial, maintenance, ..part })
    }

    /// The queue of liquidations, and the accounts in it in their order, at most so many, of the first 65,536 entries.
    pub fn liquidation_queue(&mut self, limit: usize) -> Result<(LiquidationQueue, Vec<Waiting>), MarketError> {
        let queue = self.records.get::<LiquidationQueue>(())?;
        let mut waiting = Vec::new();
        for number in (queue.head..queue.tail).take(MOST_ENTRIES) {
            if waiting.len() == limit {
                break;
            }
            let account = self.records.get::<QueueEntry>(number)?.account;
            let case = self.records.get::<Case>(account)?;
            // Entries of accounts that recovered, or went further back, stay behind.
            if account.0 == 0 || case.entry != number {
                continue;
            }
            let status = self.account(account)?.status;
            if status != AccountStatus::Healthy {
                waiting.push((account, status, case));
            }
        }
        Ok((queue, waiting))
    }
}

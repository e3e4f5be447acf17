//! Gas for state growth, in a dimension of its own (EIP-8037).
//!
//! A transaction starts with a reservoir of state gas; what it lacks is taken from ordinary gas ("spill"). A frame hands
//! its whole reservoir to the frame it calls and gets back what is left of it. A frame that fails gives back the
//! reservoir it got and what it spilled, the latter as state gas: state that was not kept is not paid for.

/// Bytes that a new account is charged for.
pub const NEW_ACCOUNT_BYTES: u64 = 112;
/// Bytes that a slot set from zero is charged for.
pub const STORAGE_SET_BYTES: u64 = 32;
/// Bytes that a delegation designator is charged for.
pub const DELEGATION_BYTES: u64 = 23;

/// State gas of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateGas {
    /// Left to spend.
    pub reservoir: u64,
    /// Charged in this frame and its successful children, net of refunds.
    pub used: u64,
    /// Refunds that lowered `used`.
    pub refunded: u64,
    /// Refunds that found nothing in `used` to lower, for the caller to take.
    pub pending: u64,
}

impl StateGas {
    /// Charges `amount`; returns what of it must come from ordinary gas.
    pub(crate) fn spill_of(&self, amount: u64) -> u64 {
        amount.saturating_sub(self.reservoir)
    }

    /// Books a charge of which [`StateGas::spill_of`] was paid elsewhere.
    pub(crate) fn charge(&mut self, amount: u64) {
        self.reservoir = self.reservoir.saturating_sub(amount);
        self.used += amount;
    }

    /// Gives `amount` back.
    pub(crate) fn credit(&mut self, amount: u64) {
        let applied = amount.min(self.used);
        self.reservoir += applied;
        self.used -= applied;
        self.refunded += applied;
        self.pending += amount - applied;
    }

    /// Takes over from a child frame that succeeded. The reservoir was wholly the child's while it ran.
    pub(crate) fn join_success(&mut self, child: Self) {
        self.reservoir += child.reservoir;
        self.used += child.used;
        self.refunded += child.refunded;
        self.credit(child.pending);
    }

    /// Takes over from a child frame that was undone.
    pub(crate) fn join_failure(&mut self, child: Self) {
        self.reservoir += (child.reservoir + child.used).saturating_sub(child.refunded);
    }
}

/// Gas for a byte of state, by the block's gas limit.
///
/// The price aims at 100 GiB of growth a year: it follows the gas limit, kept to five significant bits so that it does
/// not move with every block.
pub fn cost_per_state_byte(block_gas_limit: u64) -> u64 {
    const BLOCKS_PER_YEAR: u128 = 2_628_000;
    const TARGET_BYTES_PER_YEAR: u128 = 100 << 30;
    const OFFSET: u128 = 9_578;
    const SIGNIFICANT_BITS: u32 = 5;
    let raw = (u128::from(block_gas_limit) * BLOCKS_PER_YEAR).div_ceil(2 * TARGET_BYTES_PER_YEAR);
    let shifted = raw + OFFSET;
    let shift = (u128::BITS - shifted.leading_zeros()).saturating_sub(SIGNIFICANT_BITS);
    let price = (shifted >> shift << shift).saturating_sub(OFFSET).max(1);
    u64::try_from(price).expect("2^63 gas at 2.6 million blocks a year is below 2^64 a byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn price_follows_the_gas_limit() {
        let rows = [
            (30_000_000, 150),
            (60_000_000, 662),
            (100_000_000, 1_174),
            (120_000_000, 1_174),
            (200_000_000, 2_198),
            (1_000_000_000, 11_926),
            (1, 1),
        ];
        for (gas_limit, expected) in rows {
            assert_eq!(cost_per_state_byte(gas_limit), expected, "gas limit {gas_limit}");
        }
    }

    #[test]
    fn a_failed_frame_gives_back_what_it_got_and_spilled() {
        let mut child = StateGas { reservoir: 100, ..StateGas::default() };
        assert_eq!(child.spill_of(150), 50);
        child.charge(150);
        let mut parent = StateGas::default();
        parent.join_failure(child);
        assert_eq!(parent.reservoir, 150);
    }
}

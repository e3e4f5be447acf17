//! Prices that follow from headers: base fee (EIP-1559), blob base fee and excess blob gas (EIP-4844, EIP-7918).

use crate::{BlobParams, Header};
use alloy_primitives::U256;

/// Gas for a blob.
pub const GAS_PER_BLOB: u64 = 1 << 17;
/// Lowest blob base fee, in wei.
const MIN_BLOB_BASE_FEE: u64 = 1;
/// A block aims at its gas limit divided by this.
const ELASTICITY: u64 = 2;
/// The base fee changes by at most one part in this.
const BASE_FEE_CHANGE_DENOMINATOR: u64 = 8;
/// The base fee of the first block that has one.
pub const INITIAL_BASE_FEE: u64 = 1_000_000_000;
/// Execution gas whose price is the least price of a blob (EIP-7918).
const BLOB_BASE_COST: u64 = 1 << 13;

/// The base fee, in wei, of the block after `parent`, which has one.
pub fn next_base_fee(parent_gas_limit: u64, parent_gas_used: u64, parent_base_fee: u64) -> u64 {
    let target = parent_gas_limit / ELASTICITY;
    let delta = |distance: u64| {
        let change = u128::from(parent_base_fee) * u128::from(distance) / u128::from(target);
        u64::try_from(change / u128::from(BASE_FEE_CHANGE_DENOMINATOR)).unwrap_or(u64::MAX)
    };
    if target == 0 || parent_gas_used == target {
        parent_base_fee
    } else if parent_gas_used > target {
        parent_base_fee.saturating_add(delta(parent_gas_used - target).max(1))
    } else {
        parent_base_fee - delta(target - parent_gas_used)
    }
}

/// The blob base fee, in wei, at this excess; the largest there is where it does not fit.
pub fn blob_base_fee(excess_blob_gas: u64, params: &BlobParams) -> U256 {
    fake_exponential(MIN_BLOB_BASE_FEE, excess_blob_gas, params.base_fee_update_fraction)
}

/// `factor * e^(numerator / denominator)` by Taylor expansion, as EIP-4844 defines it.
///
/// Terms shrink once their number exceeds numerator / denominator; the loop ends early where the sum leaves 256 bits, so
/// a header with an absurd excess costs bounded time.
fn fake_exponential(factor: u64, numerator: u64, denominator: u64) -> U256 {
    let (numerator, denominator) = (U256::from(numerator), U256::from(denominator));
    let mut i = U256::ONE;
    let mut output = U256::ZERO;
    let mut term = U256::from(factor) * denominator;
    while !term.is_zero() {
        let Some(sum) = output.checked_add(term) else { return U256::MAX };
        output = sum;
        let Some(product) = term.checked_mul(numerator) else { return U256::MAX };
        term = product / (denominator * i);
        i += U256::ONE;
    }
    output / denominator
}

/// The excess blob gas of the block after `parent`, whose blobs follow `params`, the parameters of the new block.
pub fn next_excess_blob_gas(parent: &Header, params: &BlobParams, has_reserve_price: bool) -> u64 {
    let excess = parent.excess_blob_gas.unwrap_or(0);
    let used = parent.blob_gas_used.unwrap_or(0);
    let target = params.target * GAS_PER_BLOB;
    let total = excess.saturating_add(used);
    if total < target {
        return 0;
    }
    let base_fee = U256::from(parent.base_fee_per_gas.unwrap_or(0));
    let is_below_reserve =
        U256::from(BLOB_BASE_COST) * base_fee > U256::from(GAS_PER_BLOB).saturating_mul(blob_base_fee(excess, params));
    if has_reserve_price && is_below_reserve {
        let share = u128::from(used) * u128::from(params.max - params.target) / u128::from(params.max);
        return excess.saturating_add(u64::try_from(share).unwrap_or(u64::MAX));
    }
    total - target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_fee_moves_by_an_eighth_at_most() {
        let rows = [
            ("at target", 100, 50, 1_000, 1_000),
            ("full", 100, 100, 1_000, 1_125),
            ("empty", 100, 0, 1_000, 875),
            ("at least one", 100, 51, 1, 2),
        ];
        for (name, limit, used, fee, expected) in rows {
            assert_eq!(next_base_fee(limit, used, fee), expected, "{name}");
        }
    }

    #[test]
    fn blob_base_fee_is_exponential_and_bounded() {
        let params = BlobParams { target: 3, max: 6, base_fee_update_fraction: 3_338_477 };
        let rows = [(0, U256::ONE), (2_314_057, U256::ONE), (2_314_058, U256::from(2)), (10 << 20, U256::from(23))];
        for (excess, expected) in rows {
            assert_eq!(blob_base_fee(excess, &params), expected, "excess {excess}");
        }
        assert_eq!(blob_base_fee(u64::MAX, &params), U256::MAX);
    }
}

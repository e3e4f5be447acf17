//! Blocks in which a share of the transactions wants the same thing, from none to all.
//!
//! Everybody who takes part has an account of their own, and whoever is not in the share also has a partner of their own, so
//! that outside the share nothing conflicts. Who is in it is spread evenly over the block. All blocks of a family have the same
//! pre-state; only their transactions differ.

use crate::case::Case;
use crate::contracts::{Contracts, call_data, word};
use crate::synthetic::{DEPLOYER, Draft, GWEI, person};
use alloy_primitives::{Address, Bytes, U256};

/// What the share has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contended {
    /// The account that ether is sent to.
    Recipient,
    /// The account that sends.
    Sender,
    /// The pool that tokens are swapped on.
    Pool,
}

impl Contended {
    pub const ALL: [Self; 3] = [Self::Recipient, Self::Sender, Self::Pool];

    /// The family's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recipient => "transfers to one account",
            Self::Sender => "transfers by one account",
            Self::Pool => "swaps on one pool",
        }
    }

    /// A block for each share in percent.
    pub fn cases(self, shares: &[u64]) -> Vec<Case> {
        match self {
            Self::Recipient | Self::Sender => transfers(self, shares),
            Self::Pool => swaps(self, shares),
        }
    }
}

const TRANSFERS: u64 = 1_000;
const SWAPS: u64 = 500;

/// Whether transaction `index` is in a share of so many percent.
fn is_in_share(index: u64, percent: u64) -> bool {
    (index + 1) * percent / 100 > index * percent / 100
}

/// Blocks of one draft, which `add` fills with transaction `index`, in the share or not.
fn blocks(
    kind: Contended,
    mut draft: Draft,
    count: u64,
    shares: &[u64],
    add: impl Fn(&mut Draft, u64, bool),
) -> Vec<Case> {
    let nonces = draft.nonces.clone();
    let mut block = |percent: &u64| {
        draft.nonces.clone_from(&nonces);
        for index in 0..count {
            add(&mut draft, index, is_in_share(index, *percent));
        }
        draft.take_case(format!("{}, {percent} %", kind.name()))
    };
    shares.iter().map(&mut block).collect()
}

fn transfers(kind: Contended, shares: &[u64]) -> Vec<Case> {
    let sender = |index| person("sender", index);
    let draft = Draft::new(kind.name(), (0..TRANSFERS).map(sender).chain([person("hot", 0)]));
    blocks(kind, draft, TRANSFERS, shares, |draft, index, is_hot| {
        let hot_or = |other| if is_hot { person("hot", 0) } else { other };
        let (from, to) = match kind {
            Contended::Sender => (hot_or(sender(index)), person("recipient", index)),
            _ => (sender(index), hot_or(person("recipient", index))),
        };
        draft.transfer(from, to, U256::from(index + 1));
    })
}

/// The first pool is the one that the share has in common.
fn swaps(kind: Contended, shares: &[u64]) -> Vec<Case> {
    let trader = |index| person("trader", index);
    let mut draft = Draft::new(kind.name(), (0..SWAPS).map(trader));
    let contracts = Contracts::load();
    let tokens = [(); 2].map(|()| draft.deploy(contracts.init_code("Token", &[U256::from(GWEI * GWEI * GWEI)])));
    let pools: Vec<Address> =
        (0..=SWAPS).map(|_| draft.deploy(contracts.init_code("Pair", &tokens.map(word)))).collect();
    let liquidity = [U256::from(1_000 * GWEI * GWEI), U256::from(3_000 * GWEI * GWEI)];
    let approve = |pool| call_data("approve(address,uint256)", &[word(pool), U256::MAX]);
    for pool in &pools {
        for token in tokens {
            draft.prepare(DEPLOYER, Some(token), approve(*pool));
        }
        draft.prepare(DEPLOYER, Some(*pool), call_data("addLiquidity(uint256,uint256)", &liquidity));
    }
    for index in 0..SWAPS {
        for token in tokens {
            let gift = call_data("transfer(address,uint256)", &[word(trader(index)), U256::from(GWEI * GWEI)]);
            draft.prepare(DEPLOYER, Some(token), gift);
            for pool in [pools[0], pools[index as usize + 1]] {
                draft.prepare(trader(index), Some(token), approve(pool));
            }
        }
    }
    blocks(kind, draft, SWAPS, shares, |draft, index, is_hot| {
        let pool = if is_hot { pools[0] } else { pools[index as usize + 1] };
        draft.call(trader(index), pool, swap(index, trader(index)), 300_000);
    })
}

/// A swap in one direction or the other.
fn swap(index: u64, trader: Address) -> Bytes {
    let amount = U256::from(GWEI * 1_000 * u128::from(index + 1));
    call_data("swap(bool,uint256,uint256,address)", &[U256::from(index % 2), amount, U256::ZERO, word(trader)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, RevmCase};

    #[test]
    fn shares_are_spread_evenly() {
        for (percent, first_ten) in [(0, 0), (10, 1), (50, 5), (70, 7), (100, 10)] {
            let count = |from: u64| (from..from + 10).filter(|index| is_in_share(*index, percent)).count();
            assert_eq!((count(0), count(90), count(510)), (first_ten, first_ten, first_ten), "{percent} %");
        }
    }

    #[test]
    fn every_transaction_of_every_family_succeeds() {
        for kind in Contended::ALL {
            for case in kind.cases(&[0, 30, 100]) {
                let results = RevmCase::new(&case).results().unwrap_or_else(|error| panic!("{error}"));
                let failed = results.iter().position(|result| !result.success);
                assert_eq!(failed, None, "{}: {:?}", case.name, failed.map(|index| &results[index]));
                let expected = if kind == Contended::Pool { SWAPS } else { TRANSFERS };
                assert_eq!(results.len() as u64, expected, "{}", case.name);
            }
        }
    }
}

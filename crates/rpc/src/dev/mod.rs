//! Dev mode's namespaces (`evm`, `anvil`, `hardhat`) and its accounts.

use crate::methods::{Module, Registered};
use alloy_primitives::Address;
use rialto_node::{DevAccount, Miner};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Most accounts that are impersonated at the same time.
const IMPERSONATED_MAX: usize = 10_000;

/// What dev mode's methods keep between requests.
pub struct DevState {
    miner: Arc<Miner>,
    accounts: Vec<DevAccount>,
    impersonated: Mutex<Impersonated>,
}

#[derive(Default)]
struct Impersonated {
    accounts: BTreeSet<Address>,
    is_everybody: bool,
}

impl DevState {
    /// Dev mode with this miner and these accounts, whose keys the node has.
    pub fn new(miner: Arc<Miner>, accounts: Vec<DevAccount>) -> Arc<Self> {
        Arc::new(Self { miner, accounts, impersonated: Mutex::default() })
    }

    /// The miner. Whoever puts a transaction into the pool tells it with [`Miner::submitted`].
    pub fn miner(&self) -> &Arc<Miner> {
        &self.miner
    }

    /// The accounts whose keys the node has.
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// The account with this address, if the node has its key.
    pub(crate) fn account(&self, address: &Address) -> Option<&DevAccount> {
        self.accounts.iter().find(|account| account.address == *address)
    }

    /// Whether anybody may send transactions as `address`.
    pub(crate) fn is_impersonated(&self, address: &Address) -> bool {
        let impersonated = self.impersonated.lock().unwrap_or_else(PoisonError::into_inner);
        impersonated.is_everybody || impersonated.accounts.contains(address)
    }
}

/// Registers `evm_*`.
pub(crate) fn register_evm(_module: &mut Module) -> Registered {
    Ok(())
}

/// Registers `anvil_*`.
pub(crate) fn register_anvil(_module: &mut Module) -> Registered {
    Ok(())
}

/// Registers `hardhat_*`.
pub(crate) fn register_hardhat(_module: &mut Module) -> Registered {
    Ok(())
}

/// Registers what dev mode adds to `eth`: `eth_sendTransaction`, `eth_sign` and its like, and `eth_accounts`, which nobody else
/// registers then.
pub(crate) fn register_eth(_module: &mut Module) -> Registered {
    Ok(())
}

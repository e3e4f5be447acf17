//! Dev mode's namespaces (`evm`, `anvil`, `hardhat`) and its accounts.

use crate::methods::{Module, Registered};

/// What dev mode's methods keep between requests.
#[derive(Debug, Default)]
pub struct DevState {}

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

//! The `web3` namespace.

use crate::methods::{Module, Registered};

/// Registers the namespace's methods.
pub(crate) fn register(_module: &mut Module) -> Registered {
    Ok(())
}

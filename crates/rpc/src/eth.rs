//! The `eth` namespace, a file per family of methods.

mod access_list;
mod call;
mod estimate;
mod simulate;

use crate::methods::{Module, Registered};

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    access_list::register(module)?;
    call::register(module)?;
    estimate::register(module)?;
    simulate::register(module)
}

/// Registers the namespace's subscriptions, for transports that can do them.
pub(crate) fn register_subscriptions(_module: &mut Module) -> Registered {
    Ok(())
}

//! The `eth` namespace, a file per family of methods.

mod access_list;
mod call;
mod estimate;
mod overrides;
mod simulate;

use crate::methods::{Module, Registered};

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    access_list::register(module)?;
    call::register(module)?;
    estimate::register(module)?;
    simulate::register(module)
}

//! `eth` methods: simulate.

use crate::methods::{Module, Registered};

/// Registers the methods of this file.
pub(crate) fn register(_module: &mut Module) -> Registered {
    Ok(())
}

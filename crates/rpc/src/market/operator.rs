//! What the operator announced and did.

use crate::methods::{Module, Registered};

/// Registers the methods of this file.
pub(super) fn register(_module: &mut Module) -> Registered {
    Ok(())
}

//! The `engine` namespace, which a consensus client drives the node by.

use crate::methods::{Module, Registered};

/// What the Engine API keeps between requests.
#[derive(Debug, Default)]
pub struct EngineState {}

/// Registers the namespace's methods.
pub(crate) fn register(_module: &mut Module) -> Registered {
    Ok(())
}

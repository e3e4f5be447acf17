//! Why a method of the Engine API has no result, and the code that the specification gives the reason.
//!
//! A payload or a head that is not valid is no error: that is a result with the status `INVALID`. Errors are for what can't
//! be asked, or can't be found out. Only the generic error carries data, as the specification has it.

use crate::RpcError;
use rialto_node::NodeError;
use rialto_store::StoreError;
use serde_json::json;
use std::fmt;

/// Why a method has no result. The texts say what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EngineError {
    /// A parameter is not of its form.
    Params(String),
    /// Nothing is being built under this id.
    UnknownPayload(String),
    /// Safe or finalized block are not ancestors of the head.
    ForkchoiceState(String),
    /// Payload attributes are malformed, or no block can have them.
    PayloadAttributes(String),
    /// More was asked for than is answered at once.
    TooLarge(String),
    /// This version of the method is not for the payload's fork.
    UnsupportedFork(String),
    /// The state that the reorganisation starts from is not kept.
    TooDeepReorg(String),
    /// The node could not find out.
    Server(String),
}

impl EngineError {
    /// Code and message of the specification, and what is particular to this case.
    fn parts(&self) -> (i32, &'static str, &str) {
        match self {
            Self::Params(detail) => (-32602, "Invalid params", detail),
            Self::UnknownPayload(detail) => (-38001, "Unknown payload", detail),
            Self::ForkchoiceState(detail) => (-38002, "Invalid forkchoice state", detail),
            Self::PayloadAttributes(detail) => (-38003, "Invalid payload attributes", detail),
            Self::TooLarge(detail) => (-38004, "Too large request", detail),
            Self::UnsupportedFork(detail) => (-38005, "Unsupported fork", detail),
            Self::TooDeepReorg(detail) => (-38006, "Too deep reorg", detail),
            Self::Server(detail) => (-32000, "Server error", detail),
        }
    }

    /// The JSON-RPC code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> i32 {
        self.parts().0
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, message, detail) = self.parts();
        write!(f, "{message}: {detail}")
    }
}

impl std::error::Error for EngineError {}

impl From<NodeError> for EngineError {
    fn from(error: NodeError) -> Self {
        match &error {
            NodeError::Store(StoreError::StatePruned { .. }) => Self::TooDeepReorg(error.to_string()),
            _ => Self::Server(error.to_string()),
        }
    }
}

impl From<EngineError> for RpcError {
    fn from(error: EngineError) -> Self {
        let (code, message, detail) = error.parts();
        match error {
            EngineError::Server(_) => Self::new(code, message).with_data(json!({ "err": detail })),
            _ => Self::new(code, error.to_string()),
        }
    }
}

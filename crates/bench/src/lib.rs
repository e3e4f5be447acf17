//! Rialto against revm: the same work, in the same process, at the same time.

mod case;
mod error;
mod json;
mod mainnet;
mod revm_engine;

pub use case::{BlockEnvironment, Case, CaseAccount, CaseAuthorization, CaseTransaction, Fork, Group, TransactionResult};
pub use error::BenchError;
pub use mainnet::load as load_mainnet;
pub use revm_engine::RevmCase;

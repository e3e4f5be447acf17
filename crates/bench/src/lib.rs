//! Rialto against revm: the same work, in the same process, at the same time.

mod case;
mod contracts;
mod error;
mod json;
mod mainnet;
mod revm_engine;
mod synthetic;
mod world;

pub use case::{Case, CaseAccount, CaseTransaction, Fork, Group, TransactionResult};
pub use contracts::{Contracts, call_data, word};
pub use error::BenchError;
pub use mainnet::load as load_mainnet;
pub use revm_engine::RevmCase;
pub use synthetic::cases as synthetic_cases;

//! The `rialto` command: arguments in, one of the engine's crates out.
//!
//! [`cli`] has the arguments, `cmd` a file per subcommand. What several of them need is beside: [`fixtures`] and
//! [`vectors`] find and run conformance vectors, [`state_test`] and [`block_test`] are what such a vector means,
//! [`exceptions`] names reasons of rejection as vectors do, [`execution`] runs blocks in one way or in all, [`stateless`]
//! validates a block from a witness, [`eip3155`] writes traces, [`t8n`] is the state transition tool. The library exists
//! for the command's own tests.

pub mod block_input;
pub mod block_run;
pub mod block_test;
pub mod chain_config;
pub mod chain_file;
pub mod chain_store;
pub mod cli;
pub mod cmd;
pub mod dev_genesis;
pub mod dev_market;
pub mod eip3155;
mod error;
pub mod exceptions;
pub mod execution;
pub mod fixtures;
pub mod input;
pub mod linear_chain;
pub mod logging;
pub mod lone_transaction;
pub mod market_client;
pub mod metrics;
pub mod metrics_server;
pub mod node_args;
pub mod node_test;
pub mod overlay;
pub mod partial_state;
pub mod pool;
pub mod servers;
pub mod service;
pub mod settings;
pub mod shared_state;
pub mod ssz;
pub mod state_test;
pub mod stateless;
pub mod strategy_args;
pub mod system_contracts;
pub mod t8n;
pub mod table;
pub mod terminal;
pub mod vector_genesis;
pub mod vectors;

pub use error::CliError;

/// What a command that did its work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it should be: exit code 0.
    Passed,
    /// A check failed: exit code 1.
    Failed,
    /// An exit code of the command's own.
    Code(u8),
}

impl Verdict {
    /// The verdict of a check.
    pub fn of(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }

    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Code(code) => code,
        }
    }
}

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

//! Arguments that say how blocks are run: on how many threads, and whether hot code is compiled.
//!
//! They change how long a block takes and nothing else, which `--all-strategies` of the commands that check something puts to
//! the test.

use crate::execution::{Execution, Order, Way};
use crate::pool;
use clap::{Args, ValueEnum};
use rialto_jit::{Jit, JitMode, JitOptions};
use rialto_vm::Tier;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// When code is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JitChoice {
    /// Never: all code is interpreted
    Off,
    /// In the background, once it has run often
    Auto,
    /// Before it runs for the first time, for tests
    Always,
}

impl JitChoice {
    /// The compiler tier.
    pub fn tier(self) -> Option<Arc<dyn Tier>> {
        let mode = match self {
            Self::Off => return None,
            Self::Auto => JitMode::Auto,
            Self::Always => JitMode::Always,
        };
        Some(Arc::new(Jit::new(JitOptions { mode, ..JitOptions::default() })))
    }
}

/// How blocks are run.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Execution")]
pub struct StrategyArgs {
    /// Threads that run the transactions of a block, 1 is sequential; as many as there are cores if left out (vectors: 1)
    #[arg(long, env = "RIALTO_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// When contracts' code is compiled: off, auto (in the background, once it has run often) or always (before it runs);
    /// auto if left out (vectors: off)
    #[arg(long, env = "RIALTO_JIT", value_name = "WHEN", hide_possible_values = true)]
    jit: Option<JitChoice>,
}

impl StrategyArgs {
    /// Threads for a command that should be done soon.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads_or(pool::available_workers())
    }

    /// The compiler tier for a command that should be done soon.
    pub fn tier(&self) -> Option<Arc<dyn Tier>> {
        self.jit.unwrap_or(JitChoice::Auto).tier()
    }

    fn threads_or(&self, default: usize) -> NonZeroUsize {
        let threads = self.threads.map_or(default, usize::from);
        NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)
    }
}

/// How blocks are run, and whether each is run in every way.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Execution")]
pub struct CheckedStrategyArgs {
    #[command(flatten)]
    strategy: StrategyArgs,
    /// What threads know of a block beforehand
    #[arg(long = "strategy", value_name = "ORDER", value_enum, default_value = "auto")]
    order: Order,
    /// Run everything sequentially, on 2, 4 and 16 threads, by access list, compiled, and compiled on threads, and fail where
    /// receipts, gas, requests, access list or a changed account differ
    #[arg(long, conflicts_with_all = ["threads", "jit", "order"])]
    all_strategies: bool,
}

impl CheckedStrategyArgs {
    /// Whether everything is run in every way.
    pub fn is_all(&self) -> bool {
        self.all_strategies
    }

    /// How a command that should be done soon runs blocks.
    pub fn execution(&self) -> Execution {
        self.execution_or(self.strategy.threads(), JitChoice::Auto)
    }

    /// How vectors run, of which there are many at once.
    pub fn execution_of_vectors(&self) -> Execution {
        self.execution_or(self.strategy.threads_or(1), JitChoice::Off).for_small_blocks()
    }

    fn execution_or(&self, threads: NonZeroUsize, jit: JitChoice) -> Execution {
        if self.all_strategies {
            let tier = JitChoice::Always.tier().expect("a tier that always compiles");
            return Execution::all(&tier);
        }
        let tier = self.strategy.jit.unwrap_or(jit).tier();
        Execution::by(Way { threads, order: self.order, tier })
    }
}

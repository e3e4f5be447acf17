//! Rialto against revm: the same work, in the same process, at the same time.
//!
//! A [`Case`] is a block's transactions on a pre-state: made here ([`synthetic_cases`]), read from a file with anyone's
//! bytecode, from a block of the main network, or from a conformance archive's worst cases. Two engines prepare it, agree
//! on what it does, and take turns running it; what counts is the ratio of the medians of their times.
//!
//! What both sides get, so that the ratio compares engines and nothing else: the same pre-state in hash maps, read on
//! first touch; code analysed beforehand; senders recovered beforehand. Each hashes by the fastest way that it comes with:
//! revm by assembly, Rialto by its own permutation where the processor has the instructions. What both sides give: each
//! transaction's result with its logs, and the state after the block as a value.
//!
//! Beside that, [`run_rpc`] compares a node's JSON-RPC with another node's, and [`run_root`] ways to the state root.

mod block_engine;
mod block_json;
mod case;
mod case_file;
mod chart;
mod charts;
mod compiled;
mod contended;
mod contracts;
mod engine;
mod error;
pub mod example_chain;
pub mod example_script;
mod files;
mod harness;
mod jit_tier;
mod mainnet;
mod market;
mod market_scenario;
mod parallel;
mod post_state;
mod profile;
mod report;
mod revm_engine;
mod rialto_engine;
mod root;
mod rpc;
mod simulated;
mod simulation;
mod sweep;
mod synthetic;
mod table;
mod tables;
mod turns;
mod vectors;
mod world;

pub use case::{Case, CaseTransaction, Group, TransactionResult};
pub use case_file::{SENDER, TARGET, load as load_case_file, parse as parse_case_file};
pub use compiled::{CompileTimes, CompiledCase};
pub use contracts::{Contracts, call_data, word};
pub use engine::Engine;
pub use error::BenchError;
pub use harness::{CaseReport, Effort, compare};
pub use mainnet::load as load_mainnet;
pub use market::{
    GasOperation, MakeGenesis, MarketGasReport, MarketPathPlan, MarketPathReport, PathFigures, SweepFigures, SweepPlan,
    SweepReport, run_market_gas, run_market_path, run_market_sweep,
};
pub use market_scenario::{MarketScenario, ScenarioReport, ScenarioStep, parse_scenario, run_scenario};
pub use parallel::{MIN_TRANSACTIONS, ParallelBlock, ParallelReport};
pub use post_state::{compare_post_states, revm_post_state};
pub use report::{GeometricMeans, JitUse, Plan, Report, Sweeps, VectorReport, run, run_vectors};
pub use revm_engine::RevmCase;
pub use rialto_engine::RialtoCase;
pub use root::{RootFigure, RootPlan, RootReport, RootSize, run_root};
pub use rpc::{HttpConnection, HttpReply, RpcCaseReport, RpcPlan, RpcReport, ServerFigures, ServerReport, run_rpc};
pub use simulated::{SimulatedBlock, SimulatedCores, SimulatedMedian, SimulatedReport};
pub use simulation::Costs;
pub use sweep::SweepPoint;
pub use synthetic::cases as synthetic_cases;
pub use vectors::visit as visit_vectors;

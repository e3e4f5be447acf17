//! Random executions: a state, a block's environment and a few transactions, built from arbitrary bytes, and what both
//! engines must agree on.
//!
//! * [`choices`] turns bytes into choices, [`code`] choices into bytecode, [`world`] both into something to execute.
//! * [`rialto`] and [`peer`] execute it, here and on revm, and give a [`Report`] in the same terms.
//!
//! [`check`], [`check_translation`] and [`check_bytecode`] take bytes and panic where there is a difference, so that property tests and
//! fuzzers share them.

#![allow(dead_code, unreachable_pub)]

mod choices;
mod code;
mod peer;
mod rialto;
mod world;

use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::BTreeMap;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    Revert,
    /// A failure that takes all gas.
    Halt,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxReport {
    pub status: Status,
    pub gas_used: u64,
    pub output: Bytes,
    pub contract_address: Option<Address>,
    pub logs: Vec<(Address, Vec<B256>, Bytes)>,
}

/// An account that exists, with its slots that are not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    pub nonce: u64,
    pub balance: U256,
    pub code: Bytes,
    pub storage: BTreeMap<U256, U256>,
}

impl AccountReport {
    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code.is_empty()
    }
}

/// What an engine made of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One for each transaction, `None` where it was refused.
    pub transactions: Vec<Option<TxReport>>,
    /// The whole state after them.
    pub state: BTreeMap<Address, AccountReport>,
}

/// Executes what `bytes` describe here.
pub fn execute(bytes: &[u8]) -> Report {
    rialto::execute(&world::World::new(bytes), None)
}

/// Executes what `bytes` describe on both engines.
///
/// # Panics
/// If they differ in gas, status, output, logs, or in any account or slot of the state afterwards.
pub fn check(bytes: &[u8]) {
    let world = world::World::new(bytes);
    let (ours, theirs) = (rialto::execute(&world, None), peer::execute(&world));
    compare(&world, "Rialto", &ours, "revm", &theirs);
}

/// Executes what `bytes` describe with the fused translation of bytecode and with the plain one, which a traced run uses.
///
/// # Panics
/// As [`check`].
pub fn check_translation(bytes: &[u8]) {
    let world = world::World::new(bytes);
    let (fused, plain) = (rialto::execute(&world, None), rialto::execute(&world, Some(&mut NoTracer)));
    compare(&world, "fused", &fused, "plain", &plain);
}

/// Executes `bytes` as code, under the fork that the first of them selects: here with both translations, and on revm.
///
/// # Panics
/// As [`check`].
pub fn check_bytecode(bytes: &[u8]) {
    let world = world::World::of_code(bytes);
    let (fused, plain) = (rialto::execute(&world, None), rialto::execute(&world, Some(&mut NoTracer)));
    compare(&world, "fused", &fused, "plain", &plain);
    compare(&world, "Rialto", &fused, "revm", &peer::execute(&world));
}

/// Sees nothing, but that it is there makes a run use the plain translation.
struct NoTracer;

impl rialto_vm::Tracer for NoTracer {}

fn compare(world: &world::World, name: &str, report: &Report, other_name: &str, other: &Report) {
    for (index, (ours, theirs)) in report.transactions.iter().zip(&other.transactions).enumerate() {
        assert_eq!(ours, theirs, "transaction {index}, {name} and {other_name}\n{world}");
    }
    let addresses = report.state.keys().chain(other.state.keys());
    for address in addresses {
        let (ours, theirs) = (report.state.get(address), other.state.get(address));
        assert_eq!(ours, theirs, "account {address}, {name} and {other_name}\n{world}");
    }
}

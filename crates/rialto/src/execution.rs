//! Ways of running a block, and whether they agree.
//!
//! A [`Way`] is a number of threads, what they know of the block beforehand, and who runs its code. It decides how long a
//! block takes and nothing else. An [`Execution`] is the way whose outcome counts and the ways that have to give the same:
//! the whole outcome, receipts, gas, requests, access list and every changed account, or the same error. That is a stronger
//! check than the block's header, which knows of the state and of the receipts by their hashes only and of a block that is
//! not valid nothing at all.

use alloy_primitives::Address;
use rialto_parallel::Strategy;
use rialto_state::{Diff, StateReader};
use rialto_stf::{Block, BlockAccessList, BlockError, BlockExecutor, ChainSpec, Outcome, RootAfter, recover_sender};
use rialto_vm::Tier;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// What threads know of a block before they run it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Its access list, where it comes with one
    #[default]
    Auto,
    /// Nothing: transactions are run on what is committed so far, and again where that was not enough
    Optimistic,
    /// Its access list, which a run of the block makes where it comes with none
    List,
}

/// A way of running a block.
#[derive(Clone)]
pub struct Way {
    /// Threads that run transactions; one is sequential.
    pub threads: NonZeroUsize,
    /// What they know of the block.
    pub order: Order,
    /// Where compiled code is, if any.
    pub tier: Option<Arc<dyn Tier>>,
}

impl Way {
    /// One thread that interprets.
    pub fn sequential() -> Self {
        Self { threads: NonZeroUsize::MIN, order: Order::Auto, tier: None }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = if self.tier.is_some() { "compiled" } else { "interpreted" };
        let order = match self.order {
            Order::Auto => "",
            Order::Optimistic => ", optimistic",
            Order::List => ", by access list",
        };
        match self.threads.get() {
            1 => write!(f, "{code}, sequential"),
            threads => write!(f, "{code}, {threads} threads{order}"),
        }
    }
}

/// What is to be run.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Its rules.
    pub chain: &'a ChainSpec,
    /// The block.
    pub block: &'a Block,
    /// Who sent its transactions, where that is known.
    pub senders: Option<&'a [Address]>,
    /// The access list that comes with it.
    pub access_list: Option<&'a BlockAccessList>,
    /// The state before it.
    pub reader: &'a (dyn StateReader + Sync),
    /// Computes the roots in receipts before Byzantium.
    pub root_after: Option<RootAfter<'a>>,
}

/// Two ways that do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The way that gave the outcome.
    pub first: String,
    /// The other.
    pub other: String,
    /// What differs.
    pub what: String,
    /// What the first gave.
    pub expected: String,
    /// What the other gave.
    pub found: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, other, what, expected, found } = self;
        write!(f, "strategies: {what}: expected {expected} ({first}), found {found} ({other})")
    }
}

impl std::error::Error for Disagreement {}

/// What differs, as one way has it and as the other.
pub(crate) type Difference = (String, String, String);

/// How blocks are run.
#[derive(Clone)]
pub struct Execution {
    /// The way whose outcome counts.
    pub way: Way,
    /// Ways that have to agree with it.
    pub others: Vec<Way>,
    /// Whether threads run blocks that are over sooner than they are started.
    pub is_for_small_blocks: bool,
}

impl Default for Execution {
    fn default() -> Self {
        Self::by(Way::sequential())
    }
}

impl Execution {
    /// One way, for work that should be done soon.
    pub fn by(way: Way) -> Self {
        Self { way, others: Vec::new(), is_for_small_blocks: false }
    }

    /// The same, with threads for the smallest blocks, too, so that vectors are tests of them.
    pub fn for_small_blocks(self) -> Self {
        Self { is_for_small_blocks: true, ..self }
    }

    /// Every kind of way beside the sequential one. `tier` has to compile every code before it runs.
    pub fn all(tier: &Arc<dyn Tier>) -> Self {
        let way = |threads, order, tier| Way { threads: NonZeroUsize::new(threads).expect("positive"), order, tier };
        let compiled = || Some(Arc::clone(tier));
        let others = vec![
            way(2, Order::Optimistic, None),
            way(4, Order::Optimistic, None),
            way(16, Order::Optimistic, None),
            way(4, Order::List, None),
            way(1, Order::Optimistic, compiled()),
            way(4, Order::Optimistic, compiled()),
            way(4, Order::List, compiled()),
        ];
        // Threads are told of the access list, which is wrong where the block is to be refused for that.
        let way = Way { order: Order::Optimistic, ..Way::sequential() };
        Self { others, ..Self::by(way) }.for_small_blocks()
    }

    /// Runs a block in each way. The inner result is the first way's.
    pub fn run(&self, work: &Work<'_>) -> Result<Result<Outcome, BlockError>, Disagreement> {
        let first = self.run_first(work);
        self.check(work, &first)?;
        Ok(first)
    }

    /// Runs a block in the first way.
    pub fn run_first(&self, work: &Work<'_>) -> Result<Outcome, BlockError> {
        self.run_by(&self.way, work)
    }

    /// Runs a block in the other ways, and compares what they give with what the first gave.
    pub fn check(&self, work: &Work<'_>, first: &Result<Outcome, BlockError>) -> Result<(), Disagreement> {
        if self.others.is_empty() {
            return Ok(());
        }
        let recovered = recover_senders(work);
        let made = if work.access_list.is_none() { list_of(work) } else { None };
        let access_list = work.access_list.or(made.as_ref());
        let work = Work { senders: work.senders.or(recovered.as_deref()), access_list, ..*work };
        self.others.iter().try_for_each(|other| {
            let found = self.run_by(other, &work);
            // Who was told of a list, and found another, refuses the block; who was not told of it can't.
            let list = first.as_ref().ok().and_then(|outcome| outcome.block_access_list.as_ref());
            let is_wrong_list = access_list.is_some() && list.is_some() && list != access_list;
            if is_wrong_list && other.order != Order::Optimistic && found.is_err() {
                return Ok(());
            }
            self.compare(other, first, &found, difference)
        })
    }

    fn run_by(&self, way: &Way, work: &Work<'_>) -> Result<Outcome, BlockError> {
        let Work { chain, block, senders, reader, root_after, .. } = *work;
        let made = if way.order == Order::List && work.access_list.is_none() { list_of(work) } else { None };
        let strategy = Strategy {
            tier: way.tier.as_deref(),
            access_list: work.access_list.or(made.as_ref()).filter(|_| way.order != Order::Optimistic),
            ..Strategy::with_threads(way.threads)
        };
        let strategy =
            if self.is_for_small_blocks { Strategy { min_transactions: 1, min_gas: 0, ..strategy } } else { strategy };
        rialto_parallel::execute(chain, block, senders, reader, root_after, &strategy)
    }

    /// Compares what two ways gave, where `difference` compares two that succeeded.
    pub(crate) fn compare<T, E: fmt::Display + PartialEq>(
        &self,
        other: &Way,
        expected: &Result<T, E>,
        found: &Result<T, E>,
        difference: fn(&T, &T) -> Option<Difference>,
    ) -> Result<(), Disagreement> {
        let text = |result: &Result<T, E>| match result {
            Ok(_) => "success".to_string(),
            Err(error) => error.to_string(),
        };
        let difference = match (expected, found) {
            (Ok(expected), Ok(found)) => difference(expected, found),
            (Err(expected), Err(found)) if expected == found => None,
            _ => Some(("result".to_string(), text(expected), text(found))),
        };
        let Some((what, expected, found)) = difference else { return Ok(()) };
        Err(Disagreement { first: self.way.to_string(), other: other.to_string(), what, expected, found })
    }
}

/// Who sent the block's transactions, if that can be told of all.
fn recover_senders(work: &Work<'_>) -> Option<Vec<Address>> {
    let rules = work.chain.rules_at(work.block.header.number, work.block.header.timestamp);
    let recover = |transaction| recover_sender(transaction, rules, work.chain.chain_id).ok();
    work.block.transactions.iter().map(recover).collect()
}

/// What running the block reads and writes, on any fork; `None` where it is not valid.
fn list_of(work: &Work<'_>) -> Option<BlockAccessList> {
    let recovered;
    let senders = match work.senders {
        Some(senders) => senders,
        None => {
            recovered = recover_senders(work)?;
            &recovered
        }
    };
    let mut executor = BlockExecutor::new(work.chain, &work.block.header, work.reader).with_access_list();
    executor.begin().ok()?;
    for (transaction, sender) in work.block.transactions.iter().zip(senders) {
        executor.transaction(transaction, *sender).ok()?;
    }
    let withdrawals = work.block.withdrawals.as_deref().unwrap_or_default();
    executor.finish(&work.block.ommers, withdrawals).ok()?.block_access_list
}

/// How two values differ.
pub(crate) fn differ<T: PartialEq + fmt::Debug>(
    what: impl Into<String>,
    expected: &T,
    found: &T,
) -> Option<Difference> {
    (expected != found).then(|| (what.into(), format!("{expected:?}"), format!("{found:?}")))
}

/// The first item that differs, by its index.
fn differ_in_items<T: PartialEq + fmt::Debug>(what: &str, expected: &[T], found: &[T]) -> Option<Difference> {
    differ(format!("number of {what}"), &expected.len(), &found.len()).or_else(|| {
        let mut pairs = expected.iter().zip(found).enumerate();
        pairs.find_map(|(index, (expected, found))| differ(format!("{what}[{index}]"), expected, found))
    })
}

/// How two outcomes differ.
fn difference(expected: &Outcome, found: &Outcome) -> Option<Difference> {
    // Naming every field makes a new one an error here.
    let Outcome { receipts, has_receipt_roots, gas_used, blob_gas_used, logs_bloom, requests, block_access_list, diff } =
        expected;
    differ_in_items("receipts", receipts, &found.receipts)
        .or_else(|| differ("whether receipts have roots", has_receipt_roots, &found.has_receipt_roots))
        .or_else(|| differ("gas used", gas_used, &found.gas_used))
        .or_else(|| differ("blob gas used", blob_gas_used, &found.blob_gas_used))
        .or_else(|| differ("logs bloom", logs_bloom, &found.logs_bloom))
        .or_else(|| differ("requests", requests, &found.requests))
        .or_else(|| match (block_access_list, &found.block_access_list) {
            (Some(expected), Some(found)) => differ_in_items("block access list", &expected.0, &found.0),
            (expected, found) => differ("whether there is a block access list", &expected.is_some(), &found.is_some()),
        })
        .or_else(|| difference_of_diffs(diff, &found.diff))
}

/// How two diffs differ.
pub(crate) fn difference_of_diffs(expected: &Diff, found: &Diff) -> Option<Difference> {
    differ_in_items("changed accounts", &expected.accounts, &found.accounts).or_else(|| {
        let hashes = |diff: &Diff| diff.codes.iter().map(rialto_state::Code::hash).collect::<Vec<_>>();
        differ("hashes of new codes", &hashes(expected), &hashes(found))
    })
}

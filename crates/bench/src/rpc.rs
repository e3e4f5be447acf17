//! Two nodes in developer mode, side by side: requests a second over many connections.
//!
//! First both are sent transactions, while their chains are short. Then both get the same blocks: a token of ours, balances, and
//! thousands of blocks of which some hold a transfer, so that each request has the same answer on both; that is checked before
//! anything is timed. Each case runs in rounds: one node, then the other, in an order that alternates, over the same number of
//! connections, for a fixed time or number of transactions. A machine that slows
//! down meanwhile slows both. A case's figure is the median of its rounds, and what counts is the ratio of the two.
//!
//! The client is part of what is measured, since it shares the machine. It is the same for both: requests are made before
//! the clock starts, and answers are read but not parsed.

mod chain;
mod http;
mod ingest;
mod load;
mod report;

pub use http::{HttpConnection, HttpReply};
pub use report::{RpcCaseReport, RpcReport, ServerFigures, ServerReport};

use crate::BenchError;
use chain::Chain;
use load::Sample;
use std::time::Duration;

/// What to measure between which nodes.
#[derive(Clone, Debug)]
pub struct RpcPlan {
    /// The node that is measured, `http://HOST:PORT`.
    pub url: String,
    /// The node that it is compared with.
    pub peer: String,
    /// Connections that send requests at the same time.
    pub connections: usize,
    /// Time of a round.
    pub duration: Duration,
    /// Time before the first round of a case, on each node, that does not count.
    pub warm_up: Duration,
    /// Rounds of a case on each node.
    pub rounds: usize,
    /// Blocks that the requests for logs look through.
    pub blocks: u64,
    /// Transactions of a round of the cases that send them.
    pub transactions: usize,
    /// Only cases with this in their name.
    pub filter: Option<String>,
}

impl RpcPlan {
    /// The usual effort between two nodes.
    pub fn new(url: String, peer: String) -> Self {
        Self {
            url,
            peer,
            connections: 64,
            duration: Duration::from_secs(2),
            warm_up: Duration::from_millis(500),
            rounds: 5,
            blocks: 10_000,
            transactions: 6_400,
            filter: None,
        }
    }

    fn wants(&self, case: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| case.contains(filter))
    }
}

/// Prepares both nodes and measures every case; `progress` hears what is being done.
pub fn run_rpc(plan: &RpcPlan, progress: &mut dyn FnMut(&str)) -> Result<RpcReport, BenchError> {
    let (mut rialto, mut peer) = (Chain::open(&plan.url)?, Chain::open(&plan.peer)?);
    let mut cases = Vec::new();
    for case in ingest::CASES {
        if plan.wants(case.name) {
            progress(case.name);
            cases.push(sends(plan, case, &mut rialto, &mut peer)?);
        }
    }
    if chain::CASES.iter().any(|case| plan.wants(case.name)) {
        progress("mining the chains");
        fill(&mut rialto, &mut peer, plan.blocks)?;
    }
    for case in chain::CASES {
        if plan.wants(case.name) {
            progress(case.name);
            cases.push(reads(plan, case, &mut rialto, &mut peer)?);
        }
    }
    Ok(RpcReport {
        connections: plan.connections,
        duration_seconds: plan.duration.as_secs_f64(),
        rounds: plan.rounds,
        blocks: plan.blocks,
        rialto: rialto.report(),
        peer: peer.report(),
        cases,
    })
}

/// Both at once: one may take minutes for it.
fn fill(rialto: &mut Chain, peer: &mut Chain, blocks: u64) -> Result<(), BenchError> {
    std::thread::scope(|scope| {
        let rialto = scope.spawn(|| rialto.fill(blocks));
        let peer = peer.fill(blocks);
        rialto.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(peer)
    })
}

/// A case whose requests change nothing.
fn reads(
    plan: &RpcPlan,
    case: &chain::ReadCase,
    rialto: &mut Chain,
    peer: &mut Chain,
) -> Result<RpcCaseReport, BenchError> {
    let (ours, theirs) = (rialto.requests(case), peer.requests(case));
    let found = (rialto.answer(&ours[0])?, peer.answer(&theirs[0])?);
    if chain::comparable(&found.0) != chain::comparable(&found.1) {
        return Err(BenchError::RpcMismatch {
            case: case.name.to_string(),
            rialto: found.0.to_string(),
            peer: found.1.to_string(),
        });
    }
    let run = |chain: &Chain, requests: &[Vec<u8>], time| load::run(chain.address(), requests, plan.connections, time);
    run(rialto, &ours, plan.warm_up)?;
    run(peer, &theirs, plan.warm_up)?;
    let samples =
        in_turns(plan.rounds, &mut || run(rialto, &ours, plan.duration), &mut || run(peer, &theirs, plan.duration))?;
    Ok(RpcCaseReport::new(case.name, "requests a second", samples))
}

/// A case that sends transactions.
fn sends(
    plan: &RpcPlan,
    case: &ingest::SendCase,
    rialto: &mut Chain,
    peer: &mut Chain,
) -> Result<RpcCaseReport, BenchError> {
    let transactions = (plan.transactions / 10).max(plan.connections);
    ingest::run(case, rialto, plan.connections, transactions)?;
    ingest::run(case, peer, plan.connections, transactions)?;
    let samples =
        in_turns(plan.rounds, &mut || ingest::run(case, rialto, plan.connections, plan.transactions), &mut || {
            ingest::run(case, peer, plan.connections, plan.transactions)
        })?;
    Ok(RpcCaseReport::new(case.name, "transactions a second", samples))
}

type Run<'a> = &'a mut dyn FnMut() -> Result<Sample, BenchError>;

/// Runs both in turns; who is first alternates.
fn in_turns(rounds: usize, rialto: Run<'_>, peer: Run<'_>) -> Result<[Vec<Sample>; 2], BenchError> {
    let mut samples = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for round in 0..rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            samples[side].push(if side == 0 { rialto()? } else { peer()? });
        }
    }
    Ok(samples)
}

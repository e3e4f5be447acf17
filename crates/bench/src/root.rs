//! The state root after one block, beside other ways to it.
//!
//! A state is made and written to our database on disk, and a block that changes much of it is executed. Then every way to the
//! root of the state after the block takes its turn, round after round, and all must give the same root:
//!
//! | by | from | what is timed |
//! |---|---|---|
//! | rialto | disk | the incremental root from a database that was just opened, so that neither it nor we have anything in memory |
//! | rialto | database | the same from a database whose pages were read before |
//! | rialto | nodes | the same with the nodes above all changes in memory, as after blocks that touched the same |
//! | alloy-trie | sorted | [`rebuild`]: all leaves of the state through `HashBuilder`, keys hashed and sorted beforehand |
//! | peer | disk, memory | another program's incremental root, from a database just opened and from a map in memory |
//!
//! Hashing of the changed addresses and slots is part of every incremental root. Files are read through the system's cache, by all
//! alike. Nothing is written within the time.

mod case;
mod peer;
mod rebuild;
mod report;

pub use case::{RootCase, RootSize};
pub use report::{RootFigure, RootReport};

use crate::BenchError;
use alloy_primitives::{B256, Bytes, U256};
use case::{genesis_hash, reversed};
use peer::Peer;
use rebuild::SortedState;
use rialto_parallel::RootThreads;
use rialto_state::Diff;
use rialto_store::{StateAt, Store, StoreError, StoreOptions, StoredBlock};
use rialto_trie::{StateTrie, TrieError};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to measure.
#[derive(Clone, Debug)]
pub struct RootPlan {
    /// How large state and block are.
    pub size: RootSize,
    /// Threads, besides one.
    pub threads: NonZeroUsize,
    /// Rounds of each way.
    pub rounds: usize,
    /// Where the databases are made, in a folder that is removed in the end; `None` for the system's temporary folder.
    pub folder: Option<PathBuf>,
    /// Another program that computes the root, see `peer`.
    pub peer: Option<PathBuf>,
    /// Only ways with this in `BY from FROM`.
    pub filter: Option<String>,
}

impl Default for RootPlan {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { size: RootSize::default(), threads, rounds: 5, folder: None, peer: None, filter: None }
    }
}

/// One way to the root, and the times it took.
struct Way {
    by: &'static str,
    from: &'static str,
    threads: usize,
    times_ns: Vec<u64>,
}

fn failed(what: impl ToString, reason: impl ToString) -> BenchError {
    BenchError::File { path: what.to_string(), reason: reason.to_string() }
}

fn median(times: &[u64]) -> u64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What every round needs.
struct Bench<'a> {
    datadir: &'a Path,
    before: B256,
    diff: &'a Diff,
    /// The tries before the block with the nodes above all changes.
    warm: StateTrie,
    sorted: SortedState,
    pools: Vec<RootThreads>,
    peer: Option<Peer>,
}

/// Makes state and block and measures; `progress` hears what is being done.
pub fn run_root(plan: &RootPlan, progress: &mut dyn FnMut(&str)) -> Result<RootReport, BenchError> {
    progress("making the state");
    let case = RootCase::new(&plan.size);
    let outcome = case.execute(&case.state)?;
    let folder = match &plan.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.map_err(|error| failed("a temporary folder", error))?;
    let datadir = folder.path().join("rialto");
    progress("writing the database");
    write_store(&datadir, &case)?;
    progress("preparing the other ways");
    let mut after = case.state.clone();
    after.apply(&outcome.diff);
    let peer = match &plan.peer {
        Some(program) => Some(Peer::start(program, folder.path(), &case.state, &outcome.diff)?),
        None => None,
    };
    let opened = open(&datadir)?;
    let before = root_before(&case)?;
    let one = RootThreads::new(NonZeroUsize::MIN);
    let mut warm = StateTrie::from_root(before);
    let expected = apply(&one, &mut warm, &outcome.diff, &opened.state)?;
    drop(warm.commit());
    let back = apply(&one, &mut warm, &reversed(&outcome.diff), &opened.state)?;
    check("going back", before, back)?;
    drop((warm.commit(), opened));
    let mut pools = vec![one];
    if plan.threads.get() > 1 {
        pools.push(RootThreads::new(plan.threads));
    }
    let sorted = SortedState::new(&after);
    drop(after);
    let mut bench = Bench { datadir: &datadir, before, diff: &outcome.diff, warm, sorted, pools, peer };
    let (ways, execution) = bench.rounds(plan, &case, expected, progress)?;
    let execution_ns = median(&execution);
    Ok(RootReport {
        touched_accounts: outcome.diff.accounts.len(),
        touched_slots: outcome.diff.accounts.iter().map(|change| change.storage.len()).sum(),
        transactions: case.block.transactions.len(),
        gas_used: outcome.gas_used,
        database_bytes: std::fs::metadata(datadir.join("rialto.redb")).map_or(0, |file| file.len()),
        rounds: plan.rounds,
        execution_ns,
        root: expected.to_string(),
        figures: ways.iter().map(|way| way.figure(execution_ns)).collect(),
        ..RootReport::empty(&plan.size)
    })
}

impl Way {
    fn figure(&self, execution_ns: u64) -> RootFigure {
        let median_ns = median(&self.times_ns);
        RootFigure {
            by: self.by,
            from: self.from,
            threads: self.threads,
            median_ns,
            lowest_ns: self.times_ns.iter().min().copied().unwrap_or_default(),
            highest_ns: self.times_ns.iter().max().copied().unwrap_or_default(),
            share_of_block: median_ns as f64 / (median_ns + execution_ns).max(1) as f64,
        }
    }
}

impl Bench<'_> {
    /// All ways, in turns: who is first changes from round to round.
    fn rounds(
        &mut self,
        plan: &RootPlan,
        case: &RootCase,
        expected: B256,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(Vec<Way>, Vec<u64>), BenchError> {
        let rounds = plan.rounds;
        let mut ways = self.ways();
        let name = |way: &Way| format!("{} from {}", way.by, way.from);
        ways.retain(|way| plan.filter.as_deref().is_none_or(|filter| name(way).contains(filter)));
        let mut execution = Vec::with_capacity(rounds);
        for round in 0..rounds {
            for turn in 0..ways.len() {
                let count = ways.len();
                let way = &mut ways[(round + turn) % count];
                let what =
                    format!("round {} of {rounds}: {}, {}, {} threads", round + 1, way.by, way.from, way.threads);
                progress(&what);
                let (time, root) = self.run(way)?;
                check(&what, expected, root)?;
                way.times_ns.push(time);
            }
            progress("executing the block");
            let opened = open(self.datadir)?;
            let begin = Instant::now();
            let outcome = case.execute(&opened.state)?;
            execution.push(nanoseconds(begin));
            if outcome.diff != *self.diff {
                return Err(failed("executing the block on the database", "gave another diff than in memory"));
            }
        }
        Ok((ways, execution))
    }

    fn ways(&self) -> Vec<Way> {
        let way = |by, from, threads| Way { by, from, threads, times_ns: Vec::new() };
        let counts: Vec<usize> = self.pools.iter().map(RootThreads::threads).collect();
        let each = |by, from| counts.iter().map(move |threads| way(by, from, *threads)).collect::<Vec<_>>();
        let mut ways = Vec::new();
        for from in ["disk", "database", "nodes"] {
            ways.extend(each("rialto", from));
        }
        ways.push(way("alloy-trie", "sorted", 1));
        if self.peer.is_some() {
            ways.extend(each("peer", "disk"));
            ways.extend(each("peer", "memory"));
        }
        ways
    }

    /// Nanoseconds and root of one turn.
    fn run(&mut self, way: &Way) -> Result<(u64, B256), BenchError> {
        if way.by == "alloy-trie" {
            let begin = Instant::now();
            let root = self.sorted.root();
            return Ok((nanoseconds(begin), root));
        }
        if way.by == "peer" {
            let peer = self.peer.as_mut().ok_or_else(|| failed("the peer", "is not there"))?;
            return peer.round(way.from, way.threads);
        }
        let pool = self.pools.iter().find(|pool| pool.threads() == way.threads);
        let pool = pool.ok_or_else(|| failed("the threads", "are not there"))?;
        let opened = open(self.datadir)?;
        if way.from == "database" {
            apply(pool, &mut StateTrie::from_root(self.before), self.diff, &opened.state)?;
        }
        let mut trie = if way.from == "nodes" { self.warm.clone() } else { StateTrie::from_root(self.before) };
        let begin = Instant::now();
        let root = apply(pool, &mut trie, self.diff, &opened.state)?;
        Ok((nanoseconds(begin), root))
    }
}

fn nanoseconds(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn check(what: &str, expected: B256, found: B256) -> Result<(), BenchError> {
    if found == expected { Ok(()) } else { Err(failed(what, format!("expected the root {expected}, found {found}"))) }
}

fn apply(pool: &RootThreads, trie: &mut StateTrie, diff: &Diff, state: &StateAt) -> Result<B256, BenchError> {
    pool.apply(trie, diff, state).map_err(|error: TrieError| failed("the state trie", error))
}

fn root_before(case: &RootCase) -> Result<B256, BenchError> {
    Ok(SortedState::new(&case.state).root())
}

/// Writes the state to a new database.
fn write_store(datadir: &Path, case: &RootCase) -> Result<(), BenchError> {
    let genesis = StoredBlock {
        number: 0,
        hash: genesis_hash(),
        parent_hash: B256::ZERO,
        total_difficulty: U256::ZERO,
        header: Bytes::new(),
        body: Bytes::new(),
        senders: Vec::new(),
    };
    let stored = Store::open(datadir, StoreOptions::default())
        .and_then(|store| store.initialise(&genesis, &case.state, b"state root benchmark"));
    stored.map_err(|error| failed(datadir.display(), error))
}

/// A state in a database that is open as long as the value lives.
struct Opened {
    state: StateAt,
    _store: Store,
}

/// The state in the database, opened anew.
fn open(datadir: &Path) -> Result<Opened, BenchError> {
    let open = || {
        let store = Store::open(datadir, StoreOptions::default())?;
        Ok(Opened { state: store.snapshot()?.state_at(0)?, _store: store })
    };
    open().map_err(|error: StoreError| failed(datadir.display(), error))
}

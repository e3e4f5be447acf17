//! A process that commits without pause is killed at random instants. Whatever it acknowledged before must be there afterwards,
//! the database must verify, and the chain must go on.
//!
//! The child is this test binary again, with the data directory in an environment variable. It writes the number of each
//! block to standard output after the commit has returned. The kill (SIGKILL) comes after a random number of acknowledgements and,
//! so that it falls into every phase of a commit, a random number of microseconds. What the child's operating system holds
//! survives a killed process: this hunts torn sequences of writes, not lost caches of a disk.

mod common;

use common::{Model, Random, append, check_snapshot, head_state};
use rialto_store::{Commit, History, Store, StoreOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DATADIR: &str = "RIALTO_STORE_CRASH_DATADIR";
const KILLS: u64 = 24;
/// Blocks kept: small enough that every commit prunes.
const WINDOW: u64 = 6;

fn options() -> StoreOptions {
    StoreOptions { history: History::Blocks(WINDOW), cache_bytes: 4 << 20, is_durable: true }
}

/// The chain up to a block: what child and parent compute alike. Every fourth block replaces the one before it.
fn next_step(model: &mut Model, step: u64, store: Option<&Store>) {
    if step % 4 == 3 && model.blocks.len() > 2 {
        model.blocks.pop();
    }
    let mut trie = rialto_trie::StateTrie::from_memory(&model.head().state).expect("a state in memory");
    trie.root();
    let block = model.random_block(step, &trie);
    if let Some(store) = store {
        let target = model.head().block.block.number;
        let unwind_to = (store.snapshot().expect("a chain").head().0 > target).then_some(target);
        let note = step.to_be_bytes();
        let append = std::slice::from_ref(&block.block);
        store.commit(&Commit { unwind_to, append, note: Some(&note), ..Commit::default() }).expect("a commit");
    }
    model.blocks.push(block);
}

/// The step that a store's note names: the last one that was committed.
fn last_step(store: &Store) -> u64 {
    let note = store.snapshot().expect("a chain").note().expect("readable");
    note.try_into().map_or(0, u64::from_be_bytes)
}

/// What the child does.
#[test]
fn child_commits_until_it_is_killed() {
    let Some(datadir) = std::env::var_os(DATADIR) else { return };
    let store = Store::open(Path::new(&datadir), options()).expect("the parent has closed it");
    let mut model = Model::new(3);
    model.initialise(&store);
    let committed = last_step(&store);
    (1..=committed).for_each(|step| next_step(&mut model, step, None));
    for step in committed + 1.. {
        next_step(&mut model, step, Some(&store));
        // The parent may be gone; then nobody needs this process.
        if writeln!(std::io::stdout(), "committed {step}").is_err() {
            return;
        }
    }
}

/// Starts the child, kills it after `acknowledgements` and `delay`, and gives the last acknowledged step.
fn run_child(datadir: &Path, acknowledgements: u64, delay: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "child_commits_until_it_is_killed", "--nocapture"])
        .env(DATADIR, datadir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut acknowledged = 0;
    let mut seen = 0;
    // The test harness writes lines of its own.
    let mut read = |line: String| {
        if let Some((_, step)) = line.split_once("committed ") {
            acknowledged = step.parse().expect("a number");
            seen += 1;
        }
        seen
    };
    while let Some(Ok(line)) = lines.next() {
        if read(line) >= acknowledgements {
            break;
        }
    }
    let start = Instant::now();
    while start.elapsed() < delay {
        std::hint::spin_loop();
    }
    child.kill().expect("it runs for ever");
    child.wait().expect("it was killed");
    // What it acknowledged between the last line read and its end.
    for line in lines.map_while(Result::ok) {
        read(line);
    }
    acknowledged
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(11);
    let mut model = Model::new(3);
    let mut modelled = 0;
    for kill in 0..KILLS {
        let delay = Duration::from_micros(random.below(6_000));
        let acknowledged = run_child(folder.path(), 1 + random.below(12), delay);
        let store = Store::open(folder.path(), options()).expect("opens after a kill");
        let committed = last_step(&store);
        // The commit that was under way may be there or not.
        assert!(committed == acknowledged || committed == acknowledged + 1, "kill {kill}: {committed}, {acknowledged}");
        (modelled + 1..=committed).for_each(|step| next_step(&mut model, step, None));
        modelled = committed;
        check_snapshot(&store.snapshot().expect("a chain"), &model);
        // The next block can be computed from what is there, and undone.
        let mut longer = model.clone();
        let block = longer.random_block(kill, &head_state(&store));
        append(&store, &mut longer, block);
        let target = Some(model.head().block.block.number);
        store.commit(&Commit { unwind_to: target, ..Commit::default() }).expect("a commit");
    }
    assert!(modelled > KILLS, "the children made progress");
}

//! The tier: which code is compiled, when, and for how long it is kept.
//!
//! Every code under a set of opcodes has an entry by its hash. In [`JitMode::Auto`] an entry counts the frames that ask
//! for native code; at the threshold its code is queued for the one thread that compiles, through a queue that refuses
//! rather than blocks, and the interpreter goes on meanwhile. In [`JitMode::Always`] the first frame compiles and waits,
//! for tests.
//!
//! Bounds: native code in bytes ([`JitOptions::max_bytes`]), of which the least recently asked for goes first; entries;
//! the queue; what compiling one code may cost (`machine`). Code that can't be compiled is remembered as refused.
//! Machines that hold native code that was evicted may run it until they let go of it.

use crate::machine::{CompileError, Machine};
use alloy_primitives::B256;
use rialto_state::Code;
use rialto_vm::{Fork, NativeCode, Slot, Tier, opcode_set};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// When code is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JitMode {
    /// In the background, after [`JitOptions::threshold`] frames.
    Auto,
    /// At once, by the first frame that runs it, which waits. For tests: a block is slower for it.
    Always,
}

/// How the compiler tier works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitOptions {
    /// When code is compiled.
    pub mode: JitMode,
    /// Frames that begin or go on in a code before it is compiled.
    pub threshold: u32,
    /// Bytes of native code that are kept.
    pub max_bytes: usize,
    /// Codes that wait to be compiled at most.
    pub queue: usize,
}

impl Default for JitOptions {
    fn default() -> Self {
        Self { mode: JitMode::Auto, threshold: 32, max_bytes: 64 << 20, queue: 256 }
    }
}

/// What compiling one code gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompiledInfo {
    /// Bytes of native code, with its tables.
    pub code_bytes: usize,
    /// Bytes of bytecode.
    pub bytecode_bytes: usize,
    /// Time it took.
    pub nanoseconds: u64,
}

/// What the tier has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitStats {
    /// Codes compiled.
    pub compiled: u64,
    /// Codes that can't be compiled.
    pub refused: u64,
    /// Codes whose native code was dropped for the bound's sake.
    pub evicted: u64,
    /// Times that the queue was full.
    pub queue_full: u64,
    /// Bytes of native code that are kept.
    pub bytes: usize,
    /// Time spent compiling.
    pub compile_nanoseconds: u64,
}

/// Codes that are remembered at most.
const MAX_ENTRIES: usize = 1 << 14;

/// States of a slot.
const COLD: u32 = 0;
const QUEUED: u32 = 1;
const COMPILED: u32 = 2;
const REFUSED: u32 = 3;

/// Hash and set of opcodes.
type Key = (B256, usize);

struct Entry {
    slot: Arc<Slot>,
    native: Option<Arc<NativeCode>>,
    /// When it was last asked for, in requests.
    used: u64,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<Key, Entry>,
    requests: u64,
    stats: JitStats,
}

struct Shared {
    id: u64,
    options: JitOptions,
    machine: Result<Machine, CompileError>,
    cache: Mutex<Cache>,
}

struct Job {
    code: Code,
    fork: Fork,
}

/// The compiler tier.
pub struct Jit {
    shared: Arc<Shared>,
    queue: Option<SyncSender<Job>>,
    worker: Option<JoinHandle<()>>,
}

impl Jit {
    /// A tier that has compiled nothing yet. On a host that it can't compile for, it never does.
    pub fn new(options: JitOptions) -> Self {
        static TIERS: AtomicU64 = AtomicU64::new(1);
        let shared = Arc::new(Shared {
            id: TIERS.fetch_add(1, Ordering::Relaxed),
            options,
            machine: Machine::new(),
            cache: Mutex::default(),
        });
        let mut jit = Self { shared, queue: None, worker: None };
        if options.mode == JitMode::Auto {
            let (queue, jobs) = sync_channel(options.queue);
            let shared = jit.shared.clone();
            let spawned = std::thread::Builder::new().name("jit".into()).spawn(move || work(&shared, &jobs));
            // Without a thread nothing is compiled: jobs find nobody at the other end.
            jit.worker = spawned.ok();
            jit.queue = Some(queue);
        }
        jit
    }

    /// Compiles `code` for the opcodes of `fork`, keeping nothing.
    pub fn compile(&self, code: &[u8], fork: Fork) -> Result<CompiledInfo, CompileError> {
        let start = Instant::now();
        let native = self.shared.compile(code, fork)?;
        let nanoseconds = start.elapsed().as_nanos() as u64;
        Ok(CompiledInfo { code_bytes: native.bytes(), bytecode_bytes: code.len(), nanoseconds })
    }

    /// What the tier has done so far.
    pub fn stats(&self) -> JitStats {
        self.shared.cache().stats
    }

    /// Waits until what is queued is compiled. For measurements.
    pub fn wait(&self) {
        while self.queue.is_some() && self.worker.as_ref().is_some_and(|worker| !worker.is_finished()) {
            let is_waiting = |entry: &Entry| entry.slot.state.load(Ordering::Acquire) == QUEUED;
            if !self.shared.cache().entries.values().any(is_waiting) {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn request(&self, slot: &Slot, code: &Code, fork: Fork) {
        let runs = slot.runs.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if runs < self.shared.options.threshold {
            return;
        }
        if slot.state.compare_exchange(COLD, QUEUED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        let job = Job { code: code.clone(), fork };
        let sent = self.queue.as_ref().is_some_and(|queue| queue.try_send(job).is_ok());
        if !sent {
            slot.runs.store(0, Ordering::Relaxed);
            slot.state.store(COLD, Ordering::Release);
            self.shared.cache().stats.queue_full += 1;
        }
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has nothing to say.
            let _ = worker.join();
        }
    }
}

impl Tier for Jit {
    fn slot(&self, code: &Code, fork: Fork) -> Arc<Slot> {
        self.shared.slot((code.hash(), opcode_set(fork)))
    }

    fn native(&self, slot: &Slot, code: &Code, fork: Fork) -> Option<Arc<NativeCode>> {
        match slot.state.load(Ordering::Acquire) {
            REFUSED | QUEUED => None,
            COMPILED => self.shared.cache().native((code.hash(), opcode_set(fork))),
            _ if self.shared.options.mode == JitMode::Always => {
                self.shared.compile_and_keep(code, fork);
                self.shared.cache().native((code.hash(), opcode_set(fork)))
            }
            _ => {
                self.request(slot, code, fork);
                None
            }
        }
    }

    fn id(&self) -> u64 {
        self.shared.id
    }
}

/// Compiles what is queued until the tier is dropped.
fn work(shared: &Shared, jobs: &Receiver<Job>) {
    for Job { code, fork } in jobs {
        shared.compile_and_keep(&code, fork);
    }
}

impl Shared {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        // What is under the lock is whole between any two statements that may panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile(&self, code: &[u8], fork: Fork) -> Result<NativeCode, CompileError> {
        self.machine.as_ref().map_err(Clone::clone)?.compile(code, fork)
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut cache = self.cache();
        if !cache.entries.contains_key(&key) && cache.entries.len() >= MAX_ENTRIES {
            cache.entries.retain(|_, entry| entry.native.is_some() || Arc::strong_count(&entry.slot) > 1);
            if cache.entries.len() >= MAX_ENTRIES {
                let slot = Slot::new(self.id);
                slot.state.store(REFUSED, Ordering::Release);
                return Arc::new(slot);
            }
        }
        let entry = || Entry { slot: Arc::new(Slot::new(self.id)), native: None, used: 0 };
        cache.entries.entry(key).or_insert_with(entry).slot.clone()
    }

    fn compile_and_keep(&self, code: &Code, fork: Fork) {
        let start = Instant::now();
        let native = self.compile(code.bytes(), fork);
        let nanoseconds = start.elapsed().as_nanos() as u64;
        let key = (code.hash(), opcode_set(fork));
        let mut cache = self.cache();
        cache.stats.compile_nanoseconds += nanoseconds;
        match native {
            Ok(native) if native.bytes() <= self.options.max_bytes => {
                cache.keep(key, Arc::new(native), self.options.max_bytes);
            }
            _ => cache.refuse(key),
        }
    }
}

impl Cache {
    fn native(&mut self, key: Key) -> Option<Arc<NativeCode>> {
        self.requests += 1;
        let entry = self.entries.get_mut(&key)?;
        entry.used = self.requests;
        entry.native.clone()
    }

    fn refuse(&mut self, key: Key) {
        self.stats.refused += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.slot.state.store(REFUSED, Ordering::Release);
        }
    }

    /// Keeps native code that fits `max_bytes`, dropping others for it.
    fn keep(&mut self, key: Key, native: Arc<NativeCode>, max_bytes: usize) {
        if self.entries.get(&key).is_none_or(|entry| entry.native.is_some()) {
            return;
        }
        while self.stats.bytes + native.bytes() > max_bytes {
            self.evict_one();
        }
        self.requests += 1;
        self.stats.compiled += 1;
        self.stats.bytes += native.bytes();
        let entry = self.entries.get_mut(&key).expect("it was there");
        entry.used = self.requests;
        entry.slot.set(Some(&native));
        entry.slot.state.store(COMPILED, Ordering::Release);
        entry.native = Some(native);
    }

    /// Drops the native code that was not asked for the longest.
    fn evict_one(&mut self) {
        let oldest = self.entries.values_mut().filter(|entry| entry.native.is_some()).min_by_key(|entry| entry.used);
        let entry = oldest.expect("bytes are kept only in entries");
        entry.slot.set(None);
        entry.slot.runs.store(0, Ordering::Relaxed);
        entry.slot.state.store(COLD, Ordering::Release);
        let native = entry.native.take().expect("it was filtered for it");
        self.stats.bytes -= native.bytes();
        self.stats.evicted += 1;
    }
}

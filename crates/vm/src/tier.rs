//! Where a compiler tier plugs in. The machine knows only that somebody may have a faster form of the code that it runs.
//!
//! Code that is the same under the same set of opcodes has one [`Slot`], whoever holds it. The machine asks the tier for
//! the slot once per translation and keeps it there. When a frame begins or goes on, the machine looks at the slot: where
//! it names native code that the machine holds already, it runs it, at the cost of one load and one comparison; otherwise
//! it asks [`Tier::native`], which counts, compiles, or says no.
//!
//! Native code may be dropped at any time: the slot is emptied, and the memory goes when the last machine that holds it
//! lets go. A machine trusts the pointer in a slot only where it equals that of a piece that it holds, which is the piece
//! itself: as long as it is held, no other one can have its address.

use crate::{Fork, native::NativeFunction};
use alloc::{boxed::Box, sync::Arc};
use core::any::Any;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use rialto_state::Code;

/// A faster way to run code than the interpreter, for the code that it has compiled.
pub trait Tier: Send + Sync {
    /// The slot for `code` under the opcodes of `fork`. Slots are cheap and may be made anew, but code that has native
    /// code must be given the slot that names it.
    fn slot(&self, code: &Code, fork: Fork) -> Arc<Slot>;

    /// A frame that runs `code` begins or goes on, and the machine does not hold what `slot` names, if anything: the
    /// native code, if there is some by now. It must come back at once where `slot` is refused.
    fn native(&self, slot: &Slot, code: &Code, fork: Fork) -> Option<Arc<NativeCode>>;

    /// A number that no other tier of the process has. A slot that was made by another tier is not looked at.
    fn id(&self) -> u64;
}

/// What a tier knows of one code under one set of opcodes.
#[derive(Debug)]
pub struct Slot {
    tier: u64,
    native: AtomicPtr<NativeCode>,
    /// For the tier: how often frames asked.
    pub runs: AtomicU32,
    /// For the tier: what became of the code.
    pub state: AtomicU32,
}

impl Slot {
    /// An empty slot of the tier with this number.
    pub fn new(tier: u64) -> Self {
        Self { tier, native: AtomicPtr::new(core::ptr::null_mut()), runs: AtomicU32::new(0), state: AtomicU32::new(0) }
    }

    /// The tier it is of.
    pub fn tier(&self) -> u64 {
        self.tier
    }

    /// Names `native`, or nothing. Whoever names it must hold it, and empty the slot before letting go.
    pub fn set(&self, native: Option<&Arc<NativeCode>>) {
        let pointer = native.map_or(core::ptr::null(), Arc::as_ptr);
        self.native.store(pointer.cast_mut(), Ordering::Release);
    }

    /// The address of what it names; not to be followed.
    pub(crate) fn named(&self) -> *const NativeCode {
        self.native.load(Ordering::Acquire)
    }
}

/// Native code for one program.
pub struct NativeCode {
    function: NativeFunction,
    entries: Box<[u32]>,
    bytes: usize,
    memory: Box<dyn Any + Send + Sync>,
}

impl NativeCode {
    /// Native code that may be entered at these program counters, which rise, the first being 0; `memory` holds the
    /// function and whatever it refers to, `bytes` of it in all.
    ///
    /// # Safety
    /// `function`, called as [`crate::native`] says for the code and the set of opcodes whose slot names it, with the
    /// index of an entry, must do what the interpreter does from that program counter on, and keep its invariants. It
    /// must stay valid as long as `memory` lives.
    pub unsafe fn new(
        function: NativeFunction,
        entries: Box<[u32]>,
        bytes: usize,
        memory: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Self { function, entries, bytes, memory }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What holds it.
    pub fn memory(&self) -> &(dyn Any + Send + Sync) {
        &*self.memory
    }

    pub(crate) fn function(&self) -> NativeFunction {
        self.function
    }

    /// The index of the entry at `pc`.
    #[inline]
    pub(crate) fn entry(&self, pc: usize) -> Option<usize> {
        if pc == 0 {
            return Some(0);
        }
        self.entries.binary_search(&u32::try_from(pc).ok()?).ok()
    }
}

impl core::fmt::Debug for NativeCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NativeCode").field("bytes", &self.bytes).field("entries", &self.entries.len()).finish()
    }
}

/// The pieces of native code that a machine holds, by their addresses. A piece that collides with another takes its
/// place, so the memory that a machine keeps from being freed is bounded.
pub(crate) struct Held([Option<Arc<NativeCode>>; HELD]);

/// Pieces that one machine holds at most.
const HELD: usize = 64;

impl Held {
    pub fn new() -> Self {
        Self([const { None }; HELD])
    }

    fn place(pointer: *const NativeCode) -> usize {
        (pointer as usize >> 6) % HELD
    }

    /// The piece at this address, if it is held.
    #[inline]
    pub fn get(&self, pointer: *const NativeCode) -> Option<&NativeCode> {
        let held = self.0[Self::place(pointer)].as_ref()?;
        core::ptr::eq(Arc::as_ptr(held), pointer).then_some(&**held)
    }

    pub fn hold(&mut self, native: Arc<NativeCode>) -> &NativeCode {
        self.0[Self::place(Arc::as_ptr(&native))].insert(native)
    }
}

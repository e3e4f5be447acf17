//! Builds only as long as the pure crates do without `std`.
//!
//! This library defines what `std` would define: what happens on a panic, and the allocator. If any crate below it links
//! `std`, there are two panic handlers and the compiler refuses (E0152, duplicate lang item `panic_impl`). It is built for
//! the host, so the check needs no other target installed. It is a static library because only then the compiler asks for
//! a panic handler at all; nobody links it.
//!
//! [`verify_block`] is the job of a stateless verifier and reaches into all of them. It says by its imports what must
//! go on existing without `std`.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use rialto_state::ReadError;
use rialto_stf::{Block, BlockError, ChainModule, ChainSpec, execute, verify_outcome};
use rialto_trie::WitnessState;
use rialto_vm::Fork;

/// An allocator that has nothing to give. The code is compiled, never run.
struct Nothing;

// SAFETY: null is a permitted answer, and nothing that was not given is ever taken back.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Executes a block on its witness and compares everything that its header commits to.
pub fn verify_block(chain: &ChainSpec, block: &Block, witness: &WitnessState) -> Result<bool, BlockError> {
    let outcome = execute(chain, block, None, witness, None)?;
    verify_outcome(&block.header, &outcome)?;
    match witness.apply(&outcome.diff) {
        Ok(root) => Ok(root == block.header.state_root),
        Err(_) => Err(BlockError::Read(ReadError::Backend(Default::default()))),
    }
}

/// Makes the functions above reachable from outside, so that they are compiled to the end.
#[unsafe(no_mangle)]
pub extern "C" fn rialto_no_std_check(bytes: *const u8, len: usize) -> bool {
    if bytes.is_null() {
        return false;
    }
    // SAFETY: whoever calls this passes `len` readable bytes.
    let bytes = unsafe { core::slice::from_raw_parts(bytes, len) };
    let Ok(block) = Block::decode(bytes) else { return false };
    let Some(mut chain) = ChainSpec::from_network(Fork::Osaka.name(), 1) else { return false };
    chain.modules.push(ChainModule::market(0));
    let witness = WitnessState::new(block.header.parent_hash, [], [], []);
    verify_block(&chain, &block, &witness) == Ok(true)
}

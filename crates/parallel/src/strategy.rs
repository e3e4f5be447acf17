//! How a block is run. No choice here changes what comes out.

use rialto_stf::BlockAccessList;
use rialto_vm::Tier;
use std::num::NonZeroUsize;

/// How a block is run.
#[derive(Clone, Copy)]
pub struct Strategy<'a> {
    /// Threads that run transactions; one is sequential.
    pub threads: NonZeroUsize,
    /// Where compiled code is.
    pub tier: Option<&'a dyn Tier>,
    /// What the block is said to read and write (EIP-7928): by it every transaction can be run at once. It is believed of
    /// nobody: what it says is compared with what was done.
    pub access_list: Option<&'a BlockAccessList>,
    /// Blocks of fewer transactions are run by one thread, since starting others would take longer than they do.
    pub min_transactions: usize,
    /// Blocks that use less than 1.2 times this gas, not counting what a transfer takes for each transaction, are run by one thread,
    /// for the same reason, and so are those that use less than 3.6 times of it and of which two contracts may use two thirds; where an
    /// access list says what depends on what, those that use less than a fifth of it.
    pub min_gas: u64,
    /// Whether the caller knows that the block's body is the one that its header commits to ([`rialto_stf::validate_body`]).
    pub is_body_known: bool,
}

impl Strategy<'_> {
    /// Fewer transactions are not worth another thread.
    pub const MIN_TRANSACTIONS: usize = 4;
    /// Less gas is not worth another thread: what it pays for takes half a millisecond. Transfers take next to no time.
    pub const MIN_GAS: u64 = 2_000_000;

    /// One thread that interprets.
    pub const SEQUENTIAL: Self = Self {
        threads: NonZeroUsize::MIN,
        tier: None,
        access_list: None,
        min_transactions: Self::MIN_TRANSACTIONS,
        min_gas: Self::MIN_GAS,
        is_body_known: false,
    };

    /// So many threads that interpret.
    pub fn with_threads(threads: NonZeroUsize) -> Self {
        Self { threads, ..Self::SEQUENTIAL }
    }
}

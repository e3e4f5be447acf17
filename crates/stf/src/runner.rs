//! Transactions run one at a time, each on whatever its reader says at that moment.
//!
//! This is what executing a block on several cores is made of. A transaction that is run before its predecessors are done may
//! have read what they are going to change; so it says what it read and what it changes, and whoever runs it compares the
//! one with the state at its turn before applying the other. The fee recipient's tip is left to the caller: every transaction
//! pays one, and if each read the balance, no two transactions would be independent.

use crate::executor::{BlockGas, block_context};
use crate::transact::{Mode, TxOutcome, transact};
use crate::{BlockRules, ChainSpec, Checks, Header, Transaction, TxError};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};
use rialto_state::{Account, Diff, Journal, StateReader};
use rialto_vm::{Tier, Vm};

/// What a transaction did and on what it depended.
#[derive(Clone, Debug)]
pub struct TxEffects {
    /// What it did.
    pub outcome: TxOutcome,
    /// Accounts that it read, as they were.
    pub accounts: Vec<(Address, Option<Account>)>,
    /// Slots that it read: account, slot, word.
    pub slots: Vec<(Address, U256, U256)>,
    /// What it changed, but for the fee recipient's tip.
    pub diff: Diff,
}

/// See the module's documentation.
pub struct TxRunner<'r> {
    vm: Vm<'r>,
    rules: &'static BlockRules,
    gas: BlockGas,
}

impl<'r> TxRunner<'r> {
    /// Runs transactions of a block with this environment.
    pub fn new(chain: &ChainSpec, header: &Header, reader: &'r dyn StateReader, hash_seed: u64) -> Self {
        let rules = chain.rules_at(header.number, header.timestamp);
        let blobs = chain.blob_params(rules.fork);
        let vm = Vm::new(rules.vm, block_context(chain, header, blobs.as_ref()), Journal::new(reader, hash_seed));
        Self { vm, rules, gas: BlockGas::unused(header, blobs.as_ref()) }
    }

    /// Runs compiled code where `tier` has some.
    pub fn with_tier(mut self, tier: Option<&'r dyn Tier>) -> Self {
        self.vm.set_tier(tier);
        self
    }

    /// Runs a transaction as if it were the block's first: whether there is room for it is not looked at.
    pub fn run(&mut self, transaction: &Transaction, sender: Address) -> Result<TxEffects, TxError> {
        self.vm.forget();
        let mode = Mode { checks: Checks::ALL, pays_tip: false };
        let outcome = transact(&mut self.vm, self.rules, &self.gas, mode, transaction, sender)?;
        self.vm.journal.end_tx(self.rules.vm.clears_empty_accounts);
        let journal = &self.vm.journal;
        Ok(TxEffects {
            outcome,
            accounts: journal.account_reads().collect(),
            slots: journal.slot_reads().collect(),
            diff: journal.diff(),
        })
    }
}

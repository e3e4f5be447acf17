//! The irregular state change of the DAO fork (EIP-779): the ether of "The DAO" and its children moves to a contract
//! from which its holders withdrew it.

use alloy_primitives::{Address, address};
use rialto_state::{Journal, ReadError};

/// Where the ether goes.
const REFUND_CONTRACT: Address = address!("bf4ed7b27f1d666546e30d74d50d173d20bca754");

/// The accounts that are drained.
const DRAINED: [Address; 0] = [];

/// Moves the ether.
pub(crate) fn drain(journal: &mut Journal<'_>) -> Result<(), ReadError> {
    let refund = journal.account_id(&REFUND_CONTRACT);
    journal.load(refund)?;
    for address in DRAINED {
        let id = journal.account_id(&address);
        let balance = journal.load(id)?.info.balance;
        let moved = journal.transfer(id, refund, balance);
        assert!(moved, "it is the account's own balance");
    }
    Ok(())
}

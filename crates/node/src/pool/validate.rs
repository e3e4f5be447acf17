//! What is asked of a transaction before it may enter the pool.
//!
//! Three steps, each dearer than the one before: its form under the next block's rules, which needs nothing else
//! ([`check_form`]); its sender's account ([`read_sender`], [`check_sender`]); signatures of authorizations and proofs of
//! blobs. Rules between the transactions of a pool (replacement, limits, delegated accounts) are `admit`'s.
//!
//! Nothing here recovers the sender: who hands a transaction in says whose it is.

use super::account::{Entry, SenderState};
use super::fees::{NextBlock, Worth, priority_fee};
use super::sidecar::wrong_version;
use super::{PoolConfig, PoolError};
use crate::PoolTransaction;
use alloy_primitives::{Address, U256};
use rialto_state::StateReader;
use rialto_stf::{GAS_PER_BLOB, IntrinsicGas, Transaction, TxError, TxType, validate_form};
use std::sync::Arc;

/// What the checks of form found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Wei that the transaction costs at most.
    pub(crate) cost: U256,
    /// Bytes of its encoding.
    pub(crate) bytes: usize,
    /// Bytes of its sidecar.
    pub(crate) blob_bytes: usize,
}

/// Checks all that needs neither state nor the rest of the pool, but for the proofs of blobs.
pub(crate) fn check_form(
    transaction: &PoolTransaction,
    next: &NextBlock,
    config: &PoolConfig,
) -> Result<Measured, PoolError> {
    let inner = &transaction.transaction;
    let bytes = inner.encode().len();
    if bytes > config.max_transaction_bytes {
        return Err(PoolError::Oversized { limit: config.max_transaction_bytes, found: bytes });
    }
    let cost_per_state_byte = rialto_vm::cost_per_state_byte(next.gas_limit);
    validate_form(inner, next.rules, &IntrinsicGas::of(inner, next.rules, cost_per_state_byte))?;
    if inner.gas_limit > next.gas_limit {
        return Err(TxError::GasLimitAboveBlock { available: next.gas_limit, found: inner.gas_limit }.into());
    }
    let (tip, least_tip) = (priority_fee(inner), U256::from(config.min_priority_fee));
    if tip < least_tip {
        return Err(PoolError::Refused(format!(
            "transaction underpriced: max_priority_fee_per_gas: expected at least {least_tip} wei, found {tip}"
        )));
    }
    let blob_bytes = if inner.tx_type == TxType::Blob { check_blobs(transaction, next)? } else { 0 };
    let cost = cost_of(inner).ok_or(TxError::CostOverflow)?;
    Ok(Measured { cost, bytes, blob_bytes })
}

/// Checks a blob transaction's blobs but for their proofs. Bytes of the sidecar.
fn check_blobs(transaction: &PoolTransaction, next: &NextBlock) -> Result<usize, PoolError> {
    let inner = &transaction.transaction;
    let (max, found) = (next.max_blobs(), inner.blob_versioned_hashes.len() as u64);
    if found > max {
        return Err(TxError::TooManyBlobs { max, found }.into());
    }
    if inner.max_fee_per_blob_gas.is_zero() {
        return Err(PoolError::Refused(
            "transaction underpriced: max_fee_per_blob_gas: expected at least 1 wei, found 0".into(),
        ));
    }
    let Some(sidecar) = &transaction.sidecar else {
        return Err(PoolError::Blobs("missing sidecar in blob transaction: expected its blobs, found none".into()));
    };
    if sidecar.version != next.sidecar_version() {
        return Err(wrong_version(&next.sidecar_version().to_string(), sidecar.version));
    }
    sidecar.check_form(&inner.blob_versioned_hashes)?;
    Ok(sidecar.byte_length())
}

/// The most that a transaction takes from its sender, in wei.
fn cost_of(transaction: &Transaction) -> Option<U256> {
    let gas = U256::from(transaction.gas_limit).checked_mul(transaction.gas_price)?;
    let blob_gas = U256::from(GAS_PER_BLOB * transaction.blob_versioned_hashes.len() as u64);
    let blobs = blob_gas.checked_mul(transaction.max_fee_per_blob_gas)?;
    gas.checked_add(blobs)?.checked_add(transaction.value)
}

/// A sender's account; an error if it is a contract (EIP-3607), unless those may send.
pub(crate) fn read_sender(
    state: &dyn StateReader,
    sender: Address,
    allows_contracts: bool,
) -> Result<SenderState, PoolError> {
    let account = state.account(&sender)?.unwrap_or_default();
    let is_delegated = account.has_code() && state.code(&account.code_hash)?.delegate().is_some();
    if account.has_code() && !is_delegated && !allows_contracts {
        return Err(TxError::SenderNotEoa { sender }.into());
    }
    Ok(SenderState { nonce: account.nonce, balance: account.balance, is_delegated })
}

/// Whether the account can send this transaction, now or after others.
pub(crate) fn check_sender(transaction: &Transaction, cost: U256, sender: &SenderState) -> Result<(), TxError> {
    if transaction.nonce < sender.nonce {
        return Err(TxError::NonceTooLow { expected: sender.nonce, found: transaction.nonce });
    }
    if cost > sender.balance {
        return Err(TxError::InsufficientFunds { required: cost, available: sender.balance });
    }
    Ok(())
}

/// A transaction of good form with all that its entry knows but its place. Recovers who signed its authorizations.
pub(crate) fn entry_of(
    transaction: Arc<PoolTransaction>,
    measured: Measured,
    next: &NextBlock,
    chain_id: u64,
) -> Entry {
    let worth = Worth::of(&transaction.transaction, next);
    Entry {
        authorities: authorities(&transaction.transaction, chain_id),
        transaction,
        arrival: 0,
        cost: measured.cost,
        bytes: measured.bytes,
        blob_bytes: measured.blob_bytes,
        worth,
        prefix_worth: worth,
        prefix_cost: U256::ZERO,
        is_pending: false,
        queued_since: 0,
    }
}

/// The accounts that gave a transaction's authorizations for this chain, each once.
pub(crate) fn authorities(transaction: &Transaction, chain_id: u64) -> Vec<Address> {
    let is_for_us = |id: U256| id.is_zero() || id == U256::from(chain_id);
    let ours = transaction.authorization_list.iter().filter(|item| is_for_us(item.chain_id));
    let mut authorities: Vec<Address> = ours.filter_map(|item| item.authority().ok()).collect();
    authorities.sort_unstable();
    authorities.dedup();
    authorities
}

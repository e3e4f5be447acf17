//! Which checks a transaction has to pass, and what simulations leave out.
//!
//! A transaction of a block passes all of them. A question such as "what would this call return" has no signature, no
//! agreed nonce and often no price: whoever asks it says which checks make no sense. The order in which a simulated
//! transaction is checked is that of the most used client, because callers read its first error.

use crate::fees::GAS_PER_BLOB;
use crate::transact::{VERSIONED_HASH_VERSION, effective_gas_price};
use crate::{BlockRules, IntrinsicGas, Transaction, TxError};
use alloy_primitives::{Address, U256};
use rialto_state::Account;
use rialto_vm::Vm;

/// Which checks are made. Everything that is not named here always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The nonce is the sender's next one. Left out, the sender's own nonce counts, whatever the transaction says.
    pub nonce: bool,
    /// The sender has no code (EIP-3607).
    pub sender_is_eoa: bool,
    /// The block has room for the gas and the blobs, and the gas limit is within a transaction's cap (EIP-7825).
    pub gas_limits: bool,
    /// The fee caps are at least the base fees. Left out, caps that are zero are taken for "free of charge".
    pub zero_fees: bool,
}

impl Checks {
    /// What transactions in blocks have to pass.
    pub const ALL: Self = Self { nonce: true, sender_is_eoa: true, gas_limits: true, zero_fees: true };
    /// What is left for a call that is no transaction.
    pub const CALL: Self = Self { nonce: false, sender_is_eoa: false, gas_limits: false, zero_fees: false };
}

impl Default for Checks {
    fn default() -> Self {
        Self::ALL
    }
}

/// What a simulated transaction pays.
pub(crate) struct SimulatedPrice {
    /// Wei per gas.
    pub effective_gas_price: U256,
    /// Wei per blob gas.
    pub blob_price: U256,
}

/// The checks of a simulated transaction that need its price, its sender and its form, in this order.
pub(crate) fn check_simulated(
    vm: &Vm<'_>,
    rules: &BlockRules,
    checks: Checks,
    transaction: &Transaction,
    sender: (Address, Account, bool),
) -> Result<SimulatedPrice, TxError> {
    let (sender, account, is_contract) = sender;
    if checks.nonce {
        check_nonce(&account, transaction)?;
    }
    if checks.sender_is_eoa && is_contract {
        return Err(TxError::SenderNotEoa { sender });
    }
    let price = price_of(vm, checks, transaction)?;
    check_shape(vm, rules, transaction)?;
    check_funds(&account, transaction)?;
    Ok(price)
}

fn check_nonce(account: &Account, transaction: &Transaction) -> Result<(), TxError> {
    let (expected, found) = (account.nonce, transaction.nonce);
    if found > expected {
        return Err(TxError::NonceTooHigh { expected, found });
    }
    if found < expected {
        return Err(TxError::NonceTooLow { expected, found });
    }
    if expected == u64::MAX { Err(TxError::NonceMax) } else { Ok(()) }
}

fn price_of(vm: &Vm<'_>, checks: Checks, transaction: &Transaction) -> Result<SimulatedPrice, TxError> {
    let (max_fee, tip) = (transaction.gas_price, transaction.max_priority_fee_per_gas);
    let is_free = !checks.zero_fees && max_fee.is_zero() && (tip.is_zero() || !transaction.tx_type.has_dynamic_fee());
    let effective_gas_price = if is_free {
        U256::ZERO
    } else {
        if transaction.tx_type.has_dynamic_fee() && tip > max_fee {
            return Err(TxError::PriorityFeeAboveMaxFee { max_fee, found: tip });
        }
        effective_gas_price(transaction, vm.block().base_fee)?
    };
    let base_fee = vm.block().blob_base_fee;
    let (has_blobs, found) = (!transaction.blob_versioned_hashes.is_empty(), transaction.max_fee_per_blob_gas);
    let is_blob_free = !checks.zero_fees && found.is_zero();
    if has_blobs && !is_blob_free && found < base_fee {
        return Err(TxError::MaxBlobFeeBelowBaseFee { base_fee, found });
    }
    let blob_price = if has_blobs && !is_blob_free { base_fee } else { U256::ZERO };
    Ok(SimulatedPrice { effective_gas_price, blob_price })
}

/// What the fields must be whatever the state.
fn check_shape(vm: &Vm<'_>, rules: &BlockRules, transaction: &Transaction) -> Result<(), TxError> {
    let tx_type = transaction.tx_type;
    let blobs = &transaction.blob_versioned_hashes;
    if transaction.to.is_none() && !tx_type.can_create_contract() {
        return Err(TxError::CreateNotAllowed { tx_type });
    }
    if tx_type == crate::TxType::Blob && blobs.is_empty() {
        return Err(TxError::ZeroBlobs);
    }
    if let Some(max) = rules.max_blobs_per_tx
        && blobs.len() as u64 > max
    {
        return Err(TxError::TooManyBlobs { max, found: blobs.len() as u64 });
    }
    if let Some(&found) = blobs.iter().find(|hash| hash[0] != VERSIONED_HASH_VERSION) {
        return Err(TxError::BlobVersion { found });
    }
    if !transaction.authorization_list.is_empty() && !vm.rules().has_delegation {
        return Err(TxError::TypeNotSupported { tx_type, fork: rules.fork });
    }
    if tx_type == crate::TxType::SetCode && transaction.authorization_list.is_empty() {
        return Err(TxError::NoAuthorizations);
    }
    let (max, found) = (vm.rules().max_initcode_size, transaction.input.len());
    if transaction.to.is_none() && found > max { Err(TxError::InitcodeTooLong { max, found }) } else { Ok(()) }
}

fn check_funds(account: &Account, transaction: &Transaction) -> Result<(), TxError> {
    let blob_gas = GAS_PER_BLOB * transaction.blob_versioned_hashes.len() as u64;
    let cost = |gas: u64, price: U256| U256::from(gas).checked_mul(price);
    let required = cost(transaction.gas_limit, transaction.gas_price)
        .and_then(|gas| gas.checked_add(transaction.value))
        .and_then(|sum| sum.checked_add(cost(blob_gas, transaction.max_fee_per_blob_gas)?))
        .ok_or(TxError::CostOverflow)?;
    if account.balance < required {
        return Err(TxError::InsufficientFunds { required, available: account.balance });
    }
    Ok(())
}

/// That the gas limit covers what the transaction costs by itself.
pub(crate) fn check_intrinsic(transaction: &Transaction, gas: &IntrinsicGas) -> Result<(), TxError> {
    let found = transaction.gas_limit;
    if found < gas.total() {
        return Err(TxError::IntrinsicGas { required: gas.total(), found });
    }
    if found < gas.floor { Err(TxError::FloorGas { required: gas.floor, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authorization, BlockExecutor, ChainSpec, Header, TxType};
    use alloc::vec;
    use alloy_primitives::Bytes;
    use rialto_state::MemoryState;
    use rialto_vm::Fork;

    const SENDER: Address = Address::repeat_byte(0xaa);

    /// What comes of a transaction of a contract that has 100 wei and nonce 5, in a block whose base fee is 7.
    fn run(fork: Fork, checks: Checks, transaction: &Transaction) -> Result<u64, TxError> {
        let mut state = MemoryState::default();
        state.insert_account(SENDER, 5, U256::from(100), Bytes::from_static(&[0]), []);
        let header = Header { gas_limit: 50_000, base_fee_per_gas: Some(7), ..Header::default() };
        let spec = ChainSpec::of_fork(fork, 1);
        let mut executor = BlockExecutor::new(&spec, &header, &state).with_checks(checks);
        let outcome = executor.transaction(transaction, SENDER)?;
        let nonce = executor.state().peek_account(&SENDER)?.map_or(0, |account| account.nonce);
        assert_eq!(nonce, 6, "the account's own nonce counts");
        Ok(outcome.max_gas_used)
    }

    #[test]
    fn simulations_leave_checks_out() {
        let call = Transaction {
            tx_type: TxType::DynamicFee,
            gas_limit: 100_000,
            to: Some(Address::ZERO),
            ..Transaction::default()
        };
        let free = |transaction: Transaction| Transaction { nonce: 9, ..transaction };
        let authorized = Transaction {
            tx_type: TxType::SetCode,
            authorization_list: vec![Authorization::default()],
            ..call.clone()
        };
        let unsupported = TxError::TypeNotSupported { tx_type: TxType::SetCode, fork: Fork::Cancun };
        let poor = TxError::InsufficientFunds { required: U256::from(101), available: U256::from(100) };
        let cheap = TxError::MaxFeeBelowBaseFee { base_fee: U256::from(7), found: U256::ZERO };
        let with_fees = Checks { zero_fees: true, ..Checks::CALL };
        let with_nonce = Checks { nonce: true, ..Checks::CALL };
        let with_sender = Checks { sender_is_eoa: true, ..Checks::CALL };
        let with_limits = Checks { gas_limits: true, ..Checks::CALL };
        let rows = [
            ("nothing", Fork::Osaka, Checks::CALL, free(call.clone()), Ok(21_000)),
            ("fees", Fork::Osaka, with_fees, free(call.clone()), Err(cheap)),
            ("nonce", Fork::Osaka, with_nonce, call.clone(), Err(TxError::NonceTooLow { expected: 5, found: 0 })),
            ("code", Fork::Osaka, with_sender, call.clone(), Err(TxError::SenderNotEoa { sender: SENDER })),
            (
                "room",
                Fork::Osaka,
                with_limits,
                call.clone(),
                Err(TxError::GasLimitAboveBlock { available: 50_000, found: 100_000 }),
            ),
            ("value", Fork::Osaka, Checks::CALL, Transaction { value: U256::from(101), ..call }, Err(poor)),
            ("too early", Fork::Cancun, Checks::CALL, authorized, Err(unsupported)),
        ];
        for (name, fork, checks, transaction, expected) in rows {
            assert_eq!(run(fork, checks, &transaction), expected, "{name}");
        }
    }
}

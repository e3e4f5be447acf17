//! One transaction: is it valid, and what does it do (Yellow Paper, section 6).
//!
//! Validity is decided before anything changes, so a rejected transaction leaves no trace. After that nothing can fail
//! but reading state: the sender pays for all its gas, the message runs, what is left goes back, the rest is fees.

use crate::checks::{check_intrinsic, check_simulated};
use crate::executor::BlockGas;
use crate::{
    Authorization, BlockRules, Checks, IntrinsicGas, SRange, Transaction, TxError, TxType, fees::GAS_PER_BLOB,
};
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, U256};
use rialto_state::{AccountId, Code, Log};
use rialto_vm::{CallResult, Halt, Message, MessageKind, NEW_ACCOUNT_BYTES, STORAGE_SET_BYTES, Vm};

/// First byte of a blob's versioned hash (EIP-4844).
pub(crate) const VERSIONED_HASH_VERSION: u8 = 1;

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct TxOutcome {
    /// Why it failed; `None` for success.
    pub halt: Option<Halt>,
    /// Gas the sender paid for, after refunds.
    pub gas_used: u64,
    /// Gas used before refunds, at least the floor: what the limit must allow for.
    pub max_gas_used: u64,
    /// Regular gas the block counts (EIP-7778: before refunds).
    pub block_regular_gas: u64,
    /// State gas the block counts (EIP-8037).
    pub block_state_gas: u64,
    /// Blob gas it bought.
    pub blob_gas_used: u64,
    /// Return data, revert reason or deployed code.
    pub output: Bytes,
    /// The contract it created.
    pub contract_address: Option<Address>,
    /// Wei per gas that it paid.
    pub effective_gas_price: U256,
    /// Wei that the fee recipient gets.
    pub tip: U256,
    /// Its logs.
    pub logs: Vec<Log>,
}

/// Checks that need nothing but the transaction, the rules and the gas it costs by itself.
pub fn validate_form(transaction: &Transaction, rules: &BlockRules, gas: &IntrinsicGas) -> Result<(), TxError> {
    if transaction.tx_type > rules.newest_tx_type {
        return Err(TxError::TypeNotSupported { tx_type: transaction.tx_type, fork: rules.fork });
    }
    let found = transaction.gas_limit;
    if gas.total() > found {
        return Err(TxError::IntrinsicGas { required: gas.total(), found });
    }
    if gas.floor > found {
        return Err(TxError::FloorGas { required: gas.floor, found });
    }
    if let Some(cap) = rules.tx_gas_cap {
        let least = gas.regular.max(gas.floor);
        if rules.vm.has_state_gas && least > cap {
            return Err(TxError::IntrinsicGas { required: least, found: cap });
        }
    }
    if transaction.nonce == u64::MAX {
        return Err(TxError::NonceMax);
    }
    let is_create = transaction.to.is_none();
    if is_create && transaction.input.len() > rules.vm.max_initcode_size {
        let (max, found) = (rules.vm.max_initcode_size, transaction.input.len());
        return Err(TxError::InitcodeTooLong { max, found });
    }
    if let Some(cap) = rules.tx_gas_cap
        && !rules.vm.has_state_gas
        && found > cap
    {
        return Err(TxError::GasLimitAboveCap { cap, found });
    }
    validate_typed_fields(transaction)
}

fn validate_typed_fields(transaction: &Transaction) -> Result<(), TxError> {
    let tx_type = transaction.tx_type;
    if transaction.tx_type.has_dynamic_fee() && transaction.max_priority_fee_per_gas > transaction.gas_price {
        let (max_fee, found) = (transaction.gas_price, transaction.max_priority_fee_per_gas);
        return Err(TxError::PriorityFeeAboveMaxFee { max_fee, found });
    }
    if transaction.to.is_none() && !tx_type.can_create_contract() {
        return Err(TxError::CreateNotAllowed { tx_type });
    }
    if tx_type == TxType::Blob {
        let found = transaction.blob_versioned_hashes.len() as u64;
        if found == 0 {
            return Err(TxError::ZeroBlobs);
        }
        let wrong = transaction.blob_versioned_hashes.iter().find(|hash| hash[0] != VERSIONED_HASH_VERSION);
        if let Some(&found) = wrong {
            return Err(TxError::BlobVersion { found });
        }
    }
    if tx_type == TxType::SetCode && transaction.authorization_list.is_empty() {
        return Err(TxError::NoAuthorizations);
    }
    Ok(())
}

/// A transaction's own limit of blobs (EIP-7594). After the block's room: more blobs than a block may have at all are that.
fn validate_blob_count(transaction: &Transaction, rules: &BlockRules) -> Result<(), TxError> {
    let found = transaction.blob_versioned_hashes.len() as u64;
    match rules.max_blobs_per_tx {
        Some(max) if found > max => Err(TxError::TooManyBlobs { max, found }),
        _ => Ok(()),
    }
}

/// The signer of `transaction`, if it is for `chain_id`.
pub fn recover_sender(transaction: &Transaction, rules: &BlockRules, chain_id: u64) -> Result<Address, TxError> {
    if transaction.tx_type > rules.newest_tx_type {
        return Err(TxError::TypeNotSupported { tx_type: transaction.tx_type, fork: rules.fork });
    }
    let (expected, found) = match transaction.tx_type {
        TxType::Legacy if transaction.chain_id.is_none() => (None, None),
        TxType::Legacy => (rules.has_replay_protection.then_some(chain_id), transaction.chain_id),
        _ => (Some(chain_id), Some(transaction.chain_id.unwrap_or(0))),
    };
    if let Some(found) = found
        && expected != Some(found)
    {
        return Err(TxError::ChainId { expected, found });
    }
    let s_range = if rules.requires_low_s { SRange::Low } else { SRange::Any };
    transaction.sender(s_range).map_err(TxError::Signature)
}

/// What a valid transaction needs to run.
struct Checked {
    sender: AccountId,
    /// The nonce that it uses.
    nonce: u64,
    gas: IntrinsicGas,
    effective_gas_price: U256,
    blob_gas: u64,
    /// Wei taken before the transaction runs.
    upfront: U256,
}

/// How a transaction is run.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    /// The checks that it has to pass.
    pub checks: Checks,
    /// What becomes of the tip.
    pub tip: Tip,
}

/// What becomes of a transaction's tip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tip {
    /// The fee recipient gets it.
    Paid,
    /// The fee recipient gets it if anybody has looked at its account; otherwise whoever runs the transaction sees to it.
    PaidIfLoaded,
}

/// Runs `transaction`, which `sender` signed, as the next one of a block.
///
/// On an error nothing has changed.
pub(crate) fn transact(
    vm: &mut Vm<'_>,
    rules: &BlockRules,
    block_gas: &BlockGas,
    mode: Mode,
    transaction: &Transaction,
    sender: Address,
) -> Result<TxOutcome, TxError> {
    let checks = mode.checks;
    let checked = if checks == Checks::ALL {
        check(vm, rules, block_gas, transaction, sender)?
    } else {
        check_for_simulation(vm, rules, (block_gas, checks), transaction, sender)?
    };
    (vm.tx.origin, vm.tx.gas_price) = (sender, checked.effective_gas_price);
    vm.tx.blob_versioned_hashes.clone_from(&transaction.blob_versioned_hashes);
    let paid = vm.journal.sub_balance(checked.sender, checked.upfront);
    assert!(paid, "the balance was checked");
    vm.journal.set_nonce(checked.sender, checked.nonce.wrapping_add(1));
    warm_up(vm, rules, transaction, checked.sender);
    let existing_accounts = authorize(vm, rules, transaction)?;

    let meters = Meters::of(transaction.gas_limit, &checked.gas, rules);
    let existing_state_gas = if rules.vm.has_state_gas {
        existing_accounts.saturating_mul(NEW_ACCOUNT_BYTES).saturating_mul(vm.cost_per_state_byte())
    } else {
        vm.journal.add_refund((rules.authorization_refund * existing_accounts) as i64);
        0
    };
    let reservoir = meters.reservoir.saturating_add(existing_state_gas);
    let (message, contract_address) = message_of(vm, transaction, &checked, &meters, reservoir)?;
    let result = vm.execute(message)?;
    let existing_state_gas = if rules.vm.returns_state_gas { 0 } else { existing_state_gas };
    settle(vm, rules, (&checked, mode), &meters, result, contract_address, existing_state_gas)
}

fn check(
    vm: &mut Vm<'_>,
    rules: &BlockRules,
    block_gas: &BlockGas,
    transaction: &Transaction,
    sender: Address,
) -> Result<Checked, TxError> {
    let gas = IntrinsicGas::of(transaction, rules, vm.cost_per_state_byte());
    validate_form(transaction, rules, &gas)?;
    block_gas.check_room(transaction, &gas, rules)?;
    validate_blob_count(transaction, rules)?;
    let effective_gas_price = effective_gas_price(transaction, vm.block().base_fee)?;
    let blob_gas = GAS_PER_BLOB * transaction.blob_versioned_hashes.len() as u64;
    let blob_base_fee = vm.block().blob_base_fee;
    if transaction.tx_type == TxType::Blob && transaction.max_fee_per_blob_gas < blob_base_fee {
        let found = transaction.max_fee_per_blob_gas;
        return Err(TxError::MaxBlobFeeBelowBaseFee { base_fee: blob_base_fee, found });
    }

    let id = vm.journal.account_id(&sender);
    let account = vm.journal.load(id)?.info;
    let (expected, found) = (account.nonce, transaction.nonce);
    if found < expected {
        return Err(TxError::NonceTooLow { expected, found });
    }
    if found > expected {
        return Err(TxError::NonceTooHigh { expected, found });
    }
    let cost = |price: U256, blob_price: U256| {
        let execution = price_of(transaction.gas_limit, &price)?;
        if blob_gas == 0 { Some(execution) } else { execution.checked_add(price_of(blob_gas, &blob_price)?) }
    };
    let most = cost(transaction.gas_price, transaction.max_fee_per_blob_gas).ok_or(TxError::CostOverflow)?;
    let required = most.checked_add(transaction.value).ok_or(TxError::CostOverflow)?;
    if !vm.journal.has_balance(id, required) {
        return Err(TxError::InsufficientFunds { required, available: account.balance });
    }
    if account.has_code() && vm.journal.code(id)?.delegate().is_none() {
        return Err(TxError::SenderNotEoa { sender });
    }
    let blob_price = if blob_gas == 0 { U256::ZERO } else { blob_base_fee };
    let upfront = cost(effective_gas_price, blob_price).expect("at most what was checked");
    Ok(Checked { sender: id, nonce: transaction.nonce, gas, effective_gas_price, blob_gas, upfront })
}

/// What so much gas costs at a price of so many wei; `None` where that is 2^256 or more.
#[inline(always)]
fn price_of(gas: u64, price: &U256) -> Option<U256> {
    let mut carry = 0;
    let limbs = price.as_limbs().map(|limb| {
        let product;
        (product, carry) = gas.carrying_mul(limb, carry);
        product
    });
    (carry == 0).then(|| U256::from_limbs(limbs))
}

fn check_for_simulation(
    vm: &mut Vm<'_>,
    rules: &BlockRules,
    (block_gas, checks): (&BlockGas, Checks),
    transaction: &Transaction,
    sender: Address,
) -> Result<Checked, TxError> {
    let gas = IntrinsicGas::of(transaction, rules, vm.cost_per_state_byte());
    let id = vm.journal.account_id(&sender);
    let account = vm.journal.load(id)?.info;
    let is_contract = account.has_code() && vm.journal.code(id)?.delegate().is_none();
    let price = check_simulated(vm, rules, checks, transaction, (sender, account, is_contract))?;
    check_intrinsic(transaction, &gas)?;
    if checks.gas_limits {
        block_gas.check_room(transaction, &gas, rules)?;
    }
    let blob_gas = GAS_PER_BLOB * transaction.blob_versioned_hashes.len() as u64;
    let gas_cost = U256::from(transaction.gas_limit).saturating_mul(price.effective_gas_price);
    let upfront = gas_cost.saturating_add(U256::from(blob_gas).saturating_mul(price.blob_price)).min(account.balance);
    let effective_gas_price = price.effective_gas_price;
    let nonce = account.nonce;
    Ok(Checked { sender: id, nonce, gas, effective_gas_price, blob_gas, upfront })
}

pub(crate) fn effective_gas_price(transaction: &Transaction, base_fee: U256) -> Result<U256, TxError> {
    let found = transaction.gas_price;
    let Some(room) = found.checked_sub(base_fee) else { return Err(TxError::MaxFeeBelowBaseFee { base_fee, found }) };
    let tip = if transaction.tx_type.has_dynamic_fee() { room.min(transaction.max_priority_fee_per_gas) } else { room };
    Ok(base_fee + tip)
}

/// Makes warm what is so from the start (EIP-2929, EIP-2930, EIP-3651). Precompiled contracts always are.
fn warm_up(vm: &mut Vm<'_>, rules: &BlockRules, transaction: &Transaction, sender: AccountId) {
    if !rules.vm.has_access_lists {
        return;
    }
    vm.journal.warm(sender);
    if rules.warms_beneficiary {
        let beneficiary = vm.beneficiary();
        vm.journal.warm(beneficiary);
    }
    for item in &transaction.access_list {
        let id = vm.journal.account_id(&item.address);
        vm.journal.warm(id);
        for key in &item.storage_keys {
            let slot = vm.journal.slot_id(id, &U256::from_be_bytes(key.0));
            vm.journal.warm_slot(slot);
        }
    }
}

/// Applies the authorizations that hold (EIP-7702); how many were of accounts that existed.
fn authorize(vm: &mut Vm<'_>, rules: &BlockRules, transaction: &Transaction) -> Result<u64, TxError> {
    let mut existing = 0;
    for authorization in &transaction.authorization_list {
        existing += u64::from(authorize_one(vm, rules, authorization)?);
    }
    Ok(existing)
}

/// Applies one authorization if it holds; whether it was of an account that existed.
fn authorize_one(vm: &mut Vm<'_>, rules: &BlockRules, authorization: &Authorization) -> Result<bool, TxError> {
    let chain_id = U256::from(vm.block().chain_id);
    let is_for_us = authorization.chain_id.is_zero() || authorization.chain_id == chain_id;
    if !is_for_us || authorization.nonce == u64::MAX {
        return Ok(false);
    }
    let Ok(authority) = authorization.authority() else { return Ok(false) };
    let id = vm.journal.account_id(&authority);
    vm.journal.warm(id);
    let entry = vm.journal.load(id)?;
    let (info, exists) = (entry.info, entry.exists);
    if info.has_code() && vm.journal.code(id)?.delegate().is_none() {
        return Ok(false);
    }
    if info.nonce != authorization.nonce {
        return Ok(false);
    }
    debug_assert!(rules.vm.has_delegation);
    let is_reset = authorization.address == Address::ZERO;
    let code = if is_reset { Code::empty() } else { Code::delegation(&authorization.address) };
    vm.journal.set_code(id, code);
    vm.journal.set_nonce(id, info.nonce + 1);
    Ok(exists)
}

/// How a transaction's gas is split before it runs.
struct Meters {
    limit: u64,
    gas: u64,
    reservoir: u64,
}

impl Meters {
    fn of(limit: u64, intrinsic: &IntrinsicGas, rules: &BlockRules) -> Self {
        let available = limit - intrinsic.total();
        let gas = match rules.tx_gas_cap {
            Some(cap) if rules.vm.has_state_gas => available.min(cap.saturating_sub(intrinsic.regular)),
            _ => available,
        };
        Self { limit, gas, reservoir: available - gas }
    }
}

fn message_of(
    vm: &mut Vm<'_>,
    transaction: &Transaction,
    checked: &Checked,
    meters: &Meters,
    state_gas_reservoir: u64,
) -> Result<(Message, Option<Address>), TxError> {
    let mut contract_address = None;
    let (kind, warm) = match &transaction.to {
        None => {
            let address = vm.journal.account(checked.sender).address.create(checked.nonce);
            contract_address = Some(address);
            let account = vm.journal.account_id(&address);
            (MessageKind::Create { account }, account)
        }
        Some(target) => {
            let target = vm.journal.account_id(target);
            let code_account = delegate_of(vm, target)?.unwrap_or(target);
            vm.journal.warm(code_account);
            (MessageKind::Call { target, code_account }, target)
        }
    };
    vm.journal.warm(warm);
    let message = Message {
        kind,
        caller: checked.sender,
        value: transaction.value,
        input: transaction.input.clone(),
        gas: meters.gas,
        state_gas_reservoir,
    };
    Ok((message, contract_address))
}

/// The account that `target` delegates to (EIP-7702).
fn delegate_of(vm: &mut Vm<'_>, target: AccountId) -> Result<Option<AccountId>, TxError> {
    if !vm.journal.load(target)?.info.has_code() || !vm.rules().has_delegation {
        return Ok(None);
    }
    let delegate = vm.journal.code(target)?.delegate();
    Ok(delegate.map(|address| vm.journal.account_id(&address)))
}

/// Returns what is left of the gas, pays the fee recipient, and counts what the block counts.
fn settle(
    vm: &mut Vm<'_>,
    rules: &BlockRules,
    (checked, mode): (&Checked, Mode),
    meters: &Meters,
    result: CallResult,
    contract_address: Option<Address>,
    returned_state_gas: u64,
) -> Result<TxOutcome, TxError> {
    let intrinsic = &checked.gas;
    let mut state_gas = (intrinsic.state + result.state_gas.used).saturating_sub(returned_state_gas);
    let mut reservoir = result.state_gas.reservoir;
    if rules.vm.returns_state_gas && result.halt.is_none() {
        let credit = destroyed_state_gas(vm)?.min(result.state_gas.used);
        state_gas -= credit;
        reservoir = reservoir.saturating_add(credit);
    }
    let before_refund = meters.limit.saturating_sub(result.gas.saturating_add(reservoir));
    let counter = u64::try_from(vm.journal.refund()).unwrap_or(0);
    let refund = counter.min(before_refund / rules.refund_quotient);
    let gas_used = (before_refund - refund).max(intrinsic.floor);

    let price = checked.effective_gas_price;
    vm.journal.add_balance(checked.sender, U256::from(meters.limit - gas_used) * price);
    let tip = price.saturating_sub(vm.block().base_fee) * U256::from(gas_used);
    let beneficiary = vm.beneficiary();
    if mode.tip == Tip::Paid || vm.journal.is_read(beneficiary) {
        vm.journal.load(beneficiary)?;
        vm.journal.add_balance(beneficiary, tip);
    }
    log_burns(vm);

    let (block_regular_gas, block_state_gas) = if rules.vm.has_state_gas {
        // A creation whose address is taken burns its gas, but the block counts none of it: nothing was executed.
        let spent = if result.halt == Some(Halt::CreateCollision) { 0 } else { meters.gas - result.gas };
        let regular = intrinsic.regular + spent.saturating_sub(result.spilled_gas);
        (regular.max(intrinsic.floor), state_gas)
    } else {
        (gas_used, 0)
    };
    let logs = vm.journal.take_logs();
    Ok(TxOutcome {
        halt: result.halt,
        gas_used,
        max_gas_used: before_refund.max(intrinsic.floor),
        block_regular_gas,
        block_state_gas,
        blob_gas_used: checked.blob_gas,
        output: result.output,
        contract_address: contract_address.filter(|_| result.halt.is_none()),
        effective_gas_price: price,
        tip,
        logs,
    })
}

/// State gas of what the transaction created and destroyed again (EIP-8037): accounts, their slots and their code.
fn destroyed_state_gas(vm: &mut Vm<'_>) -> Result<u64, TxError> {
    let destroyed: Vec<AccountId> = vm.journal.destroyed().collect();
    let mut bytes = STORAGE_SET_BYTES * vm.journal.occupied_slots_of_destroyed() as u64;
    for id in destroyed {
        bytes += NEW_ACCOUNT_BYTES + vm.journal.code(id)?.len() as u64;
    }
    Ok(bytes.saturating_mul(vm.cost_per_state_byte()))
}

/// Logs the ether that vanishes with destroyed accounts at the transaction's end (EIP-7708), by ascending address.
fn log_burns(vm: &mut Vm<'_>) {
    if !vm.rules().has_transfer_logs {
        return;
    }
    let mut destroyed: Vec<AccountId> = vm.journal.destroyed().collect();
    destroyed.sort_unstable_by_key(|id| vm.journal.account(*id).address);
    for id in destroyed {
        let balance = vm.journal.balance(id);
        vm.log_burn(id, balance);
    }
}

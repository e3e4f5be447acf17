//! Opcodes that read and write accounts and storage.
//!
//! Order matters twice. Gas is charged before state is read, so that an execution that can't pay for a look-up never
//! makes it (block access lists and witnesses list what was really read). And warmth is noted when the price for it was
//! paid.
//!
//! # Safety
//! As in `memory_ops`: `sp` has the words below it that the opcode table says.

use crate::arith::by_limbs;
use crate::interpreter::{Exit, Next, fail};
use crate::memory_ops::{saturate, saturate_offset, word};
use crate::rules::SstoreMeter;
use crate::state_gas::{NEW_ACCOUNT_BYTES, STORAGE_SET_BYTES};
use crate::{Halt, Vm};
use alloy_primitives::{Address, B256, Bytes, U256, address, b256};
use rialto_state::{AccountId, Log, ReadError, SlotId, Topics};

/// SSTORE fails with this gas left or less (EIP-2200).
const SSTORE_STIPEND: u64 = 2_300;
/// BLOCKHASH answers for this many blocks.
const BLOCK_HASH_WINDOW: u64 = 256;
/// Emits the logs of EIP-7708.
const SYSTEM_ADDRESS: Address = address!("fffffffffffffffffffffffffffffffffffffffe");
/// keccak256("Transfer(address,address,uint256)").
const TRANSFER_TOPIC: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// keccak256("Burn(address,uint256)").
const BURN_TOPIC: B256 = b256!("cc16f5dbb4873280815c1ee09dbd06736cffcc184412cf7a71a0fdb75d397ca5");

/// The address in the low 20 bytes of a word.
#[inline]
pub(crate) fn address_of(word: &U256) -> Address {
    Address::from_word(B256::from(*word))
}

impl Vm<'_> {
    /// Ends the run because state could not be read.
    #[cold]
    pub(crate) fn fatal(&mut self, error: ReadError) -> Next {
        self.fatal = Some(error);
        (0, Some(Exit::Fatal))
    }

    /// Gas for touching an account whose price is `warm_gas` where it is warm or warmth is not known.
    #[inline]
    pub(crate) fn account_access_gas(&self, id: AccountId, address: &Address, warm_gas: u64) -> u64 {
        if !self.rules.has_access_lists || self.journal.is_warm(id) || self.is_native(address) {
            warm_gas
        } else {
            self.rules.cold_account_gas
        }
    }

    /// Charges for an account, then notes it as warm and loads it.
    fn access_account(&mut self, word: &U256, warm_gas: u64, gas: u64) -> Result<(AccountId, u64), Next> {
        let address = address_of(word);
        let id = self.journal.account_id(&address);
        let Some(gas) = gas.checked_sub(self.account_access_gas(id, &address, warm_gas)) else {
            return Err(fail(Halt::OutOfGas));
        };
        if self.rules.has_access_lists {
            self.journal.warm(id);
        }
        match self.journal.load(id) {
            Ok(_) => Ok((id, gas)),
            Err(error) => Err(self.fatal(error)),
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_balance(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: BALANCE pops 1.
        let target = unsafe { word(sp, 1) };
        match self.access_account(target, self.rules.balance_gas, gas) {
            Ok((id, gas)) => {
                *target = self.journal.balance(id);
                (gas, None)
            }
            Err(next) => next,
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_extcodesize(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: EXTCODESIZE pops 1.
        let target = unsafe { word(sp, 1) };
        let (id, gas) = match self.access_account(target, self.rules.ext_code_gas, gas) {
            Ok(accessed) => accessed,
            Err(next) => return next,
        };
        match self.journal.code(id) {
            Ok(code) => *target = U256::from(code.len()),
            Err(error) => return self.fatal(error),
        }
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_extcodehash(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: EXTCODEHASH pops 1.
        let target = unsafe { word(sp, 1) };
        match self.access_account(target, self.rules.ext_code_hash_gas, gas) {
            Ok((id, gas)) => {
                let entry = self.journal.account(id);
                let is_absent = !entry.exists || entry.info.is_empty();
                *target = if is_absent { U256::ZERO } else { entry.info.code_hash.into() };
                (gas, None)
            }
            Err(next) => next,
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_extcodecopy(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: EXTCODECOPY pops 4.
        let (account, target, source, len) = unsafe { (word(sp, 1), word(sp, 2), word(sp, 3), word(sp, 4)) };
        let Some((target, len, gas)) = self.grow_for_copy(target, len, gas) else { return fail(Halt::OutOfGas) };
        let (id, gas) = match self.access_account(account, self.rules.ext_code_gas, gas) {
            Ok(accessed) => accessed,
            Err(next) => return next,
        };
        match self.journal.code(id) {
            Ok(code) => self.memory.copy_padded(target, len, code.bytes(), saturate_offset(source)),
            Err(error) => return self.fatal(error),
        }
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_blockhash(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: BLOCKHASH pops 1.
        let target = unsafe { word(sp, 1) };
        let number = saturate(target);
        let is_recent = number < self.block.number && self.block.number - number <= BLOCK_HASH_WINDOW;
        if !is_recent {
            *target = U256::ZERO;
            return (gas, None);
        }
        match self.journal.reader().block_hash(number) {
            Ok(hash) => {
                *target = hash.into();
                (gas, None)
            }
            Err(error) => self.fatal(error),
        }
    }

    /// Block randomness since the merge, difficulty before (EIP-4399).
    pub(crate) fn randomness_word(&self) -> U256 {
        if self.rules.has_prevrandao { self.block.prev_randao.into() } else { self.block.difficulty }
    }

    /// The versioned hash at `index`, zero beyond the last (EIP-4844).
    #[inline(always)]
    pub(crate) fn blob_hash(&self, index: U256) -> U256 {
        match self.tx.blob_versioned_hashes.get(saturate_offset(&index)) {
            Some(hash) => U256::from_be_bytes(hash.0),
            None => U256::ZERO,
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_sload(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: SLOAD pops 1.
        let target = unsafe { word(sp, 1) };
        let slot = self.journal.slot_id(self.frame.account, target);
        let is_cold = self.rules.has_access_lists && !self.journal.is_slot_warm(slot);
        let cost = if is_cold { self.rules.cold_slot_gas } else { self.rules.sload_gas };
        let Some(gas) = gas.checked_sub(cost) else { return fail(Halt::OutOfGas) };
        if is_cold {
            self.journal.warm_slot(slot);
        }
        match self.journal.load_slot(slot) {
            Ok(entry) => {
                *target = entry.value;
                (gas, None)
            }
            Err(error) => self.fatal(error),
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_sstore(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: SSTORE pops 2.
        let (key, value) = unsafe { (by_limbs(word(sp, 1)), by_limbs(word(sp, 2))) };
        if self.frame.is_static {
            return fail(Halt::StaticViolation);
        }
        if self.rules.sstore_needs_stipend && gas <= SSTORE_STIPEND {
            return fail(Halt::OutOfGas);
        }
        let slot = self.journal.slot_id(self.frame.account, &key);
        let (current, original) = match self.journal.load_slot(slot) {
            Ok(entry) => (entry.value, entry.original),
            Err(error) => return self.fatal(error),
        };
        let access_gas = self.slot_access_gas(slot);
        let price = match self.rules.sstore_meter {
            SstoreMeter::Legacy => self.legacy_price(current, value),
            SstoreMeter::Net => self.net_price(original, current, value),
        };
        let Some(gas) = gas.checked_sub(access_gas + price.gas) else { return fail(Halt::OutOfGas) };
        let gas = match self.charge_state_gas(price.state_gas, gas) {
            Some(gas) => gas,
            None => return fail(Halt::OutOfGas),
        };
        self.frame.state_gas.credit(price.state_credit);
        self.journal.add_refund(price.refund);
        if self.rules.has_access_lists {
            self.journal.warm_slot(slot);
        }
        self.journal.set_slot(slot, value);
        (gas, None)
    }

    fn slot_access_gas(&self, slot: SlotId) -> u64 {
        let is_cold = self.rules.has_access_lists && !self.journal.is_slot_warm(slot);
        if is_cold { self.rules.cold_slot_gas } else { 0 }
    }

    /// SSTORE's price before net metering.
    fn legacy_price(&self, current: U256, new: U256) -> SstorePrice {
        let gas =
            if current.is_zero() && !new.is_zero() { self.rules.sstore_set_gas } else { self.rules.sstore_reset_gas };
        let clears = !current.is_zero() && new.is_zero();
        let refund = if clears { self.rules.sstore_clear_refund as i64 } else { 0 };
        SstorePrice { gas, refund, ..SstorePrice::default() }
    }

    /// SSTORE's price by EIP-2200's table, without a cold slot's access. With state gas (EIP-8037), setting a slot from
    /// zero costs what resetting costs, and the rest in state gas.
    fn net_price(&self, original: U256, current: U256, new: U256) -> SstorePrice {
        let rules = self.rules;
        let clear = rules.sstore_clear_refund as i64;
        let state_gas = if rules.has_state_gas { STORAGE_SET_BYTES * self.cost_per_state_byte } else { 0 };
        let set_gas = if rules.has_state_gas { rules.sstore_reset_gas } else { rules.sstore_set_gas };
        let mut price = SstorePrice { gas: rules.sload_gas, ..SstorePrice::default() };
        if is_same(&current, &new) {
            return price;
        }
        if is_same(&original, &current) {
            if original.is_zero() {
                return SstorePrice { gas: set_gas, state_gas, ..price };
            }
            price.gas = rules.sstore_reset_gas;
            price.refund = if new.is_zero() { clear } else { 0 };
            return price;
        }
        if !original.is_zero() {
            if current.is_zero() {
                price.refund -= clear;
            }
            if new.is_zero() {
                price.refund += clear;
            }
        }
        if is_same(&original, &new) {
            let first_gas = if original.is_zero() { set_gas } else { rules.sstore_reset_gas };
            price.refund += (first_gas - rules.sload_gas) as i64;
            if original.is_zero() && rules.returns_state_gas {
                price.state_credit = state_gas;
            } else if original.is_zero() {
                price.refund += state_gas as i64;
            }
        }
        price
    }

    /// Charges state gas, from the reservoir first. Ordinary gas left; `None` if both together are short.
    pub(crate) fn charge_state_gas(&mut self, amount: u64, gas: u64) -> Option<u64> {
        if amount == 0 {
            return Some(gas);
        }
        let spill = self.frame.state_gas.spill_of(amount);
        let gas = gas.checked_sub(spill)?;
        self.frame.state_gas.charge(amount);
        self.spilled_gas += spill;
        Some(gas)
    }

    /// State gas for a new account; zero where state gas is not metered.
    pub(crate) fn new_account_state_gas(&self) -> u64 {
        if self.rules.has_state_gas { NEW_ACCOUNT_BYTES * self.cost_per_state_byte } else { 0 }
    }

    /// Gives back what a creation charged for an account that was not created after all.
    pub(crate) fn credit_new_account(&mut self) {
        if self.rules.returns_state_gas {
            self.frame.state_gas.credit(self.new_account_state_gas());
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_tload(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: TLOAD pops 1.
        let target = unsafe { word(sp, 1) };
        *target = self.journal.transient(self.frame.account, target);
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_tstore(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: TSTORE pops 2.
        let (key, value) = unsafe { (word(sp, 1), word(sp, 2)) };
        if self.frame.is_static {
            return fail(Halt::StaticViolation);
        }
        self.journal.set_transient(self.frame.account, key, *value);
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_selfdestruct(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: SELFDESTRUCT pops 1.
        let target = unsafe { word(sp, 1) };
        if self.frame.is_static {
            return fail(Halt::StaticViolation);
        }
        match self.destroy(address_of(target), gas) {
            Ok(gas) => {
                self.return_data.clear();
                (gas, Some(Exit::Done))
            }
            Err(next) => next,
        }
    }

    fn destroy(&mut self, beneficiary: Address, gas: u64) -> Result<u64, Next> {
        let rules = self.rules;
        let short = || fail(Halt::OutOfGas);
        let id = self.journal.account_id(&beneficiary);
        let access_gas = if rules.has_access_lists { self.account_access_gas(id, &beneficiary, 0) } else { 0 };
        let mut gas = gas.checked_sub(rules.selfdestruct_gas + access_gas).ok_or_else(short)?;
        if rules.has_access_lists {
            self.journal.warm(id);
        }
        if let Err(error) = self.journal.load(id) {
            return Err(self.fatal(error));
        }
        let account = self.frame.account;
        let balance = self.journal.balance(account);
        if self.pays_for_new_account(id, !balance.is_zero()) {
            if rules.has_state_gas {
                gas = self.charge_state_gas(self.new_account_state_gas(), gas).ok_or_else(short)?;
            } else if rules.selfdestruct_pays_new_account {
                gas = gas.checked_sub(crate::call::NEW_ACCOUNT_GAS).ok_or_else(short)?;
            }
        }
        if let Some(tracer) = &mut self.tracer {
            tracer.self_destruct(self.frame.address, beneficiary, balance);
        }
        self.settle_destruction(account, id, balance);
        Ok(gas)
    }

    /// Whether moving something to `id` creates an account that is to be paid for.
    pub(crate) fn pays_for_new_account(&self, id: AccountId, moves_value: bool) -> bool {
        let entry = self.journal.account(id);
        if self.rules.clears_empty_accounts {
            moves_value && (!entry.exists || entry.info.is_empty())
        } else {
            !entry.exists
        }
    }

    /// Moves the balance to the beneficiary and marks the account where the fork deletes it.
    fn settle_destruction(&mut self, account: AccountId, beneficiary: AccountId, balance: U256) {
        let deletes = !self.rules.selfdestruct_only_created || self.journal.is_created(account);
        if beneficiary != account {
            if !self.rules.clears_empty_accounts {
                self.journal.create_empty(beneficiary);
            }
            let moved = self.journal.transfer(account, beneficiary, balance);
            assert!(moved, "it is the account's own balance");
            self.log_transfer(account, beneficiary, balance);
        } else if deletes {
            self.journal.set_balance(account, U256::ZERO);
            self.log_burn(account, balance);
        }
        if deletes && self.journal.mark_destroyed(account) {
            self.journal.add_refund(self.rules.selfdestruct_refund as i64);
        }
    }

    /// Appends a log.
    #[inline(always)]
    pub(crate) fn emit(&mut self, log: Log) {
        if let Some(tracer) = &mut self.tracer {
            tracer.log(&log);
        }
        self.journal.log(log);
    }

    /// The log of an ether transfer (EIP-7708), where the fork has one.
    pub(crate) fn log_transfer(&mut self, from: AccountId, to: AccountId, amount: U256) {
        if !self.rules.has_transfer_logs || amount.is_zero() || from == to {
            return;
        }
        let word = |id| self.journal.account(id).address.into_word();
        let topics = Topics::new(&[TRANSFER_TOPIC, word(from), word(to)]);
        let data = Bytes::copy_from_slice(&amount.to_be_bytes::<32>());
        self.emit(Log { address: SYSTEM_ADDRESS, topics, data });
    }

    /// The log of ether that vanishes with its account (EIP-7708), where the fork has one.
    pub fn log_burn(&mut self, account: AccountId, amount: U256) {
        if !self.rules.has_transfer_logs || amount.is_zero() {
            return;
        }
        let topics = Topics::new(&[BURN_TOPIC, self.journal.account(account).address.into_word()]);
        let data = Bytes::copy_from_slice(&amount.to_be_bytes::<32>());
        self.emit(Log { address: SYSTEM_ADDRESS, topics, data });
    }
}

/// Equality limb by limb, as operands have mostly just been written: memory is slow to read in another width.
#[inline(always)]
fn is_same(a: &U256, b: &U256) -> bool {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a.as_limbs(), *b.as_limbs());
    (a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2) | (a3 ^ b3) == 0
}

#[derive(Default)]
struct SstorePrice {
    gas: u64,
    refund: i64,
    state_gas: u64,
    state_credit: u64,
}

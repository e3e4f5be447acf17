//! `prestateTracer`: the accounts and slots that a transaction touches, as they were before it; in diff mode, what it changed.
//!
//! What an opcode touches is noted before it runs, with the values it finds, and counts only once it is clear that the opcode could
//! be paid. First sight decides: later changes in the same transaction don't show.
//!
//! A native module reads and writes slots without opcodes. Which accounts modules worked on is noted when they ran, and their slots are
//! taken from the journal at the end, which keeps each slot's word at the transaction's start. For that to be all of them, a module
//! must not remember slots from earlier transactions (`BlockExecutor::forget_module_caches`).

use super::{Collector, TracedTransaction, raw};
use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use rialto_state::{Journal, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Halt, Leave, Refusal, Step, Tracer, opcode};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};

/// About what an account and a slot keep.
const ACCOUNT_BYTES: usize = 512;
const SLOT_BYTES: usize = 256;

/// `tracerConfig`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PrestateOptions {
    diff_mode: bool,
    has_code: bool,
    has_storage: bool,
    include_empty: bool,
}

impl FromJson for PrestateOptions {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            diff_mode: fields.optional("diffMode")?.unwrap_or(false),
            has_code: !fields.optional("disableCode")?.unwrap_or(false),
            has_storage: !fields.optional("disableStorage")?.unwrap_or(false),
            include_empty: fields.optional("includeEmpty")?.unwrap_or(false),
        })
    }
}

/// An account as it is told. What is `None` or empty is left out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountImage {
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_hash: Option<B256>,
    #[serde(skip_serializing_if = "is_zero")]
    nonce: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, B256>,
    #[serde(skip)]
    is_empty: bool,
}

fn is_zero(nonce: &u64) -> bool {
    *nonce == 0
}

/// What an opcode that has not been paid yet touches.
#[derive(Default)]
struct Pending {
    accounts: Vec<(Address, AccountImage)>,
    slot: Option<(Address, B256, B256)>,
    created: Option<Address>,
    deleted: Option<Address>,
}

#[derive(Default)]
pub(super) struct PrestateTracer {
    options: PrestateOptions,
    has_delegation: bool,
    deletes_only_created: bool,
    pre: BTreeMap<Address, AccountImage>,
    post: BTreeMap<Address, AccountImage>,
    created: BTreeSet<Address>,
    deleted: BTreeSet<Address>,
    pending: Pending,
    /// Accounts on whose storage modules worked, and the transaction in which they did.
    of_modules: BTreeSet<Address>,
    transaction: u32,
    kept_bytes: usize,
    /// The state could not be read; the run goes on to say so itself.
    error: Option<ReadError>,
}

impl PrestateTracer {
    pub(super) fn new(options: PrestateOptions) -> Result<Self, RpcError> {
        if options.diff_mode && options.include_empty {
            return Err(RpcError::server("cannot use diffMode with includeEmpty"));
        }
        Ok(Self { options, ..Self::default() })
    }

    fn image(&self, address: &Address, state: &Journal<'_>) -> Result<AccountImage, ReadError> {
        let account = state.peek_account(address)?.unwrap_or_default();
        let has_code = account.code_hash != KECCAK256_EMPTY;
        let code =
            if has_code && self.options.has_code { Some(state.peek_code(address)?.bytes().clone()) } else { None };
        Ok(AccountImage {
            balance: Some(account.balance),
            code,
            code_hash: has_code.then_some(account.code_hash),
            nonce: account.nonce,
            storage: BTreeMap::new(),
            is_empty: account.is_empty(),
        })
    }

    /// Notes an account and, where it delegates, the account that it delegates to.
    fn note(&mut self, address: Address, follows: bool, state: &Journal<'_>) -> Result<(), ReadError> {
        if !self.pre.contains_key(&address) {
            let image = self.image(&address, state)?;
            self.pending.accounts.push((address, image));
        }
        if follows
            && self.has_delegation
            && let Some(delegate) = state.peek_code(&address)?.delegate()
        {
            self.note(delegate, false, state)?;
        }
        Ok(())
    }

    fn note_slot(&mut self, address: Address, key: U256, state: &Journal<'_>) -> Result<(), ReadError> {
        let slot = B256::from(key);
        let is_known = self.pre.get(&address).is_some_and(|image| image.storage.contains_key(&slot));
        if self.options.has_storage && !is_known {
            let value = state.peek_slot(&address, &key)?.value;
            self.pending.slot = Some((address, slot, B256::from(value)));
        }
        Ok(())
    }

    fn note_step(&mut self, step: &Step<'_>, state: &Journal<'_>) -> Result<(), ReadError> {
        let word = |depth: usize| step.stack.len().checked_sub(depth).map(|at| step.stack[at]);
        let address = |word: U256| Address::from_word(B256::from(word));
        match step.opcode {
            opcode::SLOAD | opcode::SSTORE => match word(1) {
                Some(key) => self.note_slot(step.address, key, state),
                None => Ok(()),
            },
            opcode::EXTCODECOPY
            | opcode::EXTCODEHASH
            | opcode::EXTCODESIZE
            | opcode::BALANCE
            | opcode::SELFDESTRUCT => {
                let Some(target) = word(1) else { return Ok(()) };
                if step.opcode == opcode::SELFDESTRUCT
                    && (!self.deletes_only_created || self.created.contains(&step.address))
                {
                    self.pending.deleted = Some(step.address);
                }
                self.note(address(target), false, state)
            }
            opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL => match word(2) {
                Some(target) if step.stack.len() >= 5 => self.note(address(target), true, state),
                _ => Ok(()),
            },
            opcode::CREATE => {
                let nonce = state.peek_account(&step.address)?.unwrap_or_default().nonce;
                self.note_created(step.address.create(nonce), state)
            }
            opcode::CREATE2 => {
                let (Some(offset), Some(len), Some(salt)) = (word(2), word(3), word(4)) else { return Ok(()) };
                match initcode(step.memory, offset, len) {
                    Some(code) => {
                        self.note_created(step.address.create2(salt.to_be_bytes::<32>(), keccak256(code)), state)
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn note_created(&mut self, address: Address, state: &Journal<'_>) -> Result<(), ReadError> {
        self.pending.created = Some(address);
        self.note(address, false, state)
    }

    /// What the last opcode touched counts.
    fn settle(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for (address, image) in pending.accounts {
            self.kept_bytes += ACCOUNT_BYTES + image.code.as_ref().map_or(0, |code| 2 * code.len());
            self.pre.entry(address).or_insert(image);
        }
        if let Some((address, slot, value)) = pending.slot {
            self.kept_bytes += SLOT_BYTES;
            self.pre.entry(address).or_default().storage.entry(slot).or_insert(value);
        }
        self.created.extend(pending.created);
        self.deleted.extend(pending.deleted);
    }

    /// Notes the slots that modules touched.
    fn note_module_slots(&mut self, state: &Journal<'_>) {
        for address in std::mem::take(&mut self.of_modules) {
            let image = self.pre.entry(address).or_default();
            for (key, before) in state.touched_slots(&address, self.transaction) {
                self.kept_bytes += SLOT_BYTES;
                image.storage.entry(B256::from(key)).or_insert(B256::from(before));
            }
        }
    }

    /// Splits what was seen into what changed before and after.
    fn diff(&mut self, state: &Journal<'_>) -> Result<(), ReadError> {
        for (address, mut before) in std::mem::take(&mut self.pre) {
            if self.deleted.contains(&address) {
                self.pre.insert(address, before);
                continue;
            }
            let after = self.image(&address, state)?;
            let mut change = AccountImage {
                balance: after.balance.filter(|_| after.balance != before.balance),
                nonce: if after.nonce == before.nonce { 0 } else { after.nonce },
                ..AccountImage::default()
            };
            let mut is_changed = change.balance.is_some() || after.nonce != before.nonce;
            if after.code_hash != before.code_hash {
                is_changed = true;
                change.code_hash = Some(after.code_hash.unwrap_or(KECCAK256_EMPTY));
                change.code = self.options.has_code.then(|| after.code.unwrap_or_default());
            }
            for (slot, value) in std::mem::take(&mut before.storage) {
                let after = B256::from(state.peek_slot(&address, &U256::from_be_bytes(slot.0))?.value);
                if after == value {
                    continue;
                }
                is_changed = true;
                if !value.is_zero() {
                    before.storage.insert(slot, value);
                }
                if !after.is_zero() {
                    change.storage.insert(slot, after);
                }
            }
            if is_changed {
                self.post.insert(address, change);
                self.pre.insert(address, before);
            }
        }
        Ok(())
    }
}

/// The bytes of memory in a range, zeros beyond its end; `None` where the range is too long to be paid for.
fn initcode(memory: &[u8], offset: U256, len: U256) -> Option<Vec<u8>> {
    const MAX_INITCODE_BYTES: usize = 1 << 20;
    let len = usize::try_from(len).ok().filter(|len| *len <= MAX_INITCODE_BYTES)?;
    if len == 0 {
        return Some(Vec::new());
    }
    let offset = usize::try_from(offset).ok()?;
    let mut code: Vec<u8> = memory.iter().skip(offset).take(len).copied().collect();
    code.resize(len, 0);
    Some(code)
}

impl Tracer for PrestateTracer {
    fn step_on(&mut self, step: Step<'_>, state: &Journal<'_>) {
        self.settle();
        if let Err(error) = self.note_step(&step, state) {
            self.error.get_or_insert(error);
        }
    }

    fn enter(&mut self, _enter: Enter<'_>) {
        self.settle();
    }

    fn module_ran(&mut self, account: Address, state: &Journal<'_>) {
        if self.options.has_storage {
            self.of_modules.insert(account);
            self.transaction = state.transaction();
        }
    }

    fn module_calls(&mut self, to: Address, state: &Journal<'_>) {
        self.settle();
        if let Err(error) = self.note(to, true, state) {
            self.error.get_or_insert(error);
        }
    }

    fn leave(&mut self, leave: Leave<'_>) {
        let is_unpaid = matches!(
            leave.halt,
            Some(Halt::OutOfGas | Halt::StackUnderflow | Halt::StackOverflow | Halt::StaticViolation)
        );
        if is_unpaid {
            self.pending = Pending::default();
        } else {
            self.settle();
        }
    }

    fn refuse(&mut self, _enter: Enter<'_>, _reason: Refusal) {
        self.settle();
    }
}

impl Collector for PrestateTracer {
    fn begin(&mut self, traced: &TracedTransaction<'_>, state: &Journal<'_>) -> Result<(), ReadError> {
        self.has_delegation = traced.rules.vm.has_delegation;
        self.deletes_only_created = traced.rules.vm.selfdestruct_only_created;
        let sender = traced.sender;
        let target = match traced.transaction.to {
            Some(target) => target,
            None => {
                let nonce = state.peek_account(&sender)?.unwrap_or_default().nonce;
                let address = sender.create(nonce);
                self.created.insert(address);
                address
            }
        };
        self.note(target, true, state)?;
        self.note(sender, false, state)?;
        self.note(traced.beneficiary, false, state)?;
        for authorization in &traced.transaction.authorization_list {
            if let Ok(authority) = authorization.authority() {
                self.note(authority, false, state)?;
            }
        }
        self.settle();
        Ok(())
    }

    fn end(&mut self, _outcome: &TxOutcome, state: &Journal<'_>) -> Result<(), ReadError> {
        self.settle();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.note_module_slots(state);
        if self.options.diff_mode {
            self.diff(state)?;
        }
        if !self.options.include_empty {
            self.pre.retain(|_, image| !image.is_empty);
        }
        Ok(())
    }

    fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        if self.options.diff_mode { raw(&json!({ "post": self.post, "pre": self.pre })) } else { raw(&self.pre) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initcode_is_padded() {
        let rows = [
            ("inside", U256::from(1), U256::from(2), Some(vec![2, 3])),
            ("beyond", U256::from(2), U256::from(3), Some(vec![3, 0, 0])),
            ("nothing", U256::MAX, U256::ZERO, Some(vec![])),
            ("absurd", U256::ZERO, U256::MAX, None),
        ];
        for (name, offset, len, expected) in rows {
            assert_eq!(initcode(&[1, 2, 3], offset, len), expected, "{name}");
        }
    }
}

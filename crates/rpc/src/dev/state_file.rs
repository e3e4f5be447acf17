//! Whole states: written to a string of bytes, and read from one.
//!
//! The bytes are a JSON object whose `accounts` are what a genesis document's `alloc` has (nonce, balance, code, storage), so a
//! dump can become the genesis of another chain. Loading one changes the state outside of blocks: accounts that it has replace
//! those that are there, slot by slot; others stay.

use super::Call;
use crate::RpcError;
use crate::json::{Fields, FromJson, Loose, ParamError};
use alloy_primitives::{Address, Bytes, U256};
use rialto_node::NodeError;
use rialto_state::{Account, AccountDiff, Code, Diff, MemoryState, SlotDiff};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `dumpState()`
pub(super) fn dump(call: &Call<'_>) -> Result<Value, RpcError> {
    let view = call.context.view()?;
    let amendments = call.context.node.amendments();
    let (number, hash) = view.snapshot().head();
    let mut state = MemoryState::default();
    let at_head = view.snapshot().state_at(number).map_err(NodeError::from)?;
    at_head
        .for_each_account(&mut |address, account, code, slots| {
            let code = code.bytes().clone();
            state.insert_account(address, account.nonce, account.balance, code, slots.iter().copied());
            true
        })
        .map_err(NodeError::from)?;
    state.apply(&amendments);
    let mut accounts: BTreeMap<Address, Value> = BTreeMap::new();
    for (address, account) in state.iter() {
        let code = state.get_code(&account.info.code_hash).map(|code| code.bytes().clone()).unwrap_or_default();
        let slots: BTreeMap<U256, U256> = account.storage.iter().map(|(slot, word)| (*slot, *word)).collect();
        let word = |word: U256| format!("{word:#066x}");
        let storage: Map<String, Value> =
            slots.into_iter().map(|(slot, value)| (word(slot), json!(word(value)))).collect();
        accounts.insert(
            *address,
            json!({
                "nonce": format!("{:#x}", account.info.nonce),
                "balance": format!("{:#x}", account.info.balance),
                "code": code,
                "storage": storage,
            }),
        );
    }
    let accounts: Map<String, Value> =
        accounts.into_iter().map(|(address, account)| (address.to_string(), account)).collect();
    let document = json!({ "block": { "number": format!("{number:#x}"), "hash": hash }, "accounts": accounts });
    Ok(json!(Bytes::from(document.to_string().into_bytes())))
}

/// `loadState(bytes)`
pub(super) fn load(call: &Call<'_>) -> Result<Value, RpcError> {
    const NAME: &str = "state";
    let bytes: Bytes = call.params.required(0, NAME)?;
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| RpcError::invalid_params(NAME, "bytes that dumpState gave", error))?;
    let diff = read(&document).map_err(|error| error.into_rpc(NAME))?;
    call.miner().amend(|_| Ok::<_, RpcError>(diff))?;
    Ok(Value::Bool(true))
}

fn read(document: &Value) -> Result<Diff, ParamError> {
    let accounts: Value = Fields::of(document)?.required("accounts")?;
    let mut read: BTreeMap<Address, (AccountDiff, Code)> = BTreeMap::new();
    for (key, value) in Fields::of(&accounts)?.iter() {
        let at = |error: ParamError| error.below(format_args!(".accounts.{key}"));
        let address = Address::from_json(&json!(key)).map_err(at)?;
        read.insert(address, account(address, value).map_err(at)?);
    }
    let mut codes: Vec<Code> = Vec::new();
    let mut changes = Vec::new();
    for (change, code) in read.into_values() {
        changes.push(change);
        if !code.is_empty() {
            codes.push(code);
        }
    }
    codes.sort_by_key(Code::hash);
    codes.dedup();
    Ok(Diff { accounts: changes, codes })
}

fn account(address: Address, value: &Value) -> Result<(AccountDiff, Code), ParamError> {
    let fields = Fields::of(value)?;
    let code = Code::new(fields.optional::<Bytes>("code")?.unwrap_or_default());
    let nonce = fields.optional::<Loose>("nonce")?.map_or(0, |nonce| nonce.0.saturating_to());
    let balance = fields.required::<Loose>("balance")?.0;
    let mut slots = BTreeMap::new();
    if let Some(storage) = fields.get("storage") {
        for (key, word) in Fields::of(storage)?.iter() {
            let at = |error: ParamError| error.below(format_args!(".storage.{key}"));
            let slot = Loose::from_json(&json!(key)).map_err(at)?.0;
            slots.insert(slot, Loose::from_json(word).map_err(at)?.0);
        }
    }
    let storage = slots.into_iter().map(|(slot, after)| SlotDiff { slot, before: U256::ZERO, after }).collect();
    let after = Some(Account { nonce, balance, code_hash: code.hash() });
    Ok((AccountDiff { address, before: None, after, storage_wiped: false, storage }, code))
}

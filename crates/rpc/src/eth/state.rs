//! `eth` methods that read state: balances, codes, storage, nonces, proofs.
//!
//! They take microseconds and are answered at once, except where the state is the pending block's, which has to be executed
//! first, and for proofs, which read the trie.

use crate::json::{BlockRef, Fields, FromJson, ParamError, Params, Quantity};
use crate::methods::{Module, Registered, heavy, run_heavy};
use crate::simulation::Base;
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_node::{BlockId, ChainView, StateView};
use rialto_state::StateReader;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Code for a request beyond this node's limits, as geth's `eth_getStorageValues` answers it.
const CLIENT_LIMIT_EXCEEDED: i32 = -38026;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    of_state(module, "eth_getBalance", 1, balance)?;
    of_state(module, "eth_getCode", 1, code)?;
    of_state(module, "eth_getStorageAt", 2, storage)?;
    of_state(module, "eth_getStorageValues", 1, storage_values)?;
    of_state(module, "eth_getTransactionCount", 1, transaction_count)?;
    heavy(module, "eth_getProof", proof)
}

/// What a question about a state is answered from.
struct Question<'a> {
    params: &'a Params,
    context: &'a RpcContext,
    block: BlockRef,
    state: &'a StateView,
}

/// Registers a method that reads the state of the block that its parameter at `block_index` names.
fn of_state<R: Serialize + Clone + Send + 'static>(
    module: &mut Module,
    name: &'static str,
    block_index: usize,
    answer: fn(&Question<'_>) -> Result<R, RpcError>,
) -> Registered {
    let method = move |params: jsonrpsee::types::Params<'static>, context: Arc<Arc<RpcContext>>, _| async move {
        let params = Params::parse(params.as_str())?;
        let block: BlockRef = params.optional(block_index, "block")?.unwrap_or(BlockRef::LATEST);
        if block == BlockRef::Pending && context.node.pool().status().0 > 0 {
            let work = move |context: &Arc<RpcContext>| {
                let state = &Base::of(context, &context.view()?, block)?.state;
                answer(&Question { params: &params, context, block, state })
            };
            return run_heavy(Arc::clone(&context), work).await;
        }
        let state = &state_of(&context.view()?, block)?;
        answer(&Question { params: &params, context: &context, block, state })
    };
    module.register_async_method(name, method).map(drop)
}

/// The state after a block; the head's for the pending block.
pub(super) fn state_of(view: &ChainView, block: BlockRef) -> Result<StateView, RpcError> {
    let id = match block {
        BlockRef::Pending => BlockId::Latest,
        BlockRef::Id(id) => id,
        BlockRef::Hash { hash, require_canonical } => {
            if require_canonical && !view.is_canonical(&hash)? {
                let text = if view.header(BlockId::Hash(hash))?.is_some() {
                    "hash is not currently canonical"
                } else {
                    "header for hash not found"
                };
                return Err(RpcError::server(text));
            }
            BlockId::Hash(hash)
        }
    };
    view.state(id)?.ok_or_else(RpcError::unknown_block)
}

fn balance(question: &Question<'_>) -> Result<U256, RpcError> {
    let address: Address = question.params.required(0, "address")?;
    Ok(question.state.account(&address)?.map_or(U256::ZERO, |account| account.balance))
}

fn code(question: &Question<'_>) -> Result<Bytes, RpcError> {
    let address: Address = question.params.required(0, "address")?;
    let Some(account) = question.state.account(&address)? else { return Ok(Bytes::new()) };
    if !account.has_code() {
        return Ok(Bytes::new());
    }
    Ok(question.state.code(&account.code_hash)?.bytes().clone())
}

fn storage(question: &Question<'_>) -> Result<B256, RpcError> {
    let address: Address = question.params.required(0, "address")?;
    let key: StorageKey = question.params.required(1, "storageSlot")?;
    Ok(question.state.storage(&address, &key.slot)?.into())
}

fn storage_values(question: &Question<'_>) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let requests: StorageRequests = question.params.required(0, "requests")?;
    let count: usize = requests.0.iter().map(|(_, slots)| slots.len()).sum();
    let limit = question.context.limits.max_storage_keys;
    if count > limit {
        let text = format!("too many slots: expected at most {limit}, found {count}");
        return Err(RpcError::new(CLIENT_LIMIT_EXCEEDED, text));
    }
    if count == 0 {
        return Err(RpcError::invalid_params("requests", "at least one slot", "none"));
    }
    let read = |(address, slots): (Address, Vec<StorageKey>)| {
        let word = |key: StorageKey| Ok(B256::from(question.state.storage(&address, &key.slot)?));
        Ok((address, slots.into_iter().map(word).collect::<Result<_, RpcError>>()?))
    };
    requests.0.into_iter().map(read).collect()
}

fn transaction_count(question: &Question<'_>) -> Result<Quantity, RpcError> {
    let address: Address = question.params.required(0, "address")?;
    let nonce = question.state.account(&address)?.map_or(0, |account| account.nonce);
    if question.block != BlockRef::Pending {
        return Ok(Quantity(nonce));
    }
    let next = question.context.node.pool().next_nonce(&address).unwrap_or(0);
    Ok(Quantity(nonce.max(next)))
}

/// A storage slot as old clients write it: hex of at most 32 bytes, the prefix and leading zeros left out or not.
struct StorageKey {
    slot: U256,
    has_32_bytes: bool,
}

impl FromJson for StorageKey {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let wrong = || ParamError::new("hex of at most 32 bytes", value);
        let text = value.as_str().ok_or_else(wrong)?;
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        if digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let slot =
            if digits.is_empty() { U256::ZERO } else { U256::from_str_radix(digits, 16).map_err(|_| wrong())? };
        Ok(Self { slot, has_32_bytes: digits.len().div_ceil(2) == 32 })
    }
}

/// Slots by account.
struct StorageRequests(Vec<(Address, Vec<StorageKey>)>);

impl FromJson for StorageRequests {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let read = |(address, slots): (&String, &Value)| {
            let below = |error: ParamError| error.below(format_args!(".{address}"));
            let parsed = Address::from_json(&Value::String(address.clone())).map_err(below)?;
            let slots =
                if slots.is_null() { Vec::new() } else { Vec::<StorageKey>::from_json(slots).map_err(below)? };
            Ok((parsed, slots))
        };
        Fields::of(value)?.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Answer of `eth_getProof` (EIP-1186).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountProofJson {
    address: Address,
    account_proof: Vec<Bytes>,
    balance: U256,
    code_hash: B256,
    nonce: Quantity,
    storage_hash: B256,
    storage_proof: Vec<StorageProofJson>,
}

#[derive(Clone, Debug, Serialize)]
struct StorageProofJson {
    key: String,
    value: U256,
    proof: Vec<Bytes>,
}

fn proof(params: &Params, context: &Arc<RpcContext>) -> Result<AccountProofJson, RpcError> {
    let address: Address = params.required(0, "address")?;
    let keys: Vec<StorageKey> = params.required(1, "storageKeys")?;
    let block: BlockRef = params.optional(2, "block")?.unwrap_or(BlockRef::LATEST);
    let limit = context.limits.max_storage_keys;
    if keys.len() > limit {
        let expected = format_args!("at most {limit} keys");
        return Err(RpcError::invalid_params("storageKeys", expected, keys.len()));
    }
    let slots: Vec<U256> = keys.iter().map(|key| key.slot).collect();
    let state = state_of(&context.view()?, block)?;
    let proven = state.prove(&address, &slots).map_err(|error| RpcError::server(error.to_string()))?;
    let account = proven.account;
    let has_storage = account.is_some_and(|account| account.storage_root != rialto_trie::EMPTY_ROOT_HASH);
    let slot = |(key, slot): (StorageKey, rialto_trie::proof::StorageProof)| StorageProofJson {
        // What was asked for with 32 bytes is answered with 32 bytes, as other nodes do.
        key: if key.has_32_bytes { format!("{:#x}", B256::from(key.slot)) } else { format!("{:#x}", key.slot) },
        value: slot.word,
        proof: if has_storage { slot.proof } else { Vec::new() },
    };
    Ok(AccountProofJson {
        address,
        account_proof: proven.proof,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        code_hash: account.map_or(B256::ZERO, |account| account.code_hash),
        nonce: Quantity(account.map_or(0, |account| account.nonce)),
        storage_hash: account.map_or(B256::ZERO, |account| account.storage_root),
        storage_proof: keys.into_iter().zip(proven.storage).map(slot).collect(),
    })
}

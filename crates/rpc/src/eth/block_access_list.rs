//! `eth_getBlockAccessList` (EIP-7928): which accounts and slots a block touches, and how they change with each transaction.
//!
//! A header commits to its block's list, and executing the block gives it again, so lists are not kept: the block is run once
//! more on the state before it, which has to be there.

use super::blocks::find;
use crate::json::{BlockRef, Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::simulation::Replay;
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_stf::{AccountChanges, SlotChanges};
use serde::Serialize;
use std::sync::Arc;

/// Code for a list that there is not.
const RESOURCE_NOT_FOUND: i32 = -32001;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_getBlockAccessList", block_access_list)
}

/// What a block does with an account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    address: Address,
    storage_changes: Vec<SlotJson>,
    storage_reads: Vec<B256>,
    balance_changes: Vec<ChangeJson<U256>>,
    nonce_changes: Vec<ChangeJson<Quantity>>,
    code_changes: Vec<CodeChangeJson>,
}

#[derive(Clone, Debug, Serialize)]
struct SlotJson {
    key: B256,
    changes: Vec<ChangeJson<B256>>,
}

/// What something is after the transaction with this index, counted from 1; 0 is what comes before the first.
#[derive(Clone, Debug, Serialize)]
struct ChangeJson<T> {
    index: Quantity,
    value: T,
}

#[derive(Clone, Debug, Serialize)]
struct CodeChangeJson {
    index: Quantity,
    code: Bytes,
}

fn change<T>(index: u32, value: T) -> ChangeJson<T> {
    ChangeJson { index: Quantity(index.into()), value }
}

impl From<&SlotChanges> for SlotJson {
    fn from(slot: &SlotChanges) -> Self {
        let changes = slot.changes.iter().map(|item| change(item.index, item.value.into())).collect();
        Self { key: slot.slot.into(), changes }
    }
}

impl From<&AccountChanges> for AccountJson {
    fn from(account: &AccountChanges) -> Self {
        let code = |item: &rialto_stf::CodeChange| CodeChangeJson {
            index: Quantity(item.index.into()),
            code: item.code.clone(),
        };
        Self {
            address: account.address,
            storage_changes: account.storage_changes.iter().map(SlotJson::from).collect(),
            storage_reads: account.storage_reads.iter().map(|slot| B256::from(*slot)).collect(),
            balance_changes: account.balance_changes.iter().map(|item| change(item.index, item.balance)).collect(),
            nonce_changes: account.nonce_changes.iter().map(|item| change(item.index, Quantity(item.nonce))).collect(),
            code_changes: account.code_changes.iter().map(code).collect(),
        }
    }
}

fn block_access_list(params: &Params, context: &Arc<RpcContext>) -> Result<Option<Vec<AccountJson>>, RpcError> {
    let block: BlockRef = params.required(0, "block")?;
    let json = |list: &rialto_stf::BlockAccessList| list.0.iter().map(AccountJson::from).collect();
    if block == BlockRef::Pending {
        let built = context.node.pending()?;
        return built.block_access_list.as_ref().map(json).map(Some).ok_or_else(no_list);
    }
    let view = context.view()?;
    let Some(block) = find(context, &view, block)? else { return Ok(None) };
    if block.block.header.block_access_list_hash.is_none() {
        return Err(no_list());
    }
    if block.block.header.number == 0 {
        return Ok(Some(Vec::new()));
    }
    let replay = Replay::of(context, &view, block)?;
    let outcome = replay.run_on(context.node.spec(), replay.parent())?;
    outcome.block_access_list.as_ref().map(json).map(Some).ok_or_else(no_list)
}

/// Blocks have lists since Amsterdam.
fn no_list() -> RpcError {
    RpcError::new(RESOURCE_NOT_FOUND, "block access list: expected a block of a fork that has them")
}

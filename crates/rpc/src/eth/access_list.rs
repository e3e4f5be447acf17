//! `eth_createAccessList`: the accounts and slots that a call touches.
//!
//! A list changes prices, and with them what a call does. So the call is run with the list that the last run gave, until list
//! and run agree.
//!
//! The accounts that a native module calls are listed, but not the slots that it reads and writes itself: a module's gas does not depend
//! on which slots are warm, so listing them would only cost.

use super::call::fault_of;
use crate::RpcError;
use crate::json::BlockRef;
use crate::methods::{Module, Registered, heavy};
use crate::simulation::{Base, CallArgs, CallEnvironment, Failure, Overlay, StateOverrides};
use alloy_primitives::{Address, B256};
use rialto_state::{Journal, StateReader};
use rialto_stf::{AccessListItem, BlockRules};
use rialto_vm::{Halt, Step, Tracer, opcode, precompile_addresses};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Most runs before the last list is taken as it is.
const MAX_RUNS: usize = 64;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_createAccessList", |params, context| {
        let args: CallArgs = params.required(0, "transaction")?;
        let block = params.optional(1, "block")?.unwrap_or(BlockRef::LATEST);
        let overrides: Option<StateOverrides> = params.optional(2, "stateOverrides")?;
        let view = context.view()?;
        let base = Base::of(context, &view, block)?;
        let overlay = Overlay::new(&base.state, base.header.number);
        let environment = CallEnvironment::new(context.node.spec(), base.header, overlay, overrides.as_ref(), None)?;
        let deadline = Instant::now() + context.limits.call_timeout;
        create_access_list(&environment, args, context.limits.call_gas_cap, deadline)
    })
}

type AccessList = BTreeMap<Address, BTreeSet<B256>>;

/// Notes what opcodes touch.
struct AccessTracer<'a> {
    list: AccessList,
    /// Accounts that are warm anyway and listed only for their slots.
    excluded: &'a BTreeSet<Address>,
}

impl Tracer for AccessTracer<'_> {
    fn step(&mut self, step: Step<'_>) {
        let word = |depth: usize| step.stack.len().checked_sub(depth).map(|at| B256::from(step.stack[at]));
        match step.opcode {
            opcode::SLOAD | opcode::SSTORE => {
                if let Some(slot) = word(1) {
                    self.list.entry(step.address).or_default().insert(slot);
                }
            }
            opcode::EXTCODECOPY
            | opcode::EXTCODEHASH
            | opcode::EXTCODESIZE
            | opcode::BALANCE
            | opcode::SELFDESTRUCT => self.touch(word(1)),
            opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL if step.stack.len() >= 5 => {
                self.touch(word(2));
            }
            _ => {}
        }
    }

    fn module_calls(&mut self, to: Address, _state: &Journal<'_>) {
        self.touch(Some(to.into_word()));
    }
}

impl AccessTracer<'_> {
    fn touch(&mut self, word: Option<B256>) {
        let Some(address) = word.map(Address::from_word) else { return };
        if !self.excluded.contains(&address) {
            self.list.entry(address).or_default();
        }
    }
}

fn create_access_list(
    environment: &CallEnvironment<'_>,
    mut args: CallArgs,
    gas_cap: u64,
    deadline: Instant,
) -> Result<Value, RpcError> {
    args.check(environment.spec.chain_id)?;
    let gas_limit = args.gas.unwrap_or(gas_cap).min(gas_cap);
    let excluded = excluded_accounts(environment, &args, gas_limit)?;
    let mut list = AccessList::new();
    for item in args.access_list.iter().flatten() {
        if !excluded.contains(&item.address) || !item.storage_keys.is_empty() {
            list.entry(item.address).or_default().extend(&item.storage_keys);
        }
    }
    for run in 1.. {
        args.access_list = Some(items_of(&list));
        let mut tracer = AccessTracer { list: list.clone(), excluded: &excluded };
        let outcome = environment.run(&args, gas_limit, Some(&mut tracer as &mut dyn Tracer));
        let outcome = outcome.map_err(Failure::into_rpc)?;
        if tracer.list == list || run == MAX_RUNS {
            let mut answer = json!({ "accessList": json_of(&list), "gasUsed": format!("{:#x}", outcome.gas_used) });
            match outcome.halt {
                None => {}
                Some(Halt::Revert) => answer["error"] = "execution reverted".into(),
                Some(halt) => answer["error"] = fault_of(environment, &args, gas_limit, halt).into(),
            }
            return Ok(answer);
        }
        if Instant::now() > deadline {
            return Err(RpcError::server("execution aborted (timeout)"));
        }
        list = tracer.list;
    }
    Err(RpcError::internal("access list: the search ended without an answer"))
}

/// Sender, recipient, precompiled contracts and the signers of authorizations: they are warm from the start.
fn excluded_accounts(
    environment: &CallEnvironment<'_>,
    args: &CallArgs,
    gas_limit: u64,
) -> Result<BTreeSet<Address>, RpcError> {
    let rules: &BlockRules = environment.rules();
    let sender = args.sender();
    let nonce = match args.nonce {
        Some(nonce) => nonce,
        None => environment.state.account(&sender)?.unwrap_or_default().nonce,
    };
    let target = args.to.unwrap_or_else(|| sender.create(nonce));
    let mut excluded: BTreeSet<Address> = precompile_addresses(rules.vm.precompiles).collect();
    excluded.extend([sender, target]);
    let authorizations = args.authorization_list.as_deref().unwrap_or_default();
    if authorizations.len() as u64 > gas_limit / rules.authorization_gas.max(1) {
        return Err(RpcError::server("insufficient gas to process all authorizations"));
    }
    excluded.extend(authorizations.iter().filter_map(|authorization| authorization.authority().ok()));
    Ok(excluded)
}

fn items_of(list: &AccessList) -> Vec<AccessListItem> {
    let item = |(address, keys): (&Address, &BTreeSet<B256>)| AccessListItem {
        address: *address,
        storage_keys: keys.iter().copied().collect(),
    };
    list.iter().map(item).collect()
}

fn json_of(list: &AccessList) -> Value {
    list.iter().map(|(address, keys)| json!({ "address": address, "storageKeys": keys })).collect()
}

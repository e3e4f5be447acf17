//! What a question supposes of the state and of the block.

use super::Overlay;
use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{Account, AccountDiff, Code, Diff, SlotDiff, StateReader};
use rialto_stf::{BlockExecutor, BlockRules, Header, Withdrawal};
use rialto_vm::precompile;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is supposed of one account. What is not named stays as it is.
#[derive(Clone, Debug, Default)]
struct AccountOverride {
    nonce: Option<u64>,
    code: Option<Bytes>,
    balance: Option<U256>,
    /// All of the storage.
    state: Option<BTreeMap<B256, B256>>,
    /// Some slots.
    state_diff: Option<BTreeMap<B256, B256>>,
    move_precompile_to: Option<Address>,
}

impl FromJson for AccountOverride {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            nonce: fields.optional("nonce")?,
            code: fields.optional("code")?,
            balance: fields.optional("balance")?,
            state: slots(&fields, "state")?,
            state_diff: slots(&fields, "stateDiff")?,
            move_precompile_to: fields.optional("movePrecompileToAddress")?,
        })
    }
}

fn slots(fields: &Fields<'_>, name: &str) -> Result<Option<BTreeMap<B256, B256>>, ParamError> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let read = || -> Result<BTreeMap<B256, B256>, ParamError> {
        let entries = Fields::of(value)?;
        let pair = |(key, word): (&String, &Value)| {
            let slot = B256::from_json(&Value::String(key.clone()))?;
            Ok((slot, B256::from_json(word).map_err(|error| error.below(format_args!(".{key}")))?))
        };
        entries.iter().map(pair).collect()
    };
    read().map(Some).map_err(|error| error.below(format_args!(".{name}")))
}

/// What is supposed of the state, by account.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateOverrides(BTreeMap<Address, AccountOverride>);

impl FromJson for StateOverrides {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let read = |(key, value): (&String, &Value)| {
            let address = Address::from_json(&Value::String(key.clone()))?;
            let account = AccountOverride::from_json(value).map_err(|error| error.below(format_args!(".{key}")))?;
            Ok((address, account))
        };
        Fields::of(value)?.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Precompiled contracts that do not run where they did: whence, and where to if anywhere.
pub(crate) type PrecompileMoves = Vec<(Address, Option<Address>)>;

impl StateOverrides {
    /// Applies them to the state. An account of a precompiled contract that is named becomes an ordinary one.
    pub(crate) fn apply(
        &self,
        state: &mut Overlay<'_>,
        rules: &BlockRules,
    ) -> Result<(Diff, PrecompileMoves), RpcError> {
        let mut diff = Diff::default();
        let mut moves = PrecompileMoves::new();
        let mut taken = BTreeSet::new();
        for (address, account) in &self.0 {
            if taken.contains(address) {
                let message = format!("account {address} has already been overridden by a precompile");
                return Err(RpcError::server(message));
            }
            let is_precompile = precompile(rules.vm.precompiles, address).is_some();
            if let Some(to) = account.move_precompile_to {
                if !is_precompile {
                    return Err(RpcError::server(format!("account {address} is not a precompile")));
                }
                if self.0.contains_key(&to) {
                    return Err(RpcError::server(format!("account {to} is already overridden")));
                }
                taken.insert(to);
            }
            if is_precompile {
                moves.push((*address, account.move_precompile_to));
            }
            if let Some(change) = account.change(address, state, &mut diff.codes)? {
                diff.accounts.push(change);
            }
        }
        diff.codes.sort_unstable_by_key(Code::hash);
        diff.codes.dedup();
        state.apply(&diff);
        Ok((diff, moves))
    }
}

impl AccountOverride {
    /// The change that it makes, `None` if it makes none.
    fn change(
        &self,
        address: &Address,
        state: &Overlay<'_>,
        codes: &mut Vec<Code>,
    ) -> Result<Option<AccountDiff>, RpcError> {
        if self.state.is_some() && self.state_diff.is_some() {
            return Err(RpcError::server(format!("account {address} has both 'state' and 'stateDiff'")));
        }
        let has_slots = self.state.is_some() || self.state_diff.as_ref().is_some_and(|slots| !slots.is_empty());
        if self.nonce.is_none() && self.code.is_none() && self.balance.is_none() && !has_slots {
            return Ok(None);
        }
        let before = state.account(address)?;
        let mut after = before.unwrap_or(Account::EMPTY);
        after.nonce = self.nonce.unwrap_or(after.nonce);
        after.balance = self.balance.unwrap_or(after.balance);
        if let Some(code) = &self.code {
            let code = Code::new(code.clone());
            after.code_hash = code.hash();
            codes.push(code);
        }
        let mut storage = Vec::new();
        let is_whole = self.state.is_some();
        for (slot, word) in self.state.iter().chain(&self.state_diff).flatten() {
            let (slot, after) = (U256::from_be_bytes(slot.0), U256::from_be_bytes(word.0));
            let before = if is_whole { U256::ZERO } else { state.storage(address, &slot)? };
            if before != after {
                storage.push(SlotDiff { slot, before, after });
            }
        }
        let storage_wiped = is_whole && before.is_some();
        Ok(Some(AccountDiff { address: *address, before, after: Some(after), storage_wiped, storage }))
    }
}

/// What is supposed of the block.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockOverrides {
    pub number: Option<U256>,
    pub difficulty: Option<U256>,
    pub time: Option<u64>,
    pub gas_limit: Option<u64>,
    pub fee_recipient: Option<Address>,
    pub prev_randao: Option<B256>,
    pub base_fee_per_gas: Option<U256>,
    pub blob_base_fee: Option<U256>,
    pub beacon_root: Option<B256>,
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// What BLOCKHASH gives, by number.
    pub block_hashes: BTreeMap<u64, B256>,
}

impl FromJson for BlockOverrides {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        let mut block_hashes = BTreeMap::new();
        if let Some(hashes) = fields.get("blockHash") {
            for (key, hash) in Fields::of(hashes)?.iter() {
                let number = crate::json::Loose::from_json(&Value::String(key.clone()))?.0;
                let number = u64::try_from(number).map_err(|_| ParamError::new("a block number", hash))?;
                block_hashes.insert(number, B256::from_json(hash)?);
            }
        }
        Ok(Self {
            number: fields.optional("number")?,
            difficulty: fields.optional("difficulty")?,
            time: either(&fields, "time", "timestamp")?,
            gas_limit: fields.optional("gasLimit")?,
            fee_recipient: either(&fields, "feeRecipient", "coinbase")?,
            prev_randao: either(&fields, "prevRandao", "random")?,
            base_fee_per_gas: either(&fields, "baseFeePerGas", "baseFee")?,
            blob_base_fee: fields.optional("blobBaseFee")?,
            beacon_root: fields.optional("beaconRoot")?,
            withdrawals: fields.get("withdrawals").map(withdrawals).transpose()?,
            block_hashes,
        })
    }
}

/// A field under its name or an older one.
fn either<T: FromJson>(fields: &Fields<'_>, name: &str, older: &str) -> Result<Option<T>, ParamError> {
    match fields.optional(name)? {
        Some(value) => Ok(Some(value)),
        None => fields.optional(older),
    }
}

fn withdrawals(value: &Value) -> Result<Vec<Withdrawal>, ParamError> {
    let items: Vec<Value> = Vec::from_json(value).map_err(|error| error.below(".withdrawals"))?;
    let read = |(at, item): (usize, &Value)| {
        let read = || {
            let fields = Fields::of(item)?;
            Ok(Withdrawal {
                index: fields.required("index")?,
                validator_index: fields.required("validatorIndex")?,
                address: fields.required("address")?,
                amount: fields.required("amount")?,
            })
        };
        read().map_err(|error: ParamError| error.below(format_args!(".withdrawals[{at}]")))
    };
    items.iter().enumerate().map(read).collect()
}

impl BlockOverrides {
    /// Applies them to the header whose block surrounds a call.
    pub(crate) fn apply(&self, header: &mut Header) -> Result<(), RpcError> {
        let unsupported =
            |field: &str| RpcError::server(format!("block override \"{field}\" is not supported for this RPC method"));
        if self.beacon_root.is_some() {
            return Err(unsupported("beaconRoot"));
        }
        if self.withdrawals.is_some() {
            return Err(unsupported("withdrawals"));
        }
        self.make_header(header)
    }

    /// Sets the fields of a header that are named.
    pub(crate) fn make_header(&self, header: &mut Header) -> Result<(), RpcError> {
        if let Some(number) = self.number {
            header.number = narrow("number", number)?;
        }
        if let Some(fee) = self.base_fee_per_gas {
            header.base_fee_per_gas = Some(narrow("baseFeePerGas", fee)?);
        }
        header.difficulty = self.difficulty.unwrap_or(header.difficulty);
        header.timestamp = self.time.unwrap_or(header.timestamp);
        header.gas_limit = self.gas_limit.unwrap_or(header.gas_limit);
        header.beneficiary = self.fee_recipient.unwrap_or(header.beneficiary);
        header.mix_hash = self.prev_randao.unwrap_or(header.mix_hash);
        Ok(())
    }
}

/// A number that a header holds in 64 bits.
fn narrow(field: &str, value: U256) -> Result<u64, RpcError> {
    u64::try_from(value).map_err(|_| RpcError::invalid_params(field, "at most 64 bits", value))
}

/// Lets precompiled contracts run where they were moved to.
pub(crate) fn move_precompiles(executor: &mut BlockExecutor<'_>, moves: &PrecompileMoves) {
    for (from, to) in moves {
        executor.move_precompile(from, *to);
    }
}

//! A call as requests describe it, and the transaction that it stands for.

use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_stf::{AccessListItem, Authorization, Transaction, TxType};
use serde_json::Value;

/// A call as requests describe it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallArgs {
    pub from: Option<Address>,
    pub to: Option<Address>,
    pub gas: Option<u64>,
    pub gas_price: Option<U256>,
    pub max_fee_per_gas: Option<U256>,
    pub max_priority_fee_per_gas: Option<U256>,
    pub value: Option<U256>,
    pub nonce: Option<u64>,
    pub data: Option<Bytes>,
    pub input: Option<Bytes>,
    pub access_list: Option<Vec<AccessListItem>>,
    pub chain_id: Option<U256>,
    pub max_fee_per_blob_gas: Option<U256>,
    pub blob_versioned_hashes: Option<Vec<B256>>,
    pub authorization_list: Option<Vec<Authorization>>,
}

impl FromJson for CallArgs {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            from: fields.optional("from")?,
            to: fields.optional("to")?,
            gas: fields.optional("gas")?,
            gas_price: fields.optional("gasPrice")?,
            max_fee_per_gas: fields.optional("maxFeePerGas")?,
            max_priority_fee_per_gas: fields.optional("maxPriorityFeePerGas")?,
            value: fields.optional("value")?,
            nonce: fields.optional("nonce")?,
            data: fields.optional("data")?,
            input: fields.optional("input")?,
            access_list: items(&fields, "accessList", access_list_item)?,
            chain_id: fields.optional("chainId")?,
            max_fee_per_blob_gas: fields.optional("maxFeePerBlobGas")?,
            blob_versioned_hashes: fields.optional("blobVersionedHashes")?,
            authorization_list: items(&fields, "authorizationList", authorization)?,
        })
    }
}

fn items<T>(
    fields: &Fields<'_>,
    name: &str,
    read: fn(&Fields<'_>) -> Result<T, ParamError>,
) -> Result<Option<Vec<T>>, ParamError> {
    let Some(values) = fields.optional::<Vec<Value>>(name)? else { return Ok(None) };
    let read_one = |(at, value): (usize, &Value)| {
        Fields::of(value).and_then(|fields| read(&fields)).map_err(|error| error.below(format_args!(".{name}[{at}]")))
    };
    values.iter().enumerate().map(read_one).collect::<Result<_, _>>().map(Some)
}

fn access_list_item(fields: &Fields<'_>) -> Result<AccessListItem, ParamError> {
    let storage_keys = fields.optional("storageKeys")?.unwrap_or_default();
    Ok(AccessListItem { address: fields.required("address")?, storage_keys })
}

fn authorization(fields: &Fields<'_>) -> Result<Authorization, ParamError> {
    let parity: u64 = fields.required("yParity")?;
    Ok(Authorization {
        chain_id: fields.required("chainId")?,
        address: fields.required("address")?,
        nonce: fields.required("nonce")?,
        y_parity: u8::try_from(parity).unwrap_or(u8::MAX),
        r: fields.required("r")?,
        s: fields.required("s")?,
    })
}

impl CallArgs {
    /// Who calls; the zero address if nobody is named.
    pub(crate) fn sender(&self) -> Address {
        self.from.unwrap_or_default()
    }

    /// Call data or initcode; `input` counts before `data`.
    pub(crate) fn call_data(&self) -> Bytes {
        self.input.clone().or_else(|| self.data.clone()).unwrap_or_default()
    }

    /// What can't be meant, whatever the state.
    pub(crate) fn check(&self, chain_id: u64) -> Result<(), RpcError> {
        if self.gas_price.is_some() && (self.max_fee_per_gas.is_some() || self.max_priority_fee_per_gas.is_some()) {
            return Err(RpcError::server("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
        }
        match self.chain_id {
            Some(found) if found != U256::from(chain_id) => {
                Err(RpcError::server(format!("chainId does not match node's (have={found}, want={chain_id})")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it names no price, so that the block's base fee must not count.
    pub(crate) fn is_free(&self) -> bool {
        let is_zero = |price: Option<U256>| price.is_none_or(|price| price.is_zero());
        is_zero(self.gas_price) && is_zero(self.max_fee_per_gas) && is_zero(self.max_priority_fee_per_gas)
    }

    /// Whether it carries blobs that it names no price for.
    pub(crate) fn has_free_blobs(&self) -> bool {
        self.blob_versioned_hashes.is_some() && self.max_fee_per_blob_gas.is_none_or(|price| price.is_zero())
    }

    /// The transaction for the state transition function, in a block that has a base fee or not.
    pub(crate) fn transaction(&self, chain_id: u64, gas_limit: u64, nonce: u64, has_base_fee: bool) -> Transaction {
        let tx_type = match (&self.authorization_list, &self.blob_versioned_hashes) {
            (Some(_), _) => TxType::SetCode,
            (None, Some(_)) => TxType::Blob,
            (None, None) if self.gas_price.is_some() || !has_base_fee => TxType::Legacy,
            (None, None) => TxType::DynamicFee,
        };
        let max_fee = self.gas_price.or(self.max_fee_per_gas).unwrap_or_default();
        let tip = self.gas_price.or(self.max_priority_fee_per_gas).unwrap_or_default();
        Transaction {
            tx_type,
            chain_id: Some(chain_id),
            nonce,
            gas_price: max_fee,
            max_priority_fee_per_gas: tip,
            gas_limit,
            to: self.to,
            value: self.value.unwrap_or_default(),
            input: self.call_data(),
            access_list: self.access_list.clone().unwrap_or_default(),
            max_fee_per_blob_gas: self.max_fee_per_blob_gas.unwrap_or_default(),
            blob_versioned_hashes: self.blob_versioned_hashes.clone().unwrap_or_default(),
            authorization_list: self.authorization_list.clone().unwrap_or_default(),
            ..Transaction::default()
        }
    }
}

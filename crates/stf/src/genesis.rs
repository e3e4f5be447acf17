//! A chain's first block, from geth's `genesis.json`: the rules (`config`), the state (`alloc`) and the header.
//!
//! The header has exactly the fields that the fork at genesis has: what the document does not say is empty or zero, the
//! state root is that of `alloc`, and the hash is therefore the one that every client gives the block. `config` becomes a
//! [`ChainSpec`] in a submodule, which also refuses forks in the wrong order; `config.rialto.market` adds the market in another.

mod config;
mod market;

pub use config::blob_params_from_json;

use crate::json::{self, Alloc, JsonCursor, JsonError, alloc};
use crate::{Activation, BlockAccessList, ChainSpec, Header, fees, ommers_hash, requests_hash};
use alloc::string::{String, ToString};
use alloy_primitives::{Address, B64, B256, keccak256};
use core::fmt;
use rialto_state::MemoryState;
use rialto_trie::{EMPTY_ROOT_HASH, TrieAccount, roots};
use rialto_vm::Fork;

/// The gas limit that a gas limit of zero stands for.
const DEFAULT_GAS_LIMIT: u64 = 4_712_388;

/// The first block of a chain, and the chain's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Which rules hold where.
    pub chain: ChainSpec,
    /// The block's header. Its body is empty.
    pub header: Header,
    /// The state after it.
    pub alloc: Alloc,
}

/// Why a `genesis.json` does not describe a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GenesisError {
    /// A field is missing or not of its type.
    Json(JsonError),
    /// A fork that changes the rules in ways unknown here.
    UnknownFork {
        /// The field that schedules it, for example `config.futureTime`.
        field: String,
    },
    /// A fork before its predecessor.
    ForkOrder {
        /// The field that schedules the fork.
        field: &'static str,
        /// What it says.
        found: Activation,
        /// The predecessor's field.
        previous: &'static str,
        /// What that says; `None` where it is absent.
        previous_at: Option<Activation>,
    },
    /// Two forks that are one here are scheduled apart.
    ForksApart {
        /// The field of one.
        field: &'static str,
        /// When it is.
        found: Option<Activation>,
        /// The field of the other.
        other: &'static str,
        /// When it is.
        expected: Option<Activation>,
    },
    /// A field of ours that is not known.
    UnknownField {
        /// The field, for example `config.rialto.market.signer`.
        field: String,
        /// Those that are known.
        expected: String,
    },
    /// The market can't begin so.
    Market {
        /// Where, and why not.
        reason: String,
    },
    /// `alloc` has an account where a native module's is to be.
    AddressTaken {
        /// The module's address.
        address: Address,
    },
    /// Blob parameters under which prices are not defined.
    BlobParams {
        /// The field, for example `config.blobSchedule.cancun.max`.
        field: String,
        /// What was expected of it.
        expected: String,
        /// Its value.
        found: u64,
    },
    /// A field of the header that the fork at genesis does not have.
    UnexpectedField {
        /// The field.
        field: &'static str,
        /// The fork.
        fork: Fork,
    },
}

impl fmt::Display for GenesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::UnknownFork { field } => write!(f, "{field}: expected a fork that is known"),
            Self::ForkOrder { field, found, previous, previous_at: Some(at) } => {
                write!(f, "config.{field}: expected {at} or later, where config.{previous} is, found {found}")
            }
            Self::ForkOrder { field, found, previous, previous_at: None } => {
                write!(f, "config.{previous}: expected one, since config.{field} is {found}, found nothing")
            }
            Self::ForksApart { field, found, other, expected } => {
                let text = |at: &Option<Activation>| at.map_or("nothing".to_string(), |at| at.to_string());
                write!(f, "config.{field}: expected {}, as config.{other}, found {}", text(expected), text(found))
            }
            Self::UnknownField { field, expected } => write!(f, "{field}: expected one of {expected}"),
            Self::Market { reason } => write!(f, "config.rialto.{reason}"),
            Self::AddressTaken { address } => {
                write!(f, "alloc.{address}: expected nothing, for a native module's account is there")
            }
            Self::BlobParams { field, expected, found } => write!(f, "{field}: expected {expected}, found {found}"),
            Self::UnexpectedField { field, fork } => write!(f, "{field}: expected none under {fork}, found one"),
        }
    }
}

impl core::error::Error for GenesisError {}

impl From<JsonError> for GenesisError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl Genesis {
    /// Reads a `genesis.json`.
    pub fn from_json(cursor: &JsonCursor<'_>) -> Result<Self, GenesisError> {
        let mut accounts = alloc(&cursor.field("alloc")?)?;
        let mut header = proof_of_work_fields(cursor)?;
        let config = cursor.field("config")?;
        let mut chain = config::chain_spec(&config, &header)?;
        if let Some((address, account)) = market::add_market(&config, &header, &mut chain)?
            && accounts.insert(address, account).is_some()
        {
            return Err(GenesisError::AddressTaken { address });
        }
        header.state_root = state_root(&accounts);
        add_later_fields(cursor, &chain, &mut header)?;
        Ok(Self { chain, header, alloc: accounts })
    }

    /// The state after the block, as a reader in memory.
    pub fn state(&self) -> MemoryState {
        json::memory_state(&self.alloc)
    }
}

/// The fields that every header has.
fn proof_of_work_fields(cursor: &JsonCursor<'_>) -> Result<Header, GenesisError> {
    let number = |name| match cursor.optional(name)? {
        Some(value) => value.u64_or_decimal(),
        None => Ok(0),
    };
    let hash = |name| cursor.optional(name)?.map_or(Ok(B256::ZERO), |value| value.b256());
    let gas_limit = cursor.field("gasLimit")?.u64_or_decimal()?;
    Ok(Header {
        parent_hash: hash("parentHash")?,
        ommers_hash: ommers_hash(&[]),
        beneficiary: cursor.optional("coinbase")?.map(|value| value.address()).transpose()?.unwrap_or_default(),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: cursor.field("difficulty")?.u256_or_decimal()?,
        number: number("number")?,
        gas_limit: if gas_limit == 0 { DEFAULT_GAS_LIMIT } else { gas_limit },
        gas_used: number("gasUsed")?,
        timestamp: number("timestamp")?,
        extra_data: cursor.optional("extraData")?.map(|value| value.bytes()).transpose()?.unwrap_or_default(),
        mix_hash: hash("mixHash")?,
        nonce: B64::from(number("nonce")?.to_be_bytes()),
        ..Header::default()
    })
}

/// The fields that came with forks, in the order of the encoding.
fn add_later_fields(cursor: &JsonCursor<'_>, chain: &ChainSpec, header: &mut Header) -> Result<(), GenesisError> {
    let rules = chain.rules_at(header.number, header.timestamp);
    let number = |field: &'static str, is_there: bool, default: u64| match cursor.optional(field)? {
        Some(_) if !is_there => Err(GenesisError::UnexpectedField { field, fork: rules.fork }),
        Some(value) => Ok(Some(value.u64_or_decimal()?)),
        None => Ok(is_there.then_some(default)),
    };
    header.base_fee_per_gas = number("baseFeePerGas", rules.has_base_fee, fees::INITIAL_BASE_FEE)?;
    header.withdrawals_root = rules.has_withdrawals.then_some(EMPTY_ROOT_HASH);
    header.blob_gas_used = number("blobGasUsed", rules.has_blobs, 0)?;
    header.excess_blob_gas = number("excessBlobGas", rules.has_blobs, 0)?;
    header.parent_beacon_block_root = rules.has_blobs.then_some(B256::ZERO);
    header.requests_hash = rules.has_requests.then(|| requests_hash(&[]));
    header.block_access_list_hash = rules.has_access_lists.then(|| BlockAccessList::default().hash());
    header.slot_number = number("slotNumber", rules.has_access_lists, 0)?;
    Ok(())
}

/// The root of the state trie over `accounts`, empty ones included.
fn state_root(accounts: &Alloc) -> B256 {
    let trie_accounts = accounts.iter().map(|(address, account)| {
        let storage_root = roots::storage_root(account.storage.iter().map(|(slot, word)| (*slot, *word)));
        let code_hash = keccak256(&account.code);
        (*address, TrieAccount { nonce: account.nonce, balance: account.balance, storage_root, code_hash })
    });
    roots::state_root(trie_accounts)
}

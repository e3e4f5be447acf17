//! A vector's chain: what its `network` or fork and its `config` say.

use alloy_primitives::U256;
use rialto_stf::json::{JsonCursor, JsonError};
use rialto_stf::{BlobParams, ChainSpec};
use rialto_vm::Fork;

/// The chain id where a vector names none.
const DEFAULT_CHAIN_ID: u64 = 1;

/// Why a vector's chain can't be made out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// No fork or transition has this name.
    UnknownNetwork {
        /// The name found.
        network: String,
    },
    /// A field of `config` is wrong.
    Json(JsonError),
}

impl std::fmt::Display for ChainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownNetwork { network } => {
                write!(
                    f,
                    "network: expected a fork, as Osaka, or a transition, as CancunToPragueAtTime15k, found {network:?}"
                )
            }
            Self::Json(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChainError {}

impl From<JsonError> for ChainError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// The chain of a test at `test` for `network`.
pub fn chain_of(test: &JsonCursor<'_>, network: &str) -> Result<ChainSpec, ChainError> {
    let config = test.optional("config")?;
    let mut chain_id = DEFAULT_CHAIN_ID;
    if let Some(config) = &config {
        for name in ["chainid", "chainId"] {
            if let Some(id) = config.optional(name)? {
                chain_id = id.u64()?;
            }
        }
    }
    let unknown = || ChainError::UnknownNetwork { network: network.to_string() };
    let mut chain = ChainSpec::from_network(network, chain_id).ok_or_else(unknown)?;
    if let Some(config) = &config
        && let Some(schedule) = config.optional("blobSchedule")?
    {
        chain.blobs = blob_schedule(&schedule)?;
    }
    Ok(chain)
}

/// Blob parameters by fork. Forks that are not ours are somebody else's and passed over.
pub fn blob_schedule(cursor: &JsonCursor<'_>) -> Result<Vec<(Fork, BlobParams)>, JsonError> {
    let mut blobs = Vec::new();
    for (name, params) in cursor.entries()? {
        let Some(fork) = Fork::from_name(name) else { continue };
        let field = |name| u64_or_decimal(&params.field(name)?);
        let (target, max) = (field("target")?, field("max")?);
        blobs.push((fork, BlobParams { target, max, base_fee_update_fraction: field("baseFeeUpdateFraction")? }));
    }
    blobs.sort_by_key(|(fork, _)| *fork);
    Ok(blobs)
}

/// A quantity of at most 64 bits, hex or decimal.
pub fn u64_or_decimal(cursor: &JsonCursor<'_>) -> Result<u64, JsonError> {
    let value: U256 = cursor.u256_or_decimal()?;
    match u64::try_from(value) {
        Ok(number) => Ok(number),
        Err(_) => cursor.u64(),
    }
}

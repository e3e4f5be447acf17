//! A vector's chain: what its `network` or fork and its `config` say.

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

/// The suite whose vectors for Amsterdam follow the draft before the one that all others do.
const DRAFT_SUITE: &str = "/tests-zkevm@";

/// The name of the rules that a test at `test` for `network` follows.
///
/// It is the network's, but for one suite that says `Amsterdam` and means an earlier draft of EIP-8037. Only where a test
/// was published tells them apart.
fn rules_name<'a>(test: &JsonCursor<'_>, network: &'a str) -> Result<&'a str, JsonError> {
    if Fork::from_name(network) != Some(Fork::Amsterdam) {
        return Ok(network);
    }
    let Some(info) = test.optional("_info")? else { return Ok(network) };
    let url = info.optional("url")?.map(|url| url.string()).transpose()?;
    let is_draft = url.is_some_and(|url| url.contains(DRAFT_SUITE));
    Ok(if is_draft { Fork::AmsterdamDraft.name() } else { network })
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
    let mut chain = ChainSpec::from_network(rules_name(test, network)?, chain_id).ok_or_else(unknown)?;
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
        let field = |name| params.field(name)?.u64_or_decimal();
        let (target, max) = (field("target")?, field("max")?);
        blobs.push((fork, BlobParams { target, max, base_fee_update_fraction: field("baseFeeUpdateFraction")? }));
    }
    blobs.sort_by_key(|(fork, _)| *fork);
    Ok(blobs)
}

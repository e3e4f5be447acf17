//! A vector's chain: what its `network` or fork and its `config` say.

use rialto_stf::json::{JsonCursor, JsonError};
use rialto_stf::{BlobParams, ChainSpec, GenesisError, blob_params_from_json};
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
    /// A fork's blob parameters are wrong.
    BlobParams(GenesisError),
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
            Self::BlobParams(error) => error.fmt(f),
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
fn blob_schedule(cursor: &JsonCursor<'_>) -> Result<Vec<(Fork, BlobParams)>, ChainError> {
    let mut blobs = Vec::new();
    for (name, params) in cursor.entries()? {
        if let Some(fork) = Fork::from_name(name) {
            blobs.push((fork, blob_params_from_json(&params).map_err(ChainError::BlobParams)?));
        }
    }
    blobs.sort_by_key(|(fork, _)| *fork);
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_test_says_which_rules_hold() {
        let zkevm = json!({ "_info": { "url": "https://example.org/blob/tests-zkevm@v0.3.3/x" } });
        let rows = [
            ("a fork", json!({}), "Osaka", Ok((Fork::Osaka, 1))),
            ("a chain id", json!({ "config": { "chainid": "0x05" } }), "Osaka", Ok((Fork::Osaka, 5))),
            (
                "Amsterdam",
                json!({ "_info": { "url": "https://example.org/tests-bal@v5" } }),
                "Amsterdam",
                Ok((Fork::Amsterdam, 1)),
            ),
            ("its draft", zkevm.clone(), "Amsterdam", Ok((Fork::AmsterdamDraft, 1))),
            ("another fork of that suite", zkevm, "Osaka", Ok((Fork::Osaka, 1))),
            ("no fork", json!({}), "Atlantis", Err("network: expected a fork")),
            (
                "a wrong id",
                json!({ "config": { "chainid": -1 } }),
                "Osaka",
                Err("config.chainid: expected a number of at least 0"),
            ),
        ];
        for (name, test, network, expected) in rows {
            let found = chain_of(&JsonCursor::new(&test, ""), network);
            match expected {
                Ok(expected) => {
                    let chain = found.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!((chain.fork_at(0, 0), chain.chain_id), expected, "{name}");
                }
                Err(text) => assert!(found.expect_err(name).to_string().starts_with(text), "{name}"),
            }
        }
    }

    #[test]
    fn blob_parameters_must_define_prices() {
        let rows = [
            ("usual", json!({ "target": "0x3", "max": "0x6", "baseFeeUpdateFraction": "0x32f0ed" }), None),
            (
                "no fraction",
                json!({ "target": 3, "max": 6, "baseFeeUpdateFraction": 0 }),
                Some("baseFeeUpdateFraction: expected at least 1, found 0"),
            ),
            (
                "maximum below target",
                json!({ "target": 3, "max": 2, "baseFeeUpdateFraction": 1 }),
                Some("max: expected at least 3, found 2"),
            ),
            (
                "too many",
                json!({ "target": 3, "max": 1u64 << 40, "baseFeeUpdateFraction": 1 }),
                Some("max: expected an integer of at most 32 bits"),
            ),
        ];
        for (name, params, expected) in rows {
            let test = json!({ "config": { "blobSchedule": { "Cancun": params } } });
            let found = chain_of(&JsonCursor::new(&test, ""), "Cancun").err().map(|error| error.to_string());
            let expected = expected.map(|text| format!("config.blobSchedule.Cancun.{text}"));
            assert_eq!(found.is_none(), expected.is_none(), "{name}");
            if let (Some(found), Some(expected)) = (found, expected) {
                assert!(found.starts_with(&expected), "{name}: {found}");
            }
        }
    }
}

//! What the two layers tell each other about themselves: methods, names, and where the merge was.

use super::version::{FORKCHOICE_UPDATED, GET_BLOB_CELLS, GET_BLOBS, GET_BODIES, GET_PAYLOAD, NEW_PAYLOAD};
use super::{EngineError, at_most, required};
use crate::RpcContext;
use crate::json::{Fields, Params};
use alloy_primitives::{B256, U256};
use rialto_stf::json::{JsonCursor, parse};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Not in its own list, as the specification has it.
pub(super) const EXCHANGE_CAPABILITIES: &str = "engine_exchangeCapabilities";
pub(super) const CLIENT_VERSION: &str = "engine_getClientVersionV1";
pub(super) const TRANSITION_CONFIGURATION: &str = "engine_exchangeTransitionConfigurationV1";

/// Two letters for the client, none of those taken.
const CLIENT_CODE: &str = "RI";
const CLIENT_NAME: &str = "rialto";
/// First four bytes of the commit, where a build says them.
const COMMIT: &str = match option_env!("RIALTO_COMMIT") {
    Some(commit) => commit,
    None => "0x00000000",
};
/// The terminal total difficulty of a chain that has none: 2^256 - 2^10.
const NO_TERMINAL_TOTAL_DIFFICULTY: U256 = U256::from_limbs([u64::MAX - 1023, u64::MAX, u64::MAX, u64::MAX]);

/// `engine_exchangeCapabilities`: the methods that there are. What the other side has changes nothing here.
pub(super) fn exchange_capabilities(
    params: &Params,
    _context: &Arc<RpcContext>,
) -> Result<Vec<&'static str>, EngineError> {
    at_most(params, 1)?;
    let _: Vec<String> = required(params, 0, "consensusClientMethods")?;
    Ok(methods().collect())
}

fn methods() -> impl Iterator<Item = &'static str> {
    let versions = NEW_PAYLOAD.iter().map(|row| row.method).chain(FORKCHOICE_UPDATED.iter().map(|row| row.method));
    let versions = versions.chain(GET_PAYLOAD.iter().map(|row| row.method));
    let versions = versions.chain(GET_BLOBS.iter().map(|row| row.method));
    let versions = versions.chain(GET_BODIES.iter().flat_map(|row| [row.by_hash, row.by_range]));
    versions.chain([GET_BLOB_CELLS, CLIENT_VERSION, TRANSITION_CONFIGURATION])
}

/// `ClientVersionV1`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClientVersionJson {
    code: &'static str,
    name: &'static str,
    version: &'static str,
    commit: &'static str,
}

/// `engine_getClientVersionV1`: who this is.
pub(super) fn client_version(
    params: &Params,
    _context: &Arc<RpcContext>,
) -> Result<Vec<ClientVersionJson>, EngineError> {
    at_most(params, 1)?;
    let client: Value = required(params, 0, "clientVersion")?;
    let read = || Fields::of(&client)?.required::<String>("code");
    read().map_err(|error| EngineError::Params(error.into_rpc("clientVersion").message))?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(vec![ClientVersionJson { code: CLIENT_CODE, name: CLIENT_NAME, version, commit: COMMIT }])
}

/// `TransitionConfigurationV1`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransitionJson {
    terminal_total_difficulty: U256,
    terminal_block_hash: B256,
    terminal_block_number: &'static str,
}

/// `engine_exchangeTransitionConfigurationV1`: at which total difficulty the merge is.
pub(super) fn transition_configuration(
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<TransitionJson, EngineError> {
    at_most(params, 1)?;
    let theirs: Value = required(params, 0, "transitionConfiguration")?;
    let read = || Fields::of(&theirs)?.required::<U256>("terminalTotalDifficulty");
    let found = read().map_err(|error| EngineError::Params(error.into_rpc("transitionConfiguration").message))?;
    let expected = terminal_total_difficulty(context.node.genesis_document());
    if expected != found {
        tracing::warn!(%expected, %found, "the consensus client has another terminal total difficulty");
    }
    Ok(TransitionJson {
        terminal_total_difficulty: expected,
        terminal_block_hash: B256::ZERO,
        terminal_block_number: "0x0",
    })
}

/// The terminal total difficulty of a `genesis.json`.
fn terminal_total_difficulty(document: &[u8]) -> U256 {
    let read = || {
        let value = parse(document).ok()?;
        let config = JsonCursor::new(&value, "").field("config").ok()?;
        config.optional("terminalTotalDifficulty").ok()??.u256_or_decimal().ok()
    };
    read().unwrap_or(NO_TERMINAL_TOTAL_DIFFICULTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_total_difficulty_is_that_of_the_document() {
        let rows: [(&str, &str, U256); 4] = [
            ("zero", r#"{"config":{"terminalTotalDifficulty":0}}"#, U256::ZERO),
            ("decimal text", r#"{"config":{"terminalTotalDifficulty":"131072"}}"#, U256::from(131_072)),
            ("none", r#"{"config":{}}"#, U256::MAX - U256::from(1023)),
            ("no document", "", U256::MAX - U256::from(1023)),
        ];
        for (name, document, expected) in rows {
            assert_eq!(terminal_total_difficulty(document.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn every_method_is_listed_once() {
        let listed: Vec<&str> = methods().collect();
        let mut unique = listed.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), listed.len());
        assert!(!listed.contains(&EXCHANGE_CAPABILITIES));
    }
}

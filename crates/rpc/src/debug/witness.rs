//! `debug_executionWitness`: all that is needed to execute a block without its state.
//!
//! The block is executed once more on a reader that records what it is asked. From that and from what the block changed follow
//! the trie nodes that whoever checks it will walk. The answer has the nodes, codes, the preimages of the keys in the tries, and the
//! headers of the ancestors down to the oldest whose hash was read, each as it is encoded.

use crate::json::BlockRef;
use crate::methods::{Module, Registered, heavy};
use crate::simulation::{Replay, resolve_block};
use crate::{RpcContext, RpcError};
use alloy_primitives::Bytes;
use rialto_node::{BlockId, ChainView};
use rialto_state::WitnessRecorder;
use rialto_trie::witness;
use serde_json::{Value, json};

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "debug_executionWitness", |params, context| {
        let block: BlockRef = params.required(0, "block")?;
        execution_witness(context, block)
    })?;
    heavy(module, "debug_executionWitnessByBlockHash", |params, context| {
        let hash = params.required(0, "hash")?;
        execution_witness(context, BlockRef::Hash { hash, require_canonical: false })
    })
}

fn execution_witness(context: &RpcContext, block: BlockRef) -> Result<Value, RpcError> {
    let view = context.view()?;
    let block = resolve_block(context, &view, block)?.ok_or_else(RpcError::unknown_block)?;
    let replay = Replay::of(context, &view, block)?;
    let recorder = WitnessRecorder::new(replay.parent());
    let diff = replay.run_on(context.node.spec(), &recorder)?.diff;
    let record = recorder.into_record();
    let server = |error: rialto_trie::TrieError| RpcError::server(error.to_string());
    let parent = replay.parent();
    let nodes = witness::produce(parent.root(), parent, &record, &diff).map_err(server)?;
    let mut keys: Vec<Bytes> = Vec::new();
    for (address, slots) in &record.accounts {
        keys.push(Bytes::copy_from_slice(address.as_slice()));
        keys.extend(slots.iter().map(|slot| Bytes::copy_from_slice(&slot.to_be_bytes::<32>())));
    }
    let header = &replay.block().block.header;
    let oldest = record.block_numbers.first().copied().unwrap_or(header.number).min(header.number - 1);
    let headers = ancestors(&view, header.parent_hash, oldest)?;
    let mut codes: Vec<Bytes> = record.codes.values().map(|code| code.bytes().clone()).collect();
    codes.sort_unstable();
    Ok(json!({ "state": nodes, "codes": codes, "keys": keys, "headers": headers }))
}

/// The encoded headers from block `oldest` to the one with this hash.
fn ancestors(view: &ChainView, parent: alloy_primitives::B256, oldest: u64) -> Result<Vec<Bytes>, RpcError> {
    let mut headers = Vec::new();
    let mut hash = parent;
    loop {
        let header = view.header(BlockId::Hash(hash))?.ok_or_else(RpcError::unknown_block)?;
        headers.push(Bytes::from(header.encode()));
        if header.number <= oldest {
            headers.reverse();
            return Ok(headers);
        }
        hash = header.parent_hash;
    }
}

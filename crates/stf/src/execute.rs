//! The state transition function: a block and a reader in, an outcome out.
//!
//! [`execute`] trusts the header for the environment only; [`verify_outcome`] then compares everything that the header
//! commits to. Whoever checks a block calls [`crate::validate_header`] before and compares the state root after, for the
//! root belongs to whatever trie the caller keeps.

use crate::executor::RootAfter;
use crate::{
    Block, BlockAccessList, BlockError, BlockExecutor, ChainSpec, Header, Outcome, Receipt, recover_sender,
    requests_hash, validate_body,
};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use rialto_state::StateReader;
use rialto_trie::roots::ordered_root;

/// Gas that an item of a block access list stands for (EIP-7928).
const ACCESS_LIST_ITEM_GAS: u64 = 2_000;

/// Executes `block` on the state of `reader`, the state after its parent.
///
/// `senders` saves recovering them, in the order of the transactions. `root_after` computes the roots in receipts before
/// Byzantium; without it they are left out.
pub fn execute<'r>(
    chain: &ChainSpec,
    block: &Block,
    senders: Option<&[Address]>,
    reader: &'r dyn StateReader,
    root_after: Option<RootAfter<'r>>,
) -> Result<Outcome, BlockError> {
    let mut executor = BlockExecutor::new(chain, &block.header, reader);
    if let Some(root_after) = root_after {
        executor = executor.with_root_after(root_after);
    }
    execute_on(chain, block, senders, executor)
}

/// The block access list (EIP-7928) that executing `block` gives, also on forks whose blocks have none.
pub fn access_list_of(
    chain: &ChainSpec,
    block: &Block,
    senders: Option<&[Address]>,
    reader: &dyn StateReader,
) -> Result<BlockAccessList, BlockError> {
    let executor = BlockExecutor::new(chain, &block.header, reader).with_access_list();
    let outcome = execute_on(chain, block, senders, executor)?;
    Ok(outcome.block_access_list.expect("asked for"))
}

fn execute_on(
    chain: &ChainSpec,
    block: &Block,
    senders: Option<&[Address]>,
    executor: BlockExecutor<'_>,
) -> Result<Outcome, BlockError> {
    let rules = executor.rules();
    validate_body(rules, block)?;
    let recovered: Vec<Address>;
    let senders = match senders {
        Some(senders) => {
            assert_eq!(senders.len(), block.transactions.len(), "one sender for each transaction");
            senders
        }
        None => {
            let recover = |(index, transaction)| {
                recover_sender(transaction, rules, chain.chain_id)
                    .map_err(|error| BlockError::of_transaction(index, error))
            };
            recovered = block.transactions.iter().enumerate().map(recover).collect::<Result<_, _>>()?;
            &recovered
        }
    };
    executor.run(block, senders)
}

/// The root of the receipts.
pub fn receipts_root(receipts: &[Receipt]) -> B256 {
    let encoded: Vec<Vec<u8>> = receipts.iter().map(Receipt::encode).collect();
    ordered_root(&encoded)
}

/// Compares what execution gave with what the header commits to. The state root is the caller's to compare.
pub fn verify_outcome(header: &Header, outcome: &Outcome) -> Result<(), BlockError> {
    if outcome.gas_used > header.gas_limit {
        return Err(BlockError::GasUsedAboveLimit { limit: header.gas_limit, found: outcome.gas_used });
    }
    if header.gas_used != outcome.gas_used {
        return Err(BlockError::GasUsed { expected: header.gas_used, found: outcome.gas_used });
    }
    if let Some(expected) = header.blob_gas_used
        && expected != outcome.blob_gas_used
    {
        return Err(BlockError::BlobGasUsed { expected, found: outcome.blob_gas_used });
    }
    let compare = |field: &'static str, expected: B256, found: B256| {
        if expected == found { Ok(()) } else { Err(BlockError::Root { field, expected, found }) }
    };
    if let (Some(expected), Some(requests)) = (header.requests_hash, &outcome.requests) {
        compare("requests_hash", expected, requests_hash(requests))?;
    }
    if let (Some(expected), Some(list)) = (header.block_access_list_hash, &outcome.block_access_list) {
        let (max, found) = (header.gas_limit / ACCESS_LIST_ITEM_GAS, list.item_count() as u64);
        if found > max {
            return Err(BlockError::AccessListTooLong { max, found });
        }
        compare("block_access_list_hash", expected, list.hash())?;
    }
    if outcome.has_receipt_roots {
        compare("receipts_root", header.receipts_root, receipts_root(&outcome.receipts))?;
    }
    if header.logs_bloom != outcome.logs_bloom {
        return Err(BlockError::LogsBloom);
    }
    Ok(())
}

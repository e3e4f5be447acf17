//! The worst cases of a conformance archive: every block of its blockchain tests becomes a case.
//!
//! Only a block's transactions are measured. What comes before them (the system calls of EIP-4788 and EIP-2935) is part
//! of the pre-state, and so is everything that earlier blocks of the same test did; a [`World`] carries it along.

use crate::BenchError;
use crate::case::{Case, CaseTransaction, Group};
use crate::files::{self, Document, failed};
use crate::mainnet::with_sender;
use crate::synthetic::CHAIN_ID;
use crate::world::World;
use alloy_primitives::{Address, B256, Bytes, U256, address};
use rialto_stf::json::{self, Alloc, JsonCursor, JsonError};
use rialto_stf::{Block, ChainSpec, Header};
use std::collections::BTreeMap;
use std::path::Path;

const BEACON_ROOTS: Address = address!("0x000f3df6d732807ef1319fb7b8bb8522d0beac02");
const BLOCK_HASHES: Address = address!("0x0000f90827f1c53a10cb7a02335b175320002935");
const WITHDRAWAL_REQUESTS: Address = address!("0x00000961ef480eb55e80d19ad83579a64c007002");
const CONSOLIDATION_REQUESTS: Address = address!("0x0000bbddc7ce488642fb579f8b00f3a590007251");

/// One test: its name, pre-state, genesis and blocks in RLP.
struct Vector {
    name: String,
    network: String,
    accounts: Alloc,
    genesis: Header,
    blocks: Vec<Bytes>,
}

/// Hands every block with transactions of the tests at `path` to `visit`, and returns the names of the files that are
/// not there in full.
pub fn visit(path: &Path, visit: &mut dyn FnMut(Case) -> Result<(), BenchError>) -> Result<Vec<String>, BenchError> {
    let mut count = 0;
    let left_out = files::visit_json(path, &mut |file, bytes| {
        for vector in Document::parse(file, bytes)?.decode(vectors)? {
            for case in cases(vector)? {
                count += 1;
                visit(case)?;
            }
        }
        Ok(())
    })?;
    if count == 0 && left_out.is_empty() {
        return Err(failed(path, "expected blockchain tests in JSON, found none"));
    }
    Ok(left_out)
}

fn vectors(root: &JsonCursor<'_>) -> Result<Vec<Vector>, JsonError> {
    let vector = |(name, test): (&str, JsonCursor<'_>)| {
        let blocks = test.field("blocks")?.items()?.map(|block| block.field("rlp")?.bytes());
        Ok(Vector {
            name: name.into(),
            network: test.field("network")?.string()?.into(),
            accounts: json::alloc(&test.field("pre")?)?,
            genesis: json::header(&test.field("genesisBlockHeader")?)?,
            blocks: blocks.collect::<Result<_, _>>()?,
        })
    };
    root.entries()?.map(vector).collect()
}

fn cases(vector: Vector) -> Result<Vec<Case>, BenchError> {
    let wrong = |reason: String| BenchError::Block { case: vector.name.clone(), reason };
    let chain = ChainSpec::from_network(&vector.network, CHAIN_ID);
    let chain = chain.ok_or_else(|| wrong(format!("the unknown network {}", vector.network)))?;
    let mut block_hashes = BTreeMap::from([(vector.genesis.number, vector.genesis.hash())]);
    let mut world = World::new(chain.clone(), vector.genesis.clone(), &vector.accounts, &block_hashes);
    let mut cases = Vec::new();
    for (index, rlp) in vector.blocks.iter().enumerate() {
        let block = Block::decode(rlp).map_err(|error| wrong(error.to_string()))?;
        let name =
            if vector.blocks.len() == 1 { vector.name.clone() } else { format!("{} block {}", vector.name, index + 1) };
        let header = block.header.clone();
        let rules = chain.rules_at(header.number, header.timestamp);
        let transactions = block.transactions.into_iter().enumerate();
        let transactions = transactions.map(|(index, transaction)| with_sender(&name, rules, index, transaction, None));
        let case = Case {
            group: Group::Vectors,
            chain: chain.clone(),
            block_hashes: block_hashes.clone(),
            accounts: begin_block(&mut world, &header, &block_hashes).map_err(wrong)?,
            transactions: transactions.collect::<Result<_, _>>()?,
            checks_gas_used: true,
            name,
            header,
        };
        block_hashes.insert(case.header.number, case.header.hash());
        if index + 1 < vector.blocks.len() {
            let withdrawals = block.withdrawals.unwrap_or_default();
            let credits =
                withdrawals.iter().map(|item| (item.address, U256::from(item.amount) * U256::from(1_000_000_000)));
            end_block(&mut world, &case.transactions, credits).map_err(wrong)?;
        }
        if !case.transactions.is_empty() {
            cases.push(case);
        }
    }
    Ok(cases)
}

/// Runs what a block does before its transactions, and returns the state then.
fn begin_block(world: &mut World, header: &Header, block_hashes: &BTreeMap<u64, B256>) -> Result<Alloc, String> {
    world.set_header(header.clone(), block_hashes);
    if let Some(root) = header.parent_beacon_block_root {
        world.system_call(BEACON_ROOTS, root.0.into())?;
    }
    world.system_call(BLOCK_HASHES, header.parent_hash.0.into())?;
    Ok(world.accounts())
}

/// Runs a block's transactions and what it does after them.
fn end_block(
    world: &mut World,
    transactions: &[CaseTransaction],
    credits: impl Iterator<Item = (Address, U256)>,
) -> Result<(), String> {
    for transaction in transactions {
        world.transact(transaction)?;
    }
    credits.for_each(|(address, wei)| world.credit(address, wei));
    world.system_call(WITHDRAWAL_REQUESTS, Bytes::new())?;
    world.system_call(CONSOLIDATION_REQUESTS, Bytes::new())
}

//! Blocks of the main network, each a folder with `block.json` (as JSON-RPC gives it, with full transactions),
//! `pre_state.json` (every account that the block touches, with code and the touched slots) and, where an opcode asks
//! for one, `block_hashes.json`. Senders are recovered from the signatures here, once, and compared with `from`.

use crate::BenchError;
use crate::case::{Case, CaseTransaction, Group};
use crate::files::{self, Document};
use alloy_primitives::Address;
use rialto_stf::{BlockRules, ChainSpec, SRange, Transaction, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Loads the blocks at `path`, in the order of their numbers: a block's folder, a folder of such folders, or a `.tar.zst`
/// of either.
pub fn load(path: &Path) -> Result<Vec<Case>, BenchError> {
    let mut folders: BTreeMap<PathBuf, BTreeMap<String, Document>> = BTreeMap::new();
    files::visit_json(path, &mut |name, bytes| {
        let (folder, file) = (Path::new(name).parent(), Path::new(name).file_name());
        let (folder, file) = (folder.unwrap_or(Path::new("")), file.unwrap_or_default());
        let files = folders.entry(folder.to_path_buf()).or_default();
        files.insert(file.to_string_lossy().into(), Document::parse(name, bytes)?);
        Ok(())
    })?;
    let blocks = folders.iter().filter(|(_, files)| files.contains_key("block.json"));
    let mut cases = blocks.map(|(folder, files)| load_block(folder, files)).collect::<Result<Vec<_>, _>>()?;
    if cases.is_empty() {
        return Err(files::failed(path, "expected a folder with block.json, or folders that have one"));
    }
    cases.sort_by_key(|case| case.header.number);
    Ok(cases)
}

fn load_block(folder: &Path, files: &BTreeMap<String, Document>) -> Result<Case, BenchError> {
    let file = |name: &str| {
        let path = folder.join(name);
        files.get(name).ok_or_else(|| files::failed(&path, "expected beside block.json, found nothing"))
    };
    let json = file("block.json")?.decode(json::block)?;
    let header = json.block.header;
    let name = format!("block_{}", header.number);
    let chain = ChainSpec::mainnet();
    let rules = chain.rules_at(header.number, header.timestamp);
    let transactions = json.block.transactions.into_iter().zip(json.senders).enumerate();
    let transactions =
        transactions.map(|(index, (transaction, stated))| with_sender(&name, rules, index, transaction, stated));
    let block_hashes = files.get("block_hashes.json").map(|hashes| hashes.decode(json::block_hashes)).transpose()?;
    Ok(Case {
        group: Group::Mainnet,
        chain,
        block_hashes: block_hashes.unwrap_or_default(),
        accounts: file("pre_state.json")?.decode(json::alloc)?,
        transactions: transactions.collect::<Result<_, _>>()?,
        checks_gas_used: true,
        header,
        name,
    })
}

/// Recovers the sender of transaction `index` of a case.
pub(crate) fn with_sender(
    case: &str,
    rules: &BlockRules,
    index: usize,
    transaction: Transaction,
    stated: Option<Address>,
) -> Result<CaseTransaction, BenchError> {
    let s_range = if rules.requires_low_s { SRange::Low } else { SRange::Any };
    let recovered = transaction.sender(s_range).map_err(|error| BenchError::Signature {
        case: case.into(),
        transaction: index,
        error,
    })?;
    match stated {
        Some(stated) if stated != recovered => {
            Err(BenchError::Sender { case: case.into(), transaction: index, stated, recovered })
        }
        _ => Ok(CaseTransaction { sender: recovered, transaction }),
    }
}

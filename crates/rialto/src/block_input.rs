//! Blocks to execute, from files: RLP (one block or many on end), JSON-RPC's or a vector's JSON, and folders of the kind
//! `block.json`, `pre_state.json`, `block_hashes.json`.

use crate::CliError;
use crate::fixtures::{self, Found};
use crate::input::{self, Document};
use crate::partial_state::PartialState;
use alloy_primitives::{Address, B256};
use rialto_stf::json::{self, BlockJson, JsonCursor};
use rialto_stf::{Block, BlockRules, ChainSpec, Receipt, RlpReader, TxError, recover_sender};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A block, and what its file says besides.
#[derive(Clone, Debug)]
pub struct InputBlock {
    /// Where it comes from, for errors.
    pub file: String,
    /// The block.
    pub block: Block,
    /// Whether its body is all there. JSON-RPC has only the hashes of ommers.
    pub has_ommers: bool,
    /// Who sent each transaction, recovered from the signatures.
    pub senders: Vec<Address>,
    /// Its receipts, where the file has them.
    pub receipts: Option<Vec<Receipt>>,
}

impl InputBlock {
    fn of_rlp(file: &str, block: Block, chain: &ChainSpec) -> Result<Self, CliError> {
        let senders = recover_senders(file, &block, chain)?;
        Ok(Self { file: file.to_string(), block, has_ommers: true, senders, receipts: None })
    }

    /// The block at the cursor. What is stated twice must agree: hashes with what they are hashes of, senders with
    /// signatures.
    fn of_json(file: &str, cursor: &JsonCursor<'_>, chain: &ChainSpec) -> Result<Self, CliError> {
        let json = json::block(cursor).map_err(|error| CliError::Json { file: file.to_string(), error })?;
        let BlockJson { block, hash, ommer_hashes, transaction_hashes, senders: stated, receipts, .. } = json;
        let wrong = |field: String, expected: String, found: String| {
            Err(CliError::Field { file: file.to_string(), field, expected, found })
        };
        if let Some(hash) = hash.filter(|hash| *hash != block.hash()) {
            return wrong("hash".into(), format!("{}, that of the header's fields", block.hash()), hash.to_string());
        }
        for (index, hash) in transaction_hashes.into_iter().enumerate() {
            let expected = block.transactions[index].hash();
            if let Some(hash) = hash.filter(|hash| *hash != expected) {
                let field = format!("transactions[{index}].hash");
                return wrong(field, format!("{expected}, that of its fields"), hash.to_string());
            }
        }
        let senders = recover_senders(file, &block, chain)?;
        for (index, stated) in stated.into_iter().enumerate() {
            let expected = senders[index];
            if let Some(stated) = stated.filter(|stated| *stated != expected) {
                let field = format!("transactions[{index}].from");
                return wrong(field, format!("{expected}, by the signature"), stated.to_string());
            }
        }
        Ok(Self { file: file.to_string(), block, has_ommers: ommer_hashes.is_empty(), senders, receipts })
    }
}

fn rules_of(block: &Block, chain: &ChainSpec) -> &'static BlockRules {
    chain.rules_at(block.header.number, block.header.timestamp)
}

fn recover_senders(file: &str, block: &Block, chain: &ChainSpec) -> Result<Vec<Address>, CliError> {
    let rules = rules_of(block, chain);
    let recover = |(index, transaction)| {
        recover_sender(transaction, rules, chain.chain_id).map_err(|error: TxError| CliError::Field {
            file: file.to_string(),
            field: format!("block {}: transactions[{index}]", block.header.number),
            expected: "a transaction of this chain and time, with a valid signature".to_string(),
            found: error.to_string(),
        })
    };
    block.transactions.iter().enumerate().map(recover).collect()
}

/// The blocks in a file, in order: JSON where its name ends so, RLP otherwise.
pub fn read_blocks(path: &Path, chain: &ChainSpec) -> Result<Vec<InputBlock>, CliError> {
    if path.extension().is_some_and(|extension| extension == "json") {
        return blocks_of_json(&Document::read(path)?, chain);
    }
    let file = path.display().to_string();
    let bytes = input::read_file(path)?;
    // Some tools write the digits instead of the bytes.
    let bytes = if bytes.starts_with(b"0x") { input::hex_text(&file, &bytes)? } else { bytes };
    blocks_of_rlp(&file, &bytes, chain)
}

fn blocks_of_json(document: &Document, chain: &ChainSpec) -> Result<Vec<InputBlock>, CliError> {
    let of_json = |error| CliError::Json { file: document.file().to_string(), error };
    let root = document.root();
    if !root.value().is_array() {
        return Ok(vec![InputBlock::of_json(document.file(), &root, chain)?]);
    }
    root.items().map_err(of_json)?.map(|block| InputBlock::of_json(document.file(), &block, chain)).collect()
}

fn blocks_of_rlp(file: &str, bytes: &[u8], chain: &ChainSpec) -> Result<Vec<InputBlock>, CliError> {
    let mut reader = RlpReader::new(bytes);
    let mut blocks = Vec::new();
    while !reader.is_empty() {
        let block = Block::read(&mut reader)
            .map_err(|error| CliError::Rlp { file: format!("{file}: block with index {}", blocks.len()), error })?;
        blocks.push(InputBlock::of_rlp(file, block, chain)?);
    }
    Ok(blocks)
}

/// A block with the part of the state that it touches.
#[derive(Debug)]
pub struct BlockFolder {
    /// The block.
    pub input: InputBlock,
    /// The state before it.
    pub state: PartialState,
}

/// The files of a folder that matter, not parsed yet.
#[derive(Debug, Default)]
struct FolderFiles {
    block: Option<Document>,
    pre_state: Option<Document>,
    block_hashes: Option<Document>,
}

impl FolderFiles {
    fn load(self, folder: &str, chain: &ChainSpec) -> Result<BlockFolder, CliError> {
        let missing = |name: &str| CliError::File {
            path: format!("{folder}/{name}"),
            reason: "expected a file, found nothing".to_string(),
        };
        let block = self.block.ok_or_else(|| missing("block.json"))?;
        let pre_state = self.pre_state.ok_or_else(|| missing("pre_state.json"))?;
        let hashes = self.block_hashes.map(|hashes| hashes.decode(json::block_hashes)).transpose()?;
        Ok(BlockFolder {
            input: InputBlock::of_json(block.file(), &block.root(), chain)?,
            state: pre_state.decode(|cursor| PartialState::read(cursor, hashes.unwrap_or_default()))?,
        })
    }
}

/// Whether a folder has a block with its part of the state.
pub fn is_block_folder(folder: &Path) -> bool {
    folder.join("block.json").is_file()
}

/// Reads the folder of one block.
pub fn read_folder(folder: &Path, chain: &ChainSpec) -> Result<BlockFolder, CliError> {
    let optional = |name: &str| {
        let path = folder.join(name);
        path.exists().then(|| Document::read(&path)).transpose()
    };
    let files = FolderFiles {
        block: optional("block.json")?,
        pre_state: optional("pre_state.json")?,
        block_hashes: optional("block_hashes.json")?,
    };
    files.load(&folder.display().to_string(), chain)
}

/// The folders of blocks inside a folder, in the order of the numbers that they have for names.
pub fn block_folders(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut folders: Vec<PathBuf> = list(folder)?.into_iter().filter(|path| is_block_folder(path)).collect();
    folders.sort_by_cached_key(|path| natural_key(path));
    Ok(folders)
}

/// What is in a folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let wrong = |error| CliError::file(folder, error);
    std::fs::read_dir(folder).map_err(wrong)?.map(|entry| entry.map(|entry| entry.path()).map_err(wrong)).collect()
}

/// The files of a folder whose names end so, in the order of the numbers in their names.
pub fn files_with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, CliError> {
    let mut files = list(folder)?;
    files.retain(|path| path.is_file() && path.extension().is_some_and(|found| found == extension));
    files.sort_by_cached_key(|path| natural_key(path));
    Ok(files)
}

/// Sorts `block_9` before `block_10`: by the number in a name, then by the name.
fn natural_key(path: &Path) -> (u64, PathBuf) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(u64::MAX), path.to_path_buf())
}

/// Names of files, with their content.
type NamedFiles = Vec<(String, Vec<u8>)>;

/// The block folders in an archive, by name; each is loaded only when it is its turn.
pub fn visit_archived_folders(
    archive: &Path,
    chain: &ChainSpec,
    visit: &mut dyn FnMut(BlockFolder) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut folders: BTreeMap<(u64, PathBuf), NamedFiles> = BTreeMap::new();
    let mut result = Ok(());
    let _ = fixtures::visit(&[archive.to_path_buf()], &mut |found| {
        match found {
            Found::File { name, bytes } => {
                let path = Path::new(&name);
                let folder = path.parent().unwrap_or(Path::new(""));
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                folders.entry(natural_key(folder)).or_default().push((file, bytes));
            }
            Found::LeftOut { name } | Found::Unreadable { name, .. } => {
                result = Err(CliError::File { path: name, reason: "expected a file that can be read".into() });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    result?;
    while let Some(((_, folder), files)) = folders.pop_first() {
        let folder = folder.display().to_string();
        let mut known = FolderFiles::default();
        for (name, bytes) in files {
            let slot = match name.as_str() {
                "block.json" => &mut known.block,
                "pre_state.json" => &mut known.pre_state,
                "block_hashes.json" => &mut known.block_hashes,
                _ => continue,
            };
            *slot = Some(Document::parse(&format!("{folder}/{name}"), &bytes)?);
        }
        visit(known.load(&folder, chain)?)?;
    }
    Ok(())
}

/// Hashes of blocks by number, from a JSON file.
pub fn read_block_hashes(path: &Path) -> Result<BTreeMap<u64, B256>, CliError> {
    Document::read(path)?.decode(json::block_hashes)
}

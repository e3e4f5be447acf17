//! The state root after a block with ethrex-trie, for `rialto bench root --peer`, which says in
//! `crates/bench/src/root/peer.rs` what the files hold and what is asked for.
//!
//! What ethrex-trie gets, so that the comparison is fair to it: the same database engine with the same cache on disk, beside a
//! hash map in memory that no lock guards; accounts as flat values besides their nodes, so that looking one up is one read; keys in
//! ascending order; storage tries on as many threads as are asked for. Its own way of splitting a large trie is not part of
//! the crate. Nothing is written within the time, nodes are only hashed.

use ethereum_types::{H256, U256};
use ethrex_crypto::{Crypto, NativeCrypto};
use ethrex_rlp::{encode::RLPEncode, structs::Encoder};
use ethrex_trie::{EMPTY_TRIE_HASH, FxHashMap, Nibbles, Trie, TrieDB, error::TrieError};
use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::error::Error;
use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Nodes = FxHashMap<Vec<u8>, Vec<u8>>;

const NODES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("nodes");
/// As large as Rialto's.
const CACHE_BYTES: usize = 512 << 20;
/// The last nibble of a whole key.
const END: u8 = 16;

/// An account as it is before or after the block.
struct Record {
    address: [u8; 20],
    exists: bool,
    nonce: u64,
    balance: U256,
    code_hash: H256,
    slots: Vec<([u8; 32], U256)>,
}

fn read_records(path: &Path) -> Anything<Vec<Record>> {
    let mut file = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(path)?);
    let mut records = Vec::new();
    let mut head = [0; 97];
    while !file.fill_buf()?.is_empty() {
        file.read_exact(&mut head)?;
        let count = u32::from_be_bytes(head[93..97].try_into()?);
        let mut slots = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let mut pair = [0; 64];
            file.read_exact(&mut pair)?;
            slots.push((pair[..32].try_into()?, U256::from_big_endian(&pair[32..])));
        }
        records.push(Record {
            address: head[..20].try_into()?,
            exists: head[20] == 1,
            nonce: u64::from_be_bytes(head[21..29].try_into()?),
            balance: U256::from_big_endian(&head[29..61]),
            code_hash: H256::from_slice(&head[61..93]),
            slots,
        });
    }
    Ok(records)
}

/// Where nodes are, by the account's key, if it is a storage trie's, and path.
#[derive(Clone)]
enum Source {
    Memory(Arc<Nodes>),
    Disk(Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>),
    /// None at all: the trie is built.
    Nothing,
}

/// The nodes of one trie.
struct OneTrie {
    source: Source,
    prefix: Vec<u8>,
}

impl TrieDB for OneTrie {
    fn get(&self, key: Nibbles) -> Result<Option<Vec<u8>>, TrieError> {
        let mut whole = Vec::with_capacity(self.prefix.len() + key.len());
        whole.extend_from_slice(&self.prefix);
        whole.extend_from_slice(key.as_ref());
        match &self.source {
            Source::Memory(nodes) => Ok(nodes.get(&whole).cloned()),
            Source::Disk(table) => {
                let node = table.get(&whole[..]).map_err(|error| TrieError::DbError(error.into()))?;
                Ok(node.map(|node| node.value().to_vec()))
            }
            Source::Nothing => Ok(None),
        }
    }

    fn put_batch(&self, _: Vec<(Nibbles, Vec<u8>)>) -> Result<(), TrieError> {
        Ok(())
    }

    fn flatkeyvalue_computed(&self, _: Nibbles) -> bool {
        self.prefix.is_empty()
    }
}

fn open(source: &Source, account: Option<&H256>, root: H256) -> Trie {
    let prefix = account.map(|account| account.as_bytes().to_vec()).unwrap_or_default();
    Trie::open(Box::new(OneTrie { source: source.clone(), prefix }), root)
}

fn hash(bytes: &[u8]) -> H256 {
    H256(NativeCrypto.keccak256(bytes))
}

fn encode_account(record: &Record, storage_root: H256) -> Vec<u8> {
    let mut value = Vec::with_capacity(110);
    Encoder::new(&mut value)
        .encode_field(&record.nonce)
        .encode_field(&record.balance)
        .encode_field(&storage_root)
        .encode_field(&record.code_hash)
        .finish();
    value
}

/// Writes slots in ascending order of their keys: insertions, then removals.
fn write_slots(trie: &mut Trie, record: &Record) -> Result<(), TrieError> {
    let mut slots: Vec<_> = record.slots.iter().map(|(slot, word)| (hash(slot), word)).collect();
    slots.sort_unstable_by_key(|(key, _)| *key);
    for (key, word) in slots.iter().filter(|(_, word)| !word.is_zero()) {
        trie.insert(key.as_bytes().to_vec(), word.encode_to_vec())?;
    }
    for (key, _) in slots.iter().filter(|(_, word)| word.is_zero()) {
        trie.remove(key.as_bytes())?;
    }
    Ok(())
}

/// All nodes of the state.
fn build(records: &[Record]) -> Anything<(H256, Nodes)> {
    let mut nodes = Nodes::default();
    let mut accounts = open(&Source::Nothing, None, EMPTY_TRIE_HASH);
    for record in records {
        let key = hash(&record.address);
        let mut root = EMPTY_TRIE_HASH;
        if !record.slots.is_empty() {
            let mut trie = open(&Source::Nothing, Some(&key), EMPTY_TRIE_HASH);
            write_slots(&mut trie, record)?;
            let changes;
            (root, changes) = trie.collect_changes_since_last_hash(&NativeCrypto);
            for (path, node) in changes {
                // Words as flat values are not asked for here.
                if path.as_ref().last() != Some(&END) {
                    nodes.insert([key.as_bytes(), path.as_ref()].concat(), node);
                }
            }
        }
        accounts.insert(key.as_bytes().to_vec(), encode_account(record, root))?;
    }
    let (root, changes) = accounts.collect_changes_since_last_hash(&NativeCrypto);
    nodes.extend(changes.into_iter().map(|(path, node)| (path.into_vec(), node)));
    Ok((root, nodes))
}

fn store(path: &Path, nodes: &Nodes) -> Anything<()> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder.create(path)?;
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(NODES)?;
        let mut sorted: Vec<_> = nodes.iter().collect();
        sorted.sort_unstable();
        for (key, node) in sorted {
            table.insert(&key[..], &node[..])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The new storage root of each account, in order; storages are shared out among threads.
fn storage_roots(work: &[(H256, &Record, H256)], source: &Source, threads: usize) -> Anything<Vec<H256>> {
    let next = AtomicUsize::new(0);
    let roots = Mutex::new(vec![EMPTY_TRIE_HASH; work.len()]);
    let run = || -> Anything<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((key, record, before)) = work.get(index) else { return Ok(()) };
            let mut root = *before;
            if !record.slots.is_empty() {
                let mut trie = open(source, Some(key), *before);
                write_slots(&mut trie, record)?;
                root = trie.hash_no_commit(&NativeCrypto);
            }
            roots.lock().map_err(|_| "a thread panicked")?[index] = root;
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err("a thread panicked".into()))).fold(own, Result::and)
    })?;
    Ok(roots.into_inner().map_err(|_| "a thread panicked")?)
}

/// Nanoseconds and root of one update.
fn update(source: &Source, root: H256, diff: &[Record], threads: usize) -> Anything<(u128, H256)> {
    let begin = Instant::now();
    let mut accounts = open(source, None, root);
    let mut work = Vec::with_capacity(diff.len());
    for record in diff {
        work.push((hash(&record.address), record, EMPTY_TRIE_HASH));
    }
    work.sort_unstable_by_key(|(key, ..)| *key);
    for (key, _, before) in &mut work {
        if let Some(value) = accounts.get(key.as_bytes())? {
            // The last two fields are hashes of 32 bytes after a byte each.
            *before = H256::from_slice(&value[value.len() - 65..value.len() - 33]);
        }
    }
    let roots = storage_roots(&work, source, threads)?;
    for ((key, record, _), root) in work.iter().zip(roots) {
        if record.exists {
            accounts.insert(key.as_bytes().to_vec(), encode_account(record, root))?;
        }
    }
    for (key, ..) in work.iter().filter(|(_, record, _)| !record.exists) {
        accounts.remove(key.as_bytes())?;
    }
    let root = accounts.hash_no_commit(&NativeCrypto);
    Ok((begin.elapsed().as_nanos(), root))
}

fn main() -> Anything<()> {
    let folder = std::env::args_os().nth(1).ok_or("expected a folder")?;
    let folder = Path::new(&folder);
    let (root, nodes) = build(&read_records(&folder.join("state"))?)?;
    let diff = read_records(&folder.join("diff"))?;
    let path = folder.join("peer.redb");
    store(&path, &nodes)?;
    let memory = Source::Memory(Arc::new(nodes));
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (mode, threads) = line.split_once(' ').ok_or("expected a mode and a number of threads")?;
        let threads = threads.parse()?;
        let (time, root) = match mode {
            "memory" => update(&memory, root, &diff, threads)?,
            _ => {
                let mut builder = Builder::new();
                builder.set_cache_size(CACHE_BYTES);
                let database: Database = builder.open(&path)?;
                let table = Source::Disk(Arc::new(database.begin_read()?.open_table(NODES)?));
                update(&table, root, &diff, threads)?
            }
        };
        println!("{time} {root:?}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

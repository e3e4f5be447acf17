//! Stateless validation: a block, a witness, and nothing else (EIP-8025, as its vectors define it).
//!
//! The input is what a consensus client would hand to an execution engine (a payload with what belongs to it) and a
//! witness: trie nodes, codes and headers of ancestors. [`StatelessInput::validate`] believes none of it. Headers must
//! link up to the payload's parent, whose state root is where reading begins; the payload's own header is put together
//! from its fields and must have the hash it claims; then the block is executed with the witness as the only state, and
//! everything that its header commits to is compared. Whatever is missing from the witness makes the validation fail.
//!
//! The output is the hash tree root of the payload's request, a byte for success, and the chain id.

use crate::chain_store::{ChainStore, ImportError, ReaderWithHashes};
use crate::ssz::{self, Chunk, Container, SszError};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use rialto_state::WitnessRecorder;
use rialto_stf::{
    Block, BlockError, ChainSpec, DecodeError, Header, Transaction, Withdrawal, execute, ommers_hash, requests_hash,
    transactions_root, validate_header, verify_outcome, withdrawals_root,
};
use rialto_trie::{TrieError, WitnessState};
use std::fmt;

/// Bytes of an input's fixed part: three offsets and the chain id.
const INPUT_FIXED_BYTES: usize = 20;
/// Bytes of a request's fixed part.
const REQUEST_FIXED_BYTES: usize = 44;
/// Bytes of a payload's fixed part.
const PAYLOAD_FIXED_BYTES: usize = 540;
/// Bytes of a witness's fixed part: three offsets.
const WITNESS_FIXED_BYTES: usize = 12;
const WITHDRAWAL_BYTES: usize = 44;

const MAX_EXTRA_DATA_BYTES: u64 = 32;
const MAX_TRANSACTION_BYTES: u64 = 1 << 30;
const MAX_TRANSACTIONS: u64 = 1 << 20;
const MAX_WITHDRAWALS: u64 = 1 << 16;
const MAX_ACCESS_LIST_BYTES: u64 = 1 << 24;
const MAX_BLOB_HASHES: u64 = 4096;
const MAX_REQUESTS: u64 = 16;
const MAX_REQUEST_BYTES: u64 = 1 << 30;
/// Items of a witness's list, at most.
const MAX_WITNESS_ITEMS: u64 = 1 << 24;

/// Enough of the state to execute a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// RLP of trie nodes, in any order.
    pub state: Vec<Bytes>,
    /// Codes, in any order.
    pub codes: Vec<Bytes>,
    /// RLP of the headers of ancestors, ascending, the parent's last.
    pub headers: Vec<Bytes>,
}

/// A block as the Engine API hands it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The fields of the header that are given. Roots of lists are not: they follow from the lists.
    pub header: Header,
    /// The hash that the header must have.
    pub block_hash: B256,
    /// Transactions in their encoding.
    pub transactions: Vec<Bytes>,
    /// Withdrawals.
    pub withdrawals: Vec<Withdrawal>,
    /// RLP of the block access list.
    pub block_access_list: Bytes,
}

/// What a stateless validator is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatelessInput {
    /// The block.
    pub payload: Payload,
    /// The versioned hashes of the blobs of all transactions, in order.
    pub versioned_hashes: Vec<B256>,
    /// Requests to the consensus layer (EIP-7685): a type byte and data each.
    pub execution_requests: Vec<Bytes>,
    /// The state.
    pub witness: Witness,
    /// EIP-155 chain id.
    pub chain_id: u64,
}

/// Why a block is not valid, or can't be told to be from its witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatelessError {
    /// A header of the witness is none.
    Header {
        /// Its index.
        index: usize,
        /// Why not.
        error: DecodeError,
    },
    /// Two headers, or the last one and the payload, do not belong together.
    HeaderLink {
        /// Index of the child; the number of headers for the payload.
        index: usize,
        /// Hash of the header before it.
        expected: B256,
        /// The parent hash it has.
        found: B256,
    },
    /// There is no header.
    NoHeaders,
    /// A transaction's bytes are none.
    Transaction {
        /// Its index.
        index: usize,
        /// Why not.
        error: DecodeError,
    },
    /// The payload has another hash than it claims.
    BlockHash {
        /// The hash claimed.
        expected: B256,
        /// The hash found.
        found: B256,
    },
    /// The blobs of the transactions are others than those given beside.
    VersionedHashes,
    /// The block is not valid, or the witness lacks something.
    Block(Box<BlockError>),
    /// The witness lacks a node that the new root needs.
    Trie(TrieError),
}

impl fmt::Display for StatelessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { index, error } => write!(f, "witness.headers[{index}]: {error}"),
            Self::HeaderLink { index, expected, found } => {
                write!(f, "witness.headers[{index}].parent_hash: expected {expected}, found {found}")
            }
            Self::NoHeaders => f.write_str("witness.headers: expected at least the parent's, found none"),
            Self::Transaction { index, error } => write!(f, "transactions[{index}]: {error}"),
            Self::BlockHash { expected, found } => {
                write!(f, "block_hash: found {expected}, the payload's header has {found}")
            }
            Self::VersionedHashes => f.write_str("versioned_hashes: expected those of the transactions, found others"),
            Self::Block(error) => error.fmt(f),
            Self::Trie(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StatelessError {}

impl From<BlockError> for StatelessError {
    fn from(error: BlockError) -> Self {
        Self::Block(Box::new(error))
    }
}

impl StatelessInput {
    /// Decodes the SSZ form.
    pub fn decode(bytes: &[u8]) -> Result<Self, SszError> {
        let mut input = Container::new(bytes, INPUT_FIXED_BYTES);
        input.variable("new_payload_request")?;
        input.variable("witness")?;
        let chain_id = input.u64("chain_config.chain_id")?;
        input.variable("public_keys")?;
        // Public keys would only save recovering senders.
        let [request, witness, _public_keys] = input.finish();

        let mut request = Container::new(request, REQUEST_FIXED_BYTES);
        request.variable("execution_payload")?;
        request.variable("versioned_hashes")?;
        let parent_beacon_block_root = request.b256("parent_beacon_block_root")?;
        request.variable("execution_requests")?;
        let [payload, hashes, requests] = request.finish();
        let mut payload = decode_payload(payload)?;
        payload.header.parent_beacon_block_root = Some(parent_beacon_block_root);
        let hashes = ssz::fixed_items("versioned_hashes", hashes, 32, MAX_BLOB_HASHES)?;
        let requests = ssz::variable_items("execution_requests", requests, MAX_REQUESTS)?;

        let mut lists = Container::new(witness, WITNESS_FIXED_BYTES);
        for field in ["witness.state", "witness.codes", "witness.headers"] {
            lists.variable(field)?;
        }
        let [state, codes, headers] = lists.finish();
        let list = |field, bytes| ssz::variable_items(field, bytes, MAX_WITNESS_ITEMS).map(copied);
        Ok(Self {
            payload,
            versioned_hashes: hashes.into_iter().map(B256::from_slice).collect(),
            execution_requests: copied(requests),
            witness: Witness {
                state: list("witness.state", state)?,
                codes: list("witness.codes", codes)?,
                headers: list("witness.headers", headers)?,
            },
            chain_id,
        })
    }

    /// The output: root of the request, whether the block is valid, chain id.
    pub fn output(&self, chain: &ChainSpec) -> Vec<u8> {
        let mut output = self.request_root().to_vec();
        output.push(u8::from(self.validate(chain).is_ok()));
        output.extend(self.chain_id.to_le_bytes());
        output
    }

    /// The hash tree root of the payload and what belongs to it.
    pub fn request_root(&self) -> Chunk {
        let hashes = self.versioned_hashes.iter().map(|hash| hash.0).collect();
        let requests = self.execution_requests.iter().map(|request| ssz::byte_list_root(request, MAX_REQUEST_BYTES));
        let beacon_root = self.payload.header.parent_beacon_block_root.unwrap_or_default();
        let fields = vec![
            self.payload.root(),
            ssz::list_root(hashes, MAX_BLOB_HASHES),
            beacon_root.0,
            ssz::list_root(requests.collect(), MAX_REQUESTS),
        ];
        ssz::merkleize(fields, 4)
    }

    /// Whether the block is valid, as far as the witness can show.
    pub fn validate(&self, chain: &ChainSpec) -> Result<(), StatelessError> {
        let block = self.payload.block(&self.execution_requests)?;
        let found = block.hash();
        if found != self.payload.block_hash {
            return Err(StatelessError::BlockHash { expected: self.payload.block_hash, found });
        }
        let blob_hashes = block.transactions.iter().flat_map(|transaction| &transaction.blob_versioned_hashes);
        if !blob_hashes.eq(&self.versioned_hashes) {
            return Err(StatelessError::VersionedHashes);
        }
        validate(chain, &block, &self.witness)
    }
}

fn copied(items: Vec<&[u8]>) -> Vec<Bytes> {
    items.into_iter().map(Bytes::copy_from_slice).collect()
}

/// Executes `block` on a witness and compares everything that its header commits to, the state root included.
pub fn validate(chain: &ChainSpec, block: &Block, witness: &Witness) -> Result<(), StatelessError> {
    let headers = linked_headers(block, witness)?;
    let parent = headers.last().ok_or(StatelessError::NoHeaders)?;
    validate_header(chain, &block.header, parent)?;
    // Hashes are those of headers that are there; a parent hash in the oldest one is no header.
    let hashes = headers.iter().zip(&witness.headers).map(|(header, rlp)| (header.number, keccak256(rlp)));
    let state = WitnessState::new(parent.state_root, witness.state.clone(), witness.codes.clone(), hashes);
    let outcome = execute(chain, block, None, &state, None)?;
    verify_outcome(&block.header, &outcome)?;
    let (expected, found) = (block.header.state_root, state.apply(&outcome.diff).map_err(StatelessError::Trie)?);
    if expected != found {
        return Err(BlockError::Root { field: "state_root", expected, found }.into());
    }
    Ok(())
}

/// The witness of a block on top of a block of `store`: lists ascending, headers by number.
pub fn produce(store: &ChainStore, block: &Block) -> Result<Witness, ImportError> {
    let parent_hash = block.header.parent_hash;
    let parent = store.get(&parent_hash).ok_or(ImportError::UnknownParent { parent_hash })?;
    let reader = ReaderWithHashes { state: &parent.state, hashes: store.recent_hashes(&parent_hash) };
    let recorder = WitnessRecorder::new(&reader);
    let outcome = execute(store.spec(), block, None, &recorder, None)?;
    let record = recorder.into_record();
    let root = parent.block.header.state_root;
    let state = rialto_trie::witness::produce(root, &parent.trie, &record, &outcome.diff)?;
    let mut codes: Vec<Bytes> = record.codes.values().map(|code| code.bytes().clone()).collect();
    codes.sort_unstable();
    let oldest = record.block_numbers.first().copied().unwrap_or(u64::MAX);
    let mut headers = Vec::new();
    for ancestor in store.ancestors(&parent_hash) {
        // The parent's header is always needed: it has the state root.
        if headers.is_empty() || ancestor.block.header.number >= oldest {
            headers.push(ancestor.block.header.encode().into());
        }
    }
    headers.reverse();
    Ok(Witness { state, codes, headers })
}

/// The headers of a witness, each the parent of the next and the last one the block's.
fn linked_headers(block: &Block, witness: &Witness) -> Result<Vec<Header>, StatelessError> {
    let mut headers: Vec<Header> = Vec::with_capacity(witness.headers.len());
    for (index, rlp) in witness.headers.iter().enumerate() {
        headers.push(Header::decode(rlp).map_err(|error| StatelessError::Header { index, error })?);
    }
    let parents = headers.iter().skip(1).chain([&block.header]).map(|header| header.parent_hash);
    for (index, (rlp, found)) in witness.headers.iter().zip(parents).enumerate() {
        let expected = keccak256(rlp);
        if expected != found {
            return Err(StatelessError::HeaderLink { index: index + 1, expected, found });
        }
    }
    Ok(headers)
}

fn decode_payload(bytes: &[u8]) -> Result<Payload, SszError> {
    let mut fields = Container::new(bytes, PAYLOAD_FIXED_BYTES);
    let mut header = Header {
        parent_hash: fields.b256("parent_hash")?,
        beneficiary: fields.address("fee_recipient")?,
        state_root: fields.b256("state_root")?,
        receipts_root: fields.b256("receipts_root")?,
        logs_bloom: Bloom::new(fields.fixed("logs_bloom")?),
        mix_hash: fields.b256("prev_randao")?,
        number: fields.u64("block_number")?,
        gas_limit: fields.u64("gas_limit")?,
        gas_used: fields.u64("gas_used")?,
        timestamp: fields.u64("timestamp")?,
        nonce: B64::ZERO,
        ..Header::default()
    };
    fields.variable("extra_data")?;
    let base_fee = fields.u256("base_fee_per_gas")?;
    let too_large = SszError::TooMany { field: "base_fee_per_gas", limit: u64::MAX, found: u64::MAX };
    header.base_fee_per_gas = Some(u64::try_from(base_fee).map_err(|_| too_large)?);
    let block_hash = fields.b256("block_hash")?;
    fields.variable("transactions")?;
    fields.variable("withdrawals")?;
    header.blob_gas_used = Some(fields.u64("blob_gas_used")?);
    header.excess_blob_gas = Some(fields.u64("excess_blob_gas")?);
    fields.variable("block_access_list")?;
    header.slot_number = Some(fields.u64("slot_number")?);
    let [extra_data, transactions, withdrawals, access_list] = fields.finish();
    header.extra_data = bounded("extra_data", extra_data, MAX_EXTRA_DATA_BYTES)?;
    let transactions = ssz::variable_items("transactions", transactions, MAX_TRANSACTIONS)?;
    for transaction in &transactions {
        bounded("transactions", transaction, MAX_TRANSACTION_BYTES)?;
    }
    let withdrawals = ssz::fixed_items("withdrawals", withdrawals, WITHDRAWAL_BYTES, MAX_WITHDRAWALS)?;
    Ok(Payload {
        header,
        block_hash,
        transactions: copied(transactions),
        withdrawals: withdrawals.into_iter().map(decode_withdrawal).collect::<Result<_, _>>()?,
        block_access_list: bounded("block_access_list", access_list, MAX_ACCESS_LIST_BYTES)?,
    })
}

fn bounded(field: &'static str, bytes: &[u8], limit: u64) -> Result<Bytes, SszError> {
    let found = bytes.len() as u64;
    if found > limit { Err(SszError::TooMany { field, limit, found }) } else { Ok(Bytes::copy_from_slice(bytes)) }
}

fn decode_withdrawal(bytes: &[u8]) -> Result<Withdrawal, SszError> {
    let mut fields = Container::new(bytes, WITHDRAWAL_BYTES);
    Ok(Withdrawal {
        index: fields.u64("withdrawals.index")?,
        validator_index: fields.u64("withdrawals.validator_index")?,
        address: fields.address("withdrawals.address")?,
        amount: fields.u64("withdrawals.amount")?,
    })
}

impl Payload {
    /// The block that the payload stands for.
    fn block(&self, execution_requests: &[Bytes]) -> Result<Block, StatelessError> {
        let decode = |(index, bytes): (usize, &Bytes)| {
            Transaction::decode(bytes).map_err(|error| StatelessError::Transaction { index, error })
        };
        let transactions: Vec<Transaction> =
            self.transactions.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
        let header = Header {
            ommers_hash: ommers_hash(&[]),
            transactions_root: transactions_root(&transactions),
            difficulty: U256::ZERO,
            withdrawals_root: Some(withdrawals_root(&self.withdrawals)),
            requests_hash: Some(requests_hash(execution_requests)),
            block_access_list_hash: Some(keccak256(&self.block_access_list)),
            ..self.header.clone()
        };
        Ok(Block { header, transactions, ommers: Vec::new(), withdrawals: Some(self.withdrawals.clone()) })
    }

    /// Its hash tree root.
    fn root(&self) -> Chunk {
        let header = &self.header;
        let number = |value: u64| ssz::chunk_of(&value.to_le_bytes());
        let address = |address: &Address| ssz::chunk_of(address.as_slice());
        let optional = |value: Option<u64>| number(value.unwrap_or(0));
        let transactions = self.transactions.iter().map(|bytes| ssz::byte_list_root(bytes, MAX_TRANSACTION_BYTES));
        let withdrawals = self.withdrawals.iter().map(|item| {
            let fields =
                [number(item.index), number(item.validator_index), address(&item.address), number(item.amount)];
            ssz::merkleize(fields.to_vec(), 4)
        });
        let fields = vec![
            header.parent_hash.0,
            address(&header.beneficiary),
            header.state_root.0,
            header.receipts_root.0,
            ssz::merkleize(ssz::chunks_of(header.logs_bloom.as_slice()), 8),
            header.mix_hash.0,
            number(header.number),
            number(header.gas_limit),
            number(header.gas_used),
            number(header.timestamp),
            ssz::byte_list_root(&header.extra_data, MAX_EXTRA_DATA_BYTES),
            U256::from(header.base_fee_per_gas.unwrap_or(0)).to_le_bytes(),
            self.block_hash.0,
            ssz::list_root(transactions.collect(), MAX_TRANSACTIONS),
            ssz::list_root(withdrawals.collect(), MAX_WITHDRAWALS),
            optional(header.blob_gas_used),
            optional(header.excess_blob_gas),
            ssz::byte_list_root(&self.block_access_list, MAX_ACCESS_LIST_BYTES),
            optional(header.slot_number),
        ];
        let limit = fields.len() as u64;
        ssz::merkleize(fields, limit)
    }
}

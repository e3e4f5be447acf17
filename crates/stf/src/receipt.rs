//! Receipts (Yellow Paper 4.3.1) and the blooms over their logs.
//!
//! A receipt is the list `[status or root, cumulative gas, bloom, logs]`, for transaction types other than legacy after
//! the type byte (EIP-2718). Before Byzantium the first item is the state root after the transaction, since then a
//! status (EIP-658); 32 bytes against at most one tell them apart.
//!
//! The bloom is a set of 2,048 bits. Each address and topic of a log is hashed once, and the low 11 bits of the hash's
//! first three 16-bit words name the bits to set.

use crate::rlp::{DecodeError, DecodeErrorKind, RlpReader, RlpWriter, WithPath};
use crate::transact::TxOutcome;
use crate::transaction::TxType;
use alloc::vec::Vec;
use alloy_primitives::{B256, Bloom};
use rialto_state::{Log, Topics};
use rialto_vm::keccak256;

/// Most topics a log can have: LOG4 is the last of its opcodes.
const TOPICS_MAX: usize = 4;

/// What a receipt says about its transaction's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// Before Byzantium: the state root after the transaction.
    PostState(B256),
    /// Byzantium and later (EIP-658): whether it succeeded.
    Status(bool),
}

/// A transaction's receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's EIP-2718 type.
    pub tx_type: TxType,
    /// The outcome.
    pub status: ReceiptStatus,
    /// Gas that the block had used after the transaction.
    pub cumulative_gas_used: u64,
    /// Bloom of `logs`.
    pub logs_bloom: Bloom,
    /// The logs it emitted.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// That of a transaction of this type that did this, where receipts have a status; what the block has used after it is not
    /// known yet.
    pub fn of(tx_type: TxType, outcome: TxOutcome, hasher: &mut LogHasher) -> Self {
        Self {
            tx_type,
            status: ReceiptStatus::Status(outcome.halt.is_none()),
            cumulative_gas_used: 0,
            logs_bloom: hasher.bloom(&outcome.logs),
            logs: outcome.logs,
        }
    }

    /// A receipt whose bloom is that of `logs`.
    pub fn new(tx_type: TxType, status: ReceiptStatus, cumulative_gas_used: u64, logs: Vec<Log>) -> Self {
        Self { tx_type, status, cumulative_gas_used, logs_bloom: logs_bloom(&logs), logs }
    }

    /// The encoding that the trie of receipts holds.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RlpWriter::with_capacity(512);
        if self.tx_type != TxType::Legacy {
            writer.raw(&[self.tx_type as u8]);
        }
        writer.list(|list| {
            match &self.status {
                ReceiptStatus::PostState(root) => list.string(root.as_slice()),
                ReceiptStatus::Status(success) => list.u64(u64::from(*success)),
            }
            list.u64(self.cumulative_gas_used);
            list.string(self.logs_bloom.as_slice());
            list.list(|logs| self.logs.iter().for_each(|log| write_log(logs, log)));
        });
        writer.into_bytes()
    }

    /// Decodes the form that [`Receipt::encode`] gives, which must be the whole input.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read_enveloped(RlpReader::new(bytes)).field("receipt")
    }

    fn read_enveloped(mut reader: RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut tx_type = TxType::Legacy;
        if !reader.next_is_list() {
            let (type_byte, after_type) = reader.split_type_byte().field("type")?;
            tx_type = match TxType::from_byte(type_byte) {
                Some(tx_type) if tx_type != TxType::Legacy => tx_type,
                _ => {
                    let kind = DecodeErrorKind::UnknownType { type_byte };
                    return Err(DecodeError::new(0, kind)).field("type");
                }
            };
            reader = after_type;
        }
        let mut list = reader.list()?;
        reader.end()?;
        let receipt = Self {
            tx_type,
            status: read_status(&mut list).field("status")?,
            cumulative_gas_used: list.u64().field("cumulative_gas_used")?,
            logs_bloom: Bloom::new(list.fixed().field("logs_bloom")?),
            logs: list.list_of(read_log).field("logs")?,
        };
        list.end()?;
        Ok(receipt)
    }
}

fn read_status(list: &mut RlpReader<'_>) -> Result<ReceiptStatus, DecodeError> {
    let offset = list.offset();
    match list.string()? {
        [] => Ok(ReceiptStatus::Status(false)),
        [1] => Ok(ReceiptStatus::Status(true)),
        root if root.len() == 32 => Ok(ReceiptStatus::PostState(B256::from_slice(root))),
        other => {
            let kind = DecodeErrorKind::InvalidStatus { found_bytes: other.len() };
            Err(DecodeError::new(offset, kind))
        }
    }
}

fn write_log(writer: &mut RlpWriter, log: &Log) {
    writer.list(|list| {
        list.string(log.address.as_slice());
        list.list(|topics| log.topics.iter().for_each(|topic| topics.string(topic.as_slice())));
        list.string(&log.data);
    });
}

fn read_log(reader: &mut RlpReader<'_>) -> Result<Log, DecodeError> {
    let mut list = reader.list()?;
    let address = list.address().field("address")?;
    let topics = read_topics(&mut list).field("topics")?;
    let data = list.bytes().field("data")?;
    list.end()?;
    Ok(Log { address, topics, data })
}

fn read_topics(reader: &mut RlpReader<'_>) -> Result<Topics, DecodeError> {
    let mut list = reader.list()?;
    let mut topics = [B256::ZERO; TOPICS_MAX];
    let mut count = 0;
    while !list.is_empty() {
        let Some(topic) = topics.get_mut(count) else {
            return Err(DecodeError::new(list.offset(), DecodeErrorKind::TooManyTopics));
        };
        *topic = list.b256().index(count)?;
        count += 1;
    }
    Ok(Topics::new(&topics[..count]))
}

/// The bloom of `logs`: of their addresses and topics.
pub fn logs_bloom(logs: &[Log]) -> Bloom {
    LogHasher::default().bloom(logs)
}

/// Makes blooms, and remembers the last hashes: a block's logs are of few contracts and few kinds, and of the same accounts.
#[derive(Default)]
pub struct LogHasher {
    /// By a few bits of what was hashed, which is the rest's to compare.
    entries: Vec<Hashed>,
}

/// What was hashed, with its length, and the bits that it sets.
#[derive(Clone, Copy)]
struct Hashed {
    len: u8,
    bytes: [u8; 32],
    bits: [u16; 3],
}

/// Hashes that are remembered, a power of two.
const REMEMBERED: usize = 256;

impl LogHasher {
    /// The bloom of `logs`.
    pub fn bloom(&mut self, logs: &[Log]) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for log in logs {
            self.accrue(&mut bloom, log.address.as_slice());
            log.topics.iter().for_each(|topic| self.accrue(&mut bloom, topic.as_slice()));
        }
        bloom
    }

    /// Adds an address or a topic to `bloom`.
    fn accrue(&mut self, bloom: &mut Bloom, bytes: &[u8]) {
        let mut padded = [0; 32];
        padded[..bytes.len()].copy_from_slice(bytes);
        if self.entries.is_empty() {
            self.entries.resize(REMEMBERED, Hashed { len: 0, bytes: [0; 32], bits: [0; 3] });
        }
        // The last bytes of an address and of an address as a topic differ most, and all of a hash.
        let last = &bytes[bytes.len() - 8..];
        let mixed = last.iter().fold(0u64, |mixed, byte| mixed.rotate_left(9) ^ u64::from(*byte));
        let entry = &mut self.entries[(mixed ^ (mixed >> 32)) as usize % REMEMBERED];
        if usize::from(entry.len) != bytes.len() || entry.bytes != padded {
            let hash = keccak256(bytes);
            let bit = |word: usize| u16::from_be_bytes([hash[word], hash[word + 1]]) & 0x7ff;
            *entry = Hashed { len: bytes.len() as u8, bytes: padded, bits: [bit(0), bit(2), bit(4)] };
        }
        for bit in entry.bits.map(usize::from) {
            // Bit 0 is the last byte's lowest.
            bloom.0[255 - bit / 8] |= 1 << (bit % 8);
        }
    }
}

//! Blocks: a header and a body.
//!
//! A block is the RLP list `[header, transactions, ommers]`, with `withdrawals` as a fourth item since Shanghai
//! (EIP-4895). Requests (EIP-7685) and the block access list (EIP-7928) are no part of it: the header commits to them and
//! they travel beside the block, so neither has a place here.

use crate::header::Header;
use crate::rlp::{DecodeError, RlpReader, RlpWriter, WithPath, decode_whole};
use crate::transaction::Transaction;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use rialto_vm::keccak256;

/// A withdrawal from the beacon chain (EIP-4895).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withdrawal {
    /// How many withdrawals came before, on the whole chain.
    pub index: u64,
    /// The validator whose stake it is.
    pub validator_index: u64,
    /// Receives the amount.
    pub address: Address,
    /// Amount in gwei.
    pub amount: u64,
}

impl Withdrawal {
    /// The RLP encoding, which the trie of withdrawals holds.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RlpWriter::with_capacity(64);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Appends the withdrawal to `writer`.
    pub fn write(&self, writer: &mut RlpWriter) {
        writer.list(|list| {
            list.u64(self.index);
            list.u64(self.validator_index);
            list.string(self.address.as_slice());
            list.u64(self.amount);
        });
    }

    /// Reads a withdrawal, the next item of `reader`.
    pub fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let withdrawal = Self {
            index: list.u64().field("index")?,
            validator_index: list.u64().field("validator_index")?,
            address: list.address().field("address")?,
            amount: list.u64().field("amount")?,
        };
        list.end()?;
        Ok(withdrawal)
    }
}

/// A block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its header.
    pub header: Header,
    /// Its transactions, in order.
    pub transactions: Vec<Transaction>,
    /// Headers of stale blocks that it rewards; empty since Paris.
    pub ommers: Vec<Header>,
    /// Its withdrawals; `None` before Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

impl Block {
    /// The header's hash.
    pub fn hash(&self) -> B256 {
        self.header.hash()
    }

    /// The RLP encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RlpWriter::with_capacity(1024);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Length of the encoding in bytes, which EIP-7934 limits. It encodes the block to find out.
    pub fn encoded_size(&self) -> usize {
        self.encode().len()
    }

    /// Appends the block to `writer`.
    pub fn write(&self, writer: &mut RlpWriter) {
        writer.list(|list| {
            self.header.write(list);
            list.list(|items| self.transactions.iter().for_each(|item| item.write(items)));
            list.list(|items| self.ommers.iter().for_each(|item| item.write(items)));
            if let Some(withdrawals) = &self.withdrawals {
                list.list(|items| withdrawals.iter().for_each(|item| item.write(items)));
            }
        });
    }

    /// Decodes a block that is the whole input.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_whole(bytes, "block", Self::read)
    }

    /// Reads a block, the next item of `reader`.
    pub fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let mut block = Self {
            header: Header::read(&mut list).field("header")?,
            transactions: list.list_of(Transaction::read).field("transactions")?,
            ommers: list.list_of(Header::read).field("ommers")?,
            withdrawals: None,
        };
        if !list.is_empty() {
            block.withdrawals = Some(list.list_of(Withdrawal::read).field("withdrawals")?);
        }
        list.end()?;
        Ok(block)
    }
}

/// Keccak-256 of the RLP list of `ommers`, which a header commits to.
pub fn ommers_hash(ommers: &[Header]) -> B256 {
    let mut writer = RlpWriter::new();
    writer.list(|list| ommers.iter().for_each(|ommer| ommer.write(list)));
    keccak256(&writer.into_bytes())
}

//! Block headers from Frontier to Amsterdam.
//!
//! A header is one RLP list. Forks only ever append fields, so a header is fifteen mandatory fields and a prefix of the
//! optional ones: a field can be present only if all before it are. Decoding guarantees this by reading in order until
//! the list ends; a header built by hand says whether it holds with [`Header::missing_optional_field`]. Which fields a
//! fork demands is a rule of validation, not of the codec.

use crate::rlp::{DecodeError, RlpReader, RlpWriter, WithPath, decode_whole};
use alloc::vec::Vec;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use rialto_vm::keccak256;

/// A block's header. Amounts of gas are in gas, fees in wei per gas, times in Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Hash of the parent's header.
    pub parent_hash: B256,
    /// Keccak-256 of the RLP list of ommers.
    pub ommers_hash: B256,
    /// Receives the priority fees, and the block reward under proof of work.
    pub beneficiary: Address,
    /// Root of the state trie after the block.
    pub state_root: B256,
    /// Root of the trie of transactions.
    pub transactions_root: B256,
    /// Root of the trie of receipts.
    pub receipts_root: B256,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// Proof-of-work difficulty; zero since Paris.
    pub difficulty: U256,
    /// Distance from the genesis block.
    pub number: u64,
    /// Most gas that the block's transactions may use.
    pub gas_limit: u64,
    /// Gas that they used.
    pub gas_used: u64,
    /// Unix time, seconds.
    pub timestamp: u64,
    /// Up to 32 bytes of the proposer's choice.
    pub extra_data: Bytes,
    /// Proof-of-work digest; since Paris the beacon chain's randomness (EIP-4399).
    pub mix_hash: B256,
    /// Proof-of-work nonce; zero since Paris.
    pub nonce: B64,
    /// London (EIP-1559).
    pub base_fee_per_gas: Option<u64>,
    /// Shanghai (EIP-4895).
    pub withdrawals_root: Option<B256>,
    /// Cancun (EIP-4844).
    pub blob_gas_used: Option<u64>,
    /// Cancun (EIP-4844).
    pub excess_blob_gas: Option<u64>,
    /// Cancun (EIP-4788).
    pub parent_beacon_block_root: Option<B256>,
    /// Prague (EIP-7685).
    pub requests_hash: Option<B256>,
    /// Amsterdam (EIP-7928).
    pub block_access_list_hash: Option<B256>,
    /// Amsterdam (EIP-7843).
    pub slot_number: Option<u64>,
}

impl Header {
    /// Keccak-256 of the encoding: the block's hash.
    pub fn hash(&self) -> B256 {
        keccak256(&self.encode())
    }

    /// The RLP encoding. Where a field is absent although a later one is present, an empty string stands for it, which
    /// no valid header has; see [`Header::missing_optional_field`].
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RlpWriter::with_capacity(1024);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Decodes a header that is the whole input.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_whole(bytes, "header", Self::read)
    }

    /// The first optional field that is absent although a later one is present.
    pub fn missing_optional_field(&self) -> Option<&'static str> {
        let last_present = self.optional_fields_present().iter().rposition(|(_, present)| *present)?;
        let fields = self.optional_fields_present();
        fields[..last_present].iter().find(|(_, present)| !present).map(|(name, _)| *name)
    }

    /// The optional fields in their order in the encoding.
    fn optional_fields_present(&self) -> [(&'static str, bool); 8] {
        [
            ("base_fee_per_gas", self.base_fee_per_gas.is_some()),
            ("withdrawals_root", self.withdrawals_root.is_some()),
            ("blob_gas_used", self.blob_gas_used.is_some()),
            ("excess_blob_gas", self.excess_blob_gas.is_some()),
            ("parent_beacon_block_root", self.parent_beacon_block_root.is_some()),
            ("requests_hash", self.requests_hash.is_some()),
            ("block_access_list_hash", self.block_access_list_hash.is_some()),
            ("slot_number", self.slot_number.is_some()),
        ]
    }

    /// Appends the header to `writer`.
    pub fn write(&self, writer: &mut RlpWriter) {
        writer.list(|list| {
            list.string(self.parent_hash.as_slice());
            list.string(self.ommers_hash.as_slice());
            list.string(self.beneficiary.as_slice());
            list.string(self.state_root.as_slice());
            list.string(self.transactions_root.as_slice());
            list.string(self.receipts_root.as_slice());
            list.string(self.logs_bloom.as_slice());
            list.u256(&self.difficulty);
            list.u64(self.number);
            list.u64(self.gas_limit);
            list.u64(self.gas_used);
            list.u64(self.timestamp);
            list.string(&self.extra_data);
            list.string(self.mix_hash.as_slice());
            list.string(self.nonce.as_slice());
            self.write_optional_fields(list);
        });
    }

    fn write_optional_fields(&self, list: &mut RlpWriter) {
        let present = self.optional_fields_present();
        let count = present.iter().rposition(|(_, present)| *present).map_or(0, |last| last + 1);
        let integer = |list: &mut RlpWriter, value: Option<u64>| list.u64(value.unwrap_or(0));
        let hash = |list: &mut RlpWriter, value: &Option<B256>| {
            list.string(value.as_ref().map_or(&[], |hash| hash.as_slice()));
        };
        for index in 0..count {
            match index {
                0 => integer(list, self.base_fee_per_gas),
                1 => hash(list, &self.withdrawals_root),
                2 => integer(list, self.blob_gas_used),
                3 => integer(list, self.excess_blob_gas),
                4 => hash(list, &self.parent_beacon_block_root),
                5 => hash(list, &self.requests_hash),
                6 => hash(list, &self.block_access_list_hash),
                _ => integer(list, self.slot_number),
            }
        }
    }

    /// Reads a header, the next item of `reader`.
    pub fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let mut header = Self {
            parent_hash: list.b256().field("parent_hash")?,
            ommers_hash: list.b256().field("ommers_hash")?,
            beneficiary: list.address().field("beneficiary")?,
            state_root: list.b256().field("state_root")?,
            transactions_root: list.b256().field("transactions_root")?,
            receipts_root: list.b256().field("receipts_root")?,
            logs_bloom: Bloom::new(list.fixed().field("logs_bloom")?),
            difficulty: list.u256().field("difficulty")?,
            number: list.u64().field("number")?,
            gas_limit: list.u64().field("gas_limit")?,
            gas_used: list.u64().field("gas_used")?,
            timestamp: list.u64().field("timestamp")?,
            extra_data: list.bytes().field("extra_data")?,
            mix_hash: list.b256().field("mix_hash")?,
            nonce: B64::new(list.fixed().field("nonce")?),
            ..Self::default()
        };
        header.base_fee_per_gas = optional(&mut list, RlpReader::u64).field("base_fee_per_gas")?;
        header.withdrawals_root = optional(&mut list, RlpReader::b256).field("withdrawals_root")?;
        header.blob_gas_used = optional(&mut list, RlpReader::u64).field("blob_gas_used")?;
        header.excess_blob_gas = optional(&mut list, RlpReader::u64).field("excess_blob_gas")?;
        header.parent_beacon_block_root = optional(&mut list, RlpReader::b256).field("parent_beacon_block_root")?;
        header.requests_hash = optional(&mut list, RlpReader::b256).field("requests_hash")?;
        header.block_access_list_hash = optional(&mut list, RlpReader::b256).field("block_access_list_hash")?;
        header.slot_number = optional(&mut list, RlpReader::u64).field("slot_number")?;
        list.end()?;
        Ok(header)
    }
}

/// The next item, if the list has one.
fn optional<'a, T>(
    list: &mut RlpReader<'a>,
    read: impl FnOnce(&mut RlpReader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if list.is_empty() { Ok(None) } else { read(list).map(Some) }
}

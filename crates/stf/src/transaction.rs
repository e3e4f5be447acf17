//! Transactions: legacy (with and without EIP-155), access list (EIP-2930), dynamic fee (EIP-1559), blob (EIP-4844) and
//! set code (EIP-7702).
//!
//! One flat struct serves all types, since execution reads the same fields whatever the type; a field that a type lacks
//! keeps its default. A legacy transaction encodes as an RLP list; the others as a type byte before a list (EIP-2718).
//! Inside a block's body the latter are wrapped in a byte string.
//!
//! The codec refuses what no fork accepts: malformed lists, integers wider than their field, a `v` outside EIP-155's
//! values, the nonce 2^64-1 (EIP-2681), a blob or set-code transaction without a recipient, and blob transactions that
//! still carry their sidecar. Whether r and s are in range is [`Transaction::sender`]'s answer; everything that depends
//! on the fork is validation's.

use crate::rlp::{DecodeError, DecodeErrorKind, RlpReader, RlpWriter, WithPath};
use crate::signature::{SRange, Signature, SignatureError};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_vm::keccak256;

/// First byte of what an EIP-7702 authority signs.
const AUTHORIZATION_MAGIC: u8 = 0x05;

/// EIP-2718 transaction type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TxType {
    /// Frontier's, with or without EIP-155's chain id.
    #[default]
    Legacy = 0,
    /// EIP-2930.
    AccessList = 1,
    /// EIP-1559.
    DynamicFee = 2,
    /// EIP-4844.
    Blob = 3,
    /// EIP-7702.
    SetCode = 4,
}

impl TxType {
    /// All types, in the order of their bytes.
    pub const ALL: [Self; 5] = [Self::Legacy, Self::AccessList, Self::DynamicFee, Self::Blob, Self::SetCode];

    /// The type with this number, 0 being legacy.
    pub fn from_byte(type_byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(type_byte)).copied()
    }

    /// Whether transactions of this type have a maximum and a priority fee instead of a gas price.
    pub fn has_dynamic_fee(self) -> bool {
        self >= Self::DynamicFee
    }

    /// Whether transactions of this type may lack a recipient, creating a contract.
    pub fn can_create_contract(self) -> bool {
        self <= Self::DynamicFee
    }
}

/// An account and the slots of it that a transaction announces to touch (EIP-2930).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessListItem {
    /// The account.
    pub address: Address,
    /// Its slots.
    pub storage_keys: Vec<B256>,
}

/// An account's permission to set its code to a delegation (EIP-7702).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// The chain it is for; zero for all chains.
    pub chain_id: U256,
    /// The account to delegate to; zero to end a delegation.
    pub address: Address,
    /// The authority's nonce.
    pub nonce: u64,
    /// The signature's parity. Values above 1 make the authorization, but not the transaction, invalid.
    pub y_parity: u8,
    /// The signature's r.
    pub r: U256,
    /// The signature's s.
    pub s: U256,
}

/// A signed transaction of any type. Fees are in wei per gas, `value` in wei.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Its EIP-2718 type.
    pub tx_type: TxType,
    /// The chain it is for. `None` only in a legacy transaction from before EIP-155; in any other type it counts as 0.
    pub chain_id: Option<u64>,
    /// How many transactions the sender sent before.
    pub nonce: u64,
    /// Gas price; from EIP-1559 on the maximum fee per gas.
    pub gas_price: U256,
    /// Maximum priority fee per gas (EIP-1559 on).
    pub max_priority_fee_per_gas: U256,
    /// Most gas it may use.
    pub gas_limit: u64,
    /// Recipient; `None` to create a contract.
    pub to: Option<Address>,
    /// Wei to transfer.
    pub value: U256,
    /// Call data, or init code.
    pub input: Bytes,
    /// Announced accounts and slots (EIP-2930 on).
    pub access_list: Vec<AccessListItem>,
    /// Maximum fee per unit of blob gas (EIP-4844).
    pub max_fee_per_blob_gas: U256,
    /// The blobs' commitments, hashed and versioned (EIP-4844).
    pub blob_versioned_hashes: Vec<B256>,
    /// Permissions to set code (EIP-7702).
    pub authorization_list: Vec<Authorization>,
    /// The sender's signature over [`Transaction::signing_hash`].
    pub signature: Signature,
}

impl Transaction {
    /// Keccak-256 of the encoding, by which the transaction is known.
    pub fn hash(&self) -> B256 {
        keccak256(&self.encode())
    }

    /// What the sender signs.
    pub fn signing_hash(&self) -> B256 {
        let mut writer = RlpWriter::with_capacity(256 + self.input.len());
        if self.tx_type != TxType::Legacy {
            writer.raw(&[self.tx_type as u8]);
        }
        writer.list(|list| {
            self.write_payload(list);
            if let (TxType::Legacy, Some(chain_id)) = (self.tx_type, self.chain_id) {
                list.u64(chain_id);
                list.u64(0);
                list.u64(0);
            }
        });
        keccak256(&writer.into_bytes())
    }

    /// The address that signed it.
    pub fn sender(&self, s_range: SRange) -> Result<Address, SignatureError> {
        self.signature.recover(&self.signing_hash(), s_range)
    }

    /// Signs it in place with `secret_key`.
    #[cfg(feature = "std")]
    pub fn sign(&mut self, secret_key: &B256) -> Result<(), SignatureError> {
        self.signature = crate::signature::sign_hash(&self.signing_hash(), secret_key)?;
        Ok(())
    }

    /// The signature's `v` as it is encoded: the parity, to which legacy transactions add 27, or 35 and twice the chain
    /// id (EIP-155).
    pub fn v(&self) -> u128 {
        let parity = u128::from(self.signature.y_parity);
        match (self.tx_type, self.chain_id) {
            (TxType::Legacy, None) => 27 + parity,
            (TxType::Legacy, Some(chain_id)) => 35 + 2 * u128::from(chain_id) + parity,
            _ => parity,
        }
    }

    /// The encoding that is hashed, sent and put into the trie of transactions: an RLP list, for types other than legacy
    /// after the type byte (EIP-2718).
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RlpWriter::with_capacity(256 + self.input.len());
        self.write_enveloped(&mut writer);
        writer.into_bytes()
    }

    /// Appends it as an item of a block's body, where typed transactions are wrapped in a byte string.
    pub fn write(&self, writer: &mut RlpWriter) {
        match self.tx_type {
            TxType::Legacy => self.write_enveloped(writer),
            _ => writer.string_of(|string| self.write_enveloped(string)),
        }
    }

    fn write_enveloped(&self, writer: &mut RlpWriter) {
        if self.tx_type != TxType::Legacy {
            writer.raw(&[self.tx_type as u8]);
        }
        writer.list(|list| {
            self.write_payload(list);
            list.u128(self.v());
            list.u256(&self.signature.r);
            list.u256(&self.signature.s);
        });
    }

    /// The fields before the signature.
    fn write_payload(&self, list: &mut RlpWriter) {
        if self.tx_type != TxType::Legacy {
            list.u64(self.chain_id.unwrap_or(0));
        }
        list.u64(self.nonce);
        if self.tx_type.has_dynamic_fee() {
            list.u256(&self.max_priority_fee_per_gas);
        }
        list.u256(&self.gas_price);
        list.u64(self.gas_limit);
        list.string(self.to.as_ref().map_or(&[], |to| to.as_slice()));
        list.u256(&self.value);
        list.string(&self.input);
        if self.tx_type != TxType::Legacy {
            write_access_list(list, &self.access_list);
        }
        match self.tx_type {
            TxType::Blob => {
                list.u256(&self.max_fee_per_blob_gas);
                list.list(|hashes| {
                    self.blob_versioned_hashes.iter().for_each(|hash| hashes.string(hash.as_slice()));
                });
            }
            TxType::SetCode => list.list(|authorizations| {
                self.authorization_list.iter().for_each(|item| item.write(authorizations));
            }),
            TxType::Legacy | TxType::AccessList | TxType::DynamicFee => {}
        }
    }

    /// Decodes the form that [`Transaction::encode`] gives, which must be the whole input.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read_enveloped(RlpReader::new(bytes)).field("transaction")
    }

    /// Reads an item of a block's body: a list, or a byte string that holds a typed transaction.
    pub fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        if reader.next_is_list() { Self::read_legacy(reader) } else { Self::read_typed(reader.string_reader()?) }
    }

    fn read_enveloped(mut reader: RlpReader<'_>) -> Result<Self, DecodeError> {
        if !reader.next_is_list() {
            return Self::read_typed(reader);
        }
        let transaction = Self::read_legacy(&mut reader)?;
        reader.end()?;
        Ok(transaction)
    }

    /// Reads `nonce, gasPrice, gasLimit, to, value, data, v, r, s`.
    fn read_legacy(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let mut transaction = Self::default();
        transaction.read_payload(&mut list)?;
        let v_offset = list.offset();
        let v = list.u128().field("v")?;
        let (chain_id, y_parity) = split_legacy_v(v).map_err(|kind| DecodeError::new(v_offset, kind)).field("v")?;
        transaction.chain_id = chain_id;
        transaction.signature.y_parity = y_parity;
        transaction.read_r_and_s(list)?;
        Ok(transaction)
    }

    /// Reads a type byte and the list after it, to the reader's end.
    fn read_typed(reader: RlpReader<'_>) -> Result<Self, DecodeError> {
        let (type_byte, mut reader) = reader.split_type_byte().field("type")?;
        let tx_type = match TxType::from_byte(type_byte) {
            Some(tx_type) if tx_type != TxType::Legacy => tx_type,
            _ => {
                let kind = DecodeErrorKind::UnknownType { type_byte };
                return Err(DecodeError::new(reader.offset() - 1, kind)).field("type");
            }
        };
        let mut list = reader.list()?;
        reader.end()?;
        if tx_type == TxType::Blob && list.next_is_list() {
            return Err(DecodeError::new(list.offset(), DecodeErrorKind::BlobSidecar));
        }
        let mut transaction = Self { tx_type, ..Self::default() };
        transaction.chain_id = Some(list.u64().field("chain_id")?);
        transaction.read_payload(&mut list)?;
        transaction.signature.y_parity = list.bool().field("y_parity")?;
        transaction.read_r_and_s(list)?;
        Ok(transaction)
    }

    /// Reads the fields from the nonce to the one before the signature; `tx_type` says which.
    fn read_payload(&mut self, list: &mut RlpReader<'_>) -> Result<(), DecodeError> {
        self.nonce = read_nonce(list).field("nonce")?;
        if self.tx_type.has_dynamic_fee() {
            self.max_priority_fee_per_gas = list.u256().field("max_priority_fee_per_gas")?;
            self.gas_price = list.u256().field("max_fee_per_gas")?;
        } else {
            self.gas_price = list.u256().field("gas_price")?;
        }
        self.gas_limit = list.u64().field("gas_limit")?;
        self.to = read_recipient(list, self.tx_type).field("to")?;
        self.value = list.u256().field("value")?;
        self.input = list.bytes().field("input")?;
        if self.tx_type != TxType::Legacy {
            self.access_list = list.list_of(AccessListItem::read).field("access_list")?;
        }
        match self.tx_type {
            TxType::Blob => {
                self.max_fee_per_blob_gas = list.u256().field("max_fee_per_blob_gas")?;
                self.blob_versioned_hashes = list.list_of(RlpReader::b256).field("blob_versioned_hashes")?;
            }
            TxType::SetCode => {
                self.authorization_list = list.list_of(Authorization::read).field("authorization_list")?;
            }
            TxType::Legacy | TxType::AccessList | TxType::DynamicFee => {}
        }
        Ok(())
    }

    /// Reads the last two fields and asserts that they are the last.
    fn read_r_and_s(&mut self, mut list: RlpReader<'_>) -> Result<(), DecodeError> {
        self.signature.r = list.u256().field("r")?;
        self.signature.s = list.u256().field("s")?;
        list.end()
    }
}

/// Chain id and parity from a legacy transaction's `v` (EIP-155).
pub(crate) fn split_legacy_v(v: u128) -> Result<(Option<u64>, bool), DecodeErrorKind> {
    match v {
        27 | 28 => Ok((None, v == 28)),
        35.. => match u64::try_from((v - 35) / 2) {
            Ok(chain_id) => Ok((Some(chain_id), (v - 35) % 2 == 1)),
            Err(_) => Err(DecodeErrorKind::ChainIdTooLarge { v }),
        },
        _ => Err(DecodeErrorKind::InvalidV { v }),
    }
}

fn read_nonce(list: &mut RlpReader<'_>) -> Result<u64, DecodeError> {
    let offset = list.offset();
    match list.u64()? {
        u64::MAX => Err(DecodeError::new(offset, DecodeErrorKind::NonceIsMax)),
        nonce => Ok(nonce),
    }
}

fn read_recipient(list: &mut RlpReader<'_>, tx_type: TxType) -> Result<Option<Address>, DecodeError> {
    let offset = list.offset();
    let bytes = list.string()?;
    match bytes.len() {
        20 => Ok(Some(Address::from_slice(bytes))),
        0 if tx_type.can_create_contract() => Ok(None),
        0 => {
            let kind = DecodeErrorKind::ContractCreation { type_byte: tx_type as u8 };
            Err(DecodeError::new(offset, kind))
        }
        found_bytes if tx_type.can_create_contract() => {
            Err(DecodeError::new(offset, DecodeErrorKind::WrongRecipientLength { found_bytes }))
        }
        found_bytes => {
            let kind = DecodeErrorKind::WrongLength { expected_bytes: 20, found_bytes };
            Err(DecodeError::new(offset, kind))
        }
    }
}

/// Appends an access list (EIP-2930).
fn write_access_list(writer: &mut RlpWriter, access_list: &[AccessListItem]) {
    writer.list(|list| {
        for item in access_list {
            list.list(|fields| {
                fields.string(item.address.as_slice());
                fields.list(|keys| {
                    item.storage_keys.iter().for_each(|key| keys.string(key.as_slice()));
                });
            });
        }
    });
}

impl AccessListItem {
    fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let item = Self {
            address: list.address().field("address")?,
            storage_keys: list.list_of(RlpReader::b256).field("storage_keys")?,
        };
        list.end()?;
        Ok(item)
    }
}

impl Authorization {
    /// What the authority signs: keccak256(0x05 || rlp(\[chain_id, address, nonce\])).
    pub fn signing_hash(&self) -> B256 {
        let mut writer = RlpWriter::with_capacity(80);
        writer.raw(&[AUTHORIZATION_MAGIC]);
        writer.list(|list| self.write_payload(list));
        keccak256(&writer.into_bytes())
    }

    /// The account that gave the permission. s must be low (EIP-2) and the parity 0 or 1.
    pub fn authority(&self) -> Result<Address, SignatureError> {
        if self.y_parity > 1 {
            return Err(SignatureError::InvalidYParity { y_parity: self.y_parity });
        }
        let signature = Signature { y_parity: self.y_parity == 1, r: self.r, s: self.s };
        signature.recover(&self.signing_hash(), SRange::Low)
    }

    /// Signs it in place with `secret_key`.
    #[cfg(feature = "std")]
    pub fn sign(&mut self, secret_key: &B256) -> Result<(), SignatureError> {
        let signature = crate::signature::sign_hash(&self.signing_hash(), secret_key)?;
        self.y_parity = u8::from(signature.y_parity);
        self.r = signature.r;
        self.s = signature.s;
        Ok(())
    }

    fn write_payload(&self, list: &mut RlpWriter) {
        list.u256(&self.chain_id);
        list.string(self.address.as_slice());
        list.u64(self.nonce);
    }

    fn write(&self, writer: &mut RlpWriter) {
        writer.list(|list| {
            self.write_payload(list);
            list.u64(u64::from(self.y_parity));
            list.u256(&self.r);
            list.u256(&self.s);
        });
    }

    fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let item = Self {
            chain_id: list.u256().field("chain_id")?,
            address: list.address().field("address")?,
            nonce: list.u64().field("nonce")?,
            y_parity: list.u8().field("y_parity")?,
            r: list.u256().field("r")?,
            s: list.u256().field("s")?,
        };
        list.end()?;
        Ok(item)
    }
}

//! Keys and values as bytes. Decoding never panics: what is not well-formed is `None`, and whoever read it says where it lay.
//!
//! An account is one byte with the length of the nonce and, in bit 7, whether a code hash follows; one byte with the
//! length of the balance; then nonce and balance without leading zeros, and the code hash. Most accounts take 10 to 20 bytes.

use crate::tables::Domain;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use rialto_state::Account;
use rialto_trie::Nibbles;
use std::ops::Deref;

/// Bytes on the stack, enough for every key and account.
#[derive(Clone, Copy)]
pub(crate) struct ByteBuf {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl ByteBuf {
    /// The longest key is that of the storage nodes' history: 32 + 1 + 32 + 8.
    const CAPACITY: usize = 80;

    pub fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], length: 0 }
    }

    /// Appends bytes; callers know that they fit.
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

impl Deref for ByteBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Key of headers, bodies and receipts; also the value for head and genesis.
pub(crate) fn block_key(number: u64, hash: &B256) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(hash.as_slice());
    key
}

/// Number and hash in a key of headers, or in the value for head and genesis.
pub(crate) fn decode_block_key(bytes: &[u8]) -> Option<(u64, B256)> {
    let (number, hash) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), B256::try_from(hash).ok()?))
}

pub(crate) fn decode_u64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

pub(crate) fn account_key(address: &Address) -> ByteBuf {
    let mut key = ByteBuf::new();
    key.push(address.as_slice());
    key
}

pub(crate) fn slot_key(address: &Address, slot: &U256) -> ByteBuf {
    let mut key = account_key(address);
    key.push(&slot.to_be_bytes::<32>());
    key
}

/// Key of a node: of a storage trie, or of the account trie where `account` is `None`.
pub(crate) fn node_key(account: Option<&B256>, path: &Nibbles) -> ByteBuf {
    let mut key = ByteBuf::new();
    if let Some(account) = account {
        key.push(account.as_slice());
    }
    key.push(&path.pack());
    key.push(&[path.len() as u8]);
    key
}

/// Key in the history of a domain: the value that `key` had before block `number`. `None` where the key is too long or too short.
pub(crate) fn history_key(domain: Domain, key: &[u8], number: u64) -> Option<ByteBuf> {
    if key.len() + 8 > ByteBuf::CAPACITY {
        return None;
    }
    let mut out = ByteBuf::new();
    match domain.path_offset() {
        None => out.push(key),
        Some(offset) => {
            let (prefix, path) = key.split_at_checked(offset)?;
            let (nibbles, packed) = path.split_last()?;
            out.push(prefix);
            out.push(&[*nibbles]);
            out.push(packed);
        }
    }
    out.push(&number.to_be_bytes());
    Some(out)
}

pub(crate) fn encode_account(account: &Account) -> ByteBuf {
    let nonce = account.nonce.to_be_bytes();
    let nonce = &nonce[account.nonce.leading_zeros() as usize / 8..];
    let mut out = ByteBuf::new();
    let flag = if account.has_code() { 0x80 } else { 0 };
    out.push(&[flag | nonce.len() as u8, account.balance.byte_len() as u8]);
    out.push(nonce);
    out.push(&account.balance.to_be_bytes_trimmed_vec());
    if account.has_code() {
        out.push(account.code_hash.as_slice());
    }
    out
}

pub(crate) fn decode_account(bytes: &[u8]) -> Option<Account> {
    let (&[flag, balance_length], rest) = bytes.split_first_chunk::<2>()?;
    let (nonce, rest) = rest.split_at_checked(usize::from(flag & 0x7f))?;
    let (balance, rest) = rest.split_at_checked(usize::from(balance_length))?;
    if nonce.len() > 8 || nonce.first() == Some(&0) || balance.first() == Some(&0) {
        return None;
    }
    let code_hash = match (flag & 0x80 != 0, rest.len()) {
        (true, 32) => B256::from_slice(rest),
        (false, 0) => KECCAK256_EMPTY,
        _ => return None,
    };
    let nonce = nonce.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some(Account { nonce, balance: U256::try_from_be_slice(balance)?, code_hash })
}

/// A word that is not zero.
pub(crate) fn encode_word(word: &U256) -> ByteBuf {
    let mut out = ByteBuf::new();
    out.push(&word.to_be_bytes_trimmed_vec());
    out
}

pub(crate) fn decode_word(bytes: &[u8]) -> Option<U256> {
    if matches!(bytes.first(), None | Some(&0)) {
        return None;
    }
    U256::try_from_be_slice(bytes)
}

/// Value of a body: senders, then the body itself.
pub(crate) fn encode_body(senders: &[Address], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + 20 * senders.len() + body.len());
    // A body of 2^32 transactions does not fit into memory.
    out.extend_from_slice(&(senders.len() as u32).to_be_bytes());
    for sender in senders {
        out.extend_from_slice(sender.as_slice());
    }
    out.extend_from_slice(body);
    out
}

pub(crate) fn decode_body(bytes: &[u8]) -> Option<(Vec<Address>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let length = (u32::from_be_bytes(*count) as usize).checked_mul(20)?;
    let (senders, body) = rest.split_at_checked(length)?;
    Some((senders.chunks_exact(20).map(Address::from_slice).collect(), body))
}

/// Key of a chunk of changes.
pub(crate) fn changes_key(number: u64, domain: u8, chunk: u32) -> ByteBuf {
    let mut key = ByteBuf::new();
    key.push(&number.to_be_bytes());
    key.push(&[domain]);
    key.push(&chunk.to_be_bytes());
    key
}

/// Number and domain in the key of a chunk of changes.
pub(crate) fn decode_changes_key(bytes: &[u8]) -> Option<(u64, Domain)> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let domain = if rest.len() == 5 { Domain::from_byte(rest[0])? } else { return None };
    Some((u64::from_be_bytes(*number), domain))
}

/// The keys in a chunk of changes; an item is `None` where the chunk is malformed, and is the last one then.
pub(crate) fn decode_changes(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first()?;
        let Some((key, rest)) = rest.split_at_checked(usize::from(*length)) else {
            bytes = &[];
            return Some(None);
        };
        bytes = rest;
        Some(Some(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    /// What is written today has to be read by every later version.
    #[test]
    fn layouts() {
        let address = Address::repeat_byte(0xaa);
        let hash = B256::repeat_byte(0xcc);
        let path = Nibbles::from_nibbles([1, 2, 3]);
        let account = Account { nonce: 0x0102, balance: U256::from(0xff00u64), code_hash: KECCAK256_EMPTY };
        let contract = Account { nonce: 1, balance: U256::ZERO, code_hash: hash };
        let long = node_key(Some(&hash), &path);
        let rows: [(&str, Vec<u8>, String); 10] = [
            ("account", encode_account(&account).to_vec(), "02020102ff00".into()),
            ("empty account", encode_account(&Account::EMPTY).to_vec(), "0000".into()),
            ("contract", encode_account(&contract).to_vec(), format!("810001{}", "cc".repeat(32))),
            ("word", encode_word(&U256::from(0x1234)).to_vec(), "1234".into()),
            ("slot", slot_key(&address, &U256::from(7)).to_vec(), format!("{}{:064x}", "aa".repeat(20), 7)),
            ("node", node_key(None, &path).to_vec(), "123003".into()),
            ("root", node_key(None, &Nibbles::default()).to_vec(), "00".into()),
            ("changes", changes_key(5, 3, 1).to_vec(), "00000000000000050300000001".into()),
            (
                "history of an account",
                history_key(Domain::Accounts, &account_key(&address), 9).unwrap_or(ByteBuf::new()).to_vec(),
                format!("{}{:016x}", "aa".repeat(20), 9),
            ),
            (
                "history of a node",
                history_key(Domain::StorageNodes, &long, 9).unwrap_or(ByteBuf::new()).to_vec(),
                format!("{}031230{:016x}", "cc".repeat(32), 9),
            ),
        ];
        for (name, found, expected) in rows {
            assert_eq!(hex::encode(found), expected, "{name}");
        }
    }

    #[test]
    fn malformed_accounts_and_words() {
        let rows: [(&str, &str, bool); 9] = [
            ("empty", "", false),
            ("half a head", "00", false),
            ("no account's fields", "0000", true),
            ("a nonce with a leading zero", "010000", false),
            ("a nonce of nine bytes", "0900010203040506070809", false),
            ("a balance with a leading zero", "000100", false),
            ("a balance of 33 bytes", &format!("0021{}", "01".repeat(33)), false),
            ("a short code hash", &format!("8000{}", "cc".repeat(31)), false),
            ("bytes after the end", "000001", false),
        ];
        for (name, bytes, is_account) in rows {
            assert_eq!(decode_account(&hex::decode(bytes).expect("hex")).is_some(), is_account, "{name}");
        }
        for word in [&[][..], &[0], &[0, 1], &[1; 33]] {
            assert_eq!(decode_word(word), None, "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn accounts_come_back(nonce: u64, limbs: [u64; 4], shift in 0usize..256, hash in any::<Option<[u8; 32]>>()) {
            let code_hash = hash.map_or(KECCAK256_EMPTY, B256::new);
            let account = Account { nonce, balance: U256::from_limbs(limbs) >> shift, code_hash };
            prop_assert_eq!(decode_account(&encode_account(&account)), Some(account));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            for domain in Domain::ALL {
                let _ = history_key(domain, &bytes, 1);
            }
            let _ = (decode_account(&bytes), decode_word(&bytes), decode_body(&bytes), decode_changes_key(&bytes));
            let _ = (decode_block_key(&bytes), decode_u64(&bytes));
            prop_assert!(decode_changes(&bytes).count() <= bytes.len());
        }
    }
}

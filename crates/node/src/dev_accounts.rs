//! Accounts of dev mode: keys that follow from a phrase of words.
//!
//! The phrase gives a seed (BIP-39), the seed a tree of keys (BIP-32), and account `i` is the key at `m/44'/60'/0'/0/i`
//! (BIP-44 with Ethereum's coin number, SLIP-44), as in every wallet. The default phrase is the one that other development
//! nodes have too, so its keys are known to everyone: worth nothing outside of a test.

use crate::NodeError;
use alloy_primitives::{Address, B256};
use bip32::{ChildNumber, DerivationPath, XPrv};
use bip39::{Language, Mnemonic};
use rialto_stf::address_of_secret_key;
use std::fmt;

/// The phrase that development nodes have unless told otherwise.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";
/// Most accounts.
pub const DEV_ACCOUNTS_MAX: usize = 10_000;

/// Where the accounts are in the tree of keys.
const ACCOUNTS_PATH: &str = "m/44'/60'/0'/0";

/// An account with its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DevAccount {
    /// Its address.
    pub address: Address,
    /// Its secret key.
    pub secret_key: B256,
}

impl fmt::Debug for DevAccount {
    /// Without the key, which has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevAccount").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The first `count` accounts of a phrase of English words.
pub fn dev_accounts(mnemonic: &str, count: usize) -> Result<Vec<DevAccount>, NodeError> {
    if count > DEV_ACCOUNTS_MAX {
        let expected = format!("at most {DEV_ACCOUNTS_MAX}");
        return Err(NodeError::Invalid { field: "accounts", expected, found: count.to_string() });
    }
    // The message says which word or sum is wrong, not what the words are.
    let phrase = Mnemonic::parse_in(Language::English, mnemonic).map_err(|error| NodeError::Invalid {
        field: "mnemonic",
        expected: "12 to 24 English words of BIP-39".to_string(),
        found: format!("other text ({error})"),
    })?;
    let path: DerivationPath = ACCOUNTS_PATH.parse().map_err(derivation)?;
    let parent = XPrv::derive_from_path(phrase.to_seed(""), &path).map_err(derivation)?;
    (0..count).map(|index| account(&parent, index)).collect()
}

fn account(parent: &XPrv, index: usize) -> Result<DevAccount, NodeError> {
    // At most DEV_ACCOUNTS_MAX.
    let number = ChildNumber::new(index as u32, false).map_err(derivation)?;
    let key = parent.derive_child(number).map_err(derivation)?;
    let secret_key = B256::from_slice(&key.to_bytes());
    let address = address_of_secret_key(&secret_key).map_err(|error| NodeError::Invalid {
        field: "mnemonic",
        expected: "keys on the curve".to_string(),
        found: error.to_string(),
    })?;
    Ok(DevAccount { address, secret_key })
}

fn derivation(error: bip32::Error) -> NodeError {
    let expected = format!("words whose keys at {ACCOUNTS_PATH} exist");
    NodeError::Invalid { field: "mnemonic", expected, found: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};

    #[test]
    fn the_default_phrase_has_the_accounts_that_every_development_node_has() {
        let accounts = dev_accounts(DEV_MNEMONIC, 3).expect("a phrase");
        let rows = [
            (
                address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
                b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
            ),
            (
                address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
                b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
            ),
            (
                address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
                b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
            ),
        ];
        let found: Vec<_> = accounts.iter().map(|account| (account.address, account.secret_key)).collect();
        assert_eq!(found, rows);
        assert!(!format!("{accounts:?}").contains("ac0974be"));
    }

    #[test]
    fn what_is_no_phrase_is_refused() {
        let rows = [
            ("no words", "", 1, "mnemonic"),
            ("a word that is none", "test test test test test test test test test test test rialto", 1, "mnemonic"),
            ("the sum", "test test test test test test test test test test test test", 1, "mnemonic"),
            ("too many", DEV_MNEMONIC, DEV_ACCOUNTS_MAX + 1, "accounts"),
        ];
        for (name, mnemonic, count, field) in rows {
            let error = dev_accounts(mnemonic, count).expect_err(name).to_string();
            assert!(error.starts_with(&format!("{field}: expected")), "{name}: {error}");
            assert!(!error.contains("junk") && !error.contains("rialto"), "{name}: {error}");
        }
    }
}

//! A part of a state: what one block touches, as archives of single blocks have it (`pre_state.json`).
//!
//! Such a file lists the accounts that exist and, of each contract, every slot that is touched, zeros included. What it
//! leaves out means:
//!
//! * A slot of a contract that is not listed is missing: asking for it is an error, not zero.
//! * An account without code has no storage. Its slots are asked for when the block creates a contract there, and are zero.
//! * An account that is not listed did not exist, so it is created by the block or stays absent, and its slots are zero.
//!   The format can't tell a missing account from an absent one. A wrong answer here changes what the block does, which
//!   comparing with the header shows.
//! * Whether an account has slots that nobody touches is unknown. A new contract's address is an absent account in
//!   practice; where it is listed, its listed slots decide.

use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Code, MemoryState, ReadError, StateReader};
use rialto_stf::json::{self, JsonCursor, JsonError};
use std::collections::{BTreeMap, HashMap, HashSet};

/// See the module's documentation.
#[derive(Debug)]
pub struct PartialState {
    state: MemoryState,
    /// Listed slots of contracts.
    slots: HashMap<Address, HashSet<U256>>,
    block_hashes: BTreeMap<u64, B256>,
}

impl PartialState {
    /// Reads `pre_state.json` (at the cursor), to which hashes of earlier blocks belong.
    pub fn read(cursor: &JsonCursor<'_>, block_hashes: BTreeMap<u64, B256>) -> Result<Self, JsonError> {
        let state = json::memory_state(&json::alloc(cursor)?);
        let mut slots = HashMap::new();
        for (key, account) in cursor.entries()? {
            let mut listed = HashSet::new();
            if let Some(storage) = account.optional("storage")? {
                for (slot, value) in storage.entries()? {
                    listed.insert(value.u256_key(slot)?);
                }
            }
            let address = account.address_key(key)?;
            if state.get(&address).is_some_and(|account| account.info.has_code()) {
                slots.insert(address, listed);
            }
        }
        Ok(Self { state, slots, block_hashes })
    }
}

impl StateReader for PartialState {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.state.account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        match self.slots.get(address) {
            Some(listed) if !listed.contains(slot) => Err(ReadError::MissingSlot { address: *address, slot: *slot }),
            _ => self.state.storage(address, slot),
        }
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.state.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.state.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.block_hashes.get(&number).copied().ok_or(ReadError::MissingBlockHash { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlisted_slots_of_contracts_are_missing_and_unlisted_accounts_absent() {
        let text = br#"{
            "0x0000000000000000000000000000000000000001":
                {"basic": {"balance": "0x1", "nonce": 2}, "code": "0x00", "storage": {"0x0": "0x0", "0x1": "0x5"}},
            "0x0000000000000000000000000000000000000003": {"basic": {"balance": "0x1", "nonce": 0}, "code": null}
        }"#;
        let value = json::parse(text).expect("JSON");
        let state = PartialState::read(&JsonCursor::new(&value, ""), BTreeMap::new()).expect("a state");
        let [listed, other, without_code] = [1, 2, 3].map(Address::with_last_byte);
        assert_eq!(state.account(&listed).expect("read").map(|account| account.nonce), Some(2));
        assert_eq!(state.account(&other), Ok(None));
        let missing = ReadError::MissingSlot { address: listed, slot: U256::from(2) };
        let rows = [
            (listed, 0, Ok(U256::ZERO)),
            (listed, 1, Ok(U256::from(5))),
            (listed, 2, Err(missing)),
            (other, 2, Ok(U256::ZERO)),
            (without_code, 2, Ok(U256::ZERO)),
        ];
        for (address, slot, expected) in rows {
            assert_eq!(state.storage(&address, &U256::from(slot)), expected, "slot {slot} of {address}");
        }
        assert_eq!(state.block_hash(7), Err(ReadError::MissingBlockHash { number: 7 }));
    }
}

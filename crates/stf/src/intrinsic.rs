//! What a transaction costs before it runs: intrinsic gas and the floor of its data.

use crate::{BlockRules, Transaction};
use rialto_vm::{DELEGATION_BYTES, NEW_ACCOUNT_BYTES};

/// Gas for every transaction.
const TX_BASE_GAS: u64 = 21_000;
/// Gas for a zero byte of call data.
const TX_DATA_ZERO_GAS: u64 = 4;
/// Gas for an address in an access list (EIP-2930).
const ACCESS_LIST_ADDRESS_GAS: u64 = 2_400;
/// Gas for a storage key in an access list (EIP-2930).
const ACCESS_LIST_KEY_GAS: u64 = 1_900;

/// Gas that a transaction uses before it runs. Each saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// Ordinary gas.
    pub regular: u64,
    /// State gas (EIP-8037).
    pub state: u64,
    /// Gas that the transaction uses at least, whatever it does (EIP-7623).
    pub floor: u64,
}

impl IntrinsicGas {
    /// The gas of `transaction` in a block where a byte of state costs `cost_per_state_byte`.
    pub fn of(transaction: &Transaction, rules: &BlockRules, cost_per_state_byte: u64) -> Self {
        let zeros = count_zeros(&transaction.input);
        let nonzeros = transaction.input.len() as u64 - zeros;
        let addresses = transaction.access_list.len() as u64;
        let keys: u64 = transaction.access_list.iter().map(|item| item.storage_keys.len() as u64).sum();
        let authorizations = transaction.authorization_list.len() as u64;
        let access_list_bytes = 20 * addresses + 32 * keys;

        let mut regular = TX_BASE_GAS
            + TX_DATA_ZERO_GAS * zeros
            + rules.tx_data_nonzero_gas * nonzeros
            + ACCESS_LIST_ADDRESS_GAS * addresses
            + ACCESS_LIST_KEY_GAS * keys
            + rules.access_list_byte_gas * access_list_bytes
            + rules.authorization_gas * authorizations;
        let mut state = 0u64;
        let is_create = transaction.to.is_none();
        if is_create {
            regular += rules.tx_create_gas + rules.vm.initcode_word_gas * transaction.input.len().div_ceil(32) as u64;
        }
        if rules.vm.has_state_gas {
            let bytes =
                if is_create { NEW_ACCOUNT_BYTES } else { 0 } + (NEW_ACCOUNT_BYTES + DELEGATION_BYTES) * authorizations;
            state = cost_per_state_byte.saturating_mul(bytes);
        }
        let mut tokens = rules.floor_zero_tokens * zeros + rules.floor_nonzero_tokens * nonzeros;
        if rules.floor_counts_access_list {
            tokens += rules.floor_zero_tokens * access_list_bytes;
        }
        let floor = if rules.floor_token_gas == 0 { 0 } else { TX_BASE_GAS + rules.floor_token_gas * tokens };
        Self { regular, state, floor }
    }

    /// Regular and state gas together.
    pub fn total(&self) -> u64 {
        self.regular.saturating_add(self.state)
    }
}

/// Bytes that are 0. Counted in bytes, a block at a time, which the machine does for many at once.
fn count_zeros(bytes: &[u8]) -> u64 {
    let in_block = |block: &[u8]| block.iter().fold(0u8, |zeros, byte| zeros + u8::from(*byte == 0));
    bytes.chunks(128).map(|block| u64::from(in_block(block))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccessListItem;
    use alloc::vec;
    use alloy_primitives::{Address, B256, Bytes};
    use rialto_vm::Fork;

    #[test]
    fn gas_of_the_parts() {
        let call = |input: &'static [u8]| Transaction {
            to: Some(Address::ZERO),
            input: Bytes::from_static(input),
            ..Transaction::default()
        };
        let listed = Transaction {
            access_list: vec![AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO; 2] }],
            ..call(&[])
        };
        let rows = [
            ("transfer", call(&[]), Fork::Frontier, (21_000, 0, 0)),
            ("data", call(&[0, 1]), Fork::Frontier, (21_072, 0, 0)),
            ("data", call(&[0, 1]), Fork::Istanbul, (21_020, 0, 0)),
            ("data", call(&[0, 1]), Fork::Prague, (21_020, 0, 21_050)),
            ("data", call(&[0, 1]), Fork::Amsterdam, (21_020, 0, 21_128)),
            ("list", listed.clone(), Fork::Berlin, (27_200, 0, 0)),
            ("list", listed, Fork::Amsterdam, (27_200 + 64 * 84, 0, 21_000 + 64 * 84)),
            ("create", Transaction { to: None, ..call(&[1; 33]) }, Fork::Frontier, (21_000 + 68 * 33, 0, 0)),
            ("create", Transaction { to: None, ..call(&[1; 33]) }, Fork::Shanghai, (53_004 + 16 * 33, 0, 0)),
        ];
        for (name, transaction, fork, (regular, state, floor)) in rows {
            let gas = IntrinsicGas::of(&transaction, BlockRules::of(fork), 0);
            assert_eq!(gas, IntrinsicGas { regular, state, floor }, "{name} under {fork}");
        }
    }
}

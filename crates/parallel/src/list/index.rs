//! Where an address is in an access list.
//!
//! A list is in the order of its addresses, and most of these are hashes, spread evenly. So the leading bits of an address say about
//! where it is: a table has, of each value of them, the place of the first account with that value or a greater one. Making it takes
//! one look at each account. Addresses that somebody chose may share their leading bits; among many such there is a binary search.

use alloy_primitives::Address;
use rialto_stf::AccountChanges;
use std::ops::Range;

/// So few accounts are looked at one after the other.
const FEW: usize = 6;

/// See the module's documentation.
pub(super) struct AddressIndex {
    /// By how many bits the leading 32 are too many.
    shift: u32,
    starts: Vec<u32>,
}

impl AddressIndex {
    /// Of these accounts; `None` unless their addresses ascend.
    pub fn new(accounts: &[AccountChanges]) -> Option<Self> {
        let count = u32::try_from(accounts.len()).ok()?;
        let bits = (u32::BITS - count.leading_zeros()).clamp(1, 24);
        let mut index = Self { shift: u32::BITS - bits, starts: Vec::with_capacity((1 << bits) + 1) };
        let mut before: Option<&Address> = None;
        for (position, account) in (0..count).zip(accounts) {
            let address = &account.address;
            if before.is_some_and(|before| before >= address) {
                return None;
            }
            before = Some(address);
            let value = index.value_of(address);
            while index.starts.len() <= value {
                index.starts.push(position);
            }
        }
        index.starts.resize((1 << bits) + 1, count);
        Some(index)
    }

    fn value_of(&self, address: &Address) -> usize {
        let [a, b, c, d, ..] = address.0.0;
        (u32::from_be_bytes([a, b, c, d]) >> self.shift) as usize
    }

    /// Where in the accounts, of which this is the index, `address` is.
    #[inline]
    pub fn find(&self, accounts: &[AccountChanges], address: &Address) -> Option<usize> {
        let value = self.value_of(address);
        let Range { start, end } = self.starts[value] as usize..self.starts[value + 1] as usize;
        let candidates = &accounts[start..end];
        let found = if candidates.len() <= FEW {
            candidates.iter().position(|account| account.address == *address)
        } else {
            candidates.binary_search_by(|account| account.address.cmp(address)).ok()
        };
        found.map(|found| start + found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn each_address_is_found_and_no_other() {
        let hashed =
            |count: u64| (0..count).map(|it| Address::from_word(keccak256(it.to_be_bytes()))).collect::<Vec<_>>();
        let low = |count: u64| (0..count).map(|it| Address::left_padding_from(&(2 * it).to_be_bytes())).collect();
        let both = [hashed(50), low(50), vec![Address::repeat_byte(0xff)]].concat();
        let rows: Vec<Vec<Address>> = vec![vec![], hashed(1), hashed(2), hashed(1000), low(1), low(300), both];
        for mut addresses in rows {
            addresses.sort_unstable();
            let of = |address: &Address| AccountChanges { address: *address, ..AccountChanges::default() };
            let accounts: Vec<AccountChanges> = addresses.iter().map(of).collect();
            let index = AddressIndex::new(&accounts).expect("in order");
            for (position, address) in addresses.iter().enumerate() {
                assert_eq!(index.find(&accounts, address), Some(position), "{address} of {}", addresses.len());
            }
            for other in
                [Address::ZERO, Address::left_padding_from(&[7]), Address::repeat_byte(0xff), Address::repeat_byte(9)]
            {
                let expected = addresses.iter().position(|address| *address == other);
                assert_eq!(index.find(&accounts, &other), expected, "{other} of {}", addresses.len());
            }
            if accounts.len() > 1 {
                let turned: Vec<AccountChanges> = accounts.iter().rev().cloned().collect();
                assert!(AddressIndex::new(&turned).is_none(), "{} in the wrong order", addresses.len());
                let twice = [accounts[0].clone(), accounts[0].clone()];
                assert!(AddressIndex::new(&twice).is_none(), "one twice");
            }
        }
    }
}

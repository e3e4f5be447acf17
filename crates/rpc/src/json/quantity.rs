//! Quantities in answers: 0x-prefixed hex without leading zeros.

use serde::{Serialize, Serializer};

/// A quantity of at most 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity(pub u64);

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut buffer = *b"0x0000000000000000";
        let count = (67 - self.0.leading_zeros() as usize).div_euclid(4).max(1);
        for (index, byte) in buffer[2..2 + count].iter_mut().enumerate() {
            *byte = DIGITS[(self.0 >> (4 * (count - 1 - index))) as usize & 15];
        }
        let text = std::str::from_utf8(&buffer[..2 + count]).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

/// What is left out of an object where there is none.
pub(crate) fn is_none<T>(value: &Option<T>) -> bool {
    value.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges_are_minimal() {
        for value in [0, 1, 15, 16, 255, 256, u64::MAX >> 4, (u64::MAX >> 4) + 1, u64::MAX] {
            assert_eq!(serde_json::to_string(&Quantity(value)).expect("a string"), format!("\"{value:#x}\""));
        }
    }

    proptest! {
        #[test]
        fn same_as_formatted(value: u64) {
            prop_assert_eq!(serde_json::to_string(&Quantity(value)).expect("a string"), format!("\"{value:#x}\""));
        }
    }
}

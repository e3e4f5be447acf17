//! ECDSA over secp256k1: who signed a hash (Yellow Paper, appendix F).
//!
//! A signature is (y parity, r, s). Recovery is defined for r and s in 1..n. Both s and n - s (with the other parity)
//! verify, so since Homestead (EIP-2) only the lower one is valid; Frontier blocks hold high ones, therefore the rule is
//! a parameter. With the `std` feature the curve arithmetic is libsecp256k1's; without it, k256's. Both see the same
//! checked input and must give the same answers, which a test compares.

use alloy_primitives::{Address, B256, U256, uint};
use core::fmt;
use rialto_vm::keccak256;

/// Order of the curve's group, n.
const GROUP_ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

/// Largest low s: n / 2, rounded down.
const LOW_S_MAX: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// An ECDSA signature with the parity of the y coordinate of its point R.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Whether R's y coordinate is odd.
    pub y_parity: bool,
    /// R's x coordinate, modulo n.
    pub r: U256,
    /// The proof.
    pub s: U256,
}

/// Which values of s are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SRange {
    /// Frontier: every s in 1..n.
    Any,
    /// Homestead and later (EIP-2): s at most n / 2.
    Low,
}

/// Why a signature has no signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// r is zero or not below n.
    InvalidR {
        /// The value found.
        r: U256,
    },
    /// s is zero or not below n.
    InvalidS {
        /// The value found.
        s: U256,
    },
    /// s is above n / 2 where EIP-2 forbids it.
    HighS {
        /// The value found.
        s: U256,
    },
    /// The parity of an authorization is neither 0 nor 1.
    InvalidYParity {
        /// The value found.
        y_parity: u8,
    },
    /// No point of the curve has r as its x coordinate, or the recovered key is the point at infinity.
    NoPublicKey {
        /// r of the signature.
        r: U256,
    },
    /// A secret key is zero or not below n. (The key isn't part of the error.)
    InvalidSecretKey,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidR { r } => write!(f, "signature.r: expected 1 to n-1, found {r:#x}"),
            Self::InvalidS { s } => write!(f, "signature.s: expected 1 to n-1, found {s:#x}"),
            Self::HighS { s } => write!(f, "signature.s: expected at most n/2, found {s:#x}"),
            Self::InvalidYParity { y_parity } => {
                write!(f, "signature.y_parity: expected 0 or 1, found {y_parity}")
            }
            Self::NoPublicKey { r } => {
                write!(f, "signature.r: expected the x coordinate of a point that yields a public key, found {r:#x}")
            }
            Self::InvalidSecretKey => f.write_str("secret key: expected 1 to n-1, found a value outside"),
        }
    }
}

impl core::error::Error for SignatureError {}

impl Signature {
    /// The address whose key signed `hash`.
    pub fn recover(&self, hash: &B256, s_range: SRange) -> Result<Address, SignatureError> {
        if self.r.is_zero() || self.r >= GROUP_ORDER {
            return Err(SignatureError::InvalidR { r: self.r });
        }
        if self.s.is_zero() || self.s >= GROUP_ORDER {
            return Err(SignatureError::InvalidS { s: self.s });
        }
        if s_range == SRange::Low && self.s > LOW_S_MAX {
            return Err(SignatureError::HighS { s: self.s });
        }
        let key = curve::recover(hash, self).ok_or(SignatureError::NoPublicKey { r: self.r })?;
        Ok(address_of_public_key(&key))
    }

    /// r and s, 32 bytes each.
    fn compact(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r.to_be_bytes::<32>());
        bytes[32..].copy_from_slice(&self.s.to_be_bytes::<32>());
        bytes
    }
}

/// The address of a public key given as x and y, 32 bytes each.
fn address_of_public_key(key: &[u8; 64]) -> Address {
    Address::from_slice(&keccak256(key)[12..])
}

#[cfg(feature = "std")]
use libsecp256k1 as curve;
#[cfg(not(feature = "std"))]
use pure_rust as curve;

/// Recovery by libsecp256k1. The signature's r and s are in 1..n.
#[cfg(feature = "std")]
mod libsecp256k1 {
    use super::Signature;
    use alloy_primitives::B256;
    use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
    use secp256k1::{Message, SECP256K1};

    pub(super) fn recover(hash: &B256, signature: &Signature) -> Option<[u8; 64]> {
        let id = if signature.y_parity { RecoveryId::One } else { RecoveryId::Zero };
        let signature = RecoverableSignature::from_compact(&signature.compact(), id).ok()?;
        let key = SECP256K1.recover_ecdsa(Message::from_digest(hash.0), &signature).ok()?;
        key.serialize_uncompressed()[1..].try_into().ok()
    }
}

/// Recovery by k256. The signature's r and s are in 1..n.
#[cfg(any(not(feature = "std"), test))]
mod pure_rust {
    use super::{GROUP_ORDER, LOW_S_MAX, Signature};
    use alloy_primitives::B256;
    use k256::ecdsa::{RecoveryId, Signature as K256Signature, VerifyingKey};

    pub(super) fn recover(hash: &B256, signature: &Signature) -> Option<[u8; 64]> {
        let mut signature = *signature;
        // k256 refuses high s. (r, n - s) with the other parity is by the same key.
        if signature.s > LOW_S_MAX {
            signature.s = GROUP_ORDER - signature.s;
            signature.y_parity = !signature.y_parity;
        }
        let id = RecoveryId::new(signature.y_parity, false);
        let signature = K256Signature::from_slice(&signature.compact()).ok()?;
        let key = VerifyingKey::recover_from_prehash(hash.as_slice(), &signature, id).ok()?;
        key.to_encoded_point(false).as_bytes()[1..].try_into().ok()
    }
}

/// Signs `hash` (RFC 6979 nonce, low s).
#[cfg(feature = "std")]
pub fn sign_hash(hash: &B256, secret_key: &B256) -> Result<Signature, SignatureError> {
    use secp256k1::{Message, SECP256K1};
    let key = secret_key_of(secret_key)?;
    let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key);
    let (id, bytes) = signature.serialize_compact();
    Ok(Signature {
        y_parity: i32::from(id) & 1 == 1,
        r: U256::from_be_slice(&bytes[..32]),
        s: U256::from_be_slice(&bytes[32..]),
    })
}

/// The address that a secret key signs for.
#[cfg(feature = "std")]
pub fn address_of_secret_key(secret_key: &B256) -> Result<Address, SignatureError> {
    let key = secret_key_of(secret_key)?.public_key(secp256k1::SECP256K1).serialize_uncompressed();
    let mut coordinates = [0; 64];
    coordinates.copy_from_slice(&key[1..]);
    Ok(address_of_public_key(&coordinates))
}

#[cfg(feature = "std")]
fn secret_key_of(secret_key: &B256) -> Result<secp256k1::SecretKey, SignatureError> {
    secp256k1::SecretKey::from_byte_array(secret_key.0).map_err(|_| SignatureError::InvalidSecretKey)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Both implementations give the same answer, valid or not, for low and high s.
        #[test]
        fn implementations_agree(hash in any::<[u8; 32]>(), r in any::<[u8; 32]>(), s in any::<[u8; 32]>(), y_parity in any::<bool>()) {
            let hash = B256::new(hash);
            let signature = Signature { y_parity, r: U256::from_be_bytes(r), s: U256::from_be_bytes(s) };
            prop_assume!(!signature.r.is_zero() && signature.r < GROUP_ORDER);
            prop_assume!(!signature.s.is_zero() && signature.s < GROUP_ORDER);
            prop_assert_eq!(libsecp256k1::recover(&hash, &signature), pure_rust::recover(&hash, &signature));
        }
    }

    #[test]
    fn low_s_is_half_the_order() {
        assert_eq!(LOW_S_MAX, GROUP_ORDER / U256::from(2));
    }

    /// s = z and r = x(G) recover to the point at infinity: no key, by both implementations.
    #[test]
    fn point_at_infinity() {
        let r = uint!(0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798_U256);
        let hash = B256::repeat_byte(0x11);
        let signature = Signature { y_parity: false, r, s: U256::from_be_bytes(hash.0) };
        assert_eq!(libsecp256k1::recover(&hash, &signature), None);
        assert_eq!(pure_rust::recover(&hash, &signature), None);
        assert_eq!(signature.recover(&hash, SRange::Any), Err(SignatureError::NoPublicKey { r }));
    }
}

//! Why a transaction was not taken in, in words that people search for.
//!
//! What a node answers to `eth_sendRawTransaction` is matched by libraries ("nonce too low", "already known") and looked up
//! by people, and the words they know are those of the most used client. So a text here begins with those words where there
//! are any, and goes on with what every error of this project says: the field, what was expected, what was found. The words
//! stand in [`known_words`] and [`known_decode_words`], and nowhere else.

use rialto_stf::{DecodeError, DecodeErrorKind, TxError};
use std::fmt;

/// Why a transaction was not taken in.
#[derive(Debug)]
pub enum PoolError {
    /// It is malformed.
    Decode(DecodeError),
    /// It is not valid, now or ever.
    Invalid(TxError),
    /// It is there already.
    AlreadyKnown,
    /// A transaction with this nonce is there, and the fees are not enough to replace it.
    ReplacementUnderpriced,
    /// The pool is full of better ones, or the fees are below the lowest.
    Underpriced,
    /// The account has as many as it may have.
    AccountLimit {
        /// Most transactions of one account.
        limit: usize,
    },
    /// It is too long.
    Oversized {
        /// Most bytes.
        limit: usize,
        /// Bytes found.
        found: usize,
    },
    /// Its blobs are missing, or do not fit their commitments.
    Blobs(String),
    /// A rule of the pool keeps it out: of fees, of delegated accounts, of senders of blobs.
    Refused(String),
    /// It could not be found out.
    Node(String),
}

/// The words by which a rule of the protocol is known.
fn known_words(error: &TxError) -> Option<&'static str> {
    Some(match error {
        TxError::TypeNotSupported { .. } => "transaction type not supported",
        TxError::ChainId { .. } => "invalid sender: invalid chain id for signer",
        TxError::Signature(_) => "invalid sender: invalid transaction v, r, s values",
        TxError::NonceTooLow { .. } => "nonce too low",
        TxError::NonceTooHigh { .. } => "nonce too high",
        TxError::NonceMax => "nonce has max value",
        TxError::GasLimitAboveBlock { .. } => "exceeds block gas limit",
        TxError::GasLimitAboveCap { .. } => "transaction gas limit too high",
        TxError::IntrinsicGas { .. } => "intrinsic gas too low",
        TxError::FloorGas { .. } => "insufficient gas for floor data gas cost",
        TxError::InsufficientFunds { .. } | TxError::CostOverflow => "insufficient funds for gas * price + value",
        TxError::MaxFeeBelowBaseFee { .. } => "max fee per gas less than block base fee",
        TxError::PriorityFeeAboveMaxFee { .. } => "max priority fee per gas higher than max fee per gas",
        TxError::InitcodeTooLong { .. } => "max initcode size exceeded",
        TxError::SenderNotEoa { .. } => "sender not an eoa",
        TxError::ZeroBlobs => "blob transaction missing blob hashes",
        TxError::TooManyBlobs { .. } | TxError::BlobGasAboveBlock { .. } => "transaction blob limit exceeded",
        TxError::BlobVersion { .. } => "blob transaction has invalid hash version",
        TxError::MaxBlobFeeBelowBaseFee { .. } => "max fee per blob gas less than block blob gas fee",
        TxError::CreateNotAllowed { .. } => "transaction cannot be used to create contract",
        TxError::NoAuthorizations => "EIP-7702 transaction with empty auth list",
        TxError::Read(_) => return None,
    })
}

/// The words by which a fault of the encoding is known.
fn known_decode_words(error: &DecodeError) -> Option<&'static str> {
    match error.kind() {
        DecodeErrorKind::UnknownType { .. } => Some("transaction type not supported"),
        DecodeErrorKind::InvalidV { .. } => Some("invalid transaction v, r, s values"),
        DecodeErrorKind::NonceIsMax => Some("nonce has max value"),
        _ => None,
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => with_words(f, known_decode_words(error), error),
            Self::Invalid(error) => with_words(f, known_words(error), error),
            Self::AlreadyKnown => f.write_str("already known"),
            Self::ReplacementUnderpriced => f.write_str("replacement transaction underpriced"),
            Self::Underpriced => f.write_str("transaction underpriced"),
            Self::AccountLimit { limit } => {
                write!(f, "account limit exceeded: expected at most {limit} transactions of one sender")
            }
            Self::Oversized { limit, found } => {
                write!(f, "oversized data: expected at most {limit} bytes, found {found}")
            }
            Self::Blobs(message) | Self::Refused(message) | Self::Node(message) => f.write_str(message),
        }
    }
}

fn with_words(f: &mut fmt::Formatter<'_>, words: Option<&str>, error: &dyn fmt::Display) -> fmt::Result {
    match words {
        Some(words) => write!(f, "{words}: {error}"),
        None => error.fmt(f),
    }
}

impl std::error::Error for PoolError {}

impl From<DecodeError> for PoolError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<TxError> for PoolError {
    /// A state that can't be read says nothing about the transaction.
    fn from(error: TxError) -> Self {
        match error {
            TxError::Read(error) => Self::Node(error.to_string()),
            error => Self::Invalid(error),
        }
    }
}

impl From<rialto_state::ReadError> for PoolError {
    fn from(error: rialto_state::ReadError) -> Self {
        Self::Node(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use rialto_stf::Transaction;

    #[test]
    fn texts_begin_with_known_words() {
        let rows = [
            (PoolError::Invalid(TxError::NonceTooLow { expected: 5, found: 3 }), "nonce too low: nonce: expected 5"),
            (
                PoolError::from(TxError::InsufficientFunds { required: U256::ONE, available: U256::ZERO }),
                "insufficient funds for gas * price + value: balance",
            ),
            (PoolError::from(TxError::IntrinsicGas { required: 2, found: 1 }), "intrinsic gas too low: gas_limit"),
            (PoolError::AlreadyKnown, "already known"),
            (PoolError::ReplacementUnderpriced, "replacement transaction underpriced"),
            (PoolError::from(Transaction::decode(&[0x7e]).unwrap_err()), "transaction type not supported: "),
        ];
        for (error, expected) in rows {
            let text = error.to_string();
            assert!(text.starts_with(expected), "{text:?} does not begin with {expected:?}");
        }
    }
}

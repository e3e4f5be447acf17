//! Reasons for which a transaction is left out, in the words that readers of the tool's output look for.
//!
//! Generators of vectors recognise a reason by its text, and the texts they know are geth's. What the reason is decided
//! elsewhere; this is only its wording.

use alloy_primitives::Address;
use rialto_stf::{SignatureError, Transaction, TxError, TxType};

/// The text for a transaction of `sender`, where the signature gave one.
pub fn text(error: &TxError, transaction: &Transaction, sender: Option<Address>) -> String {
    let address = sender.unwrap_or_default().to_checksum(None);
    match error {
        TxError::TypeNotSupported { .. } => "transaction type not supported".into(),
        TxError::ChainId { expected, found } => {
            format!("invalid chain id for signer: have {found} want {}", expected.unwrap_or(0))
        }
        TxError::Signature(error) => of_signature(error),
        TxError::NonceTooLow { expected, found } => {
            format!("nonce too low: address {address}, tx: {found} state: {expected}")
        }
        TxError::NonceTooHigh { expected, found } => {
            format!("nonce too high: address {address}, tx: {found} state: {expected}")
        }
        TxError::NonceMax => format!("nonce has max value: address {address}, nonce: {}", transaction.nonce),
        TxError::GasLimitAboveBlock { .. } => "gas limit reached".into(),
        TxError::GasLimitAboveCap { cap, found } => {
            format!("transaction gas limit too high (cap: {cap}, tx: {found})")
        }
        TxError::IntrinsicGas { required, found } => {
            format!("intrinsic gas too low: have {found}, want {required}")
        }
        TxError::FloorGas { required, found } => {
            format!("insufficient gas for floor data gas cost: have {found}, want {required}")
        }
        TxError::InsufficientFunds { required, available } => {
            format!("insufficient funds for gas * price + value: address {address} have {available} want {required}")
        }
        TxError::CostOverflow => {
            format!("insufficient funds for gas * price + value: address {address} required balance exceeds 256 bits")
        }
        TxError::MaxFeeBelowBaseFee { base_fee, found } => format!(
            "max fee per gas less than block base fee: address {address}, maxFeePerGas: {found}, baseFee: {base_fee}"
        ),
        TxError::PriorityFeeAboveMaxFee { max_fee, found } => format!(
            "max priority fee per gas higher than max fee per gas: address {address}, maxPriorityFeePerGas: {found}, \
             maxFeePerGas: {max_fee}"
        ),
        TxError::InitcodeTooLong { max, found } => {
            format!("max initcode size exceeded: code size {found}, limit {max}")
        }
        TxError::SenderNotEoa { sender } => format!("sender not an eoa: address {}", sender.to_checksum(None)),
        TxError::ZeroBlobs => "blob transaction missing blob hashes".into(),
        TxError::TooManyBlobs { max, found } => {
            format!("blob transaction has too many blobs: have {found}, permitted {max}")
        }
        TxError::BlobGasAboveBlock { available, found } => {
            format!("blob gas ({found}) would exceed maximum allowance {available}")
        }
        TxError::BlobVersion { found } => {
            let index = transaction.blob_versioned_hashes.iter().position(|hash| hash == found).unwrap_or(0);
            format!("blob {index} has invalid hash version")
        }
        TxError::MaxBlobFeeBelowBaseFee { base_fee, found } => format!(
            "max fee per blob gas less than block blob gas fee: address {address} blobGasFeeCap: {found}, \
             blobBaseFee: {base_fee}"
        ),
        TxError::CreateNotAllowed { tx_type: TxType::SetCode } => {
            format!("EIP-7702 transaction cannot be used to create contract (sender {address})")
        }
        TxError::CreateNotAllowed { .. } => "blob transaction of type create".into(),
        TxError::NoAuthorizations => format!("EIP-7702 transaction with empty auth list (sender {address})"),
        TxError::Read(error) => error.to_string(),
    }
}

fn of_signature(error: &SignatureError) -> String {
    match error {
        SignatureError::NoPublicKey { .. } => "recovery failed".into(),
        SignatureError::InvalidR { .. }
        | SignatureError::InvalidS { .. }
        | SignatureError::HighS { .. }
        | SignatureError::InvalidYParity { .. }
        | SignatureError::InvalidSecretKey => "invalid transaction v, r, s values".into(),
    }
}

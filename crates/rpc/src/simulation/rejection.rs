//! Why a simulated transaction was not run, as geth says it.
//!
//! Libraries match on these texts, and `eth_simulateV1` has codes of its own for them.

use alloy_primitives::Address;
use rialto_stf::TxError;

/// Code of `eth_simulateV1` for a transaction that can't be part of the block.
pub(crate) fn rejection_code(error: &TxError) -> i32 {
    match error {
        TxError::NonceTooLow { .. } => -38010,
        TxError::NonceTooHigh { .. } => -38011,
        TxError::MaxFeeBelowBaseFee { .. } => -38012,
        TxError::IntrinsicGas { .. } => -38013,
        TxError::InsufficientFunds { .. } | TxError::CostOverflow => -38014,
        TxError::GasLimitAboveBlock { .. } => -38015,
        TxError::SenderNotEoa { .. } => -38024,
        TxError::InitcodeTooLong { .. } => -38025,
        TxError::PriorityFeeAboveMaxFee { .. } => -32602,
        _ => -32603,
    }
}

/// The text for a transaction of `sender`.
pub(crate) fn rejection_text(error: &TxError, sender: Address) -> String {
    match error {
        TxError::NonceTooLow { expected, found } => {
            format!("nonce too low: address {sender}, tx: {found} state: {expected}")
        }
        TxError::NonceTooHigh { expected, found } => {
            format!("nonce too high: address {sender}, tx: {found} state: {expected}")
        }
        TxError::NonceMax => format!("nonce has max value: address {sender}, nonce: {}", u64::MAX),
        TxError::MaxFeeBelowBaseFee { base_fee, found } => format!(
            "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {found}, baseFee: {base_fee}"
        ),
        TxError::PriorityFeeAboveMaxFee { max_fee, found } => format!(
            "max priority fee per gas higher than max fee per gas: address {sender}, \
             maxPriorityFeePerGas: {found}, maxFeePerGas: {max_fee}"
        ),
        TxError::IntrinsicGas { required, found } => format!("intrinsic gas too low: have {found}, want {required}"),
        TxError::FloorGas { required, found } => {
            format!("insufficient gas for floor data gas cost: have {found}, want {required}")
        }
        TxError::InsufficientFunds { required, available } => {
            format!("insufficient funds for gas * price + value: address {sender} have {available} want {required}")
        }
        TxError::CostOverflow => {
            format!("insufficient funds for gas * price + value: address {sender} required balance exceeds 256 bits")
        }
        TxError::SenderNotEoa { .. } => format!("sender not an eoa: address {sender}"),
        TxError::InitcodeTooLong { max, found } => {
            format!("max initcode size exceeded: code size {found} limit {max}")
        }
        TxError::ZeroBlobs => "blob transaction missing blob hashes".into(),
        TxError::TooManyBlobs { .. } => "blob transaction has too many blobs".into(),
        TxError::MaxBlobFeeBelowBaseFee { base_fee, found } => format!(
            "max fee per blob gas less than block blob gas fee: address {sender} blobGasFeeCap: {found}, \
             blobBaseFee: {base_fee}"
        ),
        TxError::CreateNotAllowed { tx_type: rialto_stf::TxType::Blob } => "blob transaction of type create".into(),
        TxError::CreateNotAllowed { .. } => {
            format!("EIP-7702 transaction cannot be used to create contract (sender {sender})")
        }
        TxError::NoAuthorizations => format!("EIP-7702 transaction with empty auth list (sender {sender})"),
        error => error.to_string(),
    }
}

//! The names that test vectors give to reasons of rejection, for each of our errors.
//!
//! The vectors (execution-spec-tests) name a reason such as `TransactionException.NONCE_IS_MAX`, or several with `|`
//! between them where clients differ. Their names and our errors are two views of the same rules, so an error has a list
//! of names: more than one where the vectors tell apart what one rule of ours decides, or where two of their names mean
//! the same. Every error is in the tables below; the matches have no fallback, so a new error needs its names to compile.

use rialto_stf::{BlockAccessListError, BlockError, DecodeError, DecodeErrorKind, SignatureError, TxError, TxType};

/// Whether an error with these `names` is what the vector expects.
pub fn is_expected(names: &[&str], expected: &str) -> bool {
    expected.split('|').map(str::trim).any(|alternative| names.contains(&alternative))
}

/// The names of a reason for which a transaction is not valid. Empty where the state could not be read, or Ethereum has no such reason.
pub fn of_transaction(error: &TxError) -> &'static [&'static str] {
    match error {
        TxError::TypeNotSupported { tx_type, .. } => of_unsupported_type(*tx_type),
        TxError::ChainId { .. } => &["TransactionException.INVALID_CHAINID"],
        TxError::Signature(error) => of_signature(error),
        TxError::NonceTooLow { .. } => &["TransactionException.NONCE_MISMATCH_TOO_LOW"],
        TxError::NonceTooHigh { .. } => &["TransactionException.NONCE_MISMATCH_TOO_HIGH"],
        TxError::NonceMax => &["TransactionException.NONCE_IS_MAX", "TransactionException.NONCE_TOO_BIG"],
        // The last transaction of a block that would use too much gas is one that does not fit any more.
        TxError::GasLimitAboveBlock { .. } => {
            &["TransactionException.GAS_ALLOWANCE_EXCEEDED", "BlockException.GAS_USED_OVERFLOW"]
        }
        TxError::GasLimitAboveCap { .. } => &["TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM"],
        TxError::IntrinsicGas { .. } => &["TransactionException.INTRINSIC_GAS_TOO_LOW"],
        // Some vectors call gas below the floor too little intrinsic gas.
        TxError::FloorGas { .. } => {
            &["TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", "TransactionException.INTRINSIC_GAS_TOO_LOW"]
        }
        TxError::InsufficientFunds { .. } => &["TransactionException.INSUFFICIENT_ACCOUNT_FUNDS"],
        // No account has 2^256 wei.
        TxError::CostOverflow => {
            &["TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW", "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS"]
        }
        TxError::MaxFeeBelowBaseFee { .. } => &["TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS"],
        TxError::PriorityFeeAboveMaxFee { .. } => &[
            "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
            "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2",
        ],
        TxError::InitcodeTooLong { .. } => &["TransactionException.INITCODE_SIZE_EXCEEDED"],
        TxError::SenderNotEoa { .. } => &["TransactionException.SENDER_NOT_EOA"],
        TxError::ZeroBlobs => &["TransactionException.TYPE_3_TX_ZERO_BLOBS"],
        TxError::TooManyBlobs { .. } => &["TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED"],
        TxError::BlobGasAboveBlock { .. } => &["TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED"],
        TxError::BlobVersion { .. } => &["TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"],
        TxError::MaxBlobFeeBelowBaseFee { .. } => &["TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"],
        TxError::CreateNotAllowed { tx_type } => of_creation(*tx_type as u8),
        TxError::NoAuthorizations => &["TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST"],
        TxError::Read(_) => &[],
    }
}

fn of_unsupported_type(tx_type: TxType) -> &'static [&'static str] {
    match tx_type {
        TxType::Legacy => &["TransactionException.TYPE_NOT_SUPPORTED"],
        TxType::AccessList => &["TransactionException.TYPE_1_TX_PRE_FORK", "TransactionException.TYPE_NOT_SUPPORTED"],
        TxType::DynamicFee => &["TransactionException.TYPE_2_TX_PRE_FORK", "TransactionException.TYPE_NOT_SUPPORTED"],
        TxType::Blob => &[
            "TransactionException.TYPE_3_TX_PRE_FORK",
            "TransactionException.TYPE_3_TX_ZERO_BLOBS_PRE_FORK",
            "TransactionException.TYPE_NOT_SUPPORTED",
        ],
        TxType::SetCode => &["TransactionException.TYPE_4_TX_PRE_FORK", "TransactionException.TYPE_NOT_SUPPORTED"],
    }
}

fn of_creation(type_byte: u8) -> &'static [&'static str] {
    match TxType::from_byte(type_byte) {
        Some(TxType::Blob) => {
            &["TransactionException.TYPE_3_TX_CONTRACT_CREATION", "BlockException.RLP_STRUCTURES_ENCODING"]
        }
        Some(TxType::SetCode) => {
            &["TransactionException.TYPE_4_TX_CONTRACT_CREATION", "BlockException.RLP_STRUCTURES_ENCODING"]
        }
        _ => &["BlockException.RLP_STRUCTURES_ENCODING"],
    }
}

fn of_signature(error: &SignatureError) -> &'static [&'static str] {
    match error {
        SignatureError::InvalidR { .. }
        | SignatureError::InvalidS { .. }
        | SignatureError::HighS { .. }
        | SignatureError::InvalidYParity { .. } => &["TransactionException.INVALID_SIGNATURE_VRS"],
        SignatureError::NoPublicKey { .. } => {
            &["TransactionException.EC_RECOVERY_FAIL", "TransactionException.INVALID_SIGNATURE_VRS"]
        }
        SignatureError::InvalidSecretKey => &[],
    }
}

/// The names of a reason for which a block is not valid. Empty where the state could not be read, or Ethereum has no such reason.
pub fn of_block(error: &BlockError) -> &'static [&'static str] {
    match error {
        BlockError::Header { field, .. } => of_header_field(field),
        BlockError::HeaderField { .. } | BlockError::BodyField { .. } => &["BlockException.INCORRECT_BLOCK_FORMAT"],
        BlockError::BodyRoot { field, .. } => of_body_root(field),
        BlockError::TooLong { .. } => &["BlockException.RLP_BLOCK_LIMIT_EXCEEDED"],
        BlockError::Ommer { .. } => &[
            "BlockException.TOO_MANY_UNCLES",
            "BlockException.UNCLE_IN_CHAIN",
            "BlockException.UNCLE_IS_ANCESTOR",
            "BlockException.UNCLE_IS_BROTHER",
            "BlockException.UNCLE_PARENT_INCORRECT",
            "BlockException.UNCLE_UNKNOWN_PARENT",
            "BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS",
        ],
        BlockError::Transaction { error, .. } => of_transaction(error),
        BlockError::GasUsed { .. } => &["BlockException.INVALID_GAS_USED"],
        BlockError::GasUsedAboveLimit { .. } => {
            &["BlockException.GAS_USED_OVERFLOW", "BlockException.INVALID_GAS_USED_ABOVE_LIMIT"]
        }
        BlockError::BlobGasUsed { .. } => &["BlockException.INCORRECT_BLOB_GAS_USED"],
        BlockError::Root { field, .. } => of_root(field),
        BlockError::LogsBloom => &["BlockException.INVALID_LOG_BLOOM"],
        BlockError::SystemContractEmpty { .. } => &["BlockException.SYSTEM_CONTRACT_EMPTY"],
        BlockError::SystemCallFailed { .. } => &["BlockException.SYSTEM_CONTRACT_CALL_FAILED"],
        BlockError::DepositLayout { .. } => &["BlockException.INVALID_DEPOSIT_EVENT_LAYOUT"],
        BlockError::AccessListForm(error) => of_access_list_form(error),
        BlockError::AccessList(_) => ACCESS_LIST_DIFFERS,
        BlockError::AccessListTooLong { .. } => &["BlockException.BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED"],
        // No vector's chain has modules.
        BlockError::Module { .. } | BlockError::PostStateRoot(_) | BlockError::Read(_) => &[],
    }
}

fn of_header_field(field: &str) -> &'static [&'static str] {
    match field {
        "parent_hash" => &["BlockException.UNKNOWN_PARENT", "BlockException.UNKNOWN_PARENT_ZERO"],
        "number" => &["BlockException.INVALID_BLOCK_NUMBER"],
        "timestamp" => &["BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"],
        "extra_data" => &["BlockException.EXTRA_DATA_TOO_BIG", "BlockException.EXTRA_DATA_INVALID_DAO"],
        "gas_used" => &[
            "BlockException.INVALID_GAS_USED_ABOVE_LIMIT",
            "BlockException.INVALID_GAS_USED",
            "BlockException.GAS_USED_OVERFLOW",
        ],
        "gas_limit" => &["BlockException.INVALID_GASLIMIT", "BlockException.GASLIMIT_TOO_BIG"],
        "base_fee_per_gas" => &["BlockException.INVALID_BASEFEE_PER_GAS"],
        "difficulty" => &[
            "BlockException.INVALID_DIFFICULTY",
            "BlockException.IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
            "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS",
        ],
        "nonce" => &["BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS"],
        "ommers_hash" => &["BlockException.INVALID_UNCLES_HASH", "BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS"],
        // Where the header tells of too many blobs, the vectors blame the transactions that carry them.
        "blob_gas_used" => &[
            "BlockException.INCORRECT_BLOB_GAS_USED",
            "BlockException.BLOB_GAS_USED_ABOVE_LIMIT",
            "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        ],
        "excess_blob_gas" => &["BlockException.INCORRECT_EXCESS_BLOB_GAS"],
        _ => &["BlockException.INCORRECT_BLOCK_FORMAT"],
    }
}

fn of_body_root(field: &str) -> &'static [&'static str] {
    match field {
        "transactions_root" => &["BlockException.INVALID_TRANSACTIONS_ROOT", "BlockException.INVALID_BLOCK_HASH"],
        "ommers_hash" => &["BlockException.INVALID_UNCLES_HASH", "BlockException.INVALID_BLOCK_HASH"],
        "withdrawals_root" => &["BlockException.INVALID_WITHDRAWALS_ROOT", "BlockException.INVALID_BLOCK_HASH"],
        "block_access_list_hash" => ACCESS_LIST_HASH,
        _ => &["BlockException.INVALID_BLOCK_HASH"],
    }
}

fn of_root(field: &str) -> &'static [&'static str] {
    match field {
        "state_root" => &["BlockException.INVALID_STATE_ROOT"],
        "receipts_root" => &["BlockException.INVALID_RECEIPTS_ROOT"],
        "requests_hash" => &["BlockException.INVALID_REQUESTS"],
        "block_access_list_hash" => ACCESS_LIST_DIFFERS,
        _ => &["BlockException.INVALID_BLOCK_HASH"],
    }
}

/// The names of a block access list that is not what execution gives, though the header has its hash.
pub const ACCESS_LIST_DIFFERS: &[&str] = &[
    "BlockException.INVALID_BLOCK_ACCESS_LIST",
    "BlockException.INVALID_BAL_EXTRA_ACCOUNT",
    "BlockException.INVALID_BAL_MISSING_ACCOUNT",
    "BlockException.INCORRECT_BLOCK_FORMAT",
];

/// The names of a header that has not the hash of the block access list beside it.
pub const ACCESS_LIST_HASH: &[&str] = &["BlockException.INVALID_BAL_HASH", "BlockException.INVALID_BLOCK_HASH"];

fn of_access_list_form(error: &BlockAccessListError) -> &'static [&'static str] {
    match error {
        BlockAccessListError::AccountOrder { .. }
        | BlockAccessListError::StorageChangesOrder { .. }
        | BlockAccessListError::StorageReadsOrder { .. }
        | BlockAccessListError::SlotReadAndChanged { .. }
        | BlockAccessListError::SlotWithoutChanges { .. }
        | BlockAccessListError::ChangeOrder { .. }
        | BlockAccessListError::IndexTooLarge { .. } => ACCESS_LIST_DIFFERS,
    }
}

/// The names of a reason for which bytes are not a block or not a transaction.
pub fn of_decoding(error: &DecodeError) -> Vec<&'static str> {
    let mut names = of_decoding_kind(&error.kind()).to_vec();
    // What is wrong in an authorization has one name whatever it is.
    if error.path().contains("authorization_list") {
        names.push("TransactionException.TYPE_4_INVALID_AUTHORIZATION_FORMAT");
    }
    names
}

fn of_decoding_kind(kind: &DecodeErrorKind) -> &'static [&'static str] {
    const RLP: &str = "BlockException.RLP_STRUCTURES_ENCODING";
    // A header that lacks a field, or has one too many, is read with its fields in each other's places.
    const FORMAT: &str = "BlockException.INCORRECT_BLOCK_FORMAT";
    match kind {
        DecodeErrorKind::Missing
        | DecodeErrorKind::TooShort { .. }
        | DecodeErrorKind::LengthLeadingZero
        | DecodeErrorKind::LengthNotMinimal { .. }
        | DecodeErrorKind::PrefixedSingleByte { .. }
        | DecodeErrorKind::ExpectedString { .. }
        | DecodeErrorKind::ExpectedList { .. }
        | DecodeErrorKind::IntegerLeadingZero
        | DecodeErrorKind::InvalidStatus { .. }
        | DecodeErrorKind::TooManyTopics => &[RLP, FORMAT],
        DecodeErrorKind::Trailing { .. } => &[RLP, FORMAT, "BlockException.RLP_WITHDRAWALS_NOT_READ"],
        DecodeErrorKind::IntegerTooLong { .. } => &[
            RLP,
            FORMAT,
            "BlockException.RLP_INVALID_FIELD_OVERFLOW_64",
            "TransactionException.GASLIMIT_OVERFLOW",
            "TransactionException.GASPRICE_OVERFLOW",
            "TransactionException.NONCE_OVERFLOW",
            "TransactionException.PRIORITY_OVERFLOW",
            "TransactionException.VALUE_OVERFLOW",
        ],
        DecodeErrorKind::WrongLength { .. } => &[RLP, FORMAT, "BlockException.RLP_INVALID_ADDRESS"],
        DecodeErrorKind::WrongRecipientLength { .. } => {
            &[RLP, "TransactionException.ADDRESS_TOO_SHORT", "TransactionException.ADDRESS_TOO_LONG"]
        }
        DecodeErrorKind::UnknownType { .. } => &[RLP, "TransactionException.TYPE_NOT_SUPPORTED"],
        DecodeErrorKind::InvalidV { .. } | DecodeErrorKind::NotABoolean { .. } => {
            &[RLP, FORMAT, "TransactionException.INVALID_SIGNATURE_VRS"]
        }
        DecodeErrorKind::ChainIdTooLarge { .. } => &[RLP, "TransactionException.INVALID_CHAINID"],
        DecodeErrorKind::NonceIsMax => {
            &[RLP, "TransactionException.NONCE_IS_MAX", "TransactionException.NONCE_TOO_BIG"]
        }
        DecodeErrorKind::ContractCreation { type_byte } => of_creation(*type_byte),
        DecodeErrorKind::BlobSidecar => &[RLP, "TransactionException.TYPE_3_TX_WITH_FULL_BLOBS"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_an_authorization_has_a_name_of_its_own() {
        use rialto_stf::{Authorization, Transaction};
        let transaction = Transaction {
            tx_type: TxType::SetCode,
            to: Some(Default::default()),
            authorization_list: vec![Authorization { nonce: 0x11223344, ..Default::default() }],
            ..Transaction::default()
        };
        let mut bytes = transaction.encode();
        let nonce = bytes.windows(4).position(|bytes| bytes == [0x11, 0x22, 0x33, 0x44]).expect("the nonce");
        bytes[nonce] = 0;
        let error = Transaction::decode(&bytes).expect_err("a leading zero");
        assert!(
            is_expected(&of_decoding(&error), "TransactionException.TYPE_4_INVALID_AUTHORIZATION_FORMAT"),
            "{error}"
        );
    }

    #[test]
    fn one_of_the_alternatives_is_enough() {
        let floor = of_transaction(&TxError::FloorGas { required: 2, found: 1 });
        let sidecar = of_decoding_kind(&DecodeErrorKind::BlobSidecar);
        let rows = [
            (floor, "TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", true),
            (floor, "TransactionException.INTRINSIC_GAS_TOO_LOW", true),
            (floor, "TransactionException.NONCE_IS_MAX", false),
            (sidecar, "BlockException.RLP_STRUCTURES_ENCODING|TransactionException.TYPE_3_TX_WITH_FULL_BLOBS", true),
            (sidecar, "BlockException.INVALID_GASLIMIT | TransactionException.TYPE_3_TX_WITH_FULL_BLOBS", true),
            (sidecar, "", false),
        ];
        for (names, expected, matches) in rows {
            assert_eq!(is_expected(names, expected), matches, "{expected}");
        }
    }
}

//! Rejections as the interface's custom errors.

use crate::abi::IMarket as I;
use crate::error::Rejection;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::I256;
use alloy_sol_types::SolError;

/// The ABI encoding of the custom error that tells of this rejection.
pub fn encode(rejection: &Rejection) -> Vec<u8> {
    match rejection {
        Rejection::BadCall => I::BadCall {}.abi_encode(),
        Rejection::NotAllowed => I::NotAllowed {}.abi_encode(),
        Rejection::StaticCall => I::StaticCall {}.abi_encode(),
        Rejection::Reentered => I::Reentered {}.abi_encode(),
        Rejection::Unknown { what, id } => I::Unknown { what: what.to_string(), id: *id }.abi_encode(),
        Rejection::OutOfRange { what, value, least, most } => {
            I::OutOfRange { what: what.to_string(), value: *value, least: *least, most: *most }.abi_encode()
        }
        Rejection::Forbidden { state } => I::Forbidden { state: state.to_string() }.abi_encode(),
        Rejection::MarginTooLow { equity, required } => {
            I::MarginTooLow { equity: signed(*equity), required: signed(*required) }.abi_encode()
        }
        Rejection::LimitReached { what, limit } => {
            I::LimitReached { what: what.to_string(), limit: *limit }.abi_encode()
        }
        Rejection::WouldTake => I::WouldTake {}.abi_encode(),
        Rejection::NotFillable => I::NotFillable {}.abi_encode(),
        Rejection::WouldNotReduce => I::WouldNotReduce {}.abi_encode(),
        Rejection::Overflow => I::Overflow {}.abi_encode(),
        Rejection::BadReport { why } => I::BadReport { why: why.to_string() }.abi_encode(),
        Rejection::CallFailed { output } => I::CallFailed { output: output.clone() }.abi_encode(),
    }
}

/// The selector of that error.
pub fn selector(rejection: &Rejection) -> [u8; 4] {
    let encoded = encode(rejection);
    [encoded[0], encoded[1], encoded[2], encoded[3]]
}

/// As the ABI's largest signed integer.
pub fn signed(value: i128) -> I256 {
    I256::try_from(value).unwrap_or_default()
}

//! JSON in and out: parameters, quantities and the objects of the answers.

mod block;
mod log;
mod params;
mod quantity;
mod receipt;
mod transaction;

pub(crate) use block::{BlockJson, HeaderJson, WithdrawalJson, WithdrawalParam};
pub(crate) use log::{LogJson, LogPosition, logs_of};
pub(crate) use params::{BlockRef, Fields, FromJson, Loose, ParamError, Params};
pub(crate) use quantity::{Quantity, is_none};
pub(crate) use receipt::{ReceiptJson, blob_gas_price};
pub(crate) use transaction::{TransactionJson, effective_gas_price};

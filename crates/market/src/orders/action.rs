//! Actions of a batch, packed one in a word, and their results.
//!
//! | bytes | 0 | 1 | 2.. |
//! |---|---|---|---|
//! | place | 1 | flags | 2-3 instrument, 4-7 price in ticks, 8-13 lots, 14-21 client id, 22-26 expiry in seconds, 27-31 zero |
//! | cancel | 2 | zero | 2-15 order id, 16-31 zero |
//! | cancel by client id | 3 | zero | 2-7 zero, 8-15 client id, 16-31 zero |
//! | replace | 4 | flags | 2-15 order id, 16-19 price in ticks, 20-25 lots, 26-30 expiry in seconds, 31 zero |
//! | cancel all | 5 | zero | 2-3 instrument (zero is all), 4-31 zero |
//!
//! Flags: bit 0 is a buy, bit 1 reduce-only, bits 2-3 time in force, bits 4-5 self-trade. Numbers are big-endian. A word in which a
//! byte that has to be zero is not is no action. So a word has one meaning, and each action one word: packing what was unpacked gives
//! the word again.
//!
//! A result's byte 0 is 1 for what was done. Then placing and replacing give 1 partial, 2-15 order id, 24-31 filled lots; cancelling gives
//! 24-31 lots; cancelling all gives 24-31 the count. Where byte 0 is zero, 28-31 are the selector of the error.

use crate::error::Rejection;
use crate::orders::request::{OrderRequest, Placed, TimeInForce, self_trade_of};
use crate::types::{InstrumentId, Lots, OrderId, Side};
use alloy_primitives::B256;

/// An action of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Places an order.
    Place(OrderRequest),
    /// Cancels an order.
    Cancel(OrderId),
    /// Cancels the order with this client id.
    CancelByClientId(u64),
    /// Replaces an order; the request's instrument is the order's, its client id zero.
    Replace(OrderId, OrderRequest),
    /// Cancels orders of an instrument, or of all for zero.
    CancelAll(InstrumentId),
}

/// What an action did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionResult {
    /// An order was placed or replaced.
    Placed(Placed),
    /// This many lots or orders were cancelled.
    Cancelled(u64),
    /// Nothing was done, for the error with this selector.
    Rejected([u8; 4]),
}

const PLACE: u8 = 1;
const CANCEL: u8 = 2;
const CANCEL_BY_CLIENT_ID: u8 = 3;
const REPLACE: u8 = 4;
const CANCEL_ALL: u8 = 5;

/// Most that six bytes and five bytes hold.
const MOST_48: u64 = (1 << 48) - 1;
const MOST_40: u64 = (1 << 40) - 1;

/// The big-endian number in these bytes of a word, at most 16.
fn number(word: &B256, from: usize, to: usize) -> u128 {
    word[from..to].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn put(word: &mut B256, from: usize, to: usize, number: u128) {
    let bytes = number.to_be_bytes();
    word[from..to].copy_from_slice(&bytes[16 - (to - from)..]);
}

fn flags_of(order: &OrderRequest) -> u8 {
    u8::from(order.side == Side::Buy)
        | u8::from(order.is_reduce_only) << 1
        | (order.time_in_force as u8) << 2
        | (order.self_trade as u8) << 4
}

fn order_of(flags: u8) -> Result<OrderRequest, Rejection> {
    if flags >= 1 << 6 {
        return Err(Rejection::BadCall);
    }
    Ok(OrderRequest {
        side: if flags & 1 == 1 { Side::Buy } else { Side::Sell },
        is_reduce_only: flags & 2 != 0,
        time_in_force: TimeInForce::from_byte(flags >> 2 & 3).ok_or(Rejection::BadCall)?,
        self_trade: self_trade_of(flags >> 4 & 3).ok_or(Rejection::BadCall)?,
        ..OrderRequest::default()
    })
}

impl Action {
    /// Of a word.
    pub fn unpack(word: &B256) -> Result<Self, Rejection> {
        let action = match word[0] {
            PLACE => Self::Place(OrderRequest {
                instrument: InstrumentId(number(word, 2, 4) as u16),
                ticks: number(word, 4, 8) as u32,
                lots: number(word, 8, 14) as u64,
                client_id: number(word, 14, 22) as u64,
                expiry_seconds: number(word, 22, 27) as u64,
                ..order_of(word[1])?
            }),
            CANCEL => Self::Cancel(order_id(word)?),
            CANCEL_BY_CLIENT_ID => Self::CancelByClientId(number(word, 8, 16) as u64),
            REPLACE => {
                let id = order_id(word)?;
                let order = OrderRequest {
                    instrument: id.instrument,
                    ticks: number(word, 16, 20) as u32,
                    lots: number(word, 20, 26) as u64,
                    expiry_seconds: number(word, 26, 31) as u64,
                    ..order_of(word[1])?
                };
                Self::Replace(id, order)
            }
            CANCEL_ALL => Self::CancelAll(InstrumentId(number(word, 2, 4) as u16)),
            _ => return Err(Rejection::BadCall),
        };
        // Bytes that are not named have to be zero: then the action packs to the same word.
        if action.pack().as_ref() != Ok(word) { Err(Rejection::BadCall) } else { Ok(action) }
    }

    /// As a word; an error where a number does not fit.
    pub fn pack(&self) -> Result<B256, Rejection> {
        let mut word = B256::ZERO;
        let put_order = |word: &mut B256, order: &OrderRequest, lots_at: usize, expiry_at: usize| {
            if order.lots > MOST_48 || order.expiry_seconds > MOST_40 {
                return Err(Rejection::Overflow);
            }
            word[1] = flags_of(order);
            put(word, lots_at - 4, lots_at, order.ticks.into());
            put(word, lots_at, lots_at + 6, order.lots.into());
            put(word, expiry_at, expiry_at + 5, order.expiry_seconds.into());
            Ok(())
        };
        match self {
            Self::Place(order) => {
                word[0] = PLACE;
                put(&mut word, 2, 4, order.instrument.0.into());
                put(&mut word, 14, 22, order.client_id.into());
                put_order(&mut word, order, 8, 22)?;
            }
            Self::Cancel(id) => {
                word[0] = CANCEL;
                put(&mut word, 2, 16, id.to_u128());
            }
            Self::CancelByClientId(client_id) => {
                word[0] = CANCEL_BY_CLIENT_ID;
                put(&mut word, 8, 16, (*client_id).into());
            }
            Self::Replace(id, order) => {
                word[0] = REPLACE;
                put(&mut word, 2, 16, id.to_u128());
                put_order(&mut word, order, 20, 26)?;
            }
            Self::CancelAll(instrument) => {
                word[0] = CANCEL_ALL;
                put(&mut word, 2, 4, instrument.0.into());
            }
        }
        Ok(word)
    }
}

fn order_id(word: &B256) -> Result<OrderId, Rejection> {
    OrderId::from_u128(number(word, 2, 16)).ok_or(Rejection::BadCall)
}

impl ActionResult {
    /// As a word.
    pub fn pack(&self) -> B256 {
        let mut word = B256::ZERO;
        match self {
            Self::Placed(placed) => {
                word[0] = 1;
                word[1] = u8::from(placed.is_partial);
                put(&mut word, 2, 16, placed.resting.map_or(0, OrderId::to_u128));
                put(&mut word, 24, 32, placed.filled_lots.into());
            }
            Self::Cancelled(number) => {
                word[0] = 1;
                put(&mut word, 24, 32, (*number).into());
            }
            Self::Rejected(selector) => word[28..].copy_from_slice(selector),
        }
        word
    }
}

/// What of a result can be read without knowing the action: whether it was done, the id of the resting order, and the number (lots or
/// count).
pub fn unpack_result(word: &B256) -> (bool, Option<OrderId>, Lots) {
    let id = OrderId::from_u128(number(word, 2, 16)).filter(|id| id.sequence != 0);
    (word[0] == 1, id, number(word, 24, 32) as u64)
}

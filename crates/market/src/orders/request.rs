//! What an order asks for, as the operations take it: read from the ABI's struct or from a packed action, checked for form only.

use crate::abi::IMarket;
use crate::book::SelfTrade;
use crate::error::Rejection;
use crate::types::{InstrumentId, Lots, OrderId, Side, Ticks};

/// How long an order lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeInForce {
    /// Rests until it is filled or cancelled.
    #[default]
    GoodTillCancelled,
    /// What is not filled at once is cancelled.
    ImmediateOrCancel,
    /// Filled at once and as a whole, or not at all.
    FillOrKill,
    /// Rests, or is rejected where it would take.
    PostOnly,
}

impl TimeInForce {
    /// The one with this number.
    pub fn from_byte(byte: u8) -> Option<Self> {
        let all = [Self::GoodTillCancelled, Self::ImmediateOrCancel, Self::FillOrKill, Self::PostOnly];
        all.get(usize::from(byte)).copied()
    }

    /// Whether what is not filled rests.
    pub fn rests(self) -> bool {
        matches!(self, Self::GoodTillCancelled | Self::PostOnly)
    }
}

/// The self-trade mode with this number.
pub fn self_trade_of(byte: u8) -> Option<SelfTrade> {
    [SelfTrade::CancelTaker, SelfTrade::CancelMaker, SelfTrade::CancelBoth, SelfTrade::Decrement]
        .get(usize::from(byte))
        .copied()
}

/// An order to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderRequest {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Limit; zero only for orders that do not rest.
    pub ticks: Ticks,
    /// Size.
    pub lots: Lots,
    /// How long it lasts.
    pub time_in_force: TimeInForce,
    /// What happens when it meets its owner's.
    pub self_trade: SelfTrade,
    /// Whether it may only make the position smaller.
    pub is_reduce_only: bool,
    /// The client's id, zero is none.
    pub client_id: u64,
    /// When it expires; zero is never.
    pub expiry_seconds: u64,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Lots that were filled.
    pub filled_lots: Lots,
    /// Quote base units of the fills, before fees.
    pub quote_amount: u128,
    /// What rests.
    pub resting: Option<OrderId>,
    /// Whether matching stopped at the bound of one call.
    pub is_partial: bool,
}

impl OrderRequest {
    /// From the interface's struct, which was decoded with validation.
    pub fn from_abi(order: &IMarket::Order) -> Result<Self, Rejection> {
        Ok(Self {
            instrument: InstrumentId(order.instrument),
            side: if order.isBuy { Side::Buy } else { Side::Sell },
            ticks: order.priceTicks,
            lots: order.lots,
            time_in_force: TimeInForce::from_byte(order.timeInForce as u8).ok_or(Rejection::BadCall)?,
            self_trade: self_trade_of(order.selfTrade as u8).ok_or(Rejection::BadCall)?,
            is_reduce_only: order.reduceOnly,
            client_id: order.clientId,
            expiry_seconds: order.expirySeconds,
        })
    }
}

impl Placed {
    /// As the interface's struct.
    pub fn to_abi(self) -> IMarket::Fill {
        IMarket::Fill {
            filledLots: self.filled_lots,
            quoteAmount: self.quote_amount,
            orderId: self.resting.map_or(0, OrderId::to_u128),
            isPartial: self.is_partial,
        }
    }
}

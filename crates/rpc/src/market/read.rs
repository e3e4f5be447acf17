//! The market's records in the state of a block.

use crate::json::{BlockRef, Params, Quantity};
use crate::simulation::Base;
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256};
use rialto_market::layout::{Globals, Instrument, InstrumentKind};
use rialto_market::records::{Record, Records, slot_of};
use rialto_market::types::{BlockInfo, InstrumentId};
use rialto_market::{MARKET_ADDRESS, Market, MarketError, Meter};
use rialto_node::{BlockId, ChainView, StateView};
use rialto_state::{Journal, StateReader};
use serde::Serialize;

/// Gas of what a question may make the market work out.
const READ_GAS: u64 = 1_000_000_000;

/// The market in the state of a block.
pub(super) struct MarketState {
    /// The state.
    pub state: StateView,
    /// The block.
    pub at: BlockPlace,
}

/// The block that an answer is about.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockPlace {
    /// Number.
    pub block_number: Quantity,
    /// Hash; of the pending block, what it would be.
    pub block_hash: B256,
    /// When it was made, in seconds.
    pub timestamp: Quantity,
}

impl MarketState {
    /// The market in the block that the parameter at `index` names, by default the head.
    pub(super) fn of(context: &RpcContext, params: &Params, index: usize) -> Result<Self, RpcError> {
        let block = params.optional(index, "block")?.unwrap_or(BlockRef::LATEST);
        let base = Base::of(context, &context.view()?, block)?;
        let at = BlockPlace {
            block_number: Quantity(base.header.number),
            block_hash: base.header.hash(),
            timestamp: Quantity(base.header.timestamp),
        };
        Self::new(base.state, at)
    }

    /// The market after the block with this hash; `None` where its state is not there.
    pub(super) fn after(view: &ChainView, hash: B256) -> Result<Option<Self>, RpcError> {
        let id = BlockId::Hash(hash);
        let (Some(header), Some(state)) = (view.header(id)?, view.state(id)?) else { return Ok(None) };
        let at = BlockPlace {
            block_number: Quantity(header.number),
            block_hash: hash,
            timestamp: Quantity(header.timestamp),
        };
        Self::new(state, at).map(Some)
    }

    fn new(state: StateView, at: BlockPlace) -> Result<Self, RpcError> {
        if state.account(&MARKET_ADDRESS)?.is_none() {
            let text =
                format!("block {}: expected a chain with a market, found none at {MARKET_ADDRESS}", at.block_number.0);
            return Err(RpcError::server(text));
        }
        Ok(Self { state, at })
    }

    /// The record with this key, or its default.
    pub(super) fn record<R: Record>(&self, key: R::Key) -> Result<R, RpcError> {
        let word = |word| self.state.storage(&MARKET_ADDRESS, &slot_of::<R>(key, word));
        let words: Vec<_> = (0..R::WORDS).map(word).collect::<Result<_, _>>()?;
        Ok(R::decode(|word| words[word]))
    }

    /// The instrument, if it is listed.
    pub(super) fn instrument(&self, id: InstrumentId) -> Result<Instrument, RpcError> {
        let instrument: Instrument = self.record(id)?;
        if instrument.kind == InstrumentKind::Unlisted {
            return Err(RpcError::invalid_params("instrument", "one that is listed", id.0));
        }
        Ok(instrument)
    }

    /// Runs operations of the market that only read, as a call in the block would.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&mut Market<'_, '_>) -> Result<T, MarketError>,
    ) -> Result<T, RpcError> {
        let mut journal = Journal::new(&self.state, 0);
        let account = journal.account_id(&MARKET_ADDRESS);
        journal.load(account)?;
        let records = Records::open(&mut journal, account);
        let (number, timestamp_seconds) = (self.at.block_number.0, self.at.timestamp.0);
        let block = BlockInfo { number, timestamp_seconds, ..BlockInfo::default() };
        let mut market = Market::new(records, block, Address::ZERO, Meter::new(READ_GAS));
        work(&mut market).map_err(|error| match error {
            MarketError::OutOfGas => RpcError::limit("gas", READ_GAS, "more"),
            other => RpcError::server(other.to_string()),
        })
    }

    /// The ids of all instruments.
    pub(super) fn instruments(&self) -> Result<impl Iterator<Item = InstrumentId> + use<>, RpcError> {
        let globals: Globals = self.record(())?;
        Ok((1..globals.next_instrument).map(InstrumentId))
    }
}

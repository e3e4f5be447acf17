//! What `eth_simulateV1` is asked, and the blocks that follow from it.

use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError};
use crate::simulation::{BlockOverrides, CallArgs, StateOverrides};
use alloy_primitives::U256;
use rialto_stf::Header;
use serde_json::Value;

/// Most calls of a block.
const MAX_CALLS_PER_BLOCK: usize = 5_000;
/// Most calls of a request.
const MAX_CALLS: usize = 10_000;
/// Seconds between blocks whose time is left open.
const BLOCK_SECONDS: u64 = 12;
/// Code for a request beyond the limits.
const CLIENT_LIMIT: i32 = -38026;

/// A block to simulate.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedBlockInput {
    pub overrides: BlockOverrides,
    pub state_overrides: Option<StateOverrides>,
    pub calls: Vec<CallArgs>,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulationInput {
    pub blocks: Vec<SimulatedBlockInput>,
    pub traces_transfers: bool,
    pub validates: bool,
    pub returns_transactions: bool,
}

impl FromJson for SimulatedBlockInput {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            overrides: fields.optional("blockOverrides")?.unwrap_or_default(),
            state_overrides: fields.optional("stateOverrides")?,
            calls: fields.optional("calls")?.unwrap_or_default(),
        })
    }
}

impl FromJson for SimulationInput {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            blocks: fields.optional("blockStateCalls")?.unwrap_or_default(),
            traces_transfers: fields.optional("traceTransfers")?.unwrap_or(false),
            validates: fields.optional("validation")?.unwrap_or(false),
            returns_transactions: fields.optional("returnFullTransactions")?.unwrap_or(false),
        })
    }
}

impl SimulationInput {
    /// Whether it asks for something, and not for too much.
    pub(super) fn check_limits(&self, max_blocks: u64) -> Result<(), RpcError> {
        if self.blocks.is_empty() {
            return Err(RpcError::new(crate::error::INVALID_PARAMS, "empty input"));
        }
        if self.blocks.len() as u64 > max_blocks {
            return Err(RpcError::new(CLIENT_LIMIT, "too many blocks"));
        }
        if let Some(found) = self.blocks.iter().map(|block| block.calls.len()).find(|len| *len > MAX_CALLS_PER_BLOCK) {
            let message = format!("too many calls in block: {found} > {MAX_CALLS_PER_BLOCK}");
            return Err(RpcError::new(CLIENT_LIMIT, message));
        }
        let total: usize = self.blocks.iter().map(|block| block.calls.len()).sum();
        if total > MAX_CALLS {
            return Err(RpcError::new(CLIENT_LIMIT, format!("too many calls: {total} > {MAX_CALLS}")));
        }
        Ok(())
    }
}

/// Gives each block a number and a time, and puts empty blocks where numbers are left out.
pub(super) fn fill_gaps(
    base: &Header,
    blocks: Vec<SimulatedBlockInput>,
    max_blocks: u64,
) -> Result<Vec<SimulatedBlockInput>, RpcError> {
    let mut filled = Vec::with_capacity(blocks.len());
    let (mut number, mut time) = (base.number, base.timestamp);
    for mut block in blocks {
        let wanted = block.overrides.number.unwrap_or(U256::from(number) + U256::ONE);
        if wanted <= U256::from(number) {
            return Err(RpcError::new(-38020, format!("block numbers must be in order: {wanted} <= {number}")));
        }
        let Some(wanted) = u64::try_from(wanted).ok().filter(|wanted| wanted - base.number <= max_blocks) else {
            return Err(RpcError::new(CLIENT_LIMIT, "too many blocks"));
        };
        while number + 1 < wanted {
            number += 1;
            time = time.saturating_add(BLOCK_SECONDS);
            let overrides =
                BlockOverrides { number: Some(U256::from(number)), time: Some(time), ..BlockOverrides::default() };
            filled.push(SimulatedBlockInput { overrides, ..SimulatedBlockInput::default() });
        }
        number = wanted;
        let wanted_time = block.overrides.time.unwrap_or_else(|| time.saturating_add(BLOCK_SECONDS));
        if wanted_time <= time {
            return Err(RpcError::new(-38021, format!("block timestamps must be in order: {wanted_time} <= {time}")));
        }
        time = wanted_time;
        block.overrides.number = Some(U256::from(number));
        block.overrides.time = Some(time);
        filled.push(block);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled() {
        let base = Header { number: 10, timestamp: 100, ..Header::default() };
        let block = |number: Option<u64>, time: Option<u64>| SimulatedBlockInput {
            overrides: BlockOverrides { number: number.map(U256::from), time, ..BlockOverrides::default() },
            ..SimulatedBlockInput::default()
        };
        type Row = (&'static str, Vec<SimulatedBlockInput>, Result<Vec<(u64, u64)>, i32>);
        let rows: [Row; 6] = [
            ("defaults", vec![block(None, None), block(None, None)], Ok(vec![(11, 112), (12, 124)])),
            ("gap", vec![block(Some(13), None)], Ok(vec![(11, 112), (12, 124), (13, 136)])),
            ("gap and time", vec![block(Some(12), Some(113))], Ok(vec![(11, 112), (12, 113)])),
            ("number not above the base's", vec![block(Some(10), None)], Err(-38020)),
            ("time not above the last", vec![block(None, Some(100))], Err(-38021)),
            ("too far", vec![block(Some(267), None)], Err(-38026)),
        ];
        for (name, blocks, expected) in rows {
            let found = fill_gaps(&base, blocks, 256).map_err(|error| error.code).map(|blocks| {
                let place = |block: &SimulatedBlockInput| {
                    (block.overrides.number.expect("filled").to::<u64>(), block.overrides.time.expect("filled"))
                };
                blocks.iter().map(place).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{name}");
        }
    }
}

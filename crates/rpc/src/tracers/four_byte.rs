//! `4byteTracer`: which functions were called, with how many bytes of arguments, how often.

use super::{Collector, TracedTransaction, raw};
use crate::RpcError;
use alloy_primitives::hex;
use rialto_state::{Journal, ReadError};
use rialto_vm::{Enter, PrecompileSet, Refusal, Tracer, precompile};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// About what an entry keeps besides its key.
const ENTRY_BYTES: usize = 96;

#[derive(Default)]
pub(super) struct FourByteTracer {
    counts: BTreeMap<String, u64>,
    precompiles: Option<PrecompileSet>,
}

impl Tracer for FourByteTracer {
    fn enter(&mut self, enter: Enter<'_>) {
        let is_call = matches!(enter.kind, "CALL" | "CALLCODE" | "DELEGATECALL" | "STATICCALL");
        let is_native = self.precompiles.is_some_and(|set| precompile(set, &enter.to).is_some());
        let Some((selector, arguments)) = enter.input.split_first_chunk::<4>() else { return };
        if is_call && !is_native {
            let key = format!("0x{}-{}", hex::encode(selector), arguments.len());
            *self.counts.entry(key).or_default() += 1;
        }
    }

    fn refuse(&mut self, enter: Enter<'_>, _reason: Refusal) {
        self.enter(enter);
    }
}

impl Collector for FourByteTracer {
    fn begin(&mut self, traced: &TracedTransaction<'_>, _state: &Journal<'_>) -> Result<(), ReadError> {
        self.precompiles = Some(traced.rules.vm.precompiles);
        Ok(())
    }

    fn kept_bytes(&self) -> usize {
        self.counts.len() * ENTRY_BYTES
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        raw(&self.counts)
    }
}

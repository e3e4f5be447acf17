//! One call on a state, in a block that surrounds it.

use super::overrides::{PrecompileMoves, move_precompiles};
use super::{BlockOverrides, CallArgs, Overlay, StateOverrides, rejection_text};
use crate::RpcError;
use alloy_primitives::{Address, U256};
use rialto_stf::{BlockExecutor, BlockRules, ChainSpec, Checks, Header, TxError, TxOutcome};
use rialto_vm::{Tier, Tracer};

/// Why a call was not run.
#[derive(Debug)]
pub(crate) struct Failure {
    pub error: Box<TxError>,
    pub sender: Address,
    /// Gas limit that it was tried with.
    pub gas_limit: u64,
}

impl Failure {
    /// As the answer to the request.
    pub(crate) fn into_rpc(self) -> RpcError {
        match &*self.error {
            TxError::Read(error) => RpcError::server(error.to_string()),
            error => {
                let text = rejection_text(error, self.sender);
                RpcError::server(format!("err: {text} (supplied gas {})", self.gas_limit))
            }
        }
    }
}

/// What surrounds a call: the chain's rules, a block and a state.
pub(crate) struct CallEnvironment<'a> {
    pub spec: &'a ChainSpec,
    pub header: Header,
    pub state: Overlay<'a>,
    moves: PrecompileMoves,
    blob_base_fee: Option<U256>,
    tier: Option<&'a dyn Tier>,
}

impl<'a> CallEnvironment<'a> {
    /// The block of `header`, `state` after it, and what is supposed of both.
    pub(crate) fn new(
        spec: &'a ChainSpec,
        mut header: Header,
        mut state: Overlay<'a>,
        state_overrides: Option<&StateOverrides>,
        block_overrides: Option<&BlockOverrides>,
    ) -> Result<Self, RpcError> {
        let mut blob_base_fee = None;
        if let Some(overrides) = block_overrides {
            overrides.apply(&mut header)?;
            blob_base_fee = overrides.blob_base_fee;
            for (number, hash) in &overrides.block_hashes {
                state.set_block_hash(*number, *hash);
            }
        }
        let rules = spec.rules_at(header.number, header.timestamp);
        let moves = match state_overrides {
            Some(overrides) => overrides.apply(&mut state, rules)?.1,
            None => PrecompileMoves::new(),
        };
        Ok(Self { spec, header, state, moves, blob_base_fee, tier: None })
    }

    /// Runs compiled code where `tier` has some. What is shown to a tracer is interpreted all the same.
    pub(crate) fn with_tier(mut self, tier: Option<&'a dyn Tier>) -> Self {
        self.tier = tier;
        self
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> &'static BlockRules {
        self.spec.rules_at(self.header.number, self.header.timestamp)
    }

    /// The executor for a call, which is no transaction of a block.
    pub(crate) fn executor<'r>(&'r self, args: &CallArgs) -> BlockExecutor<'r> {
        let mut header = self.header.clone();
        if args.is_free() {
            header.base_fee_per_gas = header.base_fee_per_gas.map(|_| 0);
        }
        let executor = BlockExecutor::new(self.spec, &header, &self.state).with_tier(self.tier);
        let mut executor = executor.with_checks(Checks::CALL);
        let blob_base_fee = if args.has_free_blobs() { Some(U256::ZERO) } else { self.blob_base_fee };
        if let Some(fee) = blob_base_fee {
            executor = executor.with_blob_base_fee(fee);
        }
        move_precompiles(&mut executor, &self.moves);
        executor
    }

    /// Runs a call with so much gas.
    pub(crate) fn run<'r>(
        &'r self,
        args: &CallArgs,
        gas_limit: u64,
        tracer: Option<&'r mut dyn Tracer>,
    ) -> Result<TxOutcome, Failure> {
        let sender = args.sender();
        let transaction = self.transaction(args, gas_limit);
        let mut executor = self.executor(args);
        executor.set_tracer(tracer);
        executor.transaction(&transaction, sender).map_err(|error| Failure {
            error: Box::new(error),
            sender,
            gas_limit,
        })
    }

    /// The transaction that a call stands for.
    pub(crate) fn transaction(&self, args: &CallArgs, gas_limit: u64) -> rialto_stf::Transaction {
        let has_base_fee = self.header.base_fee_per_gas.is_some();
        args.transaction(self.spec.chain_id, gas_limit, args.nonce.unwrap_or(0), has_base_fee)
    }
}

//! `eth` methods about fees: what the next block's are, what to offer, and what was paid.

use crate::json::{BlockRef, Loose, Params, Quantity, blob_gas_price, effective_gas_price, is_none};
use crate::methods::{Module, Registered, heavy, light};
use crate::{RpcContext, RpcError};
use alloy_primitives::{B256, U256};
use rialto_node::{BlockId, ChainBlock, ChainView};
use rialto_stf::{ChainSpec, Header, Receipt, base_fee_after, blob_base_fee, excess_blob_gas_after};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks whose tips a suggestion is made from.
const SAMPLED_BLOCKS: u64 = 20;
/// Tips of a block that are looked at, the lowest first.
const SAMPLED_TIPS: usize = 3;
/// Which of the tips is suggested, per cent from below.
const SUGGESTED_PERCENTILE: usize = 60;
/// Tips below this many wei say nothing.
const IGNORED_TIP: u64 = 2;
/// Suggested where nobody paid tips lately, wei.
const DEFAULT_TIP: u64 = 1_000_000_000;
/// Most that is suggested, wei.
const MAX_TIP: u64 = 500_000_000_000;
/// Most percentiles of one `eth_feeHistory`.
const MAX_PERCENTILES: usize = 100;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_gasPrice", |_, context: &Arc<RpcContext>| {
        let view = context.view()?;
        let header = &view.head().block.header;
        // What is offered has to be enough now and in the next block.
        let base_fee = next_base_fee(context.node.spec(), header).max(header.base_fee_per_gas).unwrap_or(0);
        Ok(suggested_tip(context, &view)?.saturating_add(U256::from(base_fee)))
    })?;
    heavy(module, "eth_maxPriorityFeePerGas", |_, context: &Arc<RpcContext>| suggested_tip(context, &context.view()?))?;
    light(module, "eth_baseFee", |_, context: &Arc<RpcContext>| {
        Ok(next_base_fee(context.node.spec(), &context.view()?.head().block.header).map(Quantity))
    })?;
    light(module, "eth_blobBaseFee", |_, context: &Arc<RpcContext>| {
        Ok(blob_gas_price(context.node.spec(), &context.view()?.head().block.header))
    })?;
    heavy(module, "eth_feeHistory", fee_history)
}

/// The base fee of a block that comes right after this one, `None` before London.
fn next_base_fee(spec: &ChainSpec, header: &Header) -> Option<u64> {
    base_fee_after(spec, header, header.timestamp.saturating_add(1))
}

/// The suggestion for a head.
#[derive(Default)]
pub(crate) struct TipCache(Mutex<Option<(B256, U256)>>);

/// A tip that made it into the last blocks: a percentile of the lowest ones of each.
pub(super) fn suggested_tip(context: &RpcContext, view: &ChainView) -> Result<U256, RpcError> {
    let head = view.head();
    let cached = *context.tips.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((hash, tip)) = cached
        && hash == head.hash
    {
        return Ok(tip);
    }
    let mut tips = Vec::new();
    let last = head.block.header.number;
    for number in last.saturating_sub(SAMPLED_BLOCKS - 1)..=last {
        if let Some(block) = view.block(BlockId::Number(number))? {
            tips.extend(lowest_tips(&block));
        }
    }
    tips.sort_unstable();
    let tip = match tips.len() {
        0 => U256::from(DEFAULT_TIP),
        count => tips[(count - 1) * SUGGESTED_PERCENTILE / 100].min(U256::from(MAX_TIP)),
    };
    *context.tips.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((head.hash, tip));
    Ok(tip)
}

/// What the block's recipient got from each unit of gas of the transaction.
fn tip_of(block: &ChainBlock, index: usize) -> U256 {
    let base_fee = block.block.header.base_fee_per_gas;
    let price = effective_gas_price(&block.block.transactions[index], base_fee);
    price.saturating_sub(U256::from(base_fee.unwrap_or(0)))
}

fn lowest_tips(block: &ChainBlock) -> Vec<U256> {
    let beneficiary = block.block.header.beneficiary;
    let others = (0..block.block.transactions.len()).filter(|index| block.senders.get(*index) != Some(&beneficiary));
    let tips = others.map(|index| tip_of(block, index));
    let mut tips: Vec<U256> = tips.filter(|tip| *tip >= U256::from(IGNORED_TIP)).collect();
    tips.sort_unstable();
    tips.truncate(SAMPLED_TIPS);
    tips
}

/// Answer of `eth_feeHistory`. Of base fees there is one more than of blocks, for the block after them.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistoryJson {
    oldest_block: QuantityOrZero,
    #[serde(skip_serializing_if = "is_none")]
    reward: Option<Vec<Vec<U256>>>,
    base_fee_per_gas: Vec<U256>,
    gas_used_ratio: Vec<f64>,
    base_fee_per_blob_gas: Vec<U256>,
    blob_gas_used_ratio: Vec<f64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct QuantityOrZero(Quantity);

impl Default for QuantityOrZero {
    fn default() -> Self {
        Self(Quantity(0))
    }
}

/// What a fee history is made of: blocks in order, the last one perhaps not sealed yet.
struct HistoryRequest {
    first: u64,
    last: u64,
    percentiles: Option<Vec<f64>>,
    pending: Option<Arc<rialto_node::BuiltBlock>>,
}

fn fee_history(params: &Params, context: &Arc<RpcContext>) -> Result<FeeHistoryJson, RpcError> {
    let count: Loose = params.required(0, "blockCount")?;
    let count = count.0.saturating_to::<u64>().min(context.limits.max_fee_history_blocks);
    let newest: BlockRef = params.required(1, "newestBlock")?;
    let percentiles: Option<Vec<f64>> = params.optional(2, "rewardPercentiles")?;
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    if count == 0 {
        return Ok(FeeHistoryJson::default());
    }
    let view = context.view()?;
    let pending = if newest == BlockRef::Pending { Some(context.node.pending()?) } else { None };
    let last = match &pending {
        Some(pending) => pending.block.block.header.number,
        None => newest_number(context, &view, newest)?,
    };
    let first = (last + 1).saturating_sub(count);
    let percentiles = percentiles.filter(|percentiles| !percentiles.is_empty());
    history(context.node.spec(), &view, &HistoryRequest { first, last, percentiles, pending })
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::server(format!("invalid reward percentile: over the query limit {MAX_PERCENTILES}")));
    }
    for (index, percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(percentile) {
            return Err(RpcError::server(format!("invalid reward percentile: {percentile}")));
        }
        if index > 0 && *percentile <= percentiles[index - 1] {
            let text =
                format!("invalid reward percentile: #{index}: expected more than the one before, found {percentile}");
            return Err(RpcError::server(text));
        }
    }
    Ok(())
}

fn newest_number(context: &RpcContext, view: &ChainView, newest: BlockRef) -> Result<u64, RpcError> {
    let head = view.head().block.header.number;
    match newest {
        BlockRef::Id(BlockId::Number(number)) if number > head => {
            Err(RpcError::server(format!("request beyond head block: requested {number}, head {head}")))
        }
        BlockRef::Id(BlockId::Number(number)) => Ok(number),
        BlockRef::Hash { hash, .. } => Err(RpcError::invalid_params("newestBlock", "a block number or tag", hash)),
        newest => {
            let block = super::blocks::find(context, view, newest)?.ok_or_else(RpcError::unknown_block)?;
            Ok(block.block.header.number)
        }
    }
}

fn history(spec: &ChainSpec, view: &ChainView, request: &HistoryRequest) -> Result<FeeHistoryJson, RpcError> {
    let mut answer = FeeHistoryJson {
        oldest_block: QuantityOrZero(Quantity(request.first)),
        reward: request.percentiles.as_ref().map(|_| Vec::new()),
        ..FeeHistoryJson::default()
    };
    let gone = |number| move || RpcError::server(format!("block {number}: expected one of this chain, found none"));
    let mut next = (U256::ZERO, U256::ZERO);
    for number in request.first..=request.last {
        let built = request.pending.as_ref().filter(|_| number == request.last);
        if let (Some(percentiles), Some(rewards)) = (&request.percentiles, &mut answer.reward) {
            let (block, receipts) = match built {
                Some(built) => (Arc::clone(&built.block), Arc::clone(&built.receipts)),
                None => {
                    let block = view.block(BlockId::Number(number))?.ok_or_else(gone(number))?;
                    let receipts = view.receipts(&block)?.ok_or_else(gone(number))?;
                    (block, receipts)
                }
            };
            rewards.push(reward_percentiles(&block, &receipts, percentiles));
        }
        let header = match built {
            Some(built) => Arc::new(built.block.block.header.clone()),
            None => view.header(BlockId::Number(number))?.ok_or_else(gone(number))?,
        };
        next = answer.push(spec, &header);
    }
    answer.base_fee_per_gas.push(next.0);
    answer.base_fee_per_blob_gas.push(next.1);
    Ok(answer)
}

impl FeeHistoryJson {
    /// Adds a block; gives base fee and blob base fee of the block after it.
    fn push(&mut self, spec: &ChainSpec, header: &Header) -> (U256, U256) {
        let ratio = |used: u64, limit: u64| if limit == 0 { 0.0 } else { used as f64 / limit as f64 };
        let fork = spec.fork_at(header.number, header.timestamp);
        let params = spec.blob_params(fork).filter(|_| header.excess_blob_gas.is_some());
        self.base_fee_per_gas.push(U256::from(header.base_fee_per_gas.unwrap_or(0)));
        self.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        self.base_fee_per_blob_gas.push(blob_gas_price(spec, header).unwrap_or_default());
        let blob_gas_limit = params.map_or(0, |params| params.max * rialto_stf::GAS_PER_BLOB);
        self.blob_gas_used_ratio.push(ratio(header.blob_gas_used.unwrap_or(0), blob_gas_limit));
        let next_blob_fee = params.map(|params| {
            // By the parameters of this block: which the next one has is not known before its time is.
            let excess = excess_blob_gas_after(spec, header, header.timestamp).unwrap_or(0);
            blob_base_fee(excess, &params)
        });
        (U256::from(next_base_fee(spec, header).unwrap_or(0)), next_blob_fee.unwrap_or_default())
    }
}

/// The tips at these percentiles of the block's gas, the transactions sorted by tip.
fn reward_percentiles(block: &ChainBlock, receipts: &[Receipt], percentiles: &[f64]) -> Vec<U256> {
    let mut used_before = 0;
    let mut paid: Vec<(U256, u64)> = Vec::with_capacity(receipts.len());
    for (index, receipt) in receipts.iter().enumerate().take(block.block.transactions.len()) {
        paid.push((tip_of(block, index), receipt.cumulative_gas_used.saturating_sub(used_before)));
        used_before = receipt.cumulative_gas_used;
    }
    paid.sort_by_key(|(tip, _)| *tip);
    let mut payments = paid.iter();
    let Some(mut current) = payments.next() else { return vec![U256::ZERO; percentiles.len()] };
    let mut used = current.1;
    let mut rewards = Vec::with_capacity(percentiles.len());
    for percentile in percentiles {
        let threshold = (block.block.header.gas_used as f64 * percentile / 100.0) as u64;
        while used < threshold {
            let Some(next) = payments.next() else { break };
            current = next;
            used += current.1;
        }
        rewards.push(current.0);
    }
    rewards
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::{Block, ReceiptStatus, Transaction, TxType};

    fn block(tips: &[(u64, u64)]) -> (ChainBlock, Vec<Receipt>) {
        let transaction = |(tip, _): &(u64, u64)| Transaction {
            tx_type: TxType::DynamicFee,
            gas_price: U256::from(1_000),
            max_priority_fee_per_gas: U256::from(*tip),
            ..Transaction::default()
        };
        let mut used = 0;
        let receipt = |(_, gas): &(u64, u64)| {
            used += gas;
            Receipt::new(TxType::DynamicFee, ReceiptStatus::Status(true), used, Vec::new())
        };
        let receipts: Vec<Receipt> = tips.iter().map(receipt).collect();
        let header = Header { gas_used: used, base_fee_per_gas: Some(100), ..Header::default() };
        let block = Block { header, transactions: tips.iter().map(transaction).collect(), ..Block::default() };
        let block = ChainBlock {
            hash: block.hash(),
            senders: vec![alloy_primitives::Address::repeat_byte(1); tips.len()],
            transaction_hashes: block.transactions.iter().map(Transaction::hash).collect(),
            total_difficulty: U256::ZERO,
            block,
        };
        (block, receipts)
    }

    #[test]
    fn rewards_are_weighted_by_gas() {
        type Row<'a> = (&'a str, &'a [(u64, u64)], &'a [f64], &'a [u64]);
        let rows: [Row<'_>; 5] = [
            ("no transactions", &[], &[10.0, 50.0], &[0, 0]),
            ("one", &[(7, 10)], &[0.0, 50.0, 100.0], &[7, 7, 7]),
            ("sorted by tip", &[(9, 50), (1, 50)], &[0.0, 50.0, 51.0, 100.0], &[1, 1, 9, 9]),
            ("weighted by gas", &[(1, 10), (2, 80), (3, 10)], &[5.0, 50.0, 90.0, 95.0], &[1, 2, 2, 3]),
            ("capped by the maximum fee", &[(5_000, 10)], &[50.0], &[900]),
        ];
        for (name, tips, percentiles, expected) in rows {
            let (block, receipts) = block(tips);
            let expected: Vec<U256> = expected.iter().map(|tip| U256::from(*tip)).collect();
            assert_eq!(reward_percentiles(&block, &receipts, percentiles), expected, "{name}");
        }
    }

    #[test]
    fn percentiles_ascend_within_bounds() {
        let rows: [(&[f64], bool); 7] = [
            (&[], true),
            (&[0.0, 50.0, 100.0], true),
            (&[-1.0], false),
            (&[100.1], false),
            (&[50.0, 50.0], false),
            (&[50.0, 10.0], false),
            (&[f64::NAN], false),
        ];
        for (percentiles, expected) in rows {
            assert_eq!(check_percentiles(percentiles).is_ok(), expected, "{percentiles:?}");
        }
        assert!(check_percentiles(&[1.0; 101]).is_err(), "too many");
    }

    #[test]
    fn low_tips_are_sampled_and_dust_is_not() {
        let (block, _) = block(&[(1, 10), (900, 10), (5, 10), (3, 10), (4, 10)]);
        assert_eq!(lowest_tips(&block), [3, 4, 5].map(U256::from));
    }
}

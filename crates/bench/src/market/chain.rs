//! Keys, calls and transactions for a chain with a market.

use crate::BenchError;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket::{self, FeedPrice, PriceReport, SignedReport};
use rialto_market::oracle::signing_hash;
use rialto_market::orders::action::Action;
use rialto_market::orders::request::{OrderRequest, TimeInForce};
use rialto_market::types::{InstrumentId, Lots, Side, Ticks};
use rialto_stf::{Transaction, TxType, address_of_secret_key, sign_hash};

/// Wei a unit of gas that transactions offer at most.
const MAX_FEE: u64 = 1_000_000_000_000;
/// Tip, wei a unit of gas.
const TIP: u64 = 1_000_000_000;
/// Feed of the instruments' index.
const FEED: u16 = 1;

/// The market does not what it has to do for a benchmark.
pub(super) fn failed(reason: impl ToString) -> BenchError {
    BenchError::Scenario { name: "market".to_string(), reason: reason.to_string() }
}

/// Someone who signs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signer {
    pub key: B256,
    pub address: Address,
}

/// So many signers, always the same.
pub(super) fn signers(count: usize) -> Vec<Signer> {
    let signer = |index: usize| {
        let key = keccak256(format!("market benchmark {index}"));
        // A hash is a key but for one in 2^128.
        Signer { key, address: address_of_secret_key(&key).unwrap_or_default() }
    };
    (0..count).map(signer).collect()
}

/// A transaction, not signed.
pub(super) fn transaction(chain_id: u64, nonce: u64, to: Address, input: Vec<u8>, gas_limit: u64) -> Transaction {
    Transaction {
        tx_type: TxType::DynamicFee,
        chain_id: Some(chain_id),
        nonce,
        gas_price: U256::from(MAX_FEE),
        max_priority_fee_per_gas: U256::from(TIP),
        gas_limit,
        to: Some(to),
        input: input.into(),
        ..Transaction::default()
    }
}

/// `approve(market, everything)` of a token.
pub(super) fn approval() -> Vec<u8> {
    let selector = &keccak256("approve(address,uint256)")[..4];
    [selector, &MARKET_ADDRESS.into_word()[..], &U256::MAX.to_be_bytes::<32>()].concat()
}

/// A report of prices that the signer signed, as call data.
pub(super) fn prices(signer: &Signer, chain_id: u64, sequence: u64, time_seconds: u64, price: u128) -> Vec<u8> {
    let report = PriceReport { sequence, timeSeconds: time_seconds, prices: vec![FeedPrice { feed: FEED, price }] };
    let hash = signing_hash(&report, U256::from(chain_id));
    let signature = match sign_hash(&hash, &signer.key) {
        Ok(signature) => {
            let (r, s) = (signature.r.to_be_bytes::<32>(), signature.s.to_be_bytes::<32>());
            [&r[..], &s[..], &[27 + u8::from(signature.y_parity)]].concat()
        }
        // Refused by the market, which says so.
        Err(_) => Vec::new(),
    };
    let reports = vec![SignedReport { report, signature: Bytes::from(signature) }];
    IMarket::updatePricesCall { report: reports.abi_encode().into() }.abi_encode()
}

/// An order.
pub(super) fn order(instrument: u16, side: Side, ticks: Ticks, lots: Lots, time_in_force: TimeInForce) -> OrderRequest {
    let instrument = InstrumentId(instrument);
    OrderRequest { instrument, side, ticks, lots, time_in_force, ..OrderRequest::default() }
}

/// A word of a batch.
pub(super) fn word(action: &Action) -> Result<B256, BenchError> {
    action.pack().map_err(failed)
}

/// A call of `batch`.
pub(super) fn batch(account: u32, actions: Vec<B256>) -> Vec<u8> {
    IMarket::batchCall { account, actions }.abi_encode()
}

/// A call of `place`.
pub(super) fn place(account: u32, order: &OrderRequest) -> Vec<u8> {
    let order = IMarket::Order {
        instrument: order.instrument.0,
        isBuy: order.side == Side::Buy,
        priceTicks: order.ticks,
        lots: order.lots,
        timeInForce: match order.time_in_force {
            TimeInForce::GoodTillCancelled => IMarket::TimeInForce::GoodTillCancelled,
            TimeInForce::ImmediateOrCancel => IMarket::TimeInForce::ImmediateOrCancel,
            TimeInForce::FillOrKill => IMarket::TimeInForce::FillOrKill,
            TimeInForce::PostOnly => IMarket::TimeInForce::PostOnly,
        },
        selfTrade: IMarket::SelfTrade::CancelTaker,
        reduceOnly: order.is_reduce_only,
        clientId: order.client_id,
        expirySeconds: order.expiry_seconds,
    };
    IMarket::placeCall { account, order }.abi_encode()
}

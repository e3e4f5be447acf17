//! Transfers from many accounts: how fast a node takes them, and how fast it has mined them.
//!
//! Accounts are new in each round, so that no round depends on another, and everything is signed before the clock starts. All
//! transactions of an account go over one connection, in the order of their nonces, each after the answer to the one before.
//! The clock stops when the last account's last transaction is in a block, or, for the case without mining, when the last one is
//! answered; its blocks are mined afterwards.

use super::chain::{Chain, account_address, body, secret_key};
use super::http::HttpConnection;
use super::load::{Sample, exchange, failed, merge, microseconds, on_connections};
use crate::BenchError;
use alloy_primitives::{Address, B256, Bytes, hex};
use serde_json::json;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Most transactions of an account: fewer than pools take from one sender.
const TRANSACTIONS_AN_ACCOUNT: usize = 16;
/// Longest that a round may take to be mined.
const MINING_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a node that mines by itself may leave transactions in its pool.
const PATIENCE: Duration = Duration::from_millis(200);
/// Who gets the Ether.
const RECIPIENT: Address = Address::repeat_byte(0x5e);

/// A case that sends transactions.
#[derive(Debug)]
pub struct SendCase {
    /// Its name.
    pub name: &'static str,
    is_mined: bool,
}

/// The cases that send transactions.
pub const CASES: &[SendCase] = &[
    SendCase { name: "eth_sendRawTransaction until mined", is_mined: true },
    SendCase { name: "eth_sendRawTransaction into the pool", is_mined: false },
];

/// Sends about so many transactions over connections.
pub fn run(case: &SendCase, chain: &mut Chain, connections: usize, transactions: usize) -> Result<Sample, BenchError> {
    let snapshot = chain.request("evm_snapshot", json!([]))?;
    let accounts = transactions.div_ceil(TRANSACTIONS_AN_ACCOUNT).max(connections);
    let each = transactions.div_ceil(accounts);
    let keys: Vec<B256> = (0..accounts as u64).map(|index| secret_key("sender", chain.accounts_used + index)).collect();
    chain.accounts_used += accounts as u64;
    let mut requests = vec![Vec::new(); connections];
    for (index, key) in keys.iter().enumerate() {
        chain.fund(account_address(key))?;
        for nonce in 0..each as u64 {
            let transaction = chain.sign(key, nonce, Some(RECIPIENT), Bytes::new(), 21_000);
            let params = json!([hex::encode_prefixed(transaction)]);
            requests[index % connections].push(body(nonce, "eth_sendRawTransaction", &params));
        }
    }
    // What was given is a block's, so that the first of these transactions doesn't pay for it.
    chain.mine(1)?;
    chain.set_automine(case.is_mined)?;
    let begin = Instant::now();
    let mut sample = send(chain.address(), &requests)?;
    if case.is_mined {
        for key in &keys {
            wait_for_nonce(chain, account_address(key), each as u64)?;
        }
        sample.elapsed = begin.elapsed();
    } else {
        for key in &keys {
            mine_to_nonce(chain, account_address(key), each as u64)?;
        }
        chain.set_automine(true)?;
    }
    // So that no round finds a longer chain than the one before: there are nodes that get slower with each block.
    chain.request("evm_revert", json!([snapshot]))?;
    Ok(sample)
}

fn send(address: &str, requests: &[Vec<Vec<u8>>]) -> Result<Sample, BenchError> {
    let start = Barrier::new(requests.len());
    let results = on_connections(requests.len(), |connection| {
        let opened = HttpConnection::open(address);
        start.wait();
        let mut http = opened.map_err(|error| failed(address, error.to_string()))?;
        let begin = Instant::now();
        let mut latencies = Vec::with_capacity(requests[connection].len());
        for request in &requests[connection] {
            let sent = begin.elapsed();
            exchange(&mut http, address, request)?;
            latencies.push(microseconds(begin.elapsed() - sent));
        }
        Ok((latencies, begin.elapsed()))
    })?;
    Ok(merge(results))
}

/// Asks until an account's transactions are in blocks. Some nodes leave transactions in their pool when a block was full, until
/// the next one comes; they are told to mine after a moment.
fn wait_for_nonce(chain: &mut Chain, account: Address, nonce: u64) -> Result<(), BenchError> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if chain.quantity("eth_getTransactionCount", json!([account, "latest"]))? >= nonce {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    mine_to_nonce(chain, account, nonce)
}

/// Mines until an account's transactions are in blocks.
fn mine_to_nonce(chain: &mut Chain, account: Address, nonce: u64) -> Result<(), BenchError> {
    let end = Instant::now() + MINING_TIMEOUT;
    while chain.quantity("eth_getTransactionCount", json!([account, "latest"]))? < nonce {
        if Instant::now() > end {
            let reason = format!("the transactions of {account} are not in blocks after {MINING_TIMEOUT:?}");
            return Err(failed(chain.address(), reason));
        }
        chain.mine(1)?;
    }
    Ok(())
}

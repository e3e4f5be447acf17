//! The chain that both nodes get, and the requests that read it.
//!
//! One account deploys the project's example token and sends one transfer every few blocks; the blocks between are empty. Mining is
//! by hand meanwhile, so the chains have the same blocks whatever the nodes' speed. Accounts are given their Ether by the
//! nodes' helper for it, so nothing depends on which accounts a node begins with.

use super::http::HttpConnection;
use super::load::{exchange, failed};
use super::report::ServerReport;
use crate::BenchError;
use crate::contracts::{Contracts, call_data, word};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use rialto_stf::{Transaction, TxType, address_of_secret_key};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A transfer is in every so many blocks.
const BLOCKS_A_TRANSFER: u64 = 10;
/// Accounts that receive transfers, in turns.
const HOLDERS: u64 = 64;
/// Wei a unit of gas that every transaction offers at most: above any base fee that full blocks lead to here.
const MAX_FEE: u64 = 1_000_000_000_000_000;
/// Tip, wei a unit of gas.
const TIP: u64 = 1_000_000_000;

/// Time after which a connection is not used again, since nodes close those that are silent.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// What a case asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    TokenBalance,
    Balance,
    AllLogs,
    LogsOfOne,
}

/// A case that reads.
#[derive(Debug)]
pub struct ReadCase {
    /// Its name.
    pub name: &'static str,
    question: Question,
}

/// The cases that read.
pub const CASES: &[ReadCase] = &[
    ReadCase { name: "eth_call balanceOf", question: Question::TokenBalance },
    ReadCase { name: "eth_getBalance", question: Question::Balance },
    ReadCase { name: "eth_getLogs of one account", question: Question::LogsOfOne },
    ReadCase { name: "eth_getLogs of the token", question: Question::AllLogs },
];

/// A node with the chain on it.
#[derive(Debug)]
pub struct Chain {
    address: String,
    url: String,
    client: String,
    http: HttpConnection,
    last_used: Instant,
    /// Its number of the chain.
    pub chain_id: u64,
    token: Address,
    first_block: u64,
    last_block: u64,
    /// How many accounts have been funded; further ones are new.
    pub accounts_used: u64,
}

impl Chain {
    /// Connects to the node at a URL.
    pub fn open(url: &str) -> Result<Self, BenchError> {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').to_string();
        let http = connect(&address)?;
        let mut chain = Self {
            address,
            url: url.to_string(),
            client: String::new(),
            http,
            last_used: Instant::now(),
            chain_id: 0,
            token: Address::ZERO,
            first_block: 0,
            last_block: 0,
            accounts_used: 0,
        };
        chain.client = chain.request("web3_clientVersion", json!([]))?.as_str().unwrap_or_default().to_string();
        chain.chain_id = chain.quantity("eth_chainId", json!([]))?;
        // Not those of an earlier run on the same chain, which made it longer.
        chain.accounts_used = chain.quantity("eth_blockNumber", json!([]))? << 20;
        Ok(chain)
    }

    /// Adds the blocks that the cases read.
    pub fn fill(&mut self, blocks: u64) -> Result<(), BenchError> {
        self.set_automine(false)?;
        let owner = secret_key("owner", 0);
        let owner_address = account_address(&owner);
        self.fund(owner_address)?;
        let init_code = Contracts::load().init_code("Token", &[U256::from(10).pow(U256::from(24))]);
        let nonce = self.quantity("eth_getTransactionCount", json!([owner_address, "latest"]))?;
        let deployment = self.sign(&owner, nonce, None, init_code, 3_000_000);
        self.send(&deployment)?;
        self.mine(1)?;
        self.token = owner_address.create(nonce);
        if self.request("eth_getCode", json!([self.token, "latest"]))? == json!("0x") {
            return Err(failed(&self.address, "the token is not where it was deployed to".to_string()));
        }
        self.first_block = self.quantity("eth_blockNumber", json!([]))? + 1;
        for transfer in 0..blocks / BLOCKS_A_TRANSFER {
            let input = call_data("transfer(address,uint256)", &[word(holder(transfer)), U256::from(1000 + transfer)]);
            let transaction = self.sign(&owner, nonce + 1 + transfer, Some(self.token), input, 100_000);
            self.send(&transaction)?;
            self.mine(BLOCKS_A_TRANSFER)?;
        }
        for index in 0..HOLDERS {
            self.set_balance(holder(index), U256::from(index + 1))?;
        }
        self.mine(blocks % BLOCKS_A_TRANSFER)?;
        self.last_block = self.quantity("eth_blockNumber", json!([]))?;
        let found = self.last_block + 1 - self.first_block;
        if found != blocks {
            return Err(failed(&self.address, format!("{blocks} blocks were to be mined, {found} were")));
        }
        self.set_automine(true)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the report says of the node.
    pub fn report(&self) -> ServerReport {
        ServerReport { url: self.url.clone(), client: self.client.clone() }
    }

    /// The requests of a case, each with an id of its own.
    pub fn requests(&self, case: &ReadCase) -> Vec<Vec<u8>> {
        let range = |topics: Value| {
            let (from, to) = (format!("{:#x}", self.first_block), format!("{:#x}", self.last_block));
            json!([{ "address": self.token, "fromBlock": from, "toBlock": to, "topics": topics }])
        };
        let transfer = keccak256("Transfer(address,address,uint256)");
        let request = |index: u64| match case.question {
            Question::TokenBalance => {
                let data = call_data("balanceOf(address)", &[word(holder(index))]);
                ("eth_call", json!([{ "to": self.token, "data": data }, "latest"]))
            }
            Question::Balance => ("eth_getBalance", json!([holder(index), "latest"])),
            Question::AllLogs => ("eth_getLogs", range(json!([transfer]))),
            Question::LogsOfOne => ("eth_getLogs", range(json!([transfer, null, B256::from(word(holder(index)))]))),
        };
        (0..HOLDERS)
            .map(|index| {
                let (method, params) = request(index);
                body(index, method, &params)
            })
            .collect()
    }

    /// The result of a request.
    pub fn answer(&mut self, request: &[u8]) -> Result<Value, BenchError> {
        if self.last_used.elapsed() > MAX_IDLE {
            self.http = connect(&self.address)?;
        }
        let answer = exchange(&mut self.http, &self.address, request)?;
        self.last_used = Instant::now();
        let mut answer: Value =
            serde_json::from_slice(&answer).map_err(|error| failed(&self.address, error.to_string()))?;
        Ok(answer["result"].take())
    }

    /// The result of a request for a method.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, BenchError> {
        self.answer(&body(0, method, &params))
    }

    /// The result of a request as a number.
    pub fn quantity(&mut self, method: &str, params: Value) -> Result<u64, BenchError> {
        let value = self.request(method, params)?;
        let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| failed(&self.address, format!("{method} returns {value}, expected a quantity")))
    }

    /// Whether each transaction is mined as it comes, or when asked.
    pub fn set_automine(&mut self, on: bool) -> Result<(), BenchError> {
        self.request("evm_setAutomine", json!([on])).map(|_| ())
    }

    /// Mines blocks.
    pub fn mine(&mut self, blocks: u64) -> Result<(), BenchError> {
        if blocks == 0 {
            return Ok(());
        }
        self.request("hardhat_mine", json!([format!("{blocks:#x}")])).map(|_| ())
    }

    /// Gives an account more than it can spend here.
    pub fn fund(&mut self, account: Address) -> Result<(), BenchError> {
        self.set_balance(account, U256::from(10).pow(U256::from(27)))
    }

    fn set_balance(&mut self, account: Address, balance: U256) -> Result<(), BenchError> {
        self.request("hardhat_setBalance", json!([account, format!("{balance:#x}")])).map(|_| ())
    }

    fn send(&mut self, transaction: &[u8]) -> Result<(), BenchError> {
        self.request("eth_sendRawTransaction", json!([hex::encode_prefixed(transaction)])).map(|_| ())
    }

    /// A signed transaction, encoded.
    pub fn sign(&self, key: &B256, nonce: u64, to: Option<Address>, input: Bytes, gas_limit: u64) -> Vec<u8> {
        let mut transaction = Transaction {
            tx_type: TxType::DynamicFee,
            chain_id: Some(self.chain_id),
            nonce,
            gas_price: U256::from(MAX_FEE),
            max_priority_fee_per_gas: U256::from(TIP),
            gas_limit,
            to,
            value: U256::from(u64::from(to.is_some() && input.is_empty())),
            input,
            ..Transaction::default()
        };
        transaction.sign(key).expect("a hash is a valid key");
        transaction.encode()
    }
}

fn connect(address: &str) -> Result<HttpConnection, BenchError> {
    HttpConnection::open(address).map_err(|error| failed(address, error.to_string()))
}

/// A request's body.
pub fn body(id: u64, method: &str, params: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string().into_bytes()
}

/// What two nodes' results have in common: of logs, how many there are and what they hold; else all.
pub fn comparable(result: &Value) -> Value {
    match result.as_array() {
        Some(logs) => logs.iter().map(|log| json!([log["data"], log["topics"]])).collect(),
        None => result.clone(),
    }
}

/// A key of the benchmark's own.
pub fn secret_key(purpose: &str, index: u64) -> B256 {
    keccak256(format!("rialto bench rpc: {purpose} {index}"))
}

/// The account of a key.
pub fn account_address(key: &B256) -> Address {
    address_of_secret_key(key).expect("a hash is a valid key")
}

fn holder(index: u64) -> Address {
    account_address(&secret_key("holder", index % HOLDERS))
}

//! Requests to a server of a test, and transactions for it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use rialto_bench::HttpConnection;
use rialto_stf::{Transaction, TxType, address_of_secret_key};
use serde_json::{Value, json};

/// A client over one connection.
pub struct Client {
    http: HttpConnection,
    next_id: u64,
}

impl Client {
    /// Connects to `HOST:PORT`.
    pub fn open(address: &str) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects to `HOST:PORT`, if the server takes the connection.
    pub fn try_open(address: &str) -> std::io::Result<Self> {
        Ok(Self { http: HttpConnection::open(address)?, next_id: 1 })
    }

    /// The whole answer to a request, be it a result or an error.
    pub fn answer(&mut self, method: &str, params: &Value) -> std::io::Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let reply = self.http.post(request.to_string().as_bytes())?;
        serde_json::from_slice(&reply.body).map_err(|error| {
            let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(200)]).into_owned();
            std::io::Error::other(format!("{method}: status {}, {error}: {text}", reply.status))
        })
    }

    /// The result of a request.
    ///
    /// # Panics
    /// If it is an error.
    pub fn result(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, &params).unwrap_or_else(|error| panic!("{method} {params}: {error}"));
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// The result of a request as a number.
    pub fn quantity(&mut self, method: &str, params: Value) -> u64 {
        let result = self.result(method, params);
        quantity(&result).unwrap_or_else(|| panic!("{method} returns {result}, expected a quantity"))
    }
}

/// A quantity in JSON as a number.
pub fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// A key of the tests' own, and its account.
pub fn account(index: u64) -> (B256, Address) {
    let key = keccak256(format!("an account of the tests: {index}"));
    (key, address_of_secret_key(&key).expect("a hash is a valid key"))
}

/// A signed transaction on the development chain, as `eth_sendRawTransaction` takes it.
pub fn signed(key: &B256, nonce: u64, to: Option<Address>, input: Bytes, gas_limit: u64) -> Value {
    let mut transaction = Transaction {
        tx_type: TxType::DynamicFee,
        chain_id: Some(31_337),
        nonce,
        gas_price: U256::from(1_000_000_000_000_u64),
        max_priority_fee_per_gas: U256::from(1_000_000_000_u64),
        gas_limit,
        to,
        input,
        ..Transaction::default()
    };
    transaction.sign(key).expect("a hash is a valid key");
    json!([hex::encode_prefixed(transaction.encode())])
}

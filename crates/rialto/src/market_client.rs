//! What the `market` commands do with a node: ask it by JSON-RPC, and send it transactions of the operator.
//!
//! A transaction is first run as a call, so that what would be refused costs nothing and is told in the market's own words; then it is
//! signed here, with a key that never leaves the process, and the node answers when it is in a block.

use crate::CliError;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolInterface};
use clap::Args;
use rialto_bench::HttpConnection;
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket::IMarketErrors;
use rialto_stf::{Transaction, TxType, address_of_secret_key};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Tip, wei a unit of gas.
const TIP: u64 = 1_000_000_000;
/// Gas on top of what the node estimates, in hundredths: prices may move the work until the block.
const GAS_MARGIN_PERCENT: u64 = 125;

/// Which node is asked, and how answers are printed.
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// JSON-RPC of a node with the namespaces eth and market
    #[arg(long, env = "RIALTO_RPC_URL", default_value = "http://127.0.0.1:8545", value_name = "URL", global = true)]
    rpc_url: String,
    /// The answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// Who signs.
#[derive(Args, Clone, Debug)]
pub struct SignerArgs {
    /// File with the sender's secret key, 32 bytes in hex; without it the transaction is printed, to be signed elsewhere
    #[arg(long, env = "RIALTO_PRIVATE_KEY_FILE", value_name = "FILE")]
    private_key_file: Option<PathBuf>,
}

impl SignerArgs {
    /// The key, if there is one.
    pub fn key(&self) -> Result<Option<B256>, CliError> {
        self.private_key_file.as_deref().map(read_key).transpose()
    }
}

fn read_key(file: &Path) -> Result<B256, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| CliError::file(file, error))?;
    let mut key = B256::ZERO;
    let digits = text.trim().trim_start_matches("0x");
    // What is wrong is said without the text, which may be most of a key.
    let wrong = |_| CliError::file(file, "expected a secret key, 32 bytes in hex");
    hex::decode_to_slice(digits, key.as_mut_slice()).map_err(wrong)?;
    Ok(key)
}

/// A connection to a node.
pub struct MarketClient {
    url: String,
    http: HttpConnection,
}

impl MarketClient {
    /// Connects.
    pub fn open(args: &ClientArgs) -> Result<Self, CliError> {
        let url = args.rpc_url.clone();
        let address = url.strip_prefix("http://").unwrap_or(&url).trim_end_matches('/').to_string();
        let http = HttpConnection::open(&address)
            .map_err(|error| CliError::argument("--rpc-url", &url, format!("a node that answers ({error})")))?;
        Ok(Self { url, http })
    }

    fn failed(&self, reason: impl ToString) -> CliError {
        CliError::Remote { url: self.url.clone(), reason: reason.to_string() }
    }

    /// What a method answers.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, CliError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let reply = self.http.post(body.as_bytes()).map_err(|error| self.failed(error))?;
        let mut answer: Value = serde_json::from_slice(&reply.body)
            .map_err(|error| self.failed(format!("{method}: expected JSON, found {error}")))?;
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err(self.failed(format!("{method}: {}", error_text(error)))),
        }
    }

    fn quantity(&mut self, method: &str, params: Value) -> Result<u64, CliError> {
        let answer = self.request(method, params)?;
        let digits = answer.as_str().and_then(|text| text.strip_prefix("0x"));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.ok_or_else(|| self.failed(format!("{method}: expected a quantity, found {answer}")))
    }

    /// What a function of the market that only reads answers.
    pub fn call<C: SolCall>(&mut self, call: &C) -> Result<C::Return, CliError> {
        let input = Bytes::from(call.abi_encode());
        let answer = self.request("eth_call", json!([{ "to": MARKET_ADDRESS, "input": input }, "latest"]))?;
        let bytes = answer.as_str().and_then(|text| hex::decode(text).ok()).unwrap_or_default();
        C::abi_decode_returns(&bytes).map_err(|error| self.failed(format!("{}: {error}", C::SIGNATURE)))
    }

    /// Sends a call of the market, signed with this key; its receipt.
    pub fn send(&mut self, key: &B256, call: &impl SolCall) -> Result<Value, CliError> {
        let from = self.address_of(key)?;
        let input = Bytes::from(call.abi_encode());
        let request = json!({ "from": from, "to": MARKET_ADDRESS, "input": input });
        let gas = self.quantity("eth_estimateGas", json!([request]))?;
        let base_fee = self.quantity("eth_gasPrice", json!([]))?;
        let mut transaction = Transaction {
            tx_type: TxType::DynamicFee,
            chain_id: Some(self.quantity("eth_chainId", json!([]))?),
            nonce: self.quantity("eth_getTransactionCount", json!([from, "pending"]))?,
            gas_price: U256::from(base_fee) * U256::from(2) + U256::from(TIP),
            max_priority_fee_per_gas: U256::from(TIP),
            gas_limit: gas.saturating_mul(GAS_MARGIN_PERCENT) / 100,
            to: Some(MARKET_ADDRESS),
            input,
            ..Transaction::default()
        };
        transaction.sign(key).map_err(|error| self.failed(error))?;
        let receipt = self.request("eth_sendRawTransactionSync", json!([Bytes::from(transaction.encode())]))?;
        if receipt["status"] != "0x1" {
            return Err(
                self.failed(format!("transaction {}: expected success, it reverted", receipt["transactionHash"]))
            );
        }
        Ok(receipt)
    }

    /// The address of a key.
    pub fn address_of(&self, key: &B256) -> Result<Address, CliError> {
        address_of_secret_key(key).map_err(|error| self.failed(error))
    }
}

/// What an error of a node says; where the market refused something, in its words.
fn error_text(error: &Value) -> String {
    let text = error["message"].as_str().unwrap_or("an error without a message");
    let data = error["data"].as_str().and_then(|data| hex::decode(data).ok()).unwrap_or_default();
    match IMarketErrors::abi_decode(&data) {
        Ok(refusal) => format!("{text}: {}", refusal_text(&refusal)),
        Err(_) => text.to_string(),
    }
}

fn refusal_text(refusal: &IMarketErrors) -> String {
    match refusal {
        IMarketErrors::OutOfRange(it) => {
            format!("{} is {}, expected {} to {}", it.what, it.value, it.least, it.most)
        }
        IMarketErrors::Unknown(it) => format!("no {} {}", it.what, it.id),
        IMarketErrors::Forbidden(it) => format!("forbidden: {}", it.state),
        IMarketErrors::LimitReached(it) => format!("at most {} {}", it.limit, it.what),
        IMarketErrors::MarginTooLow(it) => format!("equity {} is below the required {}", it.equity, it.required),
        IMarketErrors::NotAllowed(_) => "the sender may not do this".to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::SolError;
    use rialto_market::abi::IMarket::{NotAllowed, OutOfRange};

    #[test]
    fn refusals_are_told_in_the_markets_words() {
        let range = OutOfRange {
            what: "initial_ppm".into(),
            value: U256::from(7),
            least: U256::from(10),
            most: U256::from(20),
        };
        let rows = [
            (
                json!({ "message": "execution reverted", "data": hex::encode_prefixed(range.abi_encode()) }),
                "execution reverted: initial_ppm is 7, expected 10 to 20",
            ),
            (
                json!({ "message": "execution reverted", "data": hex::encode_prefixed(NotAllowed {}.abi_encode()) }),
                "execution reverted: the sender may not do this",
            ),
            (json!({ "message": "execution reverted", "data": "0x" }), "execution reverted"),
            (json!({ "message": "header not found" }), "header not found"),
        ];
        for (error, expected) in rows {
            assert_eq!(error_text(&error), expected);
        }
    }

    #[test]
    fn keys_are_read_from_files_and_never_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let digits = "11".repeat(32);
        for (text, is_key) in [
            (digits.clone(), true),
            (format!("0x{digits}\n"), true),
            (format!("{digits}11"), false),
            (String::new(), false),
        ] {
            std::fs::write(&file, &text).expect("written");
            match read_key(&file) {
                Ok(key) => assert!(is_key && key == B256::repeat_byte(0x11), "{text:?}"),
                Err(error) => assert!(!is_key && !error.to_string().contains("1111"), "{text:?}: {error}"),
            }
        }
    }
}

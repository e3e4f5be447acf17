//! Calls of a native module, the market, as those ask for them who know contracts only: traces, estimates, simulations, access lists.

use crate::namespaces::methods_of;
use crate::{RpcContext, RpcLimits};
use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use alloy_sol_types::SolCall;
use jsonrpsee::Methods;
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket;
use rialto_market::layout::Balance;
use rialto_market::records::slot_of;
use rialto_market::types::{AccountId, AssetId};
use rialto_node::{BlockId, ChainBlock, Node, NodeConfig, PayloadAttributes, PoolTransaction, TransactionSource};
use rialto_stf::{Transaction, TxType, address_of_secret_key, execute};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Keeps each balance in the slot of the holder's address, moves without approval, and knows `transferFrom` and `balanceOf`.
const TOKEN: Address = address!("00000000000000000000000000000000000000c0");
const TOKEN_CODE: &str = "5f3560e01c806370a0823114602d5760443580602435540160243555600435540360043555\
                          60015f5260205ff35b600435545f5260205ff3";
/// Passes its call data on to the market, and reverts.
const REGRETS: Address = address!("00000000000000000000000000000000000000d0");
const REGRETS_CODE: &str = "365f5f375f5f365f5f7352540000000000000000000000000000000000015af1505f5ffd";

const MAKER: B256 = B256::repeat_byte(0x11);
const TAKER: B256 = B256::repeat_byte(0x22);
const NOBODY: B256 = B256::repeat_byte(0x33);
/// The accounts that they open.
const MAKERS_ACCOUNT: u32 = 16;
const TAKERS_ACCOUNT: u32 = 17;
const TICKS: u32 = 30_000;
const GAS: u64 = 3_000_000;

fn address_of(key: &B256) -> Address {
    address_of_secret_key(key).expect("a secret key")
}

fn genesis() -> Vec<u8> {
    let (maker, taker) = (address_of(&MAKER), address_of(&TAKER));
    let holdings: serde_json::Map<String, Value> = [maker, taker]
        .map(|holder| (holder.into_word().to_string(), json!(format!("{:#066x}", 10_000_000_000_000_u64))))
        .into_iter()
        .collect();
    json!({
        "config": {
            "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
            "blobSchedule": { "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 } },
            "rialto": { "market": {
                "activationTime": 0, "operator": maker, "signers": [maker], "quorum": 1, "timelockSeconds": 0,
                "quoteAsset": { "token": TOKEN, "decimals": 6 },
                "feeds": [{ "decimals": 8, "stalenessSeconds": 600, "deviationPpm": 250_000, "price": "300000000000" }],
                "instruments": [
                    { "kind": "perpetual", "feed": 1, "tickValue": 100, "lotSize": "1000000000000000" },
                ],
            } },
        },
        "nonce": "0x0", "timestamp": "0x3e8", "extraData": "0x", "gasLimit": "0x1c9c380", "difficulty": "0x0",
        "mixHash": B256::ZERO, "coinbase": Address::ZERO,
        "alloc": {
            maker.to_string(): { "balance": "0x56bc75e2d63100000" },
            taker.to_string(): { "balance": "0x56bc75e2d63100000" },
            TOKEN.to_string(): { "balance": "0x0", "nonce": "0x1", "code": format!("0x{TOKEN_CODE}"), "storage": holdings },
            REGRETS.to_string(): { "balance": "0x0", "code": format!("0x{REGRETS_CODE}") },
        },
    })
    .to_string()
    .into_bytes()
}

/// A call of the market: who calls it, directly or through a contract, and with what.
#[derive(Clone)]
struct Call {
    name: &'static str,
    key: B256,
    to: Address,
    input: Vec<u8>,
}

impl Call {
    fn new(name: &'static str, key: B256, call: impl SolCall) -> Self {
        Self { name, key, to: MARKET_ADDRESS, input: call.abi_encode() }
    }

    fn args(&self) -> Value {
        json!({ "from": address_of(&self.key), "to": self.to, "input": Bytes::copy_from_slice(&self.input) })
    }
}

fn open(key: B256) -> Call {
    Call::new("openAccount", key, IMarket::openAccountCall { number: 0 })
}

fn deposit(key: B256, account: u32) -> Call {
    let amount = U256::from(1_000_000_000_000_u64);
    Call::new("deposit", key, IMarket::depositCall { account, token: TOKEN, amount })
}

fn order(is_buy: bool, lots: u64) -> IMarket::Order {
    IMarket::Order {
        instrument: 1,
        isBuy: is_buy,
        priceTicks: TICKS,
        lots,
        timeInForce: IMarket::TimeInForce::GoodTillCancelled,
        selfTrade: IMarket::SelfTrade::CancelTaker,
        reduceOnly: false,
        clientId: 0,
        expirySeconds: 0,
    }
}

fn place(key: B256, account: u32, is_buy: bool, lots: u64) -> Call {
    Call::new("place", key, IMarket::placeCall { account, order: order(is_buy, lots) })
}

/// Ten resting bids, one that rejects, and a cancellation of nothing.
fn batch(key: B256, account: u32) -> Call {
    let place = |ticks: u32, lots: u8| {
        let mut word = B256::ZERO;
        (word[0], word[1], word[3], word[13]) = (1, 1, 1, lots);
        word[4..8].copy_from_slice(&ticks.to_be_bytes());
        word
    };
    let mut actions: Vec<B256> = (1..=10).map(|below| place(TICKS - below, 2)).collect();
    actions.push(place(TICKS, 0));
    Call::new("batch", key, IMarket::batchCall { account, actions })
}

struct Chain {
    node: Arc<Node>,
    methods: Methods,
    nonces: BTreeMap<B256, u64>,
}

impl Chain {
    fn new() -> Self {
        let config = NodeConfig { genesis: Some(genesis()), is_dev: true, ..NodeConfig::default() };
        let node = Node::open(config).expect("a node");
        let context = RpcContext::new(Arc::clone(&node), RpcLimits::default(), "rialto/test".into(), None);
        let names = ["debug", "eth"].map(str::to_string);
        let methods = methods_of(&names, &context, false).expect("methods");
        Self { node, methods, nonces: BTreeMap::new() }
    }

    /// Mines a block of these calls with these limits of gas.
    fn mine(&mut self, calls: &[(&Call, u64)]) -> Arc<ChainBlock> {
        let head = self.node.view().expect("a view").head().block.header.clone();
        let pooled = |(call, gas_limit): &(&Call, u64)| {
            let nonce = self.nonces.entry(call.key).or_default();
            let mut transaction = Transaction {
                tx_type: TxType::DynamicFee,
                chain_id: Some(1337),
                nonce: *nonce,
                gas_price: U256::from(10_000_000_000_u64),
                gas_limit: *gas_limit,
                to: Some(call.to),
                input: call.input.clone().into(),
                ..Transaction::default()
            };
            *nonce += 1;
            transaction.sign(&call.key).expect("a secret key");
            let spec = self.node.spec();
            Arc::new(PoolTransaction::decode(&transaction.encode(), spec, &head).expect("a transaction"))
        };
        let transactions = calls.iter().map(pooled).collect();
        let attributes = PayloadAttributes {
            timestamp: head.timestamp + 2,
            withdrawals: Some(Vec::new()),
            parent_beacon_block_root: Some(B256::ZERO),
            ..PayloadAttributes::default()
        };
        self.node.mine(&attributes, &TransactionSource::Exactly(transactions)).expect("a block");
        let view = self.node.view().expect("a view");
        view.block(BlockId::Number(head.number + 1)).expect("readable").expect("mined")
    }

    async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let (answer, _) = self.methods.raw_json_request(&request, 16).await.expect("a request");
        serde_json::from_str(answer.get()).expect("JSON")
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params.clone()).await;
        answer.get("result").cloned().unwrap_or_else(|| panic!("{method} {params}: {answer}"))
    }

    async fn receipt(&self, hash: B256) -> Value {
        self.ask("eth_getTransactionReceipt", json!([hash])).await
    }
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a quantity");
    u64::from_str_radix(&text[2..], 16).expect("a quantity")
}

/// Accounts with deposits: what trades begin with.
fn beginnings() -> [Call; 4] {
    [open(MAKER), open(TAKER), deposit(MAKER, MAKERS_ACCOUNT), deposit(TAKER, TAKERS_ACCOUNT)]
}

fn storage(accounts: &Value, address: Address) -> BTreeMap<U256, U256> {
    let slots = accounts[address.to_string().to_lowercase()]["storage"].as_object();
    let word = |text: &str| text.parse::<U256>().expect("a word");
    slots.into_iter().flatten().map(|(slot, value)| (word(slot), word(value.as_str().expect("a word")))).collect()
}

/// Blocks whose transactions meet records that earlier ones have used.
async fn traded() -> (Chain, Vec<(Arc<ChainBlock>, Vec<Call>)>) {
    let mut chain = Chain::new();
    let regretted = Call { to: REGRETS, ..open(TAKER) };
    let calls = [
        beginnings().to_vec(),
        vec![place(MAKER, MAKERS_ACCOUNT, false, 5), place(TAKER, TAKERS_ACCOUNT, true, 3), regretted],
        vec![batch(MAKER, MAKERS_ACCOUNT), place(TAKER, TAKERS_ACCOUNT, false, 30)],
    ];
    let mut blocks = Vec::new();
    for calls in calls {
        let limited: Vec<(&Call, u64)> = calls.iter().map(|call| (call, GAS)).collect();
        let block = chain.mine(&limited);
        for (call, hash) in calls.iter().zip(&block.transaction_hashes) {
            let expected = if call.to == REGRETS { "0x0" } else { "0x1" };
            assert_eq!(chain.receipt(*hash).await["status"], expected, "{}", call.name);
        }
        blocks.push((block, calls));
    }
    (chain, blocks)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slot_that_a_block_changed_is_in_its_traces() {
    let (chain, blocks) = traded().await;
    let config = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    for (block, calls) in &blocks {
        let view = chain.node.view().expect("a view");
        let state = view.state_before(block).expect("readable").expect("kept");
        let diff = execute(chain.node.spec(), &block.block, None, &state, None).expect("a valid block").diff;
        let traces =
            chain.ask("debug_traceBlockByHash", json!([block.hash, config])).await.as_array().expect("traces").clone();
        for address in [MARKET_ADDRESS, TOKEN] {
            // What the transactions say came first and last.
            let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
            for (call, entry) in calls.iter().zip(&traces) {
                let trace = &entry["result"];
                let (pre, post) = (storage(&trace["pre"], address), storage(&trace["post"], address));
                assert!(
                    call.to != REGRETS || pre.is_empty() && post.is_empty(),
                    "what was undone is no change: {trace}"
                );
                let slots: BTreeSet<&U256> = pre.keys().chain(post.keys()).collect();
                for slot in slots {
                    let value = |slots: &BTreeMap<U256, U256>| slots.get(slot).copied().unwrap_or_default();
                    let before = last.insert(*slot, value(&post)).unwrap_or(value(&pre));
                    assert_eq!(before, value(&pre), "{}: {slot:#x} is what the last transaction left", call.name);
                    first.entry(*slot).or_insert(before);
                }
            }
            let changed = diff.accounts.iter().find(|account| account.address == address);
            let expected: BTreeMap<U256, (U256, U256)> = changed
                .iter()
                .flat_map(|account| &account.storage)
                .map(|slot| (slot.slot, (slot.before, slot.after)))
                .collect();
            let mut found: BTreeMap<U256, (U256, U256)> =
                first.iter().map(|(slot, before)| (*slot, (*before, last[slot]))).collect();
            found.retain(|_, (before, after)| before != after);
            assert_eq!(found, expected, "block {} {address}", block.block.header.number);
            assert!(address == TOKEN || !found.is_empty(), "block {} changes the market", block.block.header.number);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_modules_read_are_told_whatever_ran_before() {
    let (chain, blocks) = traded().await;
    for (block, calls) in &blocks {
        let number = format!("{:#x}", block.block.header.number);
        for (index, (call, hash)) in calls.iter().zip(&block.transaction_hashes).enumerate() {
            let name = call.name;
            let config = json!({ "tracer": "prestateTracer", "txIndex": format!("{index:#x}") });
            // As a call it runs alone, on the state that the transactions before it leave.
            let alone = chain.ask("debug_traceCall", json!([call.args(), number, config])).await;
            let trace = chain.ask("debug_traceTransaction", json!([hash, config])).await;
            for address in [MARKET_ADDRESS, TOKEN] {
                assert_eq!(storage(&trace, address), storage(&alone, address), "{name} {address}");
            }
            let slots = storage(&trace, MARKET_ADDRESS);
            assert!(slots.contains_key(&U256::ZERO) || slots.len() > 1, "{name}: {} slots", slots.len());
            let view = chain.node.view().expect("a view");
            let state = view.state_before(block).expect("readable").expect("kept");
            if index == 0 {
                for (slot, value) in &slots {
                    let expected = rialto_state::StateReader::storage(&state, &MARKET_ADDRESS, slot);
                    assert_eq!(Ok(*value), expected.map_err(|error| error.to_string()), "{name} {slot:#x}");
                }
            }
            if name == "deposit" {
                let token = &trace[TOKEN.to_string().to_lowercase()];
                assert_eq!((&token["nonce"], &token["code"]), (&json!(1), &json!(format!("0x{TOKEN_CODE}"))));
            }
        }
        let no_storage = json!({ "tracer": "prestateTracer", "tracerConfig": { "disableStorage": true } });
        let trace = chain.ask("debug_traceTransaction", json!([block.transaction_hashes[0], no_storage])).await;
        assert!(storage(&trace, MARKET_ADDRESS).is_empty(), "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_are_enough_and_not_much_more() {
    let mut chain = Chain::new();
    let mut calls = beginnings().to_vec();
    calls.extend([
        place(MAKER, MAKERS_ACCOUNT, false, 5),
        place(TAKER, TAKERS_ACCOUNT, true, 3),
        batch(MAKER, MAKERS_ACCOUNT),
        place(TAKER, TAKERS_ACCOUNT, false, 30),
        Call::new("cancelAll", TAKER, IMarket::cancelAllCall { account: TAKERS_ACCOUNT, instrument: 0 }),
        Call::new(
            "withdraw",
            TAKER,
            IMarket::withdrawCall { account: TAKERS_ACCOUNT, token: TOKEN, amount: U256::from(5), to: REGRETS },
        ),
    ]);
    for call in calls {
        let name = call.name;
        let estimate = number(&chain.ask("eth_estimateGas", json!([call.args()])).await);
        let mut args = call.args();
        args["gas"] = json!("0x6000");
        let answer = chain.answer("eth_estimateGas", json!([args])).await;
        assert_eq!(answer["error"]["message"], "gas required exceeds allowance (24576)", "{name}: {answer}");
        let block = chain.mine(&[(&call, estimate)]);
        let receipt = chain.receipt(block.transaction_hashes[0]).await;
        assert_eq!(receipt["status"], "0x1", "{name} with {estimate} gas: {receipt}");
        let used = number(&receipt["gasUsed"]);
        assert!(estimate <= used + used / 10, "{name}: {estimate} gas estimated, {used} used");
    }
}

/// Arguments of a call that is refused, and the error's selector.
fn refused() -> [(Call, [u8; 4]); 3] {
    use alloy_sol_types::SolError;
    let foreign = Call { name: "of another's account", ..place(TAKER, MAKERS_ACCOUNT, true, 1) };
    let large = Call { name: "without the margin", ..place(TAKER, TAKERS_ACCOUNT, true, 1_000_000_000) };
    let unknown = IMarket::cancelCall { account: TAKERS_ACCOUNT, orderId: 77 };
    [
        (foreign, IMarket::NotAllowed::SELECTOR),
        (large, IMarket::MarginTooLow::SELECTOR),
        (Call::new("of no order", TAKER, unknown), IMarket::Unknown::SELECTOR),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_with_their_errors() {
    let mut chain = Chain::new();
    let calls = beginnings();
    chain.mine(&calls.each_ref().map(|call| (call, GAS)));
    for (call, selector) in refused() {
        let name = call.name;
        let block = chain.mine(&[(&call, GAS)]);
        let expected = format!("0x{}", hex::encode(selector));
        for method in ["eth_call", "eth_estimateGas"] {
            let answer = chain.answer(method, json!([call.args()])).await;
            let data = answer["error"]["data"].as_str().unwrap_or_default();
            assert!(answer["error"]["code"] == 3 && data.starts_with(&expected), "{method} {name}: {answer}");
        }
        let config = json!({ "tracer": "callTracer" });
        let trace = chain.ask("debug_traceTransaction", json!([block.transaction_hashes[0], config])).await;
        assert_eq!(trace["error"], "execution reverted", "{name}");
        assert!(trace["output"].as_str().is_some_and(|output| output.starts_with(&expected)), "{name}: {trace}");
        let logs = chain.ask("debug_traceTransaction", json!([block.transaction_hashes[0], {}])).await;
        assert!(logs["returnValue"].as_str().is_some_and(|output| output.starts_with(&expected)), "{name}: {logs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_see_a_market_that_is_made_up() {
    let mut chain = Chain::new();
    let calls = beginnings();
    chain.mine(&calls.each_ref().map(|call| (call, GAS)));
    let slot = |account, word| B256::from(slot_of::<Balance>((AccountId(account), AssetId(1)), word));
    // The taker's balance becomes what the maker's is after another deposit.
    chain.mine(&[(&deposit(MAKER, MAKERS_ACCOUNT), GAS)]);
    let mut words = serde_json::Map::new();
    for word in 0..<Balance as rialto_market::records::Record>::WORDS {
        let value = chain.ask("eth_getStorageAt", json!([MARKET_ADDRESS, slot(MAKERS_ACCOUNT, word), "latest"])).await;
        words.insert(slot(TAKERS_ACCOUNT, word).to_string(), value);
    }
    let asked = Call::new("balanceOf", NOBODY, IMarket::balanceOfCall { account: TAKERS_ACCOUNT, asset: 1 }).args();
    let overrides = json!({ MARKET_ADDRESS.to_string(): { "stateDiff": words } });
    let rows = [(json!({}), 1_000_000_000_000_u64), (overrides, 2_000_000_000_000)];
    for (overrides, expected) in rows {
        let answer = chain.ask("eth_call", json!([asked, "latest", overrides])).await;
        assert_eq!(answer, json!(format!("{expected:#066x}")), "{overrides}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lists_have_what_becomes_cheaper() {
    let mut chain = Chain::new();
    chain.mine(&[(&open(MAKER), GAS)]);
    let call = deposit(MAKER, MAKERS_ACCOUNT);
    let answer = chain.ask("eth_createAccessList", json!([call.args()])).await;
    let of_holder = |holder: Address| holder.into_word();
    let mut keys = [of_holder(address_of(&MAKER)), of_holder(MARKET_ADDRESS)];
    keys.sort_unstable();
    assert_eq!(
        answer["accessList"],
        json!([{ "address": TOKEN, "storageKeys": keys }]),
        "the token that the market calls"
    );
    let none = Call { to: MARKET_ADDRESS, ..place(MAKER, MAKERS_ACCOUNT, true, 1) };
    let answer = chain.ask("eth_createAccessList", json!([none.args()])).await;
    assert_eq!(answer["accessList"], json!([]), "of slots whose price is the same for all");
}

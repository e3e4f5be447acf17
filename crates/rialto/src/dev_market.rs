//! The market of a chain in dev mode: `config.rialto.market` of its genesis document, and two tokens that anyone mints.
//!
//! The first account operates the market and the second, or the first where there is no other, signs its prices. Time locks take no
//! time, so that what the operator proposes holds at once. What is listed is [`rialto_market::genesis::dev`]'s.

use alloy_primitives::{Address, U256, address, keccak256};
use rialto_bench::Contracts;
use rialto_market::genesis::{AssetGenesis, FeedGenesis, InstrumentGenesis, MarketGenesis, Setting};
use serde_json::{Map, Value, json};

/// What the market settles in, with 6 decimals.
pub const DEV_DOLLAR: Address = address!("525400000000000000000000000000000000d001");
/// Its collateral and the base of its spot pair, with 18 decimals.
pub const DEV_ETHER: Address = address!("525400000000000000000000000000000000d002");

/// Whole dollars and ethers of the tokens that each account begins with.
const HOLDINGS: [(Address, &str, u64, u8); 2] =
    [(DEV_DOLLAR, "DevDollar", 10_000_000, 6), (DEV_ETHER, "DevEther", 1_000, 18)];
/// Slot of `totalSupply` in `DevToken`.
const SUPPLY_SLOT: u64 = 0;
/// Slot of the mapping `balanceOf`.
const BALANCES_SLOT: u64 = 1;
/// Kinds of instruments, as a genesis document names them.
const KINDS: [&str; 4] = ["unlisted", "spot", "perpetual", "option"];

/// `config.rialto` for a chain that begins at this Unix time and has these accounts.
pub fn config(timestamp_seconds: u64, accounts: &[Address]) -> Value {
    let operator = accounts.first().copied().unwrap_or_default();
    let signer = accounts.get(1).copied().unwrap_or(operator);
    let genesis = rialto_market::genesis::dev(timestamp_seconds, operator, signer, DEV_DOLLAR, DEV_ETHER);
    json!({ "market": document(&genesis) })
}

/// Entries of `alloc` for the tokens, of which these accounts have some.
pub fn tokens(accounts: &[Address]) -> Vec<(Address, Value)> {
    let contracts = Contracts::load();
    let word = |word: U256| format!("{word:#066x}");
    let token = |(token, name, holding, decimals): (Address, &str, u64, u8)| {
        let holding = U256::from(holding) * U256::from(10).pow(U256::from(decimals));
        let mut storage: Map<String, Value> =
            accounts.iter().map(|account| (word(balance_slot(account)), json!(word(holding)))).collect();
        let supply = holding * U256::from(storage.len());
        storage.insert(word(U256::from(SUPPLY_SLOT)), json!(word(supply)));
        let code = contracts.deployed_code(name);
        (token, json!({ "nonce": "0x1", "balance": "0x0", "code": code, "storage": storage }))
    };
    HOLDINGS.map(token).into()
}

/// Where `balanceOf` has an account.
fn balance_slot(account: &Address) -> U256 {
    let key = [account.into_word().0, U256::from(BALANCES_SLOT).to_be_bytes()].concat();
    keccak256(key).into()
}

/// `config.rialto.market` as a genesis document has it.
fn document(genesis: &MarketGenesis) -> Value {
    json!({
        "activationTime": 0,
        "operator": genesis.operator,
        "signers": genesis.signers,
        "quorum": genesis.quorum,
        "timelockSeconds": genesis.timelock_seconds,
        "quoteAsset": {
            "token": genesis.quote.token,
            "decimals": genesis.quote.decimals,
            "settings": settings(&genesis.quote.settings),
        },
        "assets": genesis.assets.iter().map(asset).collect::<Vec<_>>(),
        "feeds": genesis.feeds.iter().map(feed).collect::<Vec<_>>(),
        "instruments": genesis.instruments.iter().map(instrument).collect::<Vec<_>>(),
    })
}

fn asset(asset: &AssetGenesis) -> Value {
    let AssetGenesis { token, decimals, feed, settings: changed } = asset;
    json!({ "token": token, "decimals": decimals, "feed": feed, "settings": settings(changed) })
}

fn feed(feed: &FeedGenesis) -> Value {
    json!({
        "decimals": feed.decimals,
        "source": feed.source,
        "sourceDecimals": feed.source_decimals,
        "stalenessSeconds": feed.staleness_seconds,
        "deviationPpm": feed.deviation_ppm,
        "price": feed.price.to_string(),
    })
}

fn instrument(instrument: &InstrumentGenesis) -> Value {
    json!({
        "kind": KINDS[usize::from(instrument.kind).min(KINDS.len() - 1)],
        "base": instrument.base,
        "feed": instrument.feed,
        "underlying": instrument.underlying,
        "expirySeconds": instrument.expiry_seconds,
        "strikeTicks": instrument.strike_ticks,
        "isCall": instrument.is_call,
        "tickValue": instrument.tick_value,
        "lotSize": instrument.lot_size.to_string(),
        "settings": settings(&instrument.settings),
    })
}

fn settings(settings: &[Setting]) -> Value {
    settings.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect::<Map<_, _>>().into()
}

//! A market in memory that begins as a genesis says, with signers whose reports it takes.
#![allow(dead_code)]

use alloy_primitives::{Address, Bytes, LogData, U256, address, keccak256};
use alloy_sol_types::{SolEvent, SolValue};
use k256::ecdsa::SigningKey;
use rialto_market::abi::IMarket::{FeedPrice, PriceReport, SignedReport};
use rialto_market::genesis::{self, MarketGenesis};
use rialto_market::oracle::signing_hash;
use rialto_market::records::{Records, Stored};
use rialto_market::types::{AccountId, BlockInfo};
use rialto_market::{MARKET_ADDRESS, Market, MarketError, Meter, Rejection};
use rialto_state::{AccountId as JournalAccountId, Journal, MemoryState};

pub const OPERATOR: Address = address!("0000000000000000000000000000000000000b05");
pub const NOBODY: Address = address!("00000000000000000000000000000000000d0d0d");
pub const DOLLAR: Address = address!("00000000000000000000000000000000000d011a");
pub const ETHER: Address = address!("000000000000000000000000000000000000e7e7");
pub const CHAIN: u64 = 7_777;

/// A multiple of a day, so that funding hours and days begin with it.
pub const START_SECONDS: u64 = 1_800_057_600;

/// Feeds and instruments of the development genesis.
pub const ETHER_FEED: u16 = 1;
pub const BITCOIN_FEED: u16 = 2;
pub const VOLATILITY_FEED: u16 = 3;
pub const SPOT: u16 = 1;
pub const ETHER_PERPETUAL: u16 = 2;
pub const BITCOIN_PERPETUAL: u16 = 3;
pub const FIRST_OPTION: u16 = 4;

/// A signer's secret key and address.
pub fn signer(number: u8) -> (SigningKey, Address) {
    let key = SigningKey::from_slice(&[number; 32]).expect("a valid key");
    let point = key.verifying_key().to_encoded_point(false);
    (key, Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..]))
}

/// A report as a signer with this number signs it for a chain.
pub fn signed_for(number: u8, report: PriceReport, chain: u64) -> SignedReport {
    let hash = signing_hash(&report, U256::from(chain));
    let (signature, recovery) = signer(number).0.sign_prehash_recoverable(hash.as_slice()).expect("it signs");
    let mut bytes = signature.to_vec();
    bytes.push(27 + recovery.to_byte());
    SignedReport { report, signature: bytes.into() }
}

pub fn report(sequence: u64, time_seconds: u64, prices: &[(u16, u128)]) -> PriceReport {
    let prices = prices.iter().map(|&(feed, price)| FeedPrice { feed, price }).collect();
    PriceReport { sequence, timeSeconds: time_seconds, prices }
}

pub struct World {
    pub journal: Journal<'static>,
    module: JournalAccountId,
    pub now_seconds: u64,
    pub sequence: u64,
    /// Events of the last operation.
    pub events: Vec<LogData>,
}

impl World {
    /// The development market with these signers.
    pub fn dev(signers: u8, quorum: u8) -> Self {
        let mut genesis = genesis::dev(START_SECONDS, OPERATOR, signer(1).1, DOLLAR, ETHER);
        genesis.signers = (1..=signers).map(|number| signer(number).1).collect();
        genesis.quorum = quorum;
        genesis.timelock_seconds = 3_600;
        Self::new(&genesis)
    }

    pub fn new(genesis: &MarketGenesis) -> Self {
        let slots = genesis::records(genesis).unwrap_or_else(|error| panic!("{error}"));
        let mut state = MemoryState::default();
        state.insert_account(MARKET_ADDRESS, 1, U256::ZERO, Bytes::new(), slots);
        let reader: &'static MemoryState = Box::leak(Box::new(state));
        let mut journal = Journal::new(reader, 1);
        let module = journal.account_id(&MARKET_ADDRESS);
        journal.load(module).expect("memory is read");
        Self { journal, module, now_seconds: genesis.timestamp_seconds, sequence: 0, events: Vec::new() }
    }

    /// One operation of a caller, which leaves nothing if it is rejected.
    pub fn run<T>(
        &mut self,
        caller: Address,
        operation: impl FnOnce(&mut Market<'_, 'static>) -> Result<T, MarketError>,
    ) -> Result<T, Rejection> {
        let records = Records::open(&mut self.journal, self.module);
        let block = BlockInfo { number: 1, timestamp_seconds: self.now_seconds, chain_id: U256::from(CHAIN) };
        let mut market = Market::new(records, block, caller, Meter::new(1 << 40));
        let result = operation(&mut market);
        let (records, events) = market.finish();
        self.events = events;
        let result = match result {
            Ok(value) => {
                records.close().expect("memory is read");
                Ok(value)
            }
            Err(MarketError::Rejected(rejection)) => {
                records.abandon();
                self.events.clear();
                Err(*rejection)
            }
            Err(error) => panic!("{error}"),
        };
        self.journal.end_tx(false);
        result
    }

    /// Brings a report.
    pub fn bring(&mut self, reports: Vec<SignedReport>) -> Result<(), Rejection> {
        let encoded = reports.abi_encode();
        self.run(NOBODY, |market| market.update_prices(&encoded))
    }

    /// Signer 1 signs these prices now, in the next round.
    pub fn price(&mut self, prices: &[(u16, u128)]) -> Result<(), Rejection> {
        self.sequence += 1;
        let report = report(self.sequence, self.now_seconds, prices);
        self.bring(vec![signed_for(1, report, CHAIN)])
    }

    /// Time passes, then signer 1 signs these prices.
    pub fn price_after(&mut self, seconds: u64, prices: &[(u16, u128)]) {
        self.now_seconds += seconds;
        self.price(prices).unwrap_or_else(|rejection| panic!("{prices:?} at {}: {rejection}", self.now_seconds));
    }

    pub fn get<R: Stored>(&mut self, key: R::Key) -> R {
        self.run(NOBODY, |market| Ok(market.records().get::<R>(key)?)).expect("reading is not rejected")
    }

    pub fn set<R: Stored>(&mut self, key: R::Key, change: impl FnOnce(&mut R)) {
        self.run(NOBODY, |market| Ok(market.records().update::<R, _>(key, change)?)).expect("writing is not rejected");
    }

    /// Events of one kind of the last operation.
    pub fn events_of<E: SolEvent>(&self) -> Vec<E> {
        self.events.iter().filter_map(|log| E::decode_log_data(log).ok()).collect()
    }

    /// An account with dollars.
    pub fn funded(&mut self, owner: u8, dollars: i128) -> AccountId {
        let owner = Address::with_last_byte(owner);
        self.run(owner, |market| {
            let account = market.open_account(0, None)?;
            market.add_balance(account, rialto_market::layout::QUOTE, dollars * 1_000_000)?;
            Ok(account)
        })
        .unwrap_or_else(|rejection| panic!("{rejection}"))
    }
}

//! A chain with the market, people and contracts with accounts on it, and what they do at random.

use crate::support::nesting::{self, Ending, through};
use crate::support::{Call, SENDERS, key, sender, state};
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use rialto_market::abi::IMarket::{
    self, FeedPrice, Order, PriceReport, SelfTrade, SignedReport, TimeInForce, TriggerKind,
};
use rialto_market::oracle::signing_hash;
use rialto_market::{MARKET_ADDRESS, genesis};
use rialto_state::MemoryState;
use rialto_stf::{ChainModule, ChainSpec, json, sign_hash};
use rialto_vm::opcode as op;

/// When the chain begins.
pub const START_SECONDS: u64 = 1_800_000_000;
pub const DOLLAR: Address = address!("525400000000000000000000000000000000d001");
pub const ETHER: Address = address!("525400000000000000000000000000000000d002");
/// Whose account 0 signs prices.
pub const SIGNER: u64 = 1;
/// Instruments that `genesis::dev` lists: the spot pair, two perpetuals, six options.
pub const INSTRUMENTS: u64 = 9;
/// The first account that is opened.
const FIRST_ACCOUNT: u32 = 16;

/// Numbers that follow from a seed (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

/// The contracts that own an account: those that are called, keep all gas and end well.
pub fn owning_contracts() -> Vec<usize> {
    [Ending::Same, Ending::Catch, Ending::Twice].map(|ending| nesting::number(op::CALL, ending, true)).into()
}

/// The chain.
pub fn chain(fork: &str) -> ChainSpec {
    let mut chain = ChainSpec::from_network(fork, 1).expect("a network");
    chain.modules.push(ChainModule::market(0));
    chain
}

/// The code of one of the project's own tokens.
fn token_code(name: &str) -> Bytes {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/contracts/artifacts.json");
    let artifacts = json::parse(&std::fs::read(path).expect("a file")).expect("JSON");
    artifacts[name]["deployed_bytecode"].as_str().expect("is there").parse().expect("hex")
}

/// The slot of a mapping's entry.
fn entry(key: Address, mapping: U256) -> U256 {
    keccak256([key.into_word().0, mapping.to_be_bytes()].concat()).into()
}

/// A state with the market, in which all senders have tokens that the market may take.
pub fn world() -> MemoryState {
    let mut state = state();
    nesting::deploy(&mut state);
    for (token, name) in [(DOLLAR, "DevDollar"), (ETHER, "DevEther")] {
        let holding = U256::from(10).pow(U256::from(24));
        let mut slots = vec![(U256::ZERO, holding * U256::from(SENDERS))];
        for index in 0..SENDERS {
            let owner = sender(index);
            slots.push((entry(owner, U256::from(1)), holding));
            slots.push((entry(MARKET_ADDRESS, entry(owner, U256::from(2))), U256::MAX));
        }
        state.insert_account(token, 1, U256::ZERO, token_code(name), slots);
    }
    let genesis = genesis::dev(START_SECONDS, sender(0), sender(SIGNER), DOLLAR, ETHER);
    let records = genesis::records(&genesis).expect("what a development chain begins with");
    state.insert_account(MARKET_ADDRESS, 1, U256::ZERO, Bytes::from_static(&[0xfe]), records);
    state
}

/// A call of the market through contracts.
pub fn call_through(from: u64, contracts: &[usize], call: &impl SolCall, gas_limit: u64) -> Call {
    let (to, input) = through(contracts, MARKET_ADDRESS, &call.abi_encode());
    Call { from, to: Some(to), value: 0, tip: 1, gas_limit, input }
}

/// Opens the accounts: senders' first, then contracts', each with dollars.
pub fn opening() -> Vec<Call> {
    const GAS: u64 = 1_000_000;
    let open = IMarket::openAccountCall { number: 0 };
    let mut calls: Vec<Call> = (0..SENDERS).map(|from| call_through(from, &[], &open, GAS)).collect();
    calls.extend(owning_contracts().iter().map(|contract| call_through(0, &[*contract], &open, GAS)));
    for index in 0..calls.len() as u64 {
        let account = FIRST_ACCOUNT + index as u32;
        let dollars = IMarket::depositCall { account, token: DOLLAR, amount: U256::from(20_000_000_000u64) };
        calls.push(call_through(index % SENDERS, &[], &dollars, GAS));
        // An asset other than dollars comes from the account's owner only.
        if index < SENDERS {
            let ether =
                IMarket::depositCall { account, token: ETHER, amount: U256::from(5_000_000_000_000_000_000u64) };
            calls.push(call_through(index, &[], &ether, GAS));
        }
    }
    calls
}

/// What happens at random.
pub struct Traffic {
    pub numbers: Numbers,
    /// Prices of the three feeds.
    prices: [u128; 3],
    sequence: u64,
}

impl Traffic {
    pub fn new(seed: u64) -> Self {
        let prices = [300_000_000_000, 6_000_000_000_000, 600_000];
        Self { numbers: Numbers(seed), prices, sequence: 0 }
    }

    /// Transactions of a block of this time, the first of which brings prices.
    pub fn block(&mut self, count: u64, time_seconds: u64) -> Vec<Call> {
        let mut calls = vec![self.prices(time_seconds)];
        calls.extend((0..count).map(|_| self.one(time_seconds)));
        calls
    }

    fn one(&mut self, time_seconds: u64) -> Call {
        if self.numbers.one_in(8) {
            let plan = (self.numbers.below(SENDERS), self.numbers.below(20) as u8, self.numbers.below(3), 1);
            return Call::of_plan(&plan);
        }
        let from = self.numbers.below(SENDERS);
        let contracts = self.contracts();
        // Who calls the market is the sender or the last contract that does not delegate; often enough it has an account.
        let owner = match contracts.last().and_then(|last| owning_contracts().iter().position(|owning| owning == last))
        {
            Some(place) => FIRST_ACCOUNT + SENDERS as u32 + place as u32,
            None => FIRST_ACCOUNT + from as u32,
        };
        let account = if self.numbers.one_in(12) { self.account() } else { owner };
        let gas_limit = self.numbers.pick(&[60_000, 150_000, 600_000, 2_000_000]);
        let input = self.input(account, time_seconds);
        let (to, input) = through(&contracts, MARKET_ADDRESS, &input);
        Call { from, to: Some(to), value: u64::from(self.numbers.one_in(40)), tip: 1, gas_limit, input }
    }

    /// None, one that owns an account, or any.
    fn contracts(&mut self) -> Vec<usize> {
        let mut contracts = Vec::new();
        let any = match self.numbers.below(8) {
            0..=3 => 0,
            4 | 5 => 1,
            _ => 1 + self.numbers.below(3),
        };
        for _ in 1..any {
            contracts.push(self.numbers.below(nesting::COUNT as u64) as usize);
        }
        if any > 0 {
            let last = self.numbers.pick(&owning_contracts());
            let other = self.numbers.below(nesting::COUNT as u64) as usize;
            contracts.push(if self.numbers.one_in(4) { other } else { last });
        }
        contracts
    }

    fn account(&mut self) -> u32 {
        FIRST_ACCOUNT + self.numbers.below(SENDERS + owning_contracts().len() as u64 + 1) as u32
    }

    /// The price of an instrument in its ticks, about.
    fn ticks(&mut self, instrument: u16) -> u32 {
        let ticks = match instrument {
            3 => self.prices[1] / 100_000_000,
            1 | 2 => self.prices[0] / 10_000_000,
            _ => 500 + u128::from(self.numbers.below(6_000)),
        } as u64;
        let offset = self.numbers.below(ticks / 100 + 1);
        u32::try_from(ticks + offset - ticks / 200).unwrap_or(u32::MAX)
    }

    fn order(&mut self, time_seconds: u64) -> Order {
        let instrument = if self.numbers.one_in(3) { 1 + self.numbers.below(INSTRUMENTS) as u16 } else { 2 };
        let large = self.numbers.one_in(6);
        let kind = if self.numbers.one_in(3) { self.numbers.below(4) as u8 } else { 0 };
        Order {
            instrument,
            isBuy: self.numbers.one_in(2),
            priceTicks: self.ticks(instrument),
            lots: 1 + self.numbers.below(if large { 30_000 } else { 2_000 }),
            timeInForce: TimeInForce::try_from(kind).expect("one of four"),
            selfTrade: SelfTrade::try_from(self.numbers.below(4) as u8).expect("one of four"),
            reduceOnly: self.numbers.one_in(10),
            clientId: self.numbers.below(6),
            expirySeconds: if self.numbers.one_in(5) { time_seconds + self.numbers.below(10) } else { 0 },
        }
    }

    /// The call data of something that an account may do.
    fn input(&mut self, account: u32, time_seconds: u64) -> Vec<u8> {
        match self.numbers.below(24) {
            0..=10 => IMarket::placeCall { account, order: self.order(time_seconds) }.abi_encode(),
            11..=13 => {
                let actions: Vec<B256> = (0..1 + self.numbers.below(6)).map(|_| self.action()).collect();
                if self.numbers.one_in(3) {
                    IMarket::batchAtomicCall { account, actions }.abi_encode()
                } else {
                    IMarket::batchCall { account, actions }.abi_encode()
                }
            }
            14 => IMarket::cancelAllCall { account, instrument: self.numbers.below(4) as u16 }.abi_encode(),
            15 => IMarket::cancelByClientIdCall { account, clientId: self.numbers.below(6) }.abi_encode(),
            16 => {
                let order = self.order(time_seconds);
                let trigger_ticks = self.ticks(order.instrument);
                let kind = self.numbers.pick(&[TriggerKind::StopLoss, TriggerKind::TakeProfit]);
                IMarket::placeTriggerCall { account, order, kind, triggerTicks: trigger_ticks }.abi_encode()
            }
            17 => {
                let (token, amount) = self.money();
                IMarket::depositCall { account, token, amount }.abi_encode()
            }
            18 => {
                let (token, amount) = self.money();
                let to = self.numbers.pick(&[sender(0), sender(2), MARKET_ADDRESS]);
                IMarket::withdrawCall { account, token, amount, to }.abi_encode()
            }
            19 => {
                let (to, asset) = (self.account(), 1 + self.numbers.below(2) as u16);
                let amount = u128::from(self.numbers.below(5_000_000_000));
                IMarket::transferCall { from: account, to, asset, amount }.abi_encode()
            }
            20 => IMarket::setMarginModeCall { account, mode: self.numbers.below(2) as u8 }.abi_encode(),
            21 => IMarket::liquidateCall { maxAccounts: 3 }.abi_encode(),
            22 => IMarket::healthCall { account }.abi_encode(),
            _ => {
                let (lots, worst_price) = (self.numbers.below(3_000), u64::from(u32::MAX >> self.numbers.below(20)));
                let other = self.account();
                IMarket::takeAuctionCall {
                    keeper: account,
                    account: other,
                    instrument: 2,
                    lots,
                    worstPrice: worst_price,
                }
                .abi_encode()
            }
        }
    }

    fn money(&mut self) -> (Address, U256) {
        if self.numbers.one_in(3) {
            (ETHER, U256::from(self.numbers.below(3_000_000_000_000_000_000)))
        } else {
            (DOLLAR, U256::from(self.numbers.below(15_000_000_000)))
        }
    }

    /// A packed action of a batch.
    fn action(&mut self) -> B256 {
        let mut word = [0; 32];
        let instrument = if self.numbers.one_in(4) { 1 + self.numbers.below(3) as u16 } else { 2 };
        word[0] = self.numbers.pick(&[1, 1, 1, 1, 3, 5]);
        match word[0] {
            1 => {
                word[1] = self.numbers.below(64) as u8 & !0b10;
                word[2..4].copy_from_slice(&instrument.to_be_bytes());
                word[4..8].copy_from_slice(&self.ticks(instrument).to_be_bytes());
                word[12..14].copy_from_slice(&(1 + self.numbers.below(2_000) as u16).to_be_bytes());
                word[21] = self.numbers.below(6) as u8;
            }
            3 => word[15] = self.numbers.below(6) as u8,
            _ => word[2..4].copy_from_slice(&instrument.to_be_bytes()),
        }
        word.into()
    }

    /// A report: the prices have moved a little, and at times much.
    fn prices(&mut self, time_seconds: u64) -> Call {
        self.sequence += 1;
        for price in &mut self.prices {
            let most = if self.numbers.one_in(4) { 150 } else { 10 };
            let thousandths = 1_000 - most + self.numbers.below(2 * most + 1);
            *price = *price * u128::from(thousandths) / 1_000;
        }
        let prices = (1..).zip(self.prices).map(|(feed, price)| FeedPrice { feed, price }).collect();
        let report = PriceReport { sequence: self.sequence, timeSeconds: time_seconds, prices };
        let hash = signing_hash(&report, U256::from(1));
        let signed = sign_hash(&hash, &key(SIGNER)).expect("a valid key");
        let v = 27 + u8::from(signed.y_parity);
        let signature = [&signed.r.to_be_bytes::<32>()[..], &signed.s.to_be_bytes::<32>(), &[v]].concat().into();
        let report = vec![SignedReport { report, signature }].abi_encode().into();
        call_through(self.numbers.below(SENDERS), &[], &IMarket::updatePricesCall { report }, 5_000_000)
    }
}

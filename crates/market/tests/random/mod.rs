//! Bytes as a sequence of calls of the module, in frames that are undone from outside, with prices and ends of blocks between them.
//!
//! The sequence runs on two markets at once. One keeps its decoded records for as long as its journal lives, as a block does; the other
//! forgets them after each transaction and decodes them anew from the slots. Whatever a call does, both must do: answers, gas, events
//! and slots. So a record that is not what its slots say shows as a difference as soon as anything depends on it. At the end of each
//! transaction money is conserved and the book is whole, and a frame that was undone has left nothing.
//!
//! A call that waits for a contract is undone, as though the contract had used up all gas.

#[path = "../exchange/mod.rs"]
mod exchange;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolInterface};
use exchange::{ALICE, BOB, CAROL, Ended, GAS, NOBODY, PERPETUAL, PRICE, World, check as check_market, limit};
use rialto_market::abi::IMarket::{self, IMarketCalls, Order, SelfTrade, TimeInForce, TriggerKind};
use rialto_market::layout::Globals;
use rialto_state::Checkpoint;

/// Most steps of a sequence, and frames in each other.
const MAX_STEPS: usize = 400;
const MAX_FRAMES: usize = 4;
/// The first account of a user.
const FIRST_ACCOUNT: u32 = 16;

/// Whose the first accounts are.
const OWNERS: [Address; 5] = [ALICE, BOB, CAROL, NOBODY, Address::repeat_byte(0x77)];

/// Runs the sequence that the bytes describe.
///
/// # Panics
/// Where the two markets differ, money is lost or made, the book is not whole, or a frame that was undone leaves something.
pub fn check(bytes: &[u8]) {
    let mut input = Input { bytes, orders: Vec::new() };
    let mut pair = [Side::new(false), Side::new(true)];
    let mut step = 0;
    while !input.bytes.is_empty() && step < MAX_STEPS {
        let step_taken = Step::read(&mut input);
        let [left, right] = pair.each_mut().map(|side| side.run(&step_taken));
        assert_eq!(left, right, "step {step}, {step_taken:?}: with records kept, and with records read anew");
        input.note(left.as_ref());
        step += 1;
    }
    let [left, right] = pair.each_mut().map(|side| {
        side.end_transaction();
        (side.world.end_block(), side.world.slots())
    });
    assert_eq!(left, right, "the end");
}

/// Bytes that are read one by one; zeros after the last.
struct Input<'a> {
    bytes: &'a [u8],
    /// Ids of orders that have rested.
    orders: Vec<u128>,
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn eight(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Mostly small, sometimes near the ends of what types hold.
    fn number(&mut self) -> u64 {
        match self.below(16) {
            0 => self.eight(),
            1 => 0,
            2 => u64::MAX,
            3 => 1 << self.below(64),
            _ => u64::from(self.two()) % 2_000,
        }
    }

    fn account(&mut self) -> u32 {
        match self.below(16) {
            0 => u32::from(self.byte()),
            at => FIRST_ACCOUNT + u32::from(at % 5),
        }
    }

    fn order(&mut self) -> Order {
        let instrument =
            [PERPETUAL, PERPETUAL, PERPETUAL, exchange::SPOT, exchange::OPTION][usize::from(self.below(5))];
        let base = if instrument == exchange::OPTION { 34_000 } else { PRICE };
        let ticks = if self.below(12) == 0 { 0 } else { base + 200 * u32::from(self.below(24)) - 2_400 };
        Order {
            instrument,
            timeInForce: TimeInForce::try_from([0, 0, 0, 1, 2, 3][usize::from(self.below(6))]).expect("one of four"),
            selfTrade: SelfTrade::try_from(self.below(4)).expect("one of four"),
            reduceOnly: self.below(8) == 0,
            clientId: u64::from(self.below(4)),
            expirySeconds: if self.below(8) == 0 { exchange::START_SECONDS + 100 } else { 0 },
            ..limit(self.below(2) == 0, ticks, self.number())
        }
    }

    /// An id of an order that may be there: one of the last that rested.
    fn order_id(&mut self) -> u128 {
        let back = usize::from(self.byte());
        self.orders.iter().rev().nth(back % self.orders.len().clamp(1, 16)).copied().unwrap_or(1)
    }

    /// Takes note of what a call answered.
    fn note(&mut self, ended: Option<&Ended>) {
        if let Some(Ended::Success { output, .. }) = ended
            && let Ok(fill) = IMarket::placeCall::abi_decode_returns_validate(output)
            && fill.orderId != 0
        {
            self.orders.push(fill.orderId);
        }
    }

    fn action(&mut self) -> B256 {
        let mut word = B256::ZERO;
        word[0] = self.below(6);
        match word[0] {
            1 => {
                let order = self.order();
                word[1] = u8::from(order.isBuy) | self.below(16) << 2;
                word[2..4].copy_from_slice(&order.instrument.to_be_bytes());
                word[4..8].copy_from_slice(&order.priceTicks.to_be_bytes());
                word[8..14].copy_from_slice(&order.lots.to_be_bytes()[2..]);
                word[21] = self.below(4);
            }
            2 => word[2..16].copy_from_slice(&self.order_id().to_be_bytes()[2..]),
            3 => word[15] = self.below(4),
            _ => word[3] = self.below(4),
        }
        word
    }

    /// A call for an account.
    fn call(&mut self, account: u32) -> Vec<u8> {
        let amount = u128::from(self.number()) * 1_000_000;
        match self.below(20) {
            0..7 => IMarket::placeCall { account, order: self.order() }.abi_encode(),
            7 | 8 => {
                let actions = (0..self.below(12)).map(|_| self.action()).collect();
                IMarket::batchCall { account, actions }.abi_encode()
            }
            9 => {
                let kind = TriggerKind::try_from(self.below(3)).expect("one of three");
                let ticks = PRICE + 100 * u32::from(self.below(200)) - 10_000;
                IMarket::placeTriggerCall { account, order: self.order(), kind, triggerTicks: ticks }.abi_encode()
            }
            10 => IMarket::cancelCall { account, orderId: self.order_id() }.abi_encode(),
            11 => IMarket::cancelAllCall { account, instrument: u16::from(self.below(4)) }.abi_encode(),
            12 => IMarket::replaceCall { account, orderId: self.order_id(), order: self.order() }.abi_encode(),
            13 => {
                IMarket::transferCall { from: account, to: self.account(), asset: 1 + u16::from(self.below(2)), amount }
                    .abi_encode()
            }
            14 => IMarket::setMarginModeCall { account, mode: self.below(3) }.abi_encode(),
            15 => IMarket::depositBackstopCall { account, amount }.abi_encode(),
            16 => IMarket::withdrawBackstopCall { account, shares: amount }.abi_encode(),
            17 => {
                IMarket::withdrawCall { account, token: Address::repeat_byte(1), amount: U256::from(amount), to: ALICE }
                    .abi_encode()
            }
            18 => {
                let (keeper, instrument, lots) = (self.account(), u16::from(self.below(4)), self.number());
                let worst = if self.below(2) == 0 { 0 } else { u64::MAX };
                IMarket::takeAuctionCall { keeper, account, instrument, lots, worstPrice: worst }.abi_encode()
            }
            _ => self.any_call(),
        }
    }

    /// A call of any function, with words for arguments.
    fn any_call(&mut self) -> Vec<u8> {
        let selectors: Vec<[u8; 4]> = IMarketCalls::selectors().collect();
        let mut input = selectors[usize::from(self.byte()) % selectors.len()].to_vec();
        for _ in 0..self.below(12) {
            input.extend_from_slice(&U256::from(self.number()).to_be_bytes::<32>());
        }
        input
    }
}

#[derive(Debug)]
enum Step {
    Call { caller: Address, input: Vec<u8>, gas_limit: u64, is_static: bool },
    Begin,
    Keep,
    Undo,
    EndTransaction,
    Prices { ticks: u32, seconds: u64 },
    EndBlock,
}

impl Step {
    fn read(input: &mut Input<'_>) -> Self {
        match input.below(32) {
            0..3 => Self::Begin,
            3 => Self::Keep,
            4 | 5 => Self::Undo,
            6..9 => Self::EndTransaction,
            9 => {
                let ticks = PRICE - 64 * 200 + 100 * u32::from(input.byte()) * (1 + u32::from(input.below(3)));
                Self::Prices { ticks, seconds: 1 + u64::from(input.byte()) }
            }
            10 => Self::EndBlock,
            _ => {
                let at = input.below(5);
                let caller = OWNERS[usize::from(if input.below(16) == 1 { input.below(5) } else { at })];
                let gas_limit = if input.below(8) == 0 { 10 * u64::from(input.two()) } else { GAS };
                let is_static = input.below(64) == 1;
                Self::Call { caller, input: input.call(FIRST_ACCOUNT + u32::from(at)), gas_limit, is_static }
            }
        }
    }
}

/// A frame that is open, and the slots when it began.
struct Frame {
    checkpoint: Checkpoint,
    slots: Vec<(U256, U256)>,
    logs: usize,
}

/// One of the two markets.
struct Side {
    world: World,
    forgets: bool,
    frames: Vec<Frame>,
}

impl Side {
    fn new(forgets: bool) -> Self {
        let mut world = World::new();
        for (owner, dollars) in [(OWNERS[3], 1_500), (OWNERS[4], 400)] {
            let account = world.call(owner, IMarket::openAccountCall { number: 0 }).expect("a new account");
            world.fund(account, 1, dollars * 1_000_000);
        }
        Self { world, forgets, frames: Vec::new() }
    }

    /// Takes a step; what came of it.
    fn run(&mut self, step: &Step) -> Option<Ended> {
        match step {
            Step::Call { caller, input, gas_limit, is_static } => {
                return Some(self.world.enter(*caller, input, *gas_limit, *is_static));
            }
            Step::Begin if self.frames.len() < MAX_FRAMES => {
                let slots = self.world.slots();
                let journal = &self.world.journal;
                self.frames.push(Frame { checkpoint: journal.checkpoint(), slots, logs: journal.logs().len() });
            }
            Step::Begin => {}
            Step::Keep => drop(self.frames.pop()),
            Step::Undo => {
                if let Some(Frame { checkpoint, slots, logs }) = self.frames.pop() {
                    self.world.journal.revert(checkpoint);
                    assert_eq!(self.world.slots(), slots, "an undone frame leaves nothing");
                    assert_eq!(self.world.journal.logs().len(), logs, "nor events");
                }
            }
            Step::EndTransaction => self.end_transaction(),
            Step::Prices { ticks, seconds } => {
                self.end_transaction();
                self.world.set_prices(*ticks, self.world.block.timestamp_seconds + seconds);
                self.end_transaction();
            }
            Step::EndBlock => {
                self.end_transaction();
                assert_eq!(self.world.end_block(), Ok(()), "the block is valid");
                self.end_transaction();
            }
        }
        None
    }

    /// Ends the transaction, with all its frames, and looks at what there is.
    fn end_transaction(&mut self) {
        self.frames.clear();
        self.world.journal.end_tx(true);
        if self.forgets {
            self.world.journal.forget_extensions();
        }
        let next = self.world.operate(ALICE, |market| Ok(market.records().get::<Globals>(())?.next_account));
        check_market(&mut self.world, next - FIRST_ACCOUNT, "the end of a transaction");
    }
}

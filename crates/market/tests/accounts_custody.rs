//! Tokens that come in and go out, with tokens of all manners: what is credited is what came, what is paid is what was debited, and a token
//! that fails leaves nothing behind.

mod exchange;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolValue, sol};
use exchange::{ALICE, BOB, CAROL, Ended, World, error_text};
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket;
use rialto_vm::OutwardCall;
use std::collections::BTreeMap;

sol! {
    interface IErc20 {
        function balanceOf(address owner) external view returns (uint256);
        function transfer(address to, uint256 amount) external returns (bool);
        function transferFrom(address from, address to, uint256 amount) external returns (bool);
    }
}

/// What a token does when tokens are to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Moves them and says true.
    Honest,
    /// Moves them and says nothing, as USDT does.
    Silent,
    /// Moves them but for a tenth, which it keeps.
    TakesFee,
    /// Moves twice as many into the market.
    Doubles,
    /// Says true and moves nothing.
    Lies,
    /// Says false and moves nothing.
    SaysFalse,
    /// Moves them and says two.
    SaysTwo,
    /// Moves them and says less than a word.
    SaysLittle,
    /// Reverts with a reason.
    Reverts,
    /// Is no contract.
    NoCode,
}

/// An ERC-20 token.
struct Token {
    manner: Manner,
    balances: BTreeMap<Address, u128>,
}

impl Token {
    fn new(manner: Manner) -> Self {
        // What was there before is nobody's.
        Self { manner, balances: BTreeMap::from([(ALICE, 1_000_000), (MARKET_ADDRESS, 777)]) }
    }

    fn of(&self, owner: Address) -> u128 {
        self.balances.get(&owner).copied().unwrap_or(0)
    }

    fn shift(&mut self, from: Address, to: Address, amount: U256) -> (bool, Vec<u8>) {
        let amount: u128 = amount.try_into().unwrap();
        if self.of(from) < amount || self.manner == Manner::Reverts {
            return (false, b"no such tokens".to_vec());
        }
        let received = match self.manner {
            Manner::Lies | Manner::SaysFalse => return (true, (self.manner == Manner::Lies).abi_encode()),
            Manner::TakesFee => amount - amount / 10,
            Manner::Doubles => 2 * amount,
            _ => amount,
        };
        *self.balances.get_mut(&from).unwrap() -= amount;
        *self.balances.entry(to).or_default() += received;
        let answer = match self.manner {
            Manner::Silent => Vec::new(),
            Manner::SaysTwo => U256::from(2).abi_encode(),
            Manner::SaysLittle => vec![1],
            _ => true.abi_encode(),
        };
        (true, answer)
    }

    /// Answers a call of the market.
    fn answer(&mut self, call: &OutwardCall) -> (bool, Vec<u8>) {
        assert_eq!(call.to, Address::repeat_byte(1), "the dollars' token");
        if self.manner == Manner::NoCode {
            return (true, Vec::new());
        }
        if let Ok(call) = IErc20::balanceOfCall::abi_decode_validate(&call.input) {
            return (true, U256::from(self.of(call.owner)).abi_encode());
        }
        if let Ok(call) = IErc20::transferFromCall::abi_decode_validate(&call.input) {
            return self.shift(call.from, call.to, call.amount);
        }
        let call = IErc20::transferCall::abi_decode_validate(&call.input).expect("a call of a token");
        self.shift(MARKET_ADDRESS, call.to, call.amount)
    }
}

fn deposit(world: &mut World, token: &mut Token, caller: Address, account: u32, amount: u128) -> Result<u128, String> {
    let call = IMarket::depositCall { account, token: Address::repeat_byte(1), amount: U256::from(amount) };
    ended(world.transact_with(caller, &call.abi_encode(), |_, call| token.answer(call)))
}

fn withdraw(world: &mut World, token: &mut Token, caller: Address, account: u32, amount: u128) -> Result<u128, String> {
    let (token_address, amount) = (Address::repeat_byte(1), U256::from(amount));
    let call = IMarket::withdrawCall { account, token: token_address, amount, to: CAROL };
    ended(world.transact_with(caller, &call.abi_encode(), |_, call| token.answer(call)))
}

/// The word that was answered, or the error.
fn ended(ended: Ended) -> Result<u128, String> {
    match ended {
        Ended::Success { output, .. } => Ok(U256::try_from_be_slice(&output).unwrap().try_into().unwrap()),
        Ended::Revert { output, .. } => Err(error_text(&output)),
        other => panic!("{other:?}"),
    }
}

fn custody(world: &mut World) -> u128 {
    use rialto_market::{AssetState, types::AssetId};
    world.operate(Address::ZERO, |market| Ok(market.records().get::<AssetState>(AssetId(1))?.custody))
}

#[test]
fn deposits_credit_what_came() {
    // manner, tokens that are credited of a thousand; none if the call is refused
    let rows = [
        (Manner::Honest, Some(1_000)),
        (Manner::Silent, Some(1_000)),
        (Manner::TakesFee, Some(900)),
        // No more than was asked for: the rest is nobody's.
        (Manner::Doubles, Some(1_000)),
        (Manner::Lies, None),
        (Manner::SaysFalse, None),
        (Manner::SaysTwo, None),
        (Manner::SaysLittle, None),
        (Manner::Reverts, None),
        (Manner::NoCode, None),
    ];
    for (manner, credited) in rows {
        let mut world = World::new();
        let mut token = Token::new(manner);
        let account = world.account(ALICE);
        let (before, held, slots) = (world.balance(ALICE, 1), custody(&mut world), world.slots());
        let result = deposit(&mut world, &mut token, ALICE, account, 1_000);
        let Some(credited) = credited else {
            assert!(result.is_err(), "{manner:?}: {result:?}");
            assert_eq!(world.slots(), slots, "{manner:?}: nothing is left");
            continue;
        };
        assert_eq!(result, Ok(credited), "{manner:?}");
        assert_eq!(world.balance(ALICE, 1) - before, credited as i128, "{manner:?}: balance");
        assert_eq!(custody(&mut world) - held, credited, "{manner:?}: custody");
        exchange::check(&mut world, 3, &format!("{manner:?}"));
    }
}

#[test]
fn withdrawals_pay_what_is_debited() {
    // manner, whether it is paid
    let rows = [
        (Manner::Honest, true),
        (Manner::Silent, true),
        // What a token does on the way out is between it and who gets it.
        (Manner::TakesFee, true),
        (Manner::Lies, true),
        (Manner::SaysFalse, false),
        (Manner::SaysTwo, false),
        (Manner::SaysLittle, false),
        (Manner::Reverts, false),
    ];
    for (manner, is_paid) in rows {
        let mut world = World::new();
        let mut token = Token::new(manner);
        token.balances.insert(MARKET_ADDRESS, 5_000_000_000_000);
        let account = world.account(ALICE);
        let (before, held, slots) = (world.balance(ALICE, 1), custody(&mut world), world.slots());
        let result = withdraw(&mut world, &mut token, ALICE, account, 1_000);
        assert_eq!(result.is_ok(), is_paid, "{manner:?}: {result:?}");
        if !is_paid {
            assert_eq!(world.slots(), slots, "{manner:?}: nothing is left");
            continue;
        }
        assert_eq!(before - world.balance(ALICE, 1), 1_000, "{manner:?}: balance");
        assert_eq!(held - custody(&mut world), 1_000, "{manner:?}: custody");
        exchange::check(&mut world, 3, &format!("{manner:?}"));
    }
}

/// What is refused before a token is asked, and why.
#[test]
fn refusals() {
    let unknown = Address::repeat_byte(9);
    let dollars = Address::repeat_byte(1);
    let deposit = |account, token, amount| IMarket::depositCall { account, token, amount }.abi_encode();
    let withdraw = |account, token, amount, to| IMarket::withdrawCall { account, token, amount, to }.abi_encode();
    let one = U256::ONE;
    let rows = [
        ("an unknown token comes", ALICE, deposit(16, unknown, one), "Unknown"),
        ("to an account that is not there", ALICE, deposit(99, dollars, one), "Unknown"),
        ("nothing", ALICE, deposit(16, dollars, U256::ZERO), "OutOfRange"),
        ("more than can be counted", ALICE, deposit(16, dollars, U256::MAX), "OutOfRange"),
        ("an unknown token goes", ALICE, withdraw(16, unknown, one, ALICE), "Unknown"),
        ("from somebody else's account", BOB, withdraw(16, dollars, one, BOB), "NotAllowed"),
        ("by an agent", CAROL, withdraw(16, dollars, one, CAROL), "NotAllowed"),
        ("from the insurance fund", ALICE, withdraw(1, dollars, one, ALICE), "NotAllowed"),
        ("to nobody", ALICE, withdraw(16, dollars, one, Address::ZERO), "Forbidden"),
        ("to the market", ALICE, withdraw(16, dollars, one, MARKET_ADDRESS), "Forbidden"),
        ("nothing goes", ALICE, withdraw(16, dollars, U256::ZERO, ALICE), "OutOfRange"),
        ("more than is in custody", ALICE, withdraw(16, dollars, U256::from(4_000_000_000_000_u64), ALICE), ""),
        (
            "more than there is, which can't be borrowed",
            ALICE,
            withdraw(16, dollars, U256::from(1_000_000_000_001_u64), ALICE),
            "Forbidden",
        ),
    ];
    let mut world = World::new();
    assert_eq!(world.account(ALICE), 16);
    world.call(ALICE, IMarket::setAgentCall { account: 16, agent: CAROL, untilSeconds: u64::MAX }).unwrap();
    let slots = world.slots();
    for (name, caller, input, error) in rows {
        let ended = world.transact_with(caller, &input, |_, call| panic!("{name}: {call:?}"));
        let Ended::Revert { output, .. } = ended else { panic!("{name}: {ended:?}") };
        assert!(error_text(&output).starts_with(error), "{name}: {}", error_text(&output));
        assert_eq!(world.slots(), slots, "{name}");
    }
}

/// A withdrawal needs initial margin after it, to the last unit.
#[test]
fn withdrawals_leave_initial_margin() {
    let mut world = World::new();
    let mut token = Token::new(Manner::Honest);
    token.balances.insert(MARKET_ADDRESS, 5_000_000_000_000);
    // 200 bitcoins, ten million dollars.
    world.place(BOB, exchange::sell(exchange::PRICE, 200_000)).unwrap();
    world.place(ALICE, exchange::buy(exchange::PRICE, 200_000)).unwrap();
    let account = world.account(ALICE);
    let health = world.call(ALICE, IMarket::healthCall { account }).unwrap();
    let free: u128 = (health.equity - health.initialMargin).try_into().unwrap();
    // What is withdrawn is dollars, which have no haircut.
    assert!((1..1_000_000_000_000).contains(&free), "{free}");
    let error = withdraw(&mut world, &mut token, ALICE, account, free + 1).unwrap_err();
    assert!(error.starts_with("MarginTooLow"), "{error}");
    withdraw(&mut world, &mut token, ALICE, account, free).unwrap();
    exchange::check(&mut world, 3, "withdrawn");
}

/// With a position, no withdrawal at prices that are stale; without one, prices are of no concern.
#[test]
fn stale_prices() {
    for (has_position, is_paid) in [(true, false), (false, true)] {
        let mut world = World::new();
        let mut token = Token::new(Manner::Honest);
        token.balances.insert(MARKET_ADDRESS, 5_000_000_000_000);
        if has_position {
            world.place(BOB, exchange::sell(exchange::PRICE, 100)).unwrap();
            world.place(ALICE, exchange::buy(exchange::PRICE, 100)).unwrap();
        }
        let account = world.account(ALICE);
        withdraw(&mut world, &mut token, ALICE, account, 1).expect("fresh");
        world.block.timestamp_seconds += 86_400;
        let result = withdraw(&mut world, &mut token, ALICE, account, 1);
        assert_eq!(result.is_ok(), is_paid, "position: {has_position}, {result:?}");
    }
}

/// While a withdrawal's token runs, the balance is already without it, and nothing else can be done.
#[test]
fn the_token_sees_the_debit() {
    let mut world = World::new();
    let mut token = Token::new(Manner::Honest);
    token.balances.insert(MARKET_ADDRESS, 5_000_000_000_000);
    let account = world.account(ALICE);
    let before = world.balance(ALICE, 1);
    let to = ALICE;
    let again =
        IMarket::withdrawCall { account, token: Address::repeat_byte(1), amount: U256::from(1_000), to }.abi_encode();
    let asked = IMarket::balanceOfCall { account, asset: 1 }.abi_encode();
    let result = world.transact_with(ALICE, &again, |world, call| {
        let Ended::Success { output, .. } = world.enter(ALICE, &asked, exchange::GAS, true) else { panic!("asking") };
        assert_eq!(U256::from_be_slice(&output), U256::from(before - 1_000));
        let Ended::Revert { output, .. } = world.enter(ALICE, &again, exchange::GAS, false) else { panic!("again") };
        assert_eq!(error_text(&output), "Reentered");
        token.answer(call)
    });
    assert!(matches!(result, Ended::Success { .. }), "{result:?}");
    assert_eq!((world.balance(ALICE, 1), token.of(ALICE)), (before - 1_000, 1_001_000));
}

/// Anyone may add to what an account has, nobody may fill its lists with what it has not.
#[test]
fn deposits_for_others() {
    let mut world = World::new();
    let mut token = Token::new(Manner::Honest);
    token.balances.insert(BOB, 1_000);
    let account = world.account(ALICE);
    assert_eq!(deposit(&mut world, &mut token, BOB, account, 400), Ok(400));
    assert_eq!(token.of(BOB), 600, "the caller pays");
    let opened = world.call(ALICE, IMarket::openAccountCall { number: 1 }).unwrap();
    let call = IMarket::depositCall { account: opened, token: Address::repeat_byte(2), amount: U256::ONE };
    let error = world.call(BOB, call).unwrap_err();
    assert!(error.starts_with("Forbidden"), "{error}");
}

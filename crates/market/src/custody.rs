//! Custody: tokens that come in and go out.
//!
//! The market holds ERC-20 tokens at its own address. A token is a contract of somebody else, so it is not believed: a deposit is
//! credited by what the market's balance grew by, whatever the token says it moved, so that fees on transfer are the depositor's.
//! A token that returns nothing from `transfer` and `transferFrom` is accepted, one that returns false or reverts ends the call;
//! and an address without code is no token (OpenZeppelin's SafeERC20 has the same rules).
//!
//! A deposit takes three calls: `balanceOf`, `transferFrom`, `balanceOf`. A withdrawal debits the account first, with margin checked, and then
//! calls `transfer`. While a token runs, the market is busy: its callbacks find it in a consistent state, can ask, and change
//! nothing. If any step fails the whole call is undone.
//!
//! [`AssetState::custody`] counts the tokens that came in and went out by these ways. Tokens that are sent to the market otherwise are
//! nobody's, and never counted.

use crate::MARKET_ADDRESS;
use crate::abi::IMarket;
use crate::assets::AssetState;
use crate::balances::checked_amount;
use crate::error::{MarketError, Rejection};
use crate::market::Market;
use crate::outward::{Answer, Outward, Step};
use crate::types::{AccountId, AssetId};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, sol};

sol! {
    interface IErc20 {
        function balanceOf(address owner) external view returns (uint256);
        function transfer(address to, uint256 amount) external returns (bool);
        function transferFrom(address from, address to, uint256 amount) external returns (bool);
    }
}

/// A deposit under way.
#[derive(Clone, Copy)]
struct Deposit {
    account: AccountId,
    asset: AssetId,
    token: Address,
    payer: Address,
    amount: U256,
}

impl Market<'_, '_> {
    /// Takes tokens from the caller, who has approved the market, and credits them to an account.
    pub(crate) fn deposit(&mut self, account: AccountId, token: Address, amount: U256) -> Result<Step, MarketError> {
        let asset = self.asset_of_token(token)?;
        let record = self.account(account)?;
        self.require_receiver(account, &record, asset)?;
        checked_amount(amount.saturating_to())?;
        let deposit = Deposit { account, asset, token, payer: self.caller, amount };
        Ok(call_token(token, balance_call(), true, move |_, answer| {
            let before = read_balance(&answer)?;
            Ok(deposit.pull(before))
        }))
    }

    /// Credits what came in.
    fn credit_deposit(&mut self, deposit: Deposit, before: U256, after: U256) -> Result<Step, MarketError> {
        let received = after.saturating_sub(before).min(deposit.amount);
        let amount = received.saturating_to::<u128>();
        let units = checked_amount(amount)?;
        let Deposit { account, asset, .. } = deposit;
        let cap = self.asset(asset)?.supply_cap;
        let mut state = self.accrue(asset)?;
        state.custody = state.custody.checked_add(amount).ok_or(Rejection::Overflow)?;
        self.records.set(asset, state)?;
        self.add_balance(account, asset, units)?;
        let supplied = self.records.get::<AssetState>(asset)?.supplied();
        if supplied > cap {
            let (value, most) = (U256::from(supplied), U256::from(cap));
            return Err(Rejection::OutOfRange { what: "supplied", value, least: U256::ZERO, most }.into());
        }
        self.emit(&IMarket::Deposited { account: account.0, asset: asset.0, amount: received });
        self.risk_changed(account)?;
        Ok(Step::Done(word(received)))
    }

    /// Pays tokens out of an account of the caller, who needs initial margin after.
    pub(crate) fn withdraw(
        &mut self,
        account: AccountId,
        token: Address,
        amount: U256,
        to: Address,
    ) -> Result<Step, MarketError> {
        let asset = self.asset_of_token(token)?;
        let record = self.require_owner(account)?;
        self.require_free(&record)?;
        let units = checked_amount(amount.saturating_to())?;
        if to.is_zero() || to == MARKET_ADDRESS {
            return Err(Rejection::Forbidden { state: "tokens can't go to this address" }.into());
        }
        self.spend_balance(account, asset, units)?;
        let mut state = self.records.get::<AssetState>(asset)?;
        state.custody = state.custody.checked_sub(units.unsigned_abs()).ok_or(Rejection::OutOfRange {
            what: "amount",
            value: amount,
            least: U256::ZERO,
            most: U256::from(state.custody),
        })?;
        self.records.set(asset, state)?;
        if !crate::accounts::is_system(account) {
            self.require_initial_to_leave(account)?;
        }
        self.emit(&IMarket::Withdrawn { account: account.0, asset: asset.0, amount, to });
        self.risk_changed(account)?;
        let input = IErc20::transferCall { to, amount }.abi_encode();
        Ok(call_token(token, input, false, |_, answer| {
            check_moved(&answer)?;
            Ok(Step::Done(Vec::new()))
        }))
    }
}

impl Deposit {
    /// Takes the tokens, then asks again.
    fn pull(self, before: U256) -> Step {
        let (from, to, amount) = (self.payer, MARKET_ADDRESS, self.amount);
        let input = IErc20::transferFromCall { from, to, amount }.abi_encode();
        call_token(self.token, input, false, move |_, answer| {
            check_moved(&answer)?;
            Ok(call_token(self.token, balance_call(), true, move |market, answer| {
                let after = read_balance(&answer)?;
                market.credit_deposit(self, before, after)
            }))
        })
    }
}

/// Asks for a call of a token.
fn call_token(
    to: Address,
    input: Vec<u8>,
    is_static: bool,
    then: impl for<'a> FnOnce(&mut Market<'_, '_>, Answer<'a>) -> Result<Step, MarketError> + Send + 'static,
) -> Step {
    Step::Call(Outward { to, input: Bytes::from(input), gas_limit: u64::MAX, is_static, then: Box::new(then) })
}

fn balance_call() -> Vec<u8> {
    IErc20::balanceOfCall { owner: MARKET_ADDRESS }.abi_encode()
}

/// The one word that `balanceOf` answers. An account without code has no answer, and is no token.
fn read_balance(answer: &Answer<'_>) -> Result<U256, Rejection> {
    match answer.output.first_chunk::<32>() {
        Some(word) if answer.success => Ok(U256::from_be_bytes(*word)),
        _ => Err(failed(answer)),
    }
}

/// Refuses if tokens did not move: a revert, or an answer that is not true. No answer is as good as true.
fn check_moved(answer: &Answer<'_>) -> Result<(), Rejection> {
    let is_true = answer.output.is_empty()
        || (answer.output.len() >= 32 && U256::from_be_slice(&answer.output[..32]) == U256::ONE);
    if answer.success && is_true { Ok(()) } else { Err(failed(answer)) }
}

/// The most of a token's output that is handed on.
const MAX_REASON: usize = 1_024;

fn failed(answer: &Answer<'_>) -> Rejection {
    let output = &answer.output[..answer.output.len().min(MAX_REASON)];
    Rejection::CallFailed { output: Bytes::copy_from_slice(output) }
}

fn word(value: U256) -> Vec<u8> {
    value.to_be_bytes::<32>().to_vec()
}

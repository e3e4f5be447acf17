//! Events as objects: `type` is the event's name, and the other fields are named as the interface names them.

use super::events::{EventFilter, EventPlace, decode};
use super::json::Decimal;
use alloy_primitives::{Address, B256, Bytes, I256, U256};
use alloy_sol_types::SolEvent;
use rialto_market::abi::IMarket;
use rialto_state::Log;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An event and where it is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct EventJson {
    #[serde(flatten)]
    fields: Map<String, Value>,
    #[serde(flatten)]
    place: EventPlace,
}

impl EventJson {
    /// The event that a log of the market is; `None` where this node does not know it.
    pub(super) fn new(log: &Log, place: EventPlace) -> Option<Self> {
        Some(Self { fields: fields_of(log)?, place })
    }
}

/// A field's value.
trait Told {
    fn told(&self) -> Value;
}

macro_rules! told_as_decimal {
    ($($kind:ty)*) => {$(
        impl Told for $kind {
            fn told(&self) -> Value {
                json!(Decimal(self))
            }
        }
    )*};
}

macro_rules! told_as_json {
    ($($kind:ty)*) => {$(
        impl Told for $kind {
            fn told(&self) -> Value {
                json!(self)
            }
        }
    )*};
}

told_as_decimal! { u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 U256 I256 }
told_as_json! { bool String Address B256 Bytes }

impl<T: Told> Told for Vec<T> {
    fn told(&self) -> Value {
        self.iter().map(Told::told).collect()
    }
}

impl Told for IMarket::TriggerKind {
    fn told(&self) -> Value {
        json!(match self {
            Self::StopLoss => "stopLoss",
            Self::TakeProfit => "takeProfit",
            _ => "none",
        })
    }
}

/// What an event is about, for whoever wants those about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Accounts: their balances, positions and settings.
    Accounts,
    /// Orders and triggers.
    Orders,
    /// Prices and funding.
    Prices,
    /// Liquidations.
    Liquidations,
    /// What the operator does.
    Operator,
}

impl Subject {
    const NAMES: [(&'static str, Self); 5] = [
        ("accounts", Self::Accounts),
        ("orders", Self::Orders),
        ("prices", Self::Prices),
        ("liquidations", Self::Liquidations),
        ("operator", Self::Operator),
    ];

    /// The subject with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, subject)| *subject)
    }

    /// The names, for an error.
    pub(super) fn expected_names() -> String {
        format!("one of {}", Self::NAMES.map(|(name, _)| name).join(", "))
    }
}

macro_rules! events {
    ($($subject:ident $event:ident { $($field:ident),* $(,)? })*) => {
        /// Subject, signature, name and fields of each event.
        const EVENTS: &[(Subject, B256, &str, &[&str])] =
            &[$((Subject::$subject, IMarket::$event::SIGNATURE_HASH, stringify!($event), &[$(stringify!($field)),*]),)*];

        fn fields_of(log: &Log) -> Option<Map<String, Value>> {
            let mut fields = Map::new();
            match *log.topics.first()? {
                $(IMarket::$event::SIGNATURE_HASH => {
                    let event: IMarket::$event = decode(log)?;
                    fields.insert("type".into(), stringify!($event).into());
                    $(fields.insert(stringify!($field).into(), event.$field.told());)*
                })*
                _ => return None,
            }
            Some(fields)
        }
    };
}

events! {
    Accounts AccountOpened { account, owner, number, isolated }
    Accounts AgentSet { account, agent, untilSeconds }
    Accounts MarginModeSet { account, mode }
    Accounts Deposited { account, asset, amount }
    Accounts Withdrawn { account, asset, amount, to }
    Accounts Transferred { from, to, asset, amount }
    Accounts PositionChanged { account, instrument, lots, cost, realised }
    Accounts FundingSettled { account, instrument, paid }
    Accounts InterestAccrued { asset, supplyIndex, borrowIndex }
    Accounts ReserveCollected { asset, amount }
    Orders OrderPlaced { instrument, account, orderId, isBuy, priceTicks, lots, clientId }
    Orders OrderCancelled { instrument, account, orderId, lots, reason }
    Orders OrderReduced { instrument, account, orderId, lots, reason }
    Orders Trade { instrument, taker, maker, makerOrderId, takerIsBuy, priceTicks, lots, takerFee, makerFee }
    Orders ForcedTrade { instrument, account, isBuy, lots, reason }
    Orders TriggerPlaced { account, instrument, triggerId, kind, triggerTicks }
    Orders TriggerEnded { account, instrument, triggerId, reason }
    Prices FundingUpdated { instrument, fundingIndex, ratePpm }
    Prices PriceUpdated { instrument, mark, index }
    Prices CircuitBroken { instrument, untilSeconds }
    Prices Settled { instrument, price }
    Prices FeedPriced { feed, price, timeSeconds }
    Prices FeedDoubted { feed, price, timeSeconds }
    Liquidations LiquidationQueued { account, sequence, equity, maintenanceMargin }
    Liquidations LiquidationEnded { account, sequence, equity }
    Liquidations AuctionStarted { account, sequence, blockNumber }
    Liquidations Liquidated { account, instrument, counterparty, stage, lots, value, fee }
    Liquidations CollateralTaken { account, asset, amount, value }
    Liquidations InsurancePaid { account, amount }
    Liquidations Deleveraged { winner, account, instrument, haircut }
    Liquidations LossSocialised { account, asset, amount, supplyIndex }
    Liquidations BackstopDeposited { account, amount, shares }
    Liquidations BackstopWithdrawn { account, amount, shares }
    Operator Proposed { proposal, executableSeconds, action }
    Operator Executed { proposal }
    Operator ProposalWithdrawn { proposal }
    Operator OperatorOffered { next }
    Operator OperatorChanged { operator }
    Operator SignersSet { signers, quorum }
    Operator TimelockSet { timelockSeconds }
    Operator FeedSet { feed, decimals, source, sourceDecimals, stalenessSeconds, deviationPpm }
    Operator AssetListed { asset, token, decimals, feed }
    Operator AssetParameterSet { asset, name, value }
    Operator InstrumentListed {
        instrument, kind, base, feed, underlying, expirySeconds, strikeTicks, isCall, tickValue, lotSize,
    }
    Operator ParameterSet { instrument, name, value }
    Operator StatusSet { instrument, status }
}

/// The events about a subject, of these instruments and these accounts, given as topics; none for any. Events that are about no
/// instrument or no account are left out where one is asked for.
pub(super) fn events_about(subject: Subject, instruments: Vec<B256>, accounts: Vec<B256>) -> EventFilter {
    let mut filter = EventFilter::none();
    for (_, signature, _, fields) in EVENTS.iter().filter(|(about, ..)| *about == subject) {
        // What is indexed stands first, at most three.
        let place = |names: &[&str]| fields.iter().take(3).position(|field| names.contains(field));
        let owners: Vec<usize> = ACCOUNT_FIELDS.iter().filter_map(|name| place(&[*name])).collect();
        let instrument = place(&["instrument"]);
        if !instruments.is_empty() && instrument.is_none() || !accounts.is_empty() && owners.is_empty() {
            continue;
        }
        let of_instrument = || {
            let mut topics: [Vec<B256>; 3] = Default::default();
            if let Some(place) = instrument {
                topics[place].clone_from(&instruments);
            }
            topics
        };
        if accounts.is_empty() {
            filter = filter.or(vec![*signature], of_instrument());
            continue;
        }
        for owner in owners {
            let mut topics = of_instrument();
            topics[owner].clone_from(&accounts);
            filter = filter.or(vec![*signature], topics);
        }
    }
    filter
}

/// Fields that name an account, where they are indexed.
const ACCOUNT_FIELDS: [&str; 8] = ["account", "taker", "maker", "from", "to", "keeper", "counterparty", "winner"];

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACE: &str = include_str!("../../../../contracts/IMarket.sol");

    /// Names and fields of the interface's events, each with whether it is indexed.
    fn declared() -> Vec<(String, Vec<(String, bool)>)> {
        let declarations = INTERFACE.split("\n    event ").skip(1);
        let read = |text: &str| {
            let (name, rest) = text.split_once('(').expect("an event has fields in parentheses");
            let (fields, _) = rest.split_once(");").expect("they end");
            let field = |field: &str| {
                let name = field.split_whitespace().last().unwrap_or_default().to_string();
                (name, field.contains(" indexed "))
            };
            (name.to_string(), fields.split(',').map(field).collect())
        };
        declarations.map(read).collect()
    }

    #[test]
    fn every_event_of_the_interface_is_told_with_all_its_fields() {
        let told = |name: &str| EVENTS.iter().find(|(_, _, told, _)| *told == name).map(|(.., fields)| fields.to_vec());
        for (name, fields) in declared() {
            let expected = fields.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>();
            assert_eq!(told(&name), Some(expected), "{name}");
            assert!(fields.is_sorted_by_key(|(_, is_indexed)| !is_indexed), "{name}: what is indexed stands first");
            for (place, (field, is_indexed)) in fields.iter().enumerate().take(3) {
                let is_filtered = field == "instrument" || ACCOUNT_FIELDS.contains(&field.as_str());
                assert!(*is_indexed || !is_filtered, "{name}: {field} at {place} is taken for a topic");
            }
        }
        assert_eq!(declared().len(), EVENTS.len());
    }
}

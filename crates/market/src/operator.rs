//! The operator: proposes what is listed and by which parameters, and waits with everyone else until it holds.
//!
//! An action is the call data of a function of `IMarketActions`. The operator proposes it; only its hash and the time from which it may be
//! executed are kept, the event says it in full. Once the time lock is over anyone executes it by bringing it again, and the operator may
//! take it back before. It is checked when it is proposed, by doing it and undoing that, and again when it is executed.
//!
//! At once, the operator may only restrict: set an instrument to reduce-only or halted. The office is handed over in two steps, so that
//! it is never given to an address that nobody answers for.

mod assets;

use crate::abi::IMarketActions::IMarketActionsCalls;
use crate::abi::{IMarket, IMarketActions};
use crate::error::{MarketError, Rejection};
use crate::feeds::{Feed, MAX_DECIMALS, MAX_FEEDS};
use crate::gas;
use crate::instruments::in_range;
use crate::layout::{Globals, InstrumentStatus};
use crate::market::Market;
use crate::oracle::{MAX_SIGNERS, Office, Signer, SignerOf};
use crate::records::record;
use crate::types::{AssetId, FeedId, InstrumentId, PPM};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolInterface;

/// The longest time lock, in seconds: 30 days.
pub const MAX_TIMELOCK_SECONDS: u32 = 30 * 86_400;

/// The longest that a feed's price may be used, in seconds; a sample of the premium holds no longer than a funding interval.
pub const MAX_STALENESS_SECONDS: u32 = 3_600;

/// The longest action, in bytes.
pub const MAX_ACTION_BYTES: usize = 16_384;

record! {
    /// An action that waits for its time.
    pub struct Proposal(tag 104, key u64, "proposal") {
        {
            /// Hash of the action; zero is none.
            pub action_hash: B256,
        }
        {
            /// From when on it may be executed, in seconds.
            pub executable_seconds: u64,
        }
    }
}

impl Market<'_, '_> {
    fn require_operator(&mut self) -> Result<Globals, MarketError> {
        let globals: Globals = self.records.get(())?;
        if self.caller != globals.operator || globals.operator.is_zero() {
            return Err(Rejection::NotAllowed.into());
        }
        Ok(globals)
    }

    /// Announces an action that is valid now.
    pub fn propose(&mut self, action: &[u8]) -> Result<u64, MarketError> {
        let globals = self.require_operator()?;
        self.meter.charge(gas::PROPOSAL + gas::CALL_DATA_WORD * (action.len() as u64).div_ceil(32))?;
        self.dry_run(action)?;
        let proposal = self.records.update::<Office, _>((), |office| {
            office.proposals = office.proposals.saturating_add(1);
            office.proposals
        })?;
        let executable_seconds = self.block.timestamp_seconds.saturating_add(globals.timelock_seconds.into());
        self.records.set(proposal, Proposal { action_hash: keccak256(action), executable_seconds })?;
        let action = Bytes::copy_from_slice(action);
        self.emit(&IMarket::Proposed { proposal, executableSeconds: executable_seconds, action });
        Ok(proposal)
    }

    /// Does an action and undoes it.
    fn dry_run(&mut self, action: &[u8]) -> Result<(), MarketError> {
        let (mark, events) = (self.records.mark(), self.events.len());
        self.perform(action)?;
        self.records.revert(mark);
        self.events.truncate(events);
        Ok(())
    }

    fn waiting(&mut self, proposal: u64) -> Result<Proposal, MarketError> {
        let waiting: Proposal = self.records.get(proposal)?;
        if waiting.action_hash.is_zero() {
            return Err(Rejection::Unknown { what: "proposal", id: U256::from(proposal) }.into());
        }
        Ok(waiting)
    }

    /// Executes an action whose time has come.
    pub fn execute(&mut self, proposal: u64, action: &[u8]) -> Result<(), MarketError> {
        self.meter.charge(gas::PROPOSAL + gas::CALL_DATA_WORD * (action.len() as u64).div_ceil(32))?;
        let waiting = self.waiting(proposal)?;
        if waiting.action_hash != keccak256(action) {
            return Err(Rejection::Forbidden { state: "another action was proposed" }.into());
        }
        if self.block.timestamp_seconds < waiting.executable_seconds {
            return Err(Rejection::Forbidden { state: "the time lock is not over" }.into());
        }
        self.records.set(proposal, Proposal::default())?;
        self.perform(action)?;
        self.emit(&IMarket::Executed { proposal });
        Ok(())
    }

    /// Takes a proposal back.
    pub fn withdraw_proposal(&mut self, proposal: u64) -> Result<(), MarketError> {
        self.require_operator()?;
        self.waiting(proposal)?;
        self.records.set(proposal, Proposal::default())?;
        self.emit(&IMarket::ProposalWithdrawn { proposal });
        Ok(())
    }

    /// Restricts an instrument at once.
    pub fn restrict(&mut self, id: InstrumentId, status: u8) -> Result<(), MarketError> {
        self.require_operator()?;
        let present = self.instrument(id)?.status;
        in_range("status", status.into(), (present as u128) + 1, InstrumentStatus::Halted as u128)?;
        self.set_status(id, status)
    }

    /// Offers the office; the zero address takes an offer back.
    pub fn offer_operator(&mut self, next: Address) -> Result<(), MarketError> {
        self.require_operator()?;
        self.records.update::<Office, _>((), |office| office.offered = next)?;
        self.emit(&IMarket::OperatorOffered { next });
        Ok(())
    }

    /// Takes the office that was offered to the caller.
    pub fn accept_operator(&mut self) -> Result<(), MarketError> {
        let mut office: Office = self.records.get(())?;
        let operator = self.caller;
        if operator.is_zero() || office.offered != operator {
            return Err(Rejection::NotAllowed.into());
        }
        office.offered = Address::ZERO;
        self.records.set((), office)?;
        self.records.update::<Globals, _>((), |globals| globals.operator = operator)?;
        self.emit(&IMarket::OperatorChanged { operator });
        Ok(())
    }

    /// Does an action, whoever asked for it.
    pub fn perform(&mut self, action: &[u8]) -> Result<(), MarketError> {
        if action.len() > MAX_ACTION_BYTES {
            return Err(Rejection::LimitReached { what: "bytes of an action", limit: MAX_ACTION_BYTES as u64 }.into());
        }
        match IMarketActionsCalls::abi_decode_validate(action).map_err(|_| Rejection::BadCall)? {
            IMarketActionsCalls::several(call) => call.actions.iter().try_for_each(|action| {
                self.perform_one(IMarketActionsCalls::abi_decode_validate(action).map_err(|_| Rejection::BadCall)?)
            }),
            one => self.perform_one(one),
        }
    }

    fn perform_one(&mut self, action: IMarketActionsCalls) -> Result<(), MarketError> {
        use IMarketActionsCalls as Calls;
        match action {
            Calls::several(_) => Err(Rejection::BadCall.into()),
            Calls::listInstrument(call) => self.list_instrument(&call.terms).map(|_| ()),
            Calls::setInstrument(call) => self.set_instrument(InstrumentId(call.instrument), &call.settings),
            Calls::setStatus(call) => self.set_status(InstrumentId(call.instrument), call.status),
            Calls::listFeed(call) => self.list_feed(&call.terms).map(|_| ()),
            Calls::setFeed(call) => self.set_feed(FeedId(call.feed), &call.terms),
            Calls::setSigners(call) => self.set_signers(&call.signers, call.quorum),
            Calls::setTimelock(call) => self.set_timelock(call.timelockSeconds),
            Calls::listAsset(call) => {
                self.list_asset(call.token, call.decimals, FeedId(call.feed), &call.settings).map(|_| ())
            }
            Calls::setAsset(call) => self.change_asset(AssetId(call.asset), &call.settings),
        }
    }

    /// Sets the time lock of later proposals.
    pub(crate) fn set_timelock(&mut self, timelock_seconds: u32) -> Result<(), MarketError> {
        in_range("timelockSeconds", timelock_seconds.into(), 0, MAX_TIMELOCK_SECONDS.into())?;
        self.records.update::<Globals, _>((), |globals| globals.timelock_seconds = timelock_seconds)?;
        self.emit(&IMarket::TimelockSet { timelockSeconds: timelock_seconds });
        Ok(())
    }

    /// Replaces the set of price signers. More than half of them are a quorum at least.
    pub(crate) fn set_signers(&mut self, signers: &[Address], quorum: u8) -> Result<(), MarketError> {
        let count = signers.len() as u128;
        in_range("signers", count, 1, MAX_SIGNERS as u128)?;
        in_range("quorum", quorum.into(), count / 2 + 1, count)?;
        let mut globals: Globals = self.records.get(())?;
        for place in 0..globals.signers {
            self.meter.charge(gas::LISTING)?;
            let old: Signer = self.records.get(place)?;
            self.records.set(place, Signer::default())?;
            self.records.set(old.address, SignerOf::default())?;
        }
        for (&address, place) in signers.iter().zip(0u8..) {
            self.meter.charge(gas::LISTING)?;
            if address.is_zero() || self.records.get::<SignerOf>(address)?.place != 0 {
                return Err(Rejection::Forbidden { state: "a signer that is zero or named twice" }.into());
            }
            self.records.set(place, Signer { address })?;
            self.records.set(address, SignerOf { place: place + 1 })?;
        }
        globals.signers = signers.len() as u8;
        globals.quorum = quorum;
        self.records.set((), globals)?;
        self.emit(&IMarket::SignersSet { signers: signers.to_vec(), quorum });
        Ok(())
    }

    /// The price signers, in order.
    pub fn signers(&mut self) -> Result<Vec<Address>, MarketError> {
        let globals: Globals = self.records.get(())?;
        let mut signers = Vec::new();
        for place in 0..globals.signers.min(MAX_SIGNERS as u8) {
            signers.push(self.records.get::<Signer>(place)?.address);
        }
        Ok(signers)
    }

    /// Lists a feed.
    pub(crate) fn list_feed(&mut self, terms: &IMarketActions::FeedTerms) -> Result<FeedId, MarketError> {
        self.meter.charge(gas::LISTING)?;
        let id = self.records.update::<Globals, _>((), |globals| {
            let id = globals.next_feed.max(1);
            globals.next_feed = id.saturating_add(1);
            FeedId(id)
        })?;
        if id.0 > MAX_FEEDS {
            return Err(Rejection::LimitReached { what: "feeds", limit: MAX_FEEDS.into() }.into());
        }
        in_range("decimals", terms.decimals.into(), 0, MAX_DECIMALS.into())?;
        self.store_feed(id, Feed { decimals: terms.decimals, ..Feed::default() }, terms)?;
        Ok(id)
    }

    /// Changes a feed, all but its decimals.
    pub(crate) fn set_feed(&mut self, id: FeedId, terms: &IMarketActions::FeedTerms) -> Result<(), MarketError> {
        self.meter.charge(gas::LISTING)?;
        let feed = self.feed(id)?;
        in_range("decimals", terms.decimals.into(), feed.decimals.into(), feed.decimals.into())?;
        self.store_feed(id, feed, terms)
    }

    fn store_feed(&mut self, id: FeedId, old: Feed, terms: &IMarketActions::FeedTerms) -> Result<(), MarketError> {
        in_range("sourceDecimals", terms.sourceDecimals.into(), 0, MAX_DECIMALS.into())?;
        in_range("stalenessSeconds", terms.stalenessSeconds.into(), 1, MAX_STALENESS_SECONDS.into())?;
        in_range("deviationPpm", terms.deviationPpm.into(), 1_000, PPM.into())?;
        let feed = Feed {
            source: terms.source,
            source_decimals: terms.sourceDecimals,
            staleness_seconds: terms.stalenessSeconds,
            deviation_ppm: terms.deviationPpm,
            ..old
        };
        self.records.set(id, feed)?;
        self.emit(&IMarket::FeedSet {
            feed: id.0,
            decimals: feed.decimals,
            source: terms.source,
            sourceDecimals: terms.sourceDecimals,
            stalenessSeconds: terms.stalenessSeconds,
            deviationPpm: terms.deviationPpm,
        });
        Ok(())
    }
}

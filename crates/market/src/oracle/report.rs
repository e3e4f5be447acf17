//! Signed reports: what is signed, who signed, and the median.

use super::{MAX_AHEAD_SECONDS, MAX_REPORT_PRICES, MAX_SIGNERS, NewPrice, Office, SignerOf};
use crate::MARKET_ADDRESS;
use crate::abi::IMarket::{PriceReport, SignedReport};
use crate::error::{MarketError, Rejection};
use crate::feeds::MAX_FEED_PRICE;
use crate::gas;
use crate::layout::Globals;
use crate::market::Market;
use crate::types::FeedId;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue};
use rialto_vm::{PrecompileSet, precompile};

/// Gas that the precompiled contract of signature recovery asks for.
const RECOVERY_GAS: u64 = 3_000;

fn refused(why: &'static str) -> MarketError {
    Rejection::BadReport { why }.into()
}

/// What signed prices are bound to (EIP-712): the name "Rialto Market", version "1", the chain and the market's address.
pub fn domain(chain_id: U256) -> Eip712Domain {
    Eip712Domain::new(Some("Rialto Market".into()), Some("1".into()), Some(chain_id), Some(MARKET_ADDRESS), None)
}

/// What a signer signs for a report on a chain.
pub fn signing_hash(report: &PriceReport, chain_id: U256) -> B256 {
    report.eip712_signing_hash(&domain(chain_id))
}

/// Who signed this hash; `None` where nobody did. The signature is r, s and v in 65 bytes.
fn signer_of(hash: &B256, signature: &[u8]) -> Option<Address> {
    let [v] = signature.get(64..)? else { return None };
    let mut input = [0; 128];
    input[..32].copy_from_slice(hash.as_slice());
    input[63] = *v;
    input[64..].copy_from_slice(&signature[..64]);
    let mut output = Vec::with_capacity(32);
    let recovery = precompile(PrecompileSet::Frontier, &Address::with_last_byte(1))?;
    recovery.run(&input, RECOVERY_GAS, &mut output).ok()?;
    let word = <[u8; 32]>::try_from(output.as_slice()).ok()?;
    let signer = Address::from_word(word.into());
    (!signer.is_zero()).then_some(signer)
}

/// The median: of an even number, the mean of the two middle ones rounded down. None of none.
pub(super) fn median(prices: &mut [u128]) -> Option<u128> {
    prices.sort_unstable();
    let upper = *prices.get(prices.len() / 2)?;
    if prices.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = prices[prices.len() / 2 - 1];
    Some(lower + (upper - lower) / 2)
}

impl Market<'_, '_> {
    /// Takes a report of signed prices, and does all that follows from them.
    pub fn update_prices(&mut self, report: &[u8]) -> Result<(), MarketError> {
        self.meter.charge(gas::CALL_DATA_WORD * (report.len() as u64).div_ceil(32))?;
        let reports = Vec::<SignedReport>::abi_decode_validate(report).map_err(|_| refused("its encoding"))?;
        let globals: Globals = self.records.get(())?;
        if globals.signers == 0 {
            return Err(refused("no signers are configured"));
        }
        if reports.is_empty() || reports.len() < usize::from(globals.quorum) {
            return Err(refused("fewer signers than the quorum"));
        }
        if reports.len() > MAX_SIGNERS {
            return Err(refused("more reports than signers"));
        }
        let sequence = reports[0].report.sequence;
        let mut office: Office = self.records.get(())?;
        if sequence <= office.sequence {
            return Err(refused("the round is not later than the last one"));
        }
        let mut seen = 0u32;
        for signed in &reports {
            self.check_report(signed, sequence, globals.priced_seconds, &mut seen)?;
        }
        office.sequence = sequence;
        self.records.set((), office)?;
        let prices = self.medians(&reports, globals.quorum)?;
        let made = reports.iter().map(|signed| signed.report.timeSeconds).min().unwrap_or_default();
        self.records.update::<Globals, _>((), |globals| globals.priced_seconds = made)?;
        self.accept_prices(&prices)
    }

    /// Whether one signer's report may count: see the module's documentation.
    fn check_report(
        &mut self,
        signed: &SignedReport,
        sequence: u64,
        not_before_seconds: u64,
        seen: &mut u32,
    ) -> Result<(), MarketError> {
        self.meter.charge(gas::PRICE_SIGNATURE)?;
        let report = &signed.report;
        if report.sequence != sequence {
            return Err(refused("reports of different rounds"));
        }
        if report.timeSeconds > self.block.timestamp_seconds.saturating_add(MAX_AHEAD_SECONDS) {
            return Err(refused("a time ahead of the block's"));
        }
        if report.timeSeconds < not_before_seconds {
            return Err(refused("a time before the last accepted prices"));
        }
        if report.prices.is_empty() || report.prices.len() > MAX_REPORT_PRICES {
            return Err(refused("no prices, or too many"));
        }
        if !report.prices.windows(2).all(|pair| pair[0].feed < pair[1].feed) {
            return Err(refused("feeds that are not ascending"));
        }
        if !report.prices.iter().all(|price| (1..=MAX_FEED_PRICE).contains(&price.price)) {
            return Err(refused("a price that is zero or absurd"));
        }
        let hash = signing_hash(report, self.block.chain_id);
        let signer = signer_of(&hash, &signed.signature).ok_or_else(|| refused("a signature that is nobody's"))?;
        let place = self.records.get::<SignerOf>(signer)?.place;
        if place == 0 {
            return Err(refused("a signature of somebody who is no signer"));
        }
        let bit = 1u32 << ((place - 1) % 32);
        if *seen & bit != 0 {
            return Err(refused("two reports of one signer"));
        }
        *seen |= bit;
        Ok(())
    }

    /// The medians of the feeds that a quorum sent a price of, ascending by feed.
    fn medians(&mut self, reports: &[SignedReport], quorum: u8) -> Result<Vec<NewPrice>, MarketError> {
        let mut sent: Vec<(u16, u128, u64)> = Vec::new();
        for signed in reports {
            let time_seconds = signed.report.timeSeconds;
            sent.extend(signed.report.prices.iter().map(|price| (price.feed, price.price, time_seconds)));
        }
        sent.sort_unstable();
        let mut medians = Vec::new();
        for of_feed in sent.chunk_by(|a, b| a.0 == b.0) {
            self.meter.charge(gas::PRICE_FEED)?;
            let id = FeedId(of_feed[0].0);
            let feed = self.feed(id)?;
            if !feed.source.is_zero() {
                return Err(refused("a feed whose price is pulled"));
            }
            let mut prices: Vec<u128> = of_feed.iter().map(|sent| sent.1).collect();
            if prices.len() < usize::from(quorum) {
                continue;
            }
            let time_seconds = of_feed.iter().map(|sent| sent.2).min().unwrap_or_default();
            if self.block.timestamp_seconds.saturating_sub(time_seconds) > u64::from(feed.staleness_seconds) {
                return Err(refused("a price that is too old"));
            }
            if let Some(price) = median(&mut prices) {
                medians.push(NewPrice { feed: id, price, time_seconds });
            }
        }
        if medians.is_empty() {
            return Err(refused("no feed with a quorum of prices"));
        }
        Ok(medians)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_few() {
        let rows: [(&str, &[u128], Option<u128>); 6] = [
            ("none", &[], None),
            ("one", &[7], Some(7)),
            ("two", &[8, 5], Some(6)),
            ("three, one absurd", &[100, 1 << 96, 101], Some(101)),
            ("four", &[4, 1, 3, 2], Some(2)),
            ("largest", &[u128::MAX, u128::MAX], Some(u128::MAX)),
        ];
        for (name, prices, expected) in rows {
            assert_eq!(median(&mut prices.to_vec()), expected, "{name}: {prices:?}");
        }
    }
}

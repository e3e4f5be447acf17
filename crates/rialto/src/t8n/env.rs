//! The environment: what a block's header says before it is executed.
//!
//! What can be computed from the parent may be left out (difficulty, base fee, excess blob gas); what the fork needs and
//! can't be computed must be there.

use crate::t8n::T8nError;
use alloy_primitives::{Address, B256, U256};
use rialto_stf::json::{self, JsonCursor, JsonError};
use rialto_stf::{
    BlockRules, ChainSpec, Header, Withdrawal, difficulty_after, next_base_fee, next_excess_blob_gas, ommers_hash,
};
use std::collections::BTreeMap;

/// An ommer that is rewarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ommer {
    /// How many blocks before this one it is.
    pub delta: u64,
    /// Who mined it.
    pub address: Address,
}

/// The environment as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// Fee recipient.
    pub coinbase: Address,
    /// Difficulty, before the merge.
    pub difficulty: Option<U256>,
    /// Randomness, since the merge.
    pub random: Option<U256>,
    /// Most gas of the transactions.
    pub gas_limit: u64,
    /// Number of the block.
    pub number: u64,
    /// Time, seconds.
    pub timestamp: u64,
    /// Base fee, wei.
    pub base_fee: Option<u64>,
    /// Excess blob gas.
    pub excess_blob_gas: Option<u64>,
    /// The consensus layer's parent.
    pub parent_beacon_block_root: Option<B256>,
    /// The consensus layer's slot.
    pub slot_number: Option<u64>,
    /// Hashes of blocks before, by number.
    pub block_hashes: BTreeMap<u64, B256>,
    /// Ommers to reward.
    pub ommers: Vec<Ommer>,
    /// Withdrawals.
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// The parent's difficulty.
    pub parent_difficulty: Option<U256>,
    /// The parent's time.
    pub parent_timestamp: u64,
    /// The parent's base fee.
    pub parent_base_fee: Option<u64>,
    /// The parent's gas used.
    pub parent_gas_used: u64,
    /// The parent's gas limit.
    pub parent_gas_limit: u64,
    /// The parent's hash of ommers; zero for none.
    pub parent_uncle_hash: B256,
    /// The parent's excess blob gas.
    pub parent_excess_blob_gas: Option<u64>,
    /// The parent's blob gas.
    pub parent_blob_gas_used: Option<u64>,
}

impl Env {
    /// Reads it. Numbers are hex or decimal.
    pub fn read(cursor: &JsonCursor<'_>) -> Result<Self, JsonError> {
        let number = |name| cursor.optional(name)?.map(|value| value.u64_or_decimal()).transpose();
        let word = |name| cursor.optional(name)?.map(|value| value.u256_or_decimal()).transpose();
        let hash = |name| cursor.optional(name)?.map(|value| value.b256()).transpose();
        let coinbase = cursor.field("currentCoinbase")?;
        Ok(Self {
            coinbase: coinbase.address_key(coinbase.string()?)?,
            difficulty: word("currentDifficulty")?,
            random: word("currentRandom")?,
            gas_limit: cursor.field("currentGasLimit")?.u64_or_decimal()?,
            number: cursor.field("currentNumber")?.u64_or_decimal()?,
            timestamp: cursor.field("currentTimestamp")?.u64_or_decimal()?,
            base_fee: number("currentBaseFee")?,
            excess_blob_gas: number("currentExcessBlobGas")?,
            parent_beacon_block_root: hash("parentBeaconBlockRoot")?,
            slot_number: number("slotNumber")?,
            block_hashes: block_hashes(cursor)?,
            ommers: ommers(cursor)?,
            withdrawals: withdrawals(cursor)?,
            parent_difficulty: word("parentDifficulty")?,
            parent_timestamp: number("parentTimestamp")?.unwrap_or(0),
            parent_base_fee: number("parentBaseFee")?,
            parent_gas_used: number("parentGasUsed")?.unwrap_or(0),
            parent_gas_limit: number("parentGasLimit")?.unwrap_or(0),
            parent_uncle_hash: hash("parentUncleHash")?.unwrap_or_default(),
            parent_excess_blob_gas: number("parentExcessBlobGas")?,
            parent_blob_gas_used: number("parentBlobGasUsed")?,
        })
    }

    /// The header that the environment describes under the chain's rules.
    pub fn header(&self, chain: &ChainSpec) -> Result<Header, T8nError> {
        let rules = chain.rules_at(self.number, self.timestamp);
        if rules.has_withdrawals && self.withdrawals.is_none() {
            return Err(missing("env.withdrawals", rules));
        }
        let (difficulty, mix_hash) = self.seal(rules)?;
        let parent_number = self.number.wrapping_sub(1);
        Ok(Header {
            parent_hash: self.block_hashes.get(&parent_number).copied().unwrap_or_default(),
            ommers_hash: ommers_hash(&[]),
            beneficiary: self.coinbase,
            difficulty,
            number: self.number,
            gas_limit: self.gas_limit,
            timestamp: self.timestamp,
            mix_hash,
            base_fee_per_gas: self.base_fee(rules)?,
            excess_blob_gas: self.excess_blob_gas(chain, rules),
            parent_beacon_block_root: self.beacon_root(rules)?,
            slot_number: self.slot_number.filter(|_| rules.has_access_lists),
            ..Header::default()
        })
    }

    /// Difficulty before the merge, randomness since.
    fn seal(&self, rules: &BlockRules) -> Result<(U256, B256), T8nError> {
        if rules.is_merged {
            let random = self.random.ok_or_else(|| missing("env.currentRandom", rules))?;
            if let Some(found) = self.difficulty.filter(|difficulty| !difficulty.is_zero()) {
                return Err(T8nError::config("env.currentDifficulty", found, "zero or nothing since the merge"));
            }
            return Ok((U256::ZERO, B256::from(random)));
        }
        let random = B256::from(self.random.unwrap_or_default());
        if let Some(difficulty) = self.difficulty {
            return Ok((difficulty, random));
        }
        let parent_difficulty = self.parent_difficulty.ok_or_else(|| {
            let expected = "env.currentDifficulty, or the parent's to compute it";
            T8nError::config("env.parentDifficulty", "nothing", expected)
        })?;
        if self.number == 0 {
            return Err(T8nError::config("env.currentDifficulty", "nothing", "the difficulty of block 0"));
        }
        if self.timestamp <= self.parent_timestamp {
            let expected = format!("more than {}, the parent's", self.parent_timestamp);
            return Err(T8nError::config("env.currentTimestamp", self.timestamp, expected));
        }
        let has_ommers = !self.parent_uncle_hash.is_zero() && self.parent_uncle_hash != ommers_hash(&[]);
        let difficulty = difficulty_after(
            rules,
            self.number - 1,
            parent_difficulty,
            self.parent_timestamp,
            has_ommers,
            self.timestamp,
        );
        Ok((difficulty, random))
    }

    fn base_fee(&self, rules: &BlockRules) -> Result<Option<u64>, T8nError> {
        if !rules.has_base_fee {
            return Ok(None);
        }
        if self.base_fee.is_some() {
            return Ok(self.base_fee);
        }
        match self.parent_base_fee {
            Some(parent) if self.number > 0 => {
                Ok(Some(next_base_fee(self.parent_gas_limit, self.parent_gas_used, parent)))
            }
            _ => Err(missing("env.parentBaseFee", rules)),
        }
    }

    fn beacon_root(&self, rules: &BlockRules) -> Result<Option<B256>, T8nError> {
        if !rules.has_blobs {
            return Ok(None);
        }
        self.parent_beacon_block_root.map(Some).ok_or_else(|| missing("env.parentBeaconBlockRoot", rules))
    }

    /// Nothing where it is neither given nor can be computed; then there can be no blob transactions.
    fn excess_blob_gas(&self, chain: &ChainSpec, rules: &BlockRules) -> Option<u64> {
        let params = chain.blob_params(rules.fork).filter(|_| rules.has_blobs)?;
        if self.excess_blob_gas.is_some() {
            return self.excess_blob_gas;
        }
        let parent = Header {
            excess_blob_gas: Some(self.parent_excess_blob_gas?),
            blob_gas_used: Some(self.parent_blob_gas_used?),
            base_fee_per_gas: self.parent_base_fee,
            ..Header::default()
        };
        Some(next_excess_blob_gas(&parent, &params, rules.has_blob_reserve_price))
    }
}

fn missing(field: &str, rules: &BlockRules) -> T8nError {
    T8nError::config(field, "nothing", format!("a value, which {} needs", rules.fork))
}

fn block_hashes(env: &JsonCursor<'_>) -> Result<BTreeMap<u64, B256>, JsonError> {
    let mut hashes = BTreeMap::new();
    let Some(cursor) = env.optional("blockHashes")? else { return Ok(hashes) };
    for (key, value) in cursor.entries()? {
        let number = if key.starts_with("0x") {
            let number = value.u256_key(key)?;
            u64::try_from(number).map_err(|_| value.error(json::JsonErrorKind::TooLarge { max_bits: 64 }))?
        } else {
            value.decimal_key(key)?
        };
        hashes.insert(number, value.b256()?);
    }
    Ok(hashes)
}

fn ommers(env: &JsonCursor<'_>) -> Result<Vec<Ommer>, JsonError> {
    let Some(list) = env.optional("ommers")? else { return Ok(Vec::new()) };
    let read = |item: JsonCursor<'_>| {
        Ok(Ommer { delta: item.field("delta")?.u64_or_decimal()?, address: item.field("address")?.address()? })
    };
    list.items()?.map(read).collect()
}

fn withdrawals(env: &JsonCursor<'_>) -> Result<Option<Vec<Withdrawal>>, JsonError> {
    let Some(list) = env.optional("withdrawals")? else { return Ok(None) };
    list.items()?.map(|item| json::withdrawal(&item)).collect::<Result<Vec<_>, _>>().map(Some)
}

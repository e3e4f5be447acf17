//! Is a header a valid successor of its parent, and is a body the one that its header commits to.

use crate::difficulty::next_difficulty;
use crate::{Block, BlockError, BlockRules, ChainSpec, Header, Transaction, Withdrawal, dao, fees, ommers_hash};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::{B64, B256, U256};
use rialto_trie::roots::ordered_root;

/// Longest `extra_data`, in bytes.
const MAX_EXTRA_DATA_BYTES: usize = 32;
/// Lowest gas limit.
const MIN_GAS_LIMIT: u64 = 5_000;
/// The gas limit changes by less than one part in this.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1_024;
/// Most ommers.
const MAX_OMMERS: usize = 2;
/// Generations over which an ommer may be included.
const MAX_OMMER_DEPTH: u64 = 6;

/// Checks `header` against `parent` (Yellow Paper 4.3.4 and the EIPs since). Proof of work is not checked.
pub fn validate_header(chain: &ChainSpec, header: &Header, parent: &Header) -> Result<(), BlockError> {
    let rules = chain.rules_at(header.number, header.timestamp);
    validate_presence(rules, header)?;
    expect("parent_hash", &parent.hash(), &header.parent_hash)?;
    expect("number", &parent.number.saturating_add(1), &header.number)?;
    if header.timestamp <= parent.timestamp {
        return Err(wrong("timestamp", format!("more than {}", parent.timestamp), header.timestamp));
    }
    if header.extra_data.len() > MAX_EXTRA_DATA_BYTES {
        return Err(wrong("extra_data", format!("at most {MAX_EXTRA_DATA_BYTES} bytes"), header.extra_data.len()));
    }
    dao::validate_mark(chain, header)?;
    if header.gas_used > header.gas_limit {
        return Err(wrong("gas_used", format!("at most {}, the gas limit", header.gas_limit), header.gas_used));
    }
    validate_gas_limit_and_base_fee(chain, rules, header, parent)?;
    validate_seal(rules, header, parent)?;
    validate_blob_gas(chain, rules, header, parent)
}

/// Every optional field is there exactly if the fork has it.
fn validate_presence(rules: &BlockRules, header: &Header) -> Result<(), BlockError> {
    let fields = [
        ("base_fee_per_gas", rules.has_base_fee, header.base_fee_per_gas.is_some()),
        ("withdrawals_root", rules.has_withdrawals, header.withdrawals_root.is_some()),
        ("blob_gas_used", rules.has_blobs, header.blob_gas_used.is_some()),
        ("excess_blob_gas", rules.has_blobs, header.excess_blob_gas.is_some()),
        ("parent_beacon_block_root", rules.has_blobs, header.parent_beacon_block_root.is_some()),
        ("requests_hash", rules.has_requests, header.requests_hash.is_some()),
        ("block_access_list_hash", rules.has_access_lists, header.block_access_list_hash.is_some()),
        ("slot_number", rules.has_access_lists, header.slot_number.is_some()),
    ];
    match fields.into_iter().find(|(_, expected, found)| expected != found) {
        None => Ok(()),
        Some((field, expected_present, _)) => {
            Err(BlockError::HeaderField { field, expected_present, fork: rules.fork })
        }
    }
}

fn validate_gas_limit_and_base_fee(
    chain: &ChainSpec,
    rules: &BlockRules,
    header: &Header,
    parent: &Header,
) -> Result<(), BlockError> {
    let parent_rules = chain.rules_at(parent.number, parent.timestamp);
    let is_first_with_base_fee = rules.has_base_fee && !parent_rules.has_base_fee;
    // EIP-1559: the limit doubles with the fork, so that the target stays where the limit was.
    let parent_limit = if is_first_with_base_fee { parent.gas_limit.saturating_mul(2) } else { parent.gas_limit };
    let bound = parent_limit / GAS_LIMIT_BOUND_DIVISOR;
    if header.gas_limit.abs_diff(parent_limit) >= bound || header.gas_limit < MIN_GAS_LIMIT {
        let expected = format!("less than {bound} from {parent_limit} and at least {MIN_GAS_LIMIT}");
        return Err(wrong("gas_limit", expected, header.gas_limit));
    }
    let Some(base_fee) = header.base_fee_per_gas else { return Ok(()) };
    let expected = base_fee_after(chain, parent, header.timestamp).unwrap_or(fees::INITIAL_BASE_FEE);
    expect("base_fee_per_gas", &expected, &base_fee)
}

/// The base fee, in wei, of the block after `parent`; `None` before London (EIP-1559).
pub fn base_fee_after(chain: &ChainSpec, parent: &Header, timestamp: u64) -> Option<u64> {
    let rules = chain.rules_at(parent.number.saturating_add(1), timestamp);
    let had_base_fee = chain.rules_at(parent.number, parent.timestamp).has_base_fee;
    rules.has_base_fee.then(|| match parent.base_fee_per_gas {
        Some(parent_fee) if had_base_fee => fees::next_base_fee(parent.gas_limit, parent.gas_used, parent_fee),
        _ => fees::INITIAL_BASE_FEE,
    })
}

/// The excess blob gas of the block after `parent`; `None` before Cancun (EIP-4844).
pub fn excess_blob_gas_after(chain: &ChainSpec, parent: &Header, timestamp: u64) -> Option<u64> {
    let rules = chain.rules_at(parent.number.saturating_add(1), timestamp);
    let params = chain.blob_params(rules.fork).filter(|_| rules.has_blobs)?;
    Some(fees::next_excess_blob_gas(parent, &params, rules.has_blob_reserve_price))
}

fn validate_seal(rules: &BlockRules, header: &Header, parent: &Header) -> Result<(), BlockError> {
    if rules.is_merged {
        expect("difficulty", &U256::ZERO, &header.difficulty)?;
        expect("nonce", &B64::ZERO, &header.nonce)?;
        expect("ommers_hash", &ommers_hash(&[]), &header.ommers_hash)
    } else {
        expect("difficulty", &next_difficulty(rules, parent, header.timestamp), &header.difficulty)
    }
}

fn validate_blob_gas(
    chain: &ChainSpec,
    rules: &BlockRules,
    header: &Header,
    parent: &Header,
) -> Result<(), BlockError> {
    let (Some(used), Some(excess)) = (header.blob_gas_used, header.excess_blob_gas) else { return Ok(()) };
    let params = chain.blob_params(rules.fork).expect("a fork with blobs has their parameters");
    let max = params.max * fees::GAS_PER_BLOB;
    if used > max || !used.is_multiple_of(fees::GAS_PER_BLOB) {
        let expected = format!("a multiple of {} up to {max}", fees::GAS_PER_BLOB);
        return Err(wrong("blob_gas_used", expected, used));
    }
    let expected = fees::next_excess_blob_gas(parent, &params, rules.has_blob_reserve_price);
    expect("excess_blob_gas", &expected, &excess)
}

/// Checks that the body is of the form that the fork has and the one that the header commits to.
pub fn validate_body(rules: &BlockRules, block: &Block) -> Result<(), BlockError> {
    if let Some(max) = rules.max_block_bytes {
        let found = block.encoded_size();
        if found > max {
            return Err(BlockError::TooLong { max, found });
        }
    }
    let header = &block.header;
    let compare = |field: &'static str, expected: B256, found: B256| {
        if expected == found { Ok(()) } else { Err(BlockError::BodyRoot { field, expected, found }) }
    };
    compare("ommers_hash", header.ommers_hash, ommers_hash(&block.ommers))?;
    compare("transactions_root", header.transactions_root, transactions_root(&block.transactions))?;
    if block.withdrawals.is_some() != rules.has_withdrawals {
        let (field, expected_present, fork) = ("withdrawals", rules.has_withdrawals, rules.fork);
        return Err(BlockError::BodyField { field, expected_present, fork });
    }
    if let (Some(withdrawals), Some(root)) = (&block.withdrawals, header.withdrawals_root) {
        compare("withdrawals_root", root, withdrawals_root(withdrawals))?;
    }
    if rules.is_merged && !block.ommers.is_empty() {
        return Err(BlockError::Ommer { index: 0, reason: "expected none since the merge" });
    }
    Ok(())
}

/// The root of a list of transactions.
pub fn transactions_root(transactions: &[Transaction]) -> B256 {
    let encoded: Vec<Vec<u8>> = transactions.iter().map(Transaction::encode).collect();
    ordered_root(&encoded)
}

/// The root of a list of withdrawals.
pub fn withdrawals_root(withdrawals: &[Withdrawal]) -> B256 {
    let encoded: Vec<Vec<u8>> = withdrawals.iter().map(Withdrawal::encode).collect();
    ordered_root(&encoded)
}

/// Checks a block's ommers against its ancestors, nearest first: at least seven of them, or all down to genesis.
pub fn validate_ommers(chain: &ChainSpec, block: &Block, ancestors: &[Block]) -> Result<(), BlockError> {
    if block.ommers.len() > MAX_OMMERS {
        return Err(BlockError::Ommer { index: MAX_OMMERS, reason: "expected at most 2 ommers" });
    }
    let mut seen: Vec<B256> = Vec::new();
    for ancestor in ancestors {
        seen.push(ancestor.header.hash());
        seen.extend(ancestor.ommers.iter().map(Header::hash));
    }
    for (index, ommer) in block.ommers.iter().enumerate() {
        let invalid = |reason| Err(BlockError::Ommer { index, reason });
        let hash = ommer.hash();
        if hash == block.header.hash() {
            return invalid("expected another block, found the block itself");
        }
        if seen.contains(&hash) {
            return invalid("expected a block that is neither an ancestor nor an ommer already");
        }
        seen.push(hash);
        let depth = block.header.number.saturating_sub(ommer.number);
        if depth == 0 || depth > MAX_OMMER_DEPTH {
            return invalid("expected a block of the last 6 generations");
        }
        let parent = ancestors.iter().skip(1).find(|ancestor| ancestor.header.hash() == ommer.parent_hash);
        let Some(parent) = parent else { return invalid("expected a child of an ancestor other than the parent") };
        validate_header(chain, ommer, &parent.header)?;
    }
    Ok(())
}

fn wrong(field: &'static str, expected: impl core::fmt::Display, found: impl core::fmt::Display) -> BlockError {
    BlockError::Header { field, expected: expected.to_string(), found: found.to_string() }
}

fn expect<T: PartialEq + core::fmt::Display>(field: &'static str, expected: &T, found: &T) -> Result<(), BlockError> {
    if expected == found { Ok(()) } else { Err(wrong(field, expected, found)) }
}

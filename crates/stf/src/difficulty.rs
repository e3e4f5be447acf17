//! Proof-of-work difficulty (Yellow Paper 4.3.4, EIP-2, EIP-100 and the bomb's delays).

use crate::{BlockRules, DifficultyRule, Header, ommers_hash};
use alloy_primitives::U256;

/// Difficulty never falls below this.
const MIN_DIFFICULTY: u64 = 131_072;
/// The bomb doubles after this many blocks.
const BOMB_PERIOD_BLOCKS: u64 = 100_000;

/// The difficulty of the block that follows `parent` at `timestamp` (seconds), under that block's rules.
pub fn next_difficulty(rules: &BlockRules, parent: &Header, timestamp: u64) -> U256 {
    let has_ommers = parent.ommers_hash != ommers_hash(&[]);
    difficulty_after(rules, parent.number, parent.difficulty, parent.timestamp, has_ommers, timestamp)
}

/// As [`next_difficulty`], from the parent's fields that matter.
pub fn difficulty_after(
    rules: &BlockRules,
    parent_number: u64,
    parent_difficulty: U256,
    parent_timestamp: u64,
    parent_has_ommers: bool,
    timestamp: u64,
) -> U256 {
    let elapsed = timestamp.saturating_sub(parent_timestamp);
    let step = parent_difficulty / U256::from(2_048);
    // How many steps up (or down) the difficulty goes.
    let (up, down) = match rules.difficulty_rule {
        DifficultyRule::Frontier if elapsed < 13 => (1, 0),
        DifficultyRule::Frontier => (0, 1),
        DifficultyRule::Homestead => balance(1, elapsed / 10),
        DifficultyRule::Byzantium => balance(if parent_has_ommers { 2 } else { 1 }, elapsed / 9),
    };
    let raised = parent_difficulty.saturating_add(step.saturating_mul(U256::from(up)));
    let mut difficulty = raised.saturating_sub(step * U256::from(down));
    let number = (parent_number + 1).saturating_sub(rules.bomb_delay_blocks);
    let period = number / BOMB_PERIOD_BLOCKS;
    if period >= 2 {
        let exponent = usize::try_from(period - 2).unwrap_or(usize::MAX);
        let bomb = U256::ONE.checked_shl(exponent).unwrap_or(U256::MAX);
        difficulty = difficulty.saturating_add(bomb);
    }
    difficulty.max(U256::from(MIN_DIFFICULTY))
}

/// `max(base - slowness, -99)` as steps up and steps down.
fn balance(base: u64, slowness: u64) -> (u64, u64) {
    if slowness <= base { (base - slowness, 0) } else { (0, (slowness - base).min(99)) }
}

//! What each fork changed for blocks and transactions, as data.
//!
//! The virtual machine's part of a fork is in [`rialto_vm::Rules`]; this table holds the rest and points there.

use crate::TxType;
use alloy_primitives::U256;
use rialto_vm::{Fork, Rules};

/// How a block's difficulty follows from its parent's and the time between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifficultyRule {
    /// Up or down by one step, by whether 13 seconds have passed.
    Frontier,
    /// Down by one step more for every 10 seconds (EIP-2).
    Homestead,
    /// Down by one step more for every 9 seconds, and up by one more after a parent with ommers (EIP-100).
    Byzantium,
}

/// Rules of blocks and transactions under one fork.
#[derive(Clone, Copy, Debug)]
pub struct BlockRules {
    /// The fork these are the rules of.
    pub fork: Fork,
    /// The virtual machine's rules.
    pub vm: &'static Rules,

    /// Signatures have a low s (EIP-2).
    pub requires_low_s: bool,
    /// Legacy transactions may name their chain (EIP-155).
    pub has_replay_protection: bool,
    /// The newest transaction type there is.
    pub newest_tx_type: TxType,
    /// Gas for creating a contract by transaction, on top of the base.
    pub tx_create_gas: u64,
    /// Gas for a non-zero byte of call data.
    pub tx_data_nonzero_gas: u64,
    /// Gas for a byte of an access list (EIP-7981).
    pub access_list_byte_gas: u64,
    /// Gas for an authorization (EIP-7702).
    pub authorization_gas: u64,
    /// Gas that comes back for an authorization of an account that exists (EIP-7702).
    pub authorization_refund: u64,
    /// Least gas for a token of call data (EIP-7623): a zero byte is one token.
    pub floor_token_gas: u64,
    /// Tokens in a non-zero byte of call data.
    pub floor_nonzero_tokens: u64,
    /// Tokens in a zero byte of call data, and in every byte of an access list where those count.
    pub floor_zero_tokens: u64,
    /// Whether access lists count towards the floor (EIP-7981).
    pub floor_counts_access_list: bool,
    /// A refund is at most the gas used divided by this.
    pub refund_quotient: u64,
    /// Highest gas limit of a transaction (EIP-7825); of its regular gas where state gas is metered (EIP-8037).
    pub tx_gas_cap: Option<u64>,
    /// Blobs a transaction may carry (EIP-7594).
    pub max_blobs_per_tx: Option<u64>,
    /// The fee recipient is warm from the start (EIP-3651).
    pub warms_beneficiary: bool,

    /// Receipts tell success (EIP-658) rather than the state root.
    pub has_status_receipts: bool,
    /// Wei for mining a block.
    pub block_reward: U256,
    /// How difficulty moves.
    pub difficulty_rule: DifficultyRule,
    /// Blocks by which the difficulty bomb is delayed (EIP-649 and later).
    pub bomb_delay_blocks: u64,
    /// Proof of stake: no difficulty, no ommers, no reward (EIP-3675).
    pub is_merged: bool,
    /// Base fee (EIP-1559).
    pub has_base_fee: bool,
    /// Withdrawals (EIP-4895).
    pub has_withdrawals: bool,
    /// Blobs and the parent beacon block's root (EIP-4844, EIP-4788).
    pub has_blobs: bool,
    /// Requests to the consensus layer (EIP-7685) and block hashes in state (EIP-2935).
    pub has_requests: bool,
    /// A blob costs at least what its execution would (EIP-7918).
    pub has_blob_reserve_price: bool,
    /// Longest block in RLP, in bytes (EIP-7934).
    pub max_block_bytes: Option<usize>,
    /// Block access lists and slot numbers (EIP-7928, EIP-7843).
    pub has_access_lists: bool,
}

const fn ether(amount: u64) -> U256 {
    // Constant arithmetic on U256 is not const: an ether is 10^18, and five of them fit 64 bits.
    U256::from_limbs([amount * 1_000_000_000_000_000_000, 0, 0, 0])
}

const fn frontier() -> BlockRules {
    BlockRules {
        fork: Fork::Frontier,
        vm: Rules::of(Fork::Frontier),
        requires_low_s: false,
        has_replay_protection: false,
        newest_tx_type: TxType::Legacy,
        tx_create_gas: 0,
        tx_data_nonzero_gas: 68,
        access_list_byte_gas: 0,
        authorization_gas: 0,
        authorization_refund: 0,
        floor_token_gas: 0,
        floor_nonzero_tokens: 4,
        floor_zero_tokens: 1,
        floor_counts_access_list: false,
        refund_quotient: 2,
        tx_gas_cap: None,
        max_blobs_per_tx: None,
        warms_beneficiary: false,
        has_status_receipts: false,
        block_reward: ether(5),
        difficulty_rule: DifficultyRule::Frontier,
        bomb_delay_blocks: 0,
        is_merged: false,
        has_base_fee: false,
        has_withdrawals: false,
        has_blobs: false,
        has_requests: false,
        has_blob_reserve_price: false,
        max_block_bytes: None,
        has_access_lists: false,
    }
}

/// The previous fork's rules with what `fork` changed.
const fn changed(mut rules: BlockRules, fork: Fork) -> BlockRules {
    rules.fork = fork;
    rules.vm = Rules::of(fork);
    match fork {
        Fork::Homestead => {
            rules.requires_low_s = true;
            rules.tx_create_gas = 32_000;
            rules.difficulty_rule = DifficultyRule::Homestead;
        }
        Fork::SpuriousDragon => rules.has_replay_protection = true,
        Fork::Byzantium => {
            rules.has_status_receipts = true;
            rules.block_reward = ether(3);
            rules.difficulty_rule = DifficultyRule::Byzantium;
            rules.bomb_delay_blocks = 3_000_000;
        }
        Fork::Constantinople => {
            rules.block_reward = ether(2);
            rules.bomb_delay_blocks = 5_000_000;
        }
        Fork::Istanbul => rules.tx_data_nonzero_gas = 16,
        Fork::MuirGlacier => rules.bomb_delay_blocks = 9_000_000,
        Fork::Berlin => rules.newest_tx_type = TxType::AccessList,
        Fork::London => {
            rules.newest_tx_type = TxType::DynamicFee;
            rules.has_base_fee = true;
            rules.refund_quotient = 5;
            rules.bomb_delay_blocks = 9_700_000;
        }
        Fork::ArrowGlacier => rules.bomb_delay_blocks = 10_700_000,
        Fork::GrayGlacier => rules.bomb_delay_blocks = 11_400_000,
        Fork::Paris => {
            rules.is_merged = true;
            rules.block_reward = U256::ZERO;
        }
        Fork::Shanghai => {
            rules.has_withdrawals = true;
            rules.warms_beneficiary = true;
        }
        Fork::Cancun => {
            rules.newest_tx_type = TxType::Blob;
            rules.has_blobs = true;
        }
        Fork::Prague => {
            rules.newest_tx_type = TxType::SetCode;
            rules.authorization_gas = 25_000;
            rules.authorization_refund = 12_500;
            rules.floor_token_gas = 10;
            rules.has_requests = true;
        }
        Fork::Osaka => {
            rules.tx_gas_cap = Some(1 << 24);
            rules.max_blobs_per_tx = Some(6);
            rules.has_blob_reserve_price = true;
            rules.max_block_bytes = Some((10 << 20) - (2 << 20));
        }
        Fork::AmsterdamDraft => {
            rules.has_access_lists = true;
            rules.tx_create_gas = 9_000;
            rules.access_list_byte_gas = 64;
            rules.authorization_gas = 7_500;
            rules.authorization_refund = 0;
            rules.floor_token_gas = 16;
            rules.floor_zero_tokens = 4;
            rules.floor_counts_access_list = true;
        }
        _ => {}
    }
    rules
}

static TABLE: [BlockRules; Fork::ALL.len()] = {
    let mut table = [frontier(); Fork::ALL.len()];
    let mut i = 1;
    while i < table.len() {
        table[i] = changed(table[i - 1], Fork::ALL[i]);
        i += 1;
    }
    table
};

impl BlockRules {
    /// The rules of `fork`.
    pub fn of(fork: Fork) -> &'static Self {
        &TABLE[fork as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fork_has_its_row() {
        for fork in Fork::ALL {
            let rules = BlockRules::of(fork);
            assert_eq!(rules.fork, fork);
            assert!(rules.vm.fork <= fork, "{fork}");
        }
    }
}

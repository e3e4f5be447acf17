//! What each fork changed in the virtual machine, as data.
//!
//! One constant per fork, each written as the previous one with what its EIPs changed. The interpreter and the call
//! logic read fields; nothing in this crate compares forks.

use crate::{Fork, PrecompileSet};

/// How SSTORE is metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SstoreMeter {
    /// By current and new value only (Frontier; again in Petersburg).
    Legacy,
    /// Net metering with the original value (EIP-1283 in Constantinople, EIP-2200 and later).
    Net,
}

/// Rules of the virtual machine under one fork. Gas amounts are in gas.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The fork these are the rules of. For messages and for opcode availability only.
    pub fork: Fork,
    /// The precompiled contracts.
    pub precompiles: PrecompileSet,

    /// SLOAD; the warm price where `has_access_lists`.
    pub sload_gas: u64,
    /// BALANCE; the warm price where `has_access_lists`.
    pub balance_gas: u64,
    /// EXTCODESIZE and EXTCODECOPY; the warm price where `has_access_lists`.
    pub ext_code_gas: u64,
    /// EXTCODEHASH; the warm price where `has_access_lists`.
    pub ext_code_hash_gas: u64,
    /// CALL and its variants; the warm price where `has_access_lists`.
    pub call_gas: u64,
    /// SELFDESTRUCT.
    pub selfdestruct_gas: u64,
    /// EXP, for each byte of the exponent.
    pub exp_byte_gas: u64,
    /// Accounts and slots are cold until touched (EIP-2929).
    pub has_access_lists: bool,
    /// Price of a cold account (EIP-2929).
    pub cold_account_gas: u64,
    /// Price of a cold slot (EIP-2929).
    pub cold_slot_gas: u64,

    /// How SSTORE is metered.
    pub sstore_meter: SstoreMeter,
    /// SSTORE fails with 2,300 gas or less left (EIP-2200).
    pub sstore_needs_stipend: bool,
    /// SSTORE from zero to non-zero.
    pub sstore_set_gas: u64,
    /// SSTORE from non-zero, first change in the transaction. Without the cold slot's price (EIP-2929 subtracts it).
    pub sstore_reset_gas: u64,
    /// Refund for clearing a slot.
    pub sstore_clear_refund: u64,
    /// Refund for SELFDESTRUCT (none since EIP-3529).
    pub selfdestruct_refund: u64,

    /// A call may pass on at most 63/64 of the gas left (EIP-150).
    pub caps_call_gas: bool,
    /// A call or self-destruct pays for a new account only if it moves value there; empty accounts vanish (EIP-161).
    pub clears_empty_accounts: bool,
    /// SELFDESTRUCT pays 25,000 gas for a new beneficiary (EIP-150).
    pub selfdestruct_pays_new_account: bool,
    /// A contract whose deposit can't be paid fails (EIP-2) rather than being created without code.
    pub fails_on_unpaid_deposit: bool,
    /// Nonce of a new contract (EIP-161).
    pub contract_nonce: u64,
    /// Longest code (EIP-170).
    pub max_code_size: usize,
    /// Longest initcode (EIP-3860).
    pub max_initcode_size: usize,
    /// Gas for each word of initcode (EIP-3860).
    pub initcode_word_gas: u64,
    /// New code must not start with 0xEF (EIP-3541).
    pub rejects_ef_code: bool,
    /// SELFDESTRUCT deletes only what the same transaction created (EIP-6780).
    pub selfdestruct_only_created: bool,
    /// An account may delegate to another one's code (EIP-7702).
    pub has_delegation: bool,
    /// Opcode 0x44 is PREVRANDAO (EIP-4399).
    pub has_prevrandao: bool,

    /// Ether transfers and burns leave a log (EIP-7708).
    pub has_transfer_logs: bool,
    /// State growth is paid in gas of its own dimension (EIP-8037).
    pub has_state_gas: bool,
    /// State gas comes back, as such, for state that was not kept: after a failure of the outermost frame or of a
    /// creation, for a slot set and cleared, for a contract created and destroyed. The first drafts kept it.
    pub returns_state_gas: bool,
}

const UNLIMITED: usize = usize::MAX;

const FRONTIER: Rules = Rules {
    fork: Fork::Frontier,
    precompiles: PrecompileSet::Frontier,
    sload_gas: 50,
    balance_gas: 20,
    ext_code_gas: 20,
    ext_code_hash_gas: 400,
    call_gas: 40,
    selfdestruct_gas: 0,
    exp_byte_gas: 10,
    has_access_lists: false,
    cold_account_gas: 0,
    cold_slot_gas: 0,
    sstore_meter: SstoreMeter::Legacy,
    sstore_needs_stipend: false,
    sstore_set_gas: 20_000,
    sstore_reset_gas: 5_000,
    sstore_clear_refund: 15_000,
    selfdestruct_refund: 24_000,
    caps_call_gas: false,
    clears_empty_accounts: false,
    selfdestruct_pays_new_account: false,
    fails_on_unpaid_deposit: false,
    contract_nonce: 0,
    max_code_size: UNLIMITED,
    max_initcode_size: UNLIMITED,
    initcode_word_gas: 0,
    rejects_ef_code: false,
    selfdestruct_only_created: false,
    has_delegation: false,
    has_prevrandao: false,
    has_transfer_logs: false,
    has_state_gas: false,
    returns_state_gas: false,
};

const HOMESTEAD: Rules = Rules { fork: Fork::Homestead, fails_on_unpaid_deposit: true, ..FRONTIER };

const TANGERINE_WHISTLE: Rules = Rules {
    fork: Fork::TangerineWhistle,
    sload_gas: 200,
    balance_gas: 400,
    ext_code_gas: 700,
    call_gas: 700,
    selfdestruct_gas: 5_000,
    caps_call_gas: true,
    selfdestruct_pays_new_account: true,
    ..HOMESTEAD
};

const SPURIOUS_DRAGON: Rules = Rules {
    fork: Fork::SpuriousDragon,
    exp_byte_gas: 50,
    clears_empty_accounts: true,
    contract_nonce: 1,
    max_code_size: 24_576,
    ..TANGERINE_WHISTLE
};

const BYZANTIUM: Rules = Rules { fork: Fork::Byzantium, precompiles: PrecompileSet::Byzantium, ..SPURIOUS_DRAGON };

const CONSTANTINOPLE: Rules = Rules { fork: Fork::Constantinople, sstore_meter: SstoreMeter::Net, ..BYZANTIUM };

const PETERSBURG: Rules = Rules { fork: Fork::Petersburg, sstore_meter: SstoreMeter::Legacy, ..CONSTANTINOPLE };

const ISTANBUL: Rules = Rules {
    fork: Fork::Istanbul,
    precompiles: PrecompileSet::Istanbul,
    sload_gas: 800,
    balance_gas: 700,
    ext_code_hash_gas: 700,
    sstore_meter: SstoreMeter::Net,
    sstore_needs_stipend: true,
    ..PETERSBURG
};

const BERLIN: Rules = Rules {
    fork: Fork::Berlin,
    precompiles: PrecompileSet::Berlin,
    has_access_lists: true,
    sload_gas: 100,
    balance_gas: 100,
    ext_code_gas: 100,
    ext_code_hash_gas: 100,
    call_gas: 100,
    cold_account_gas: 2_600,
    cold_slot_gas: 2_100,
    sstore_reset_gas: 2_900,
    ..ISTANBUL
};

const LONDON: Rules =
    Rules { fork: Fork::London, sstore_clear_refund: 4_800, selfdestruct_refund: 0, rejects_ef_code: true, ..BERLIN };

const PARIS: Rules = Rules { fork: Fork::Paris, has_prevrandao: true, ..LONDON };

const SHANGHAI: Rules = Rules { fork: Fork::Shanghai, max_initcode_size: 49_152, initcode_word_gas: 2, ..PARIS };

const CANCUN: Rules =
    Rules { fork: Fork::Cancun, precompiles: PrecompileSet::Cancun, selfdestruct_only_created: true, ..SHANGHAI };

const PRAGUE: Rules = Rules { fork: Fork::Prague, precompiles: PrecompileSet::Prague, has_delegation: true, ..CANCUN };

const OSAKA: Rules = Rules { fork: Fork::Osaka, precompiles: PrecompileSet::Osaka, ..PRAGUE };

const AMSTERDAM_DRAFT: Rules = Rules {
    fork: Fork::AmsterdamDraft,
    max_code_size: 32_768,
    max_initcode_size: 65_536,
    has_transfer_logs: true,
    has_state_gas: true,
    ..OSAKA
};

const AMSTERDAM: Rules = Rules { fork: Fork::Amsterdam, returns_state_gas: true, ..AMSTERDAM_DRAFT };

impl Rules {
    /// The rules of `fork`.
    pub const fn of(fork: Fork) -> &'static Self {
        match fork {
            Fork::Frontier => &FRONTIER,
            Fork::Homestead | Fork::DaoFork => &HOMESTEAD,
            Fork::TangerineWhistle => &TANGERINE_WHISTLE,
            Fork::SpuriousDragon => &SPURIOUS_DRAGON,
            Fork::Byzantium => &BYZANTIUM,
            Fork::Constantinople => &CONSTANTINOPLE,
            Fork::Petersburg => &PETERSBURG,
            Fork::Istanbul | Fork::MuirGlacier => &ISTANBUL,
            Fork::Berlin => &BERLIN,
            Fork::London | Fork::ArrowGlacier | Fork::GrayGlacier => &LONDON,
            Fork::Paris => &PARIS,
            Fork::Shanghai => &SHANGHAI,
            Fork::Cancun => &CANCUN,
            Fork::Prague => &PRAGUE,
            Fork::Osaka | Fork::Bpo1 | Fork::Bpo2 | Fork::Bpo3 | Fork::Bpo4 | Fork::Bpo5 => &OSAKA,
            Fork::AmsterdamDraft => &AMSTERDAM_DRAFT,
            Fork::Amsterdam => &AMSTERDAM,
        }
    }
}

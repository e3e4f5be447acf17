//! Running a case on revm, in the way that its users run a block when they want speed.
//!
//! The pre-state sits in hash maps with analysed bytecode ([`Backing`]), which revm reads through its own interface.
//! One `Evm` serves all transactions of a block. Their changes add up in its journal, which each transaction closes,
//! and come out as one value at the end (`transact_one`, then `finalize`). Of revm's ways to run a block this is the
//! fastest: committing each transaction to a `CacheDB` or a `State` takes longer. Transaction environments are cloned
//! before the clock starts, because revm takes them by value; results are dropped after it stops.

use crate::BenchError;
use crate::case::{Case, CaseTransaction, TransactionResult};
use crate::engine::Engine;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256, map::AddressMap};
use revm::bytecode::Bytecode;
use revm::context::either::Either;
use revm::context::result::ExecutionResult;
use revm::context::transaction::{
    AccessList, AccessListItem, Authorization, RecoveredAuthorization, SignedAuthorization,
};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::database_interface::WrapDatabaseRef;
use revm::primitives::KECCAK_EMPTY;
use revm::primitives::StorageKeyMap;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, DatabaseRef, ExecuteEvm, MainBuilder, MainContext, SystemCallEvm};
use rialto_stf::json::Alloc;
use rialto_stf::{ChainSpec, Header};
use rialto_vm::Fork;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A pre-state in revm's types.
#[derive(Debug, Default)]
pub(crate) struct Backing {
    accounts: AddressMap<(AccountInfo, StorageKeyMap<U256>)>,
    codes: revm::primitives::B256Map<Bytecode>,
    block_hashes: BTreeMap<u64, B256>,
}

impl Backing {
    pub(crate) fn new(accounts: &Alloc, block_hashes: &BTreeMap<u64, B256>) -> Self {
        let mut backing = Self { block_hashes: block_hashes.clone(), ..Self::default() };
        for (address, account) in accounts {
            let (hash, code) = if account.code.is_empty() {
                (KECCAK_EMPTY, Bytecode::default())
            } else {
                (keccak256(&account.code), Bytecode::new_raw(account.code.clone()))
            };
            let code = backing.codes.entry(hash).or_insert(code).clone();
            let info = AccountInfo::new(account.balance, account.nonce, hash, code);
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
            backing.accounts.insert(*address, (info, storage));
        }
        backing
    }

    pub(crate) fn set_block_hashes(&mut self, block_hashes: &BTreeMap<u64, B256>) {
        self.block_hashes = block_hashes.clone();
    }
}

impl DatabaseRef for Backing {
    type Error = core::convert::Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.accounts.get(&address).map(|(info, _)| info.clone()))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        let account = self.accounts.get(&address);
        Ok(account.and_then(|(_, storage)| storage.get(&index)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        Ok(self.block_hashes.get(&number).copied().unwrap_or_default())
    }
}

/// The contracts that a block calls after its transactions since Prague (EIP-7002, EIP-7251).
const REQUEST_CONTRACTS: [Address; 2] =
    [address!("00000961ef480eb55e80d19ad83579a64c007002"), address!("0000bbddc7ce488642fb579f8b00f3a590007251")];

/// A case in revm's types.
pub struct RevmCase {
    name: String,
    backing: Backing,
    configuration: CfgEnv,
    block: BlockEnv,
    transactions: Vec<TxEnv>,
    /// System contracts that are called after the transactions.
    system_contracts: &'static [Address],
}

impl RevmCase {
    /// Translates a case.
    pub fn new(case: &Case) -> Self {
        Self {
            name: case.name.clone(),
            backing: Backing::new(&case.accounts, &case.block_hashes),
            configuration: configuration(&case.chain, &case.header),
            block: block_environment(&case.chain, &case.header),
            transactions: case.transactions.iter().map(transaction_environment).collect(),
            system_contracts: if case.chain.rules_at(case.header.number, case.header.timestamp).has_requests {
                &REQUEST_CONTRACTS
            } else {
                &[]
            },
        }
    }

    fn run(&self) -> Result<(Duration, Vec<ExecutionResult>), BenchError> {
        let transactions = self.transactions.clone();
        let (configuration, block) = (self.configuration.clone(), self.block.clone());
        let start = Instant::now();
        let database = WrapDatabaseRef(&self.backing);
        let mut evm = Context::mainnet().with_db(database).with_cfg(configuration).with_block(block).build_mainnet();
        let mut results = Vec::with_capacity(transactions.len());
        for (index, transaction) in transactions.into_iter().enumerate() {
            let result = evm.transact_one(transaction).map_err(|error| BenchError::Rejected {
                case: self.name.clone(),
                transaction: index,
                engine: Self::NAME,
                reason: error.to_string(),
            })?;
            results.push(result);
        }
        for contract in self.system_contracts {
            let called = evm.system_call_one(*contract, Bytes::new());
            black_box(called.expect("reading a map in memory does not fail"));
        }
        let state = evm.finalize();
        let elapsed = start.elapsed();
        black_box(state);
        Ok((elapsed, results))
    }
}

impl Engine for RevmCase {
    const NAME: &'static str = "revm";

    fn time(&self) -> Result<Duration, BenchError> {
        self.run().map(|(elapsed, _)| elapsed)
    }

    fn results(&self) -> Result<Vec<TransactionResult>, BenchError> {
        let (_, results) = self.run()?;
        Ok(results.into_iter().map(transaction_result).collect())
    }
}

pub(crate) fn configuration(chain: &ChainSpec, header: &Header) -> CfgEnv {
    let fork = chain.fork_at(header.number, header.timestamp);
    CfgEnv::new_with_spec(spec_id(fork)).with_chain_id(chain.chain_id)
}

/// revm's name for each fork that changed execution; the forks in between follow the one before. revm has no
/// Constantinople: the main network began Petersburg in the same block.
const SPECS: [(Fork, SpecId); 15] = [
    (Fork::Frontier, SpecId::FRONTIER),
    (Fork::Homestead, SpecId::HOMESTEAD),
    (Fork::TangerineWhistle, SpecId::TANGERINE),
    (Fork::SpuriousDragon, SpecId::SPURIOUS_DRAGON),
    (Fork::Byzantium, SpecId::BYZANTIUM),
    (Fork::Petersburg, SpecId::PETERSBURG),
    (Fork::Istanbul, SpecId::ISTANBUL),
    (Fork::Berlin, SpecId::BERLIN),
    (Fork::London, SpecId::LONDON),
    (Fork::Paris, SpecId::MERGE),
    (Fork::Shanghai, SpecId::SHANGHAI),
    (Fork::Cancun, SpecId::CANCUN),
    (Fork::Prague, SpecId::PRAGUE),
    (Fork::Osaka, SpecId::OSAKA),
    (Fork::Amsterdam, SpecId::AMSTERDAM),
];

fn spec_id(fork: Fork) -> SpecId {
    SPECS.iter().rev().find(|(first, _)| fork >= *first).map_or(SpecId::FRONTIER, |(_, spec)| *spec)
}

pub(crate) fn block_environment(chain: &ChainSpec, header: &Header) -> BlockEnv {
    let fork = chain.fork_at(header.number, header.timestamp);
    let fraction = chain.blob_params(fork).map(|params| params.base_fee_update_fraction);
    let blob_price = |(excess, fraction)| BlobExcessGasAndPrice::new(excess, fraction);
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: (fork >= Fork::Paris).then_some(header.mix_hash),
        blob_excess_gas_and_price: header.excess_blob_gas.zip(fraction).map(blob_price),
        slot_num: header.slot_number.unwrap_or_default(),
    }
}

pub(crate) fn transaction_environment(case: &CaseTransaction) -> TxEnv {
    let transaction = &case.transaction;
    let access_list = transaction.access_list.iter();
    let access_list = access_list
        .map(|item| AccessListItem { address: item.address, storage_keys: item.storage_keys.clone() })
        .collect();
    let is_dynamic = transaction.tx_type.has_dynamic_fee();
    TxEnv {
        tx_type: transaction.tx_type as u8,
        caller: case.sender,
        gas_limit: transaction.gas_limit,
        gas_price: transaction.gas_price.saturating_to(),
        kind: transaction.to.map_or(TxKind::Create, TxKind::Call),
        value: transaction.value,
        data: transaction.input.clone(),
        nonce: transaction.nonce,
        chain_id: transaction.chain_id,
        access_list: AccessList(access_list),
        gas_priority_fee: is_dynamic.then(|| transaction.max_priority_fee_per_gas.saturating_to()),
        blob_hashes: transaction.blob_versioned_hashes.clone(),
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas.saturating_to(),
        authorization_list: transaction.authorization_list.iter().map(authorization).collect(),
    }
}

fn authorization(signed: &rialto_stf::Authorization) -> Either<SignedAuthorization, RecoveredAuthorization> {
    // Not recovered beforehand, as on Rialto's side: both recover the authority while they execute.
    let inner = Authorization { chain_id: signed.chain_id, address: signed.address, nonce: signed.nonce };
    Either::Left(SignedAuthorization::new_unchecked(inner, signed.y_parity, signed.r, signed.s))
}

fn transaction_result(result: ExecutionResult) -> TransactionResult {
    let logs = result.logs().iter();
    TransactionResult {
        gas_used: result.gas().tx_gas_used(),
        success: result.is_success(),
        logs: logs.map(|log| (log.address, log.data.topics().to_vec(), log.data.data.clone())).collect(),
        output: result.output().cloned().unwrap_or_else(Bytes::new),
    }
}

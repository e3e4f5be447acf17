//! A world executed by revm.

use super::world::{CHAIN_ID, NUMBER, World, WorldTransaction};
use super::{AccountReport, Report, Status, TxReport};
use alloy_primitives::{Address, TxKind, U256, keccak256};
use revm::bytecode::Bytecode;
use revm::context::either::Either;
use revm::context::result::ExecutionResult;
use revm::context::transaction::{
    AccessList, AccessListItem, Authorization, RecoveredAuthority, RecoveredAuthorization,
};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::database::{AccountState, CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext};
use rialto_state::Code;
use rialto_stf::Transaction;
use rialto_vm::Fork;
use std::collections::BTreeMap;

type Database = CacheDB<EmptyDB>;

/// Executes the world's transactions, each on the state that the one before left.
pub fn execute(world: &World) -> Report {
    let mut configuration = CfgEnv::new_with_spec(spec_id(world.rules.fork)).with_chain_id(CHAIN_ID);
    if let Some(params) = world.chain.blob_params(world.rules.fork) {
        configuration.max_blobs_per_tx = Some(world.rules.max_blobs_per_tx.unwrap_or(params.max));
    }
    let context = Context::mainnet().with_db(database(world)).with_cfg(configuration).with_block(block(world));
    let mut evm = context.build_mainnet();
    let mut transactions = Vec::new();
    for WorldTransaction { sender, transaction } in &world.transactions {
        let account = evm.ctx.journaled_state.database.cache.accounts.get(sender);
        let nonce = account.map_or(0, |account| account.info.nonce);
        let environment = transaction_environment(transaction, *sender, nonce);
        transactions.push(evm.transact_commit(environment).ok().map(report));
    }
    Report { transactions, state: accounts(world, &evm.ctx.journaled_state.database) }
}

fn spec_id(fork: Fork) -> SpecId {
    match fork {
        Fork::Frontier => SpecId::FRONTIER,
        Fork::Homestead => SpecId::HOMESTEAD,
        Fork::TangerineWhistle => SpecId::TANGERINE,
        Fork::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Fork::Byzantium => SpecId::BYZANTIUM,
        Fork::Petersburg => SpecId::PETERSBURG,
        Fork::Istanbul => SpecId::ISTANBUL,
        Fork::Berlin => SpecId::BERLIN,
        Fork::London => SpecId::LONDON,
        Fork::Paris => SpecId::MERGE,
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
        other => panic!("no world is under {other}"),
    }
}

fn database(world: &World) -> Database {
    let mut database = Database::default();
    for (address, account) in &world.accounts {
        // revm takes what looks like a delegation for one under every fork, and can't read what only begins like one.
        let is_delegation = world.rules.vm.has_delegation && Code::new(account.code.clone()).delegate().is_some();
        let make = if is_delegation { Bytecode::new_raw } else { Bytecode::new_legacy };
        let code = make(account.code.clone());
        let info = AccountInfo::new(account.balance, account.nonce, keccak256(&account.code), code);
        database.insert_account_info(*address, info);
        for (slot, word) in &account.storage {
            let Ok(()) = database.insert_account_storage(*address, *slot, *word);
        }
    }
    for number in 0..NUMBER {
        database.cache.block_hashes.insert(U256::from(number), World::block_hash(number));
    }
    database
}

fn block(world: &World) -> BlockEnv {
    let header = &world.header;
    let fraction = world.chain.blob_params(world.rules.fork).map(|params| params.base_fee_update_fraction);
    let blob_price = |(excess, fraction)| BlobExcessGasAndPrice::new(excess, fraction);
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or(0),
        difficulty: header.difficulty,
        prevrandao: world.rules.is_merged.then_some(header.mix_hash),
        blob_excess_gas_and_price: header.excess_blob_gas.zip(fraction).map(blob_price),
        ..BlockEnv::default()
    }
}

fn transaction_environment(transaction: &Transaction, sender: Address, nonce: u64) -> TxEnv {
    let access_list = transaction.access_list.iter();
    let access_list =
        access_list.map(|item| AccessListItem { address: item.address, storage_keys: item.storage_keys.clone() });
    TxEnv {
        tx_type: transaction.tx_type as u8,
        caller: sender,
        gas_limit: transaction.gas_limit,
        gas_price: transaction.gas_price.to(),
        kind: transaction.to.map_or(TxKind::Create, TxKind::Call),
        value: transaction.value,
        data: transaction.input.clone(),
        nonce: nonce + transaction.nonce,
        chain_id: transaction.chain_id,
        access_list: AccessList(access_list.collect()),
        gas_priority_fee: transaction.tx_type.has_dynamic_fee().then(|| transaction.max_priority_fee_per_gas.to()),
        blob_hashes: transaction.blob_versioned_hashes.clone(),
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas.to(),
        authorization_list: transaction
            .authorization_list
            .iter()
            .map(|signed| {
                let inner = Authorization { chain_id: signed.chain_id, address: signed.address, nonce: signed.nonce };
                let authority = signed.authority().map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
                Either::Right(RecoveredAuthorization::new_unchecked(inner, authority))
            })
            .collect(),
    }
}

fn report(result: ExecutionResult) -> TxReport {
    let logs = result.logs().iter();
    TxReport {
        status: match &result {
            ExecutionResult::Success { .. } => Status::Success,
            ExecutionResult::Revert { .. } => Status::Revert,
            ExecutionResult::Halt { .. } => Status::Halt,
        },
        gas_used: result.gas().tx_gas_used(),
        contract_address: result.created_address(),
        logs: logs.map(|log| (log.address, log.data.topics().to_vec(), log.data.data.clone())).collect(),
        output: result.output().cloned().unwrap_or_default(),
    }
}

fn accounts(world: &World, database: &Database) -> BTreeMap<Address, AccountReport> {
    let mut accounts = BTreeMap::new();
    for (address, account) in &database.cache.accounts {
        if account.account_state == AccountState::NotExisting {
            continue;
        }
        let code = database.cache.contracts.get(&account.info.code_hash);
        let report = AccountReport {
            nonce: account.info.nonce,
            balance: account.info.balance,
            code: code.expect("every code was inserted").original_bytes(),
            storage: account.storage.iter().filter(|(_, word)| !word.is_zero()).map(|(k, v)| (*k, *v)).collect(),
        };
        if !(world.rules.vm.clears_empty_accounts && report.is_empty()) {
            accounts.insert(*address, report);
        }
    }
    accounts
}

//! A small chain for making pre-states: accounts with ether, contracts deployed by their constructors, calls that set
//! them up. What it holds in the end becomes the accounts of a [`Case`](crate::Case).
//!
//! It runs on revm. That favours nobody: the accounts that come out are data, and both engines start from them.

use crate::case::CaseTransaction;
use crate::revm_engine::{self, Backing};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::context::result::ExecutionResult;
use revm::database::{AccountState, CacheDB};
use revm::{Context, DatabaseRef, ExecuteCommitEvm, MainBuilder, MainContext, SystemCallCommitEvm};
use rialto_stf::json::{Alloc, AllocAccount};
use rialto_stf::{ChainSpec, Header};
use std::collections::BTreeMap;

/// A state that transactions change.
pub(crate) struct World {
    chain: ChainSpec,
    header: Header,
    database: CacheDB<Backing>,
}

impl World {
    pub(crate) fn new(chain: ChainSpec, header: Header, accounts: &Alloc, block_hashes: &BTreeMap<u64, B256>) -> Self {
        let backing = Backing::new(accounts, block_hashes);
        let mut database = CacheDB::new(Backing::new(&Alloc::new(), block_hashes));
        for (address, account) in accounts {
            let info = backing.basic_ref(*address).unwrap_or_else(|never| match never {});
            database.insert_account_info(*address, info.unwrap_or_default());
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
            database.replace_account_storage(*address, storage).unwrap_or_else(|never| match never {});
        }
        Self { chain, header, database }
    }

    /// Runs one transaction.
    pub(crate) fn transact(&mut self, transaction: &CaseTransaction) -> Result<ExecutionResult, String> {
        let context = Context::mainnet()
            .with_db(&mut self.database)
            .with_cfg(revm_engine::configuration(&self.chain, &self.header))
            .with_block(revm_engine::block_environment(&self.chain, &self.header));
        let result = context.build_mainnet().transact_commit(revm_engine::transaction_environment(transaction));
        result.map_err(|error| error.to_string())
    }

    /// Runs one call of the system to `contract`, if that account has code.
    pub(crate) fn system_call(&mut self, contract: Address, input: Bytes) -> Result<(), String> {
        let account = self.database.load_account(contract).unwrap_or_else(|never| match never {});
        if account.info.is_empty_code_hash() {
            return Ok(());
        }
        let context = Context::mainnet()
            .with_db(&mut self.database)
            .with_cfg(revm_engine::configuration(&self.chain, &self.header))
            .with_block(revm_engine::block_environment(&self.chain, &self.header));
        let result = context.build_mainnet().system_call_commit(contract, input);
        result.map(drop).map_err(|error| error.to_string())
    }

    /// Moves on to another block.
    pub(crate) fn set_header(&mut self, header: Header, block_hashes: &BTreeMap<u64, B256>) {
        self.header = header;
        self.database.cache.block_hashes.clear();
        self.database.db.set_block_hashes(block_hashes);
    }

    /// Adds wei to an account.
    pub(crate) fn credit(&mut self, address: Address, wei: U256) {
        let account = self.database.load_account(address).unwrap_or_else(|never| match never {});
        account.info.balance += wei;
        if account.account_state == AccountState::NotExisting {
            account.account_state = AccountState::None;
        }
    }

    /// Every account that exists now.
    pub(crate) fn accounts(&self) -> Alloc {
        let cache = &self.database.cache;
        let exists = |state: &AccountState| *state != AccountState::NotExisting;
        let accounts = cache.accounts.iter().filter(|(_, account)| exists(&account.account_state));
        accounts
            .map(|(address, account)| {
                let code = account.info.code.clone().filter(|code| !code.is_empty());
                let code = code.or_else(|| cache.contracts.get(&account.info.code_hash).cloned());
                let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
                let account = AllocAccount {
                    balance: account.info.balance,
                    nonce: account.info.nonce,
                    code: code.map(|code| code.original_bytes()).unwrap_or_default(),
                    storage: storage.map(|(slot, value)| (*slot, *value)).collect(),
                };
                (*address, account)
            })
            .collect()
    }
}

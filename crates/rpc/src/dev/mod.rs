//! Dev mode's namespaces (`evm`, `anvil`, `hardhat`), its accounts, and what it adds to `eth`.
//!
//! Development nodes have the same helpers under different prefixes, and tools send the one that they grew up with. Here a
//! helper is written once, takes numbers in whatever form, and is there under every prefix; where answers differ between
//! nodes, they are anvil's. Names that do not follow the pattern are in a table of their own.
//!
//! All that changes the chain goes through the [`Miner`], whose lock keeps a block from being mined in the middle of it.
//! Helpers run on threads for blocking work without the limits of calls: they are for whoever owns the node, and
//! mining a thousand blocks takes as long as it takes.

mod accounts;
mod cheats;
mod info;
mod mining;
mod send;
mod signing;
mod state_file;
mod typed_data;

use crate::json::{Loose, Params};
use crate::methods::{Module, Registered};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, keccak256};
use rialto_node::{DevAccount, Miner, NodeError};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::spawn_blocking;

/// Most accounts that are impersonated at the same time.
const IMPERSONATED_MAX: usize = 10_000;

/// What dev mode's methods keep between requests.
pub struct DevState {
    miner: Arc<Miner>,
    accounts: Vec<DevAccount>,
    impersonated: Mutex<Impersonated>,
    /// Held from the choice of a nonce until the transaction is in the pool.
    sending: Mutex<()>,
    instance_id: B256,
}

#[derive(Default)]
struct Impersonated {
    accounts: BTreeSet<Address>,
    is_everybody: bool,
}

impl DevState {
    /// Dev mode with this miner and these accounts, whose keys the node has.
    pub fn new(miner: Arc<Miner>, accounts: Vec<DevAccount>) -> Arc<Self> {
        let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let begun = begun.map_or(0, |since| since.as_nanos()).to_be_bytes();
        let instance_id = keccak256([&begun[..], &std::process::id().to_be_bytes()].concat());
        let (impersonated, sending) = (Mutex::default(), Mutex::default());
        Arc::new(Self { miner, accounts, impersonated, sending, instance_id })
    }

    /// The miner. Whoever puts a transaction into the pool tells it with [`Miner::submitted`].
    pub fn miner(&self) -> &Arc<Miner> {
        &self.miner
    }

    /// The accounts whose keys the node has.
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// The account with this address, if the node has its key.
    fn account(&self, address: &Address) -> Option<&DevAccount> {
        self.accounts.iter().find(|account| account.address == *address)
    }

    fn impersonated(&self) -> MutexGuard<'_, Impersonated> {
        self.impersonated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody may send transactions as `address`.
    fn is_impersonated(&self, address: &Address) -> bool {
        let impersonated = self.impersonated();
        impersonated.is_everybody || impersonated.accounts.contains(address)
    }
}

/// A request: its parameters, and what it works on.
struct Call<'a> {
    params: &'a Params,
    context: &'a Arc<RpcContext>,
    dev: &'a Arc<DevState>,
}

impl Call<'_> {
    fn miner(&self) -> &Miner {
        &self.dev.miner
    }

    /// A number of at most 64 bits.
    fn number(&self, index: usize, name: &str) -> Result<u64, RpcError> {
        let number: Loose = self.params.required(index, name)?;
        to_u64(number, name)
    }

    /// A number of at most 64 bits that may be left out.
    fn optional_number(&self, index: usize, name: &str) -> Result<Option<u64>, RpcError> {
        self.params.optional::<Loose>(index, name)?.map(|number| to_u64(number, name)).transpose()
    }
}

fn to_u64(number: Loose, name: &str) -> Result<u64, RpcError> {
    u64::try_from(number.0).map_err(|_| RpcError::invalid_params(name, "a number of at most 64 bits", number.0))
}

/// Answers a request.
type Handler = fn(&Call<'_>) -> Result<Value, RpcError>;

/// A method and what answers it.
struct Method {
    name: &'static str,
    handler: Handler,
}

/// The helpers that are the same under every prefix.
macro_rules! helpers {
    ($($name:literal => $handler:path,)*) => {
        const EVM: &[Method] = &[$(Method { name: concat!("evm_", $name), handler: $handler }),*];
        const ANVIL: &[Method] = &[$(Method { name: concat!("anvil_", $name), handler: $handler }),*];
        const HARDHAT: &[Method] = &[$(Method { name: concat!("hardhat_", $name), handler: $handler }),*];
    };
}

helpers! {
    "addBalance" => cheats::add_balance,
    "autoImpersonateAccount" => accounts::auto_impersonate,
    "dropAllTransactions" => mining::drop_all_transactions,
    "dropTransaction" => mining::drop_transaction,
    "dumpState" => state_file::dump,
    "getAutomine" => mining::get_automine,
    "getIntervalMining" => mining::get_interval,
    "impersonateAccount" => accounts::impersonate,
    "increaseTime" => mining::increase_time,
    "loadState" => state_file::load,
    "metadata" => info::metadata,
    "mine_detailed" => mining::mine_detailed,
    "nodeInfo" => info::node_info,
    "removeBlockTimestampInterval" => mining::remove_timestamp_interval,
    "removePoolTransactions" => mining::remove_pool_transactions,
    "reorg" => mining::reorg,
    "reset" => mining::reset,
    "revert" => mining::revert,
    "rollback" => mining::rollback,
    "setAutomine" => mining::set_automine,
    "setBalance" => cheats::set_balance,
    "setBlockGasLimit" => mining::set_gas_limit,
    "setBlockTimestampInterval" => mining::set_timestamp_interval,
    "setChainId" => info::set_chain_id,
    "setCode" => cheats::set_code,
    "setCoinbase" => mining::set_coinbase,
    "setIntervalMining" => mining::set_interval,
    "setLoggingEnabled" => info::set_logging_enabled,
    "setMinGasPrice" => info::set_min_gas_price,
    "setNextBlockBaseFeePerGas" => mining::set_next_base_fee,
    "setNextBlockTimestamp" => mining::set_next_timestamp,
    "setNonce" => cheats::set_nonce,
    "setPrevRandao" => mining::set_prev_randao,
    "setStorageAt" => cheats::set_storage_at,
    "setTime" => mining::set_time,
    "snapshot" => mining::snapshot,
    "stopImpersonatingAccount" => accounts::stop_impersonating,
}

/// Methods of one prefix only: `evm_mine` and the other `mine` take different parameters, the rest are Ganache's names.
const EVM_ONLY: [Method; 5] = [
    Method { name: "evm_mine", handler: mining::evm_mine },
    Method { name: "evm_setAccountBalance", handler: cheats::set_balance },
    Method { name: "evm_setAccountCode", handler: cheats::set_code },
    Method { name: "evm_setAccountNonce", handler: cheats::set_nonce },
    Method { name: "evm_setAccountStorageAt", handler: cheats::set_storage_at },
];
const ANVIL_ONLY: [Method; 1] = [Method { name: "anvil_mine", handler: mining::mine }];
const HARDHAT_ONLY: [Method; 1] = [Method { name: "hardhat_mine", handler: mining::mine }];

/// Methods of `eth` and `personal` for which the node has to have keys.
const ETH: [Method; 6] = [
    Method { name: "eth_accounts", handler: accounts::list },
    Method { name: "eth_sign", handler: signing::sign },
    Method { name: "personal_sign", handler: signing::personal_sign },
    Method { name: "eth_signTypedData", handler: signing::sign_typed_data },
    Method { name: "eth_signTypedData_v4", handler: signing::sign_typed_data },
    Method { name: "eth_signTransaction", handler: send::sign_transaction },
];

fn register_all(module: &mut Module, methods: &[Method]) -> Registered {
    for Method { name, handler } in methods {
        let handler = *handler;
        module.register_async_method(name, move |params, context, _| async move {
            let params = Params::parse(params.as_str())?;
            run_blocking(Arc::clone(&*context), move |context, dev| handler(&Call { params: &params, context, dev }))
                .await
        })?;
    }
    Ok(())
}

/// Runs work that changes the chain on a thread of its own.
async fn run_blocking<R: Send + 'static>(
    context: Arc<RpcContext>,
    work: impl FnOnce(&Arc<RpcContext>, &Arc<DevState>) -> Result<R, RpcError> + Send + 'static,
) -> Result<R, RpcError> {
    let dev = context.dev.clone().ok_or(NodeError::NotDev)?;
    let result = spawn_blocking(move || work(&context, &dev)).await;
    result.map_err(|_| RpcError::internal("method handler crashed"))?
}

/// Registers `evm_*`.
pub(crate) fn register_evm(module: &mut Module) -> Registered {
    register_all(module, EVM)?;
    register_all(module, &EVM_ONLY)
}

/// Registers `anvil_*`.
pub(crate) fn register_anvil(module: &mut Module) -> Registered {
    register_all(module, ANVIL)?;
    register_all(module, &ANVIL_ONLY)
}

/// Registers `hardhat_*`.
pub(crate) fn register_hardhat(module: &mut Module) -> Registered {
    register_all(module, HARDHAT)?;
    register_all(module, &HARDHAT_ONLY)
}

/// Registers what dev mode adds to `eth`: `eth_sendTransaction`, `eth_sign` and its like, and `eth_accounts`, which nobody else
/// registers then.
pub(crate) fn register_eth(module: &mut Module) -> Registered {
    register_all(module, &ETH)?;
    send::register(module)
}

//! The table of namespaces.

use crate::methods::{Module, Registered, light};
use crate::{RpcContext, StartError, admin, debug, dev, engine, eth, market, net, ots, testing, txpool, web3};
use jsonrpsee::Methods;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A namespace: its name, and what registers its methods.
struct Namespace {
    name: &'static str,
    register: fn(&mut Module) -> Registered,
}

/// All namespaces. `engine` is for the authenticated port.
const NAMESPACES: [Namespace; 13] = [
    Namespace { name: "admin", register: admin::register },
    Namespace { name: "anvil", register: dev::register_anvil },
    Namespace { name: "debug", register: debug::register },
    Namespace { name: "engine", register: engine::register },
    Namespace { name: "eth", register: eth::register },
    Namespace { name: "evm", register: dev::register_evm },
    Namespace { name: "hardhat", register: dev::register_hardhat },
    Namespace { name: "market", register: market::register },
    Namespace { name: "net", register: net::register },
    Namespace { name: "ots", register: ots::register },
    Namespace { name: "testing", register: testing::register },
    Namespace { name: "txpool", register: txpool::register },
    Namespace { name: "web3", register: web3::register },
];

/// What a port serves if nothing is said.
pub const DEFAULT_NAMESPACES: [&str; 3] = ["eth", "net", "web3"];

/// The methods of some namespaces, with `rpc_modules`, which lists them, and subscriptions if the transport can do them.
pub(crate) fn methods_of(
    names: &[String],
    context: &Arc<RpcContext>,
    has_subscriptions: bool,
) -> Result<Methods, StartError> {
    let mut module = Module::new(Arc::clone(context));
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    for name in &names {
        let namespace = NAMESPACES.iter().find(|namespace| namespace.name == name).ok_or_else(|| {
            let expected = NAMESPACES.map(|namespace| namespace.name).join(", ");
            StartError::UnknownNamespace { name: name.clone(), expected }
        })?;
        (namespace.register)(&mut module)?;
    }
    if names.iter().any(|name| name == "eth") {
        if context.dev.is_some() {
            dev::register_eth(&mut module)?;
        } else {
            eth::register_accounts(&mut module)?;
        }
        if has_subscriptions {
            eth::register_subscriptions(&mut module)?;
        }
    }
    if has_subscriptions && names.iter().any(|name| name == "market") {
        market::register_subscriptions(&mut module)?;
    }
    let modules: BTreeMap<String, &'static str> = names.into_iter().map(|name| (name, "1.0")).collect();
    light(&mut module, "rpc_modules", move |_, _| Ok(modules.clone()))?;
    Ok(module.into())
}

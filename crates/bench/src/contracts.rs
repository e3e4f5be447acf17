//! The project's own example contracts, compiled, and as much of the ABI as calling them takes.
//!
//! `examples/contracts/artifacts.json` is built from the Solidity sources beside it. All arguments used here are static
//! words or one trailing byte string, so encoding is concatenation.

use alloy_primitives::{Address, Bytes, U256, hex, keccak256};
use serde::Deserialize;
use std::collections::BTreeMap;

const ARTIFACTS: &str = include_str!("../../../examples/contracts/artifacts.json");

#[derive(Deserialize)]
struct Artifact {
    bytecode: String,
    deployed_bytecode: String,
}

/// Compiled contracts by name.
pub struct Contracts(BTreeMap<String, Artifact>);

impl Contracts {
    /// Parses the committed artifacts.
    ///
    /// # Panics
    /// If the committed file is not what `compile.mjs` writes.
    pub fn load() -> Self {
        Self(serde_json::from_str(ARTIFACTS).expect("artifacts.json is what compile.mjs writes"))
    }

    fn artifact(&self, name: &str) -> &Artifact {
        self.0.get(name).unwrap_or_else(|| panic!("artifacts.json has no contract {name}"))
    }

    /// Init code of contract `name` with `arguments` for its constructor.
    ///
    /// # Panics
    /// If there is no such contract.
    pub fn init_code(&self, name: &str, arguments: &[U256]) -> Bytes {
        let mut code = hex::decode(&self.artifact(name).bytecode).expect("bytecode is hexadecimal");
        extend_words(&mut code, arguments);
        code.into()
    }

    /// Code of contract `name` as it lies on chain, for contracts without immutable values.
    ///
    /// # Panics
    /// If there is no such contract.
    pub fn deployed_code(&self, name: &str) -> Bytes {
        let code = hex::decode(&self.artifact(name).deployed_bytecode);
        code.expect("deployed_bytecode is hexadecimal").into()
    }
}

/// Call data: the selector of `signature`, such as `transfer(address,uint256)`, and the arguments' words.
pub fn call_data(signature: &str, arguments: &[U256]) -> Bytes {
    let mut data = keccak256(signature)[..4].to_vec();
    extend_words(&mut data, arguments);
    data.into()
}

/// An address as an argument.
pub fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

fn extend_words(data: &mut Vec<u8>, words: &[U256]) {
    for word in words {
        data.extend_from_slice(&word.to_be_bytes::<32>());
    }
}

//! The interface as Rust types, read from `contracts/IMarket.sol` when this crate is compiled.
#![allow(missing_docs, clippy::too_many_arguments)]

alloy_sol_types::sol!(
    #[sol(all_derives)]
    "../../contracts/IMarket.sol"
);

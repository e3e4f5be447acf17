//! Whether both engines leave the same state behind.
//!
//! Gas, logs and outputs can agree by luck while balances or slots don't, and for a block of the main network no root can
//! tell, because only the part of the state that it touches is known. So the whole state after the case is compared.
//! revm's is taken from a [`World`], which commits transaction by transaction, unlike the engine that is timed: a third
//! opinion. What only Rialto does in a measured run, the block reward and the calls that ask for requests, is levelled.

use crate::BenchError;
use crate::case::Case;
use crate::rialto_engine::RialtoCase;
use crate::world::World;
use rialto_stf::json::{Alloc, AllocAccount};

/// The state after the case's transactions and the block reward, by revm.
pub fn revm_post_state(case: &Case) -> Result<Alloc, BenchError> {
    let mut world = World::new(case.chain.clone(), case.header.clone(), &case.accounts, &case.block_hashes);
    for (transaction, item) in case.transactions.iter().enumerate() {
        let rejected = |reason| BenchError::Rejected { case: case.name.clone(), transaction, engine: "revm", reason };
        world.transact(item).map_err(rejected)?;
    }
    let rules = case.chain.rules_at(case.header.number, case.header.timestamp);
    if !rules.block_reward.is_zero() {
        world.credit(case.header.beneficiary, rules.block_reward);
    }
    Ok(world.accounts())
}

/// Compares the states that the engines leave behind.
pub fn compare_post_states(case: &Case) -> Result<(), BenchError> {
    let (mut rialto, mut revm) = (RialtoCase::new(case).post_state()?, revm_post_state(case)?);
    let rules = case.chain.rules_at(case.header.number, case.header.timestamp);
    for state in [&mut rialto, &mut revm] {
        // revm leaves it to its caller to drop what EIP-161 calls empty.
        state.retain(|_, account| !rules.vm.clears_empty_accounts || !is_empty(account));
        crate::synthetic::REQUEST_CONTRACTS.iter().for_each(|contract| drop(state.remove(contract)));
    }
    for address in rialto.keys().chain(revm.keys()) {
        if rialto.get(address) != revm.get(address) {
            let show = |state: &Alloc| {
                state.get(address).map_or("absent".into(), |account| describe(account, case.accounts.get(address)))
            };
            let (case, address) = (case.name.clone(), *address);
            return Err(BenchError::PostState { case, address, rialto: show(&rialto), revm: show(&revm) });
        }
    }
    Ok(())
}

fn is_empty(account: &AllocAccount) -> bool {
    account.nonce == 0 && account.balance.is_zero() && account.code.is_empty()
}

/// The parts of an account that are not as before, for an error.
fn describe(account: &AllocAccount, before: Option<&AllocAccount>) -> String {
    let changed = |(slot, value): &(_, _)| before.and_then(|before| before.storage.get(*slot)) != Some(*value);
    let slots: Vec<_> = account.storage.iter().filter(changed).collect();
    let (nonce, balance, code_len) = (account.nonce, account.balance, account.code.len());
    format!(
        "nonce {nonce}, balance {balance}, {code_len} bytes of code, {} slots, changed {slots:x?}",
        account.storage.len()
    )
}

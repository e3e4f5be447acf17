//! SELFDESTRUCT: before and after EIP-6780, its price (EIP-150, EIP-161, EIP-2929) and its refund (EIP-3529).

use crate::support::{CONTRACT, OTHER, Setup, asm, word};
use alloy_primitives::{Address, U256};
use rialto_vm::{Fork, Halt};

#[test]
fn an_account_that_was_there_before() {
    // fork, beneficiary, whether the account is there after, its balance, the beneficiary's
    let rows = [
        (Fork::London, OTHER, false, 0, 5),
        (Fork::Shanghai, OTHER, false, 0, 5),
        (Fork::Shanghai, CONTRACT, false, 0, 0),
        (Fork::Cancun, OTHER, true, 0, 5),
        (Fork::Cancun, CONTRACT, true, 5, 5),
    ];
    for (fork, beneficiary, remains, balance, received) in rows {
        let code = format!("1 2 SSTORE {beneficiary} SELFDESTRUCT");
        let run = Setup::new(fork, &code).balance(CONTRACT, 5).slot(CONTRACT, 7, 7).run();
        assert_eq!(run.halt, None);
        assert_eq!(run.exists(CONTRACT), remains, "{fork}, {beneficiary}");
        assert_eq!((run.balance(CONTRACT), run.balance(beneficiary)), (word(balance), word(received)), "{fork}");
        let slots = if remains { (word(7), word(1)) } else { (word(0), word(0)) };
        assert_eq!((run.slot(CONTRACT, 7), run.slot(CONTRACT, 2)), slots, "{fork}");
        assert_eq!(run.diff.accounts.iter().any(|account| account.storage_wiped), !remains, "{fork}");
    }
}

/// Creates a contract with 5 wei whose initcode destroys itself to `beneficiary`.
fn creates_and_destroys(beneficiary: &str) -> String {
    let initcode = asm(&format!("1 1 SSTORE {beneficiary} SELFDESTRUCT"));
    let len = initcode.len();
    let mut padded = initcode.to_vec();
    padded.resize(32, 0);
    format!("{} 0 MSTORE {len} 0 5 CREATE STOP", U256::from_be_slice(&padded))
}

#[test]
fn an_account_made_in_the_same_transaction() {
    let created = CONTRACT.create(1);
    for fork in [Fork::Shanghai, Fork::Cancun, Fork::Osaka] {
        for (beneficiary, received) in [(OTHER.to_string(), 5), ("ADDRESS".into(), 0)] {
            let run = Setup::new(fork, &creates_and_destroys(&beneficiary)).balance(CONTRACT, 5).run();
            assert_eq!(run.halt, None, "{fork}, {beneficiary}");
            assert!(!run.exists(created), "{fork}, {beneficiary}");
            assert_eq!(run.balance(OTHER), word(received), "{fork}, {beneficiary}: the rest is burnt");
            assert_eq!(run.balance(CONTRACT), word(0), "{fork}, {beneficiary}");
        }
    }
}

#[test]
fn created_in_an_earlier_transaction_of_the_block() {
    // A first transaction creates the contract, the second one makes it destroy itself.
    let runtime = asm(&format!("{OTHER} SELFDESTRUCT"));
    let initcode = asm(&format!("6 12 0 CODECOPY 6 0 RETURN raw:{}", alloy_primitives::hex::encode(&runtime)));
    assert_eq!((runtime.len(), initcode.len()), (6, 12 + 6));
    let stores: String = initcode.iter().enumerate().map(|(i, byte)| format!("{byte} {i} MSTORE8 ")).collect();
    let created = CONTRACT.create(1);
    let code = format!(
        "{created} EXTCODESIZE @call JUMPI {stores} 18 0 5 CREATE STOP :call 0 0 0 0 0 {created} GAS CALL STOP"
    );
    for (fork, remains) in [(Fork::Shanghai, false), (Fork::Cancun, true)] {
        let runs = Setup::new(fork, &code).balance(CONTRACT, 5).run_all(&[], 2);
        assert_eq!(runs[0].code(created), runtime, "{fork}");
        assert_eq!(runs[1].exists(created), remains, "{fork}");
        assert_eq!(runs[1].balance(OTHER), word(5), "{fork}");
        assert!(
            runs[1].diff.accounts.iter().all(|account| !account.storage_wiped),
            "{fork}: the block began without it"
        );
    }
}

#[test]
fn price_and_refund() {
    let nobody = Address::repeat_byte(0xaa);
    // fork, own balance, beneficiary, gas, refund
    let rows = [
        (Fork::Frontier, 5, nobody, 0, 24_000),
        (Fork::TangerineWhistle, 0, nobody, 5_000 + 25_000, 24_000),
        (Fork::TangerineWhistle, 5, OTHER, 5_000, 24_000),
        (Fork::SpuriousDragon, 0, nobody, 5_000, 24_000),
        (Fork::SpuriousDragon, 5, nobody, 5_000 + 25_000, 24_000),
        (Fork::Berlin, 5, OTHER, 5_000 + 2_600, 24_000),
        (Fork::Berlin, 5, CONTRACT, 5_000, 24_000),
        (Fork::London, 5, OTHER, 5_000 + 2_600, 0),
        (Fork::Osaka, 5, nobody, 5_000 + 2_600 + 25_000, 0),
        (Fork::Osaka, 0, nobody, 5_000 + 2_600, 0),
    ];
    for (fork, balance, beneficiary, gas, refund) in rows {
        let setup =
            Setup::new(fork, &format!("{beneficiary} SELFDESTRUCT")).account(OTHER, "").balance(CONTRACT, balance);
        let run = setup.run();
        assert_eq!((run.gas_used, run.refund), (3 + gas, refund), "{balance} wei to {beneficiary} under {fork}");
        let short = setup.gas(3 + gas).run();
        assert_eq!((short.halt, short.gas_left), (None, 0), "{fork}");
    }
    let short = Setup::new(Fork::Osaka, &format!("{nobody} SELFDESTRUCT")).balance(CONTRACT, 5).gas(3 + 32_599).run();
    assert_eq!(short.halt, Some(Halt::OutOfGas));
}

#[test]
fn one_refund_for_many_destructions() {
    let code = format!("0 0 0 0 0 {OTHER} GAS CALL POP 0 0 0 0 0 {OTHER} GAS CALL STOP");
    let run = Setup::new(Fork::Berlin, &code).account(OTHER, "CALLER SELFDESTRUCT").run();
    assert_eq!((run.refund, run.exists(OTHER)), (24_000, false));
}

#[test]
fn a_reverted_destruction_did_not_happen() {
    // OTHER calls into a frame that destroys CONTRACT by delegate call, then reverts.
    let destroyer = Address::repeat_byte(0xd0);
    let code = format!("0 0 0 0 {destroyer} GAS DELEGATECALL POP CALLER SELFDESTRUCT");
    let reverting = "0 0 0 0 0 CALLER GAS CALL 0 0 REVERT";
    let run = Setup::new(Fork::Shanghai, &format!("0 0 0 0 0 {OTHER} GAS CALL STOP"))
        .account(OTHER, reverting)
        .account(destroyer, &code)
        .balance(OTHER, 9)
        .run();
    assert_eq!(run.balance(OTHER), word(9));
    assert!(run.exists(OTHER) && run.exists(CONTRACT));
    assert_eq!(run.refund, 0);
}

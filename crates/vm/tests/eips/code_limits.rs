//! Limits of code: its length (EIP-170), initcode's (EIP-3860), its first byte (EIP-3541), and what deployment costs.

use crate::support::{End, RETURN_TOP, Setup, asm, returns};
use alloy_primitives::{Bytes, U256};
use rialto_vm::{Fork, Halt};

/// Initcode that deploys `len` bytes of which the first is `first`.
fn deploys(len: u64, first: u8) -> Bytes {
    asm(&format!("{first} 0 MSTORE8 {len} 0 RETURN"))
}

#[test]
fn what_can_be_deployed() {
    let halt = |halt| Err(halt);
    // name, fork, length, first byte, length of the code in the end
    let rows = [
        ("largest", Fork::SpuriousDragon, 24_576, 0, Ok(24_576)),
        ("too long", Fork::SpuriousDragon, 24_577, 0, halt(Halt::CodeTooLong)),
        ("no limit yet", Fork::TangerineWhistle, 24_577, 0, Ok(24_577)),
        ("largest in Osaka", Fork::Osaka, 24_576, 0, Ok(24_576)),
        ("too long in Osaka", Fork::Osaka, 24_577, 0, halt(Halt::CodeTooLong)),
        ("0xef", Fork::London, 1, 0xef, halt(Halt::InvalidCode)),
        ("0xef and more", Fork::London, 100, 0xef, halt(Halt::InvalidCode)),
        ("0xfe", Fork::London, 1, 0xfe, Ok(1)),
        ("0xef before EIP-3541", Fork::Berlin, 1, 0xef, Ok(1)),
        ("no code", Fork::London, 0, 0xef, Ok(0)),
        ("0xef and too long", Fork::Osaka, 24_577, 0xef, halt(Halt::InvalidCode)),
    ];
    for (name, fork, len, first, expected) in rows {
        let setup = Setup::creation(fork, deploys(len, first));
        let run = setup.run();
        let address = crate::support::CALLER.create(0);
        match expected {
            Ok(len) => {
                assert_eq!(run.halt, None, "{name}");
                assert_eq!(run.code(address).len() as u64, len, "{name}");
                let words = len.max(1).div_ceil(32);
                let memory = 3 * words + words * words / 512;
                assert_eq!(run.gas_used, 3 + 3 + 3 + 3 + 3 + memory + 200 * len, "{name}");
            }
            Err(halt) => {
                assert_eq!((run.halt, run.gas_left), (Some(halt), 0), "{name}");
                assert!(!run.exists(address), "{name}");
            }
        }
    }
}

#[test]
fn a_deposit_that_cant_be_paid() {
    // 15 gas for the program, 3 for its memory, 200 for each byte.
    let enough = 15 + 3 + 200 * 10;
    let rows = [
        (Fork::Frontier, enough, None, 10),
        (Fork::Frontier, enough - 1, None, 0),
        (Fork::Homestead, enough, None, 10),
        (Fork::Homestead, enough - 1, Some(Halt::OutOfGas), 0),
        (Fork::Osaka, enough - 1, Some(Halt::OutOfGas), 0),
    ];
    for (fork, gas, halt, len) in rows {
        let run = Setup::creation(fork, deploys(10, 1)).gas(gas).run();
        assert_eq!((run.halt, run.code(crate::support::CALLER.create(0)).len()), (halt, len), "{gas} gas under {fork}");
    }
}

#[test]
fn length_of_initcode() {
    let words = 49_152 / 32;
    let memory = 3 * words + words * words / 512;
    // fork, creation, length, gas (the new frame runs zeros and stops at once)
    let rows = [
        (Fork::Shanghai, "CREATE", 49_152, Some(9 + 32_000 + 2 * words + memory)),
        (Fork::Shanghai, "CREATE2", 49_152, Some(12 + 32_000 + 8 * words + memory)),
        (Fork::Shanghai, "CREATE", 49_153, None),
        (Fork::Shanghai, "CREATE2", 49_153, None),
        (Fork::Osaka, "CREATE", 49_153, None),
        (Fork::Paris, "CREATE", 49_152, Some(9 + 32_000 + memory)),
        (Fork::Paris, "CREATE2", 49_152, Some(12 + 32_000 + 6 * words + memory)),
        (Fork::Paris, "CREATE", 60_000, Some(9 + 32_000 + 3 * 1875 + 1875 * 1875 / 512)),
        (Fork::Shanghai, "CREATE", 1, Some(9 + 32_000 + 2 + 3)),
        (Fork::Shanghai, "CREATE", 33, Some(9 + 32_000 + 4 + 6)),
        (Fork::Amsterdam, "CREATE", 65_537, None),
    ];
    for (fork, kind, len, gas) in rows {
        let salt = if kind == "CREATE2" { "0 " } else { "" };
        let run = Setup::new(fork, &format!("{salt}{len} 0 0 {kind} STOP")).run();
        match gas {
            Some(gas) => assert_eq!((run.halt, run.gas_used), (None, gas), "{kind} of {len} under {fork}"),
            None => assert_eq!(run.end(), End::Halt(Halt::InitcodeTooLong), "{kind} of {len} under {fork}"),
        }
    }
}

#[test]
fn addresses_that_are_taken() {
    let created = crate::support::CONTRACT.create(1);
    type Prepare = fn(Setup, alloy_primitives::Address) -> Setup;
    // EIP-684 and EIP-7610: the creation fails with the gas it got, the creator's nonce rises all the same.
    let rows: [(&str, Prepare, bool); 5] = [
        ("free", |setup, _| setup, true),
        ("prefunded", |setup, at| setup.balance(at, 9), true),
        ("nonce", |setup, at| setup.account(at, ""), false),
        ("code", |setup, at| setup.account(at, "STOP"), false),
        (
            "storage",
            |mut setup, at| {
                let slot = (U256::from(1), U256::from(1));
                setup.state.insert_account(at, 0, U256::ZERO, Bytes::new(), [slot]);
                setup
            },
            false,
        ),
    ];
    for (name, prepare, succeeds) in rows {
        let code = format!("0 0 0 CREATE ISZERO ISZERO RETURNDATASIZE ADD{RETURN_TOP}");
        let run = prepare(Setup::new(Fork::Osaka, &code), created).run();
        assert_eq!(run.end(), returns(u64::from(succeeds)), "{name}");
        let rest = crate::support::GAS - 32_009;
        if succeeds {
            assert!(run.gas_used < 40_000, "{name}");
        } else {
            assert!(run.gas_used > rest - rest / 64, "{name}");
        }
        let nonce = run.diff.accounts.iter().find(|account| account.address == crate::support::CONTRACT);
        assert_eq!(nonce.and_then(|account| account.after).map(|info| info.nonce), Some(2), "{name}");
    }
    let run = Setup::creation(Fork::Osaka, asm("STOP")).account(crate::support::CALLER.create(0), "STOP").run();
    assert_eq!((run.halt, run.gas_left), (Some(Halt::CreateCollision), 0), "outermost");
}

#[test]
fn a_reverted_creation_gives_its_reason() {
    // Initcode: 0xaa 0 MSTORE8, then the end.
    for (end, expected) in [("1 0 REVERT", [0, 1]), ("1 0 RETURN", [1, 0]), ("INVALID", [0, 0])] {
        let initcode = asm(&format!("0xaa 0 MSTORE8 {end}"));
        let mut padded = initcode.to_vec();
        padded.resize(32, 0);
        let word = U256::from_be_slice(&padded);
        let len = initcode.len();
        let code =
            format!("{word} 0 MSTORE {len} 0 0 CREATE ISZERO ISZERO 0 MSTORE RETURNDATASIZE 32 MSTORE 64 0 RETURN");
        let run = Setup::new(Fork::Osaka, &code).run();
        assert_eq!(run.words(), expected.map(U256::from), "{end}");
    }
}

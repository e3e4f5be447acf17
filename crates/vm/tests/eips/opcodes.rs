//! Which bytes are opcodes under which fork; PUSH0 (EIP-3855) and its like by fork.

use crate::support::{End, GAS, Setup, asm, gas_of, returns, top};
use alloy_primitives::Bytes;
use rialto_vm::{Fork, Halt, opcode};

#[test]
fn undefined_bytes_fail() {
    for fork in Fork::ALL {
        for byte in 0..=255u8 {
            if opcode::is_defined(byte, fork) {
                continue;
            }
            // Enough words for any opcode that would read them.
            let mut code = asm(&"0 ".repeat(8)).to_vec();
            code.push(byte);
            let run = Setup::with_code(fork, Bytes::from(code)).try_run(&[], 1, None).expect("in memory").remove(0);
            assert_eq!((run.end(), run.gas_used), (End::Halt(Halt::InvalidOpcode), GAS), "{byte:#04x} under {fork}");
        }
    }
}

#[test]
fn first_forks() {
    let rows = [
        ("0 0 0 0 0 0 DELEGATECALL", Fork::Frontier, Fork::Homestead),
        ("0 0 REVERT", Fork::SpuriousDragon, Fork::Byzantium),
        ("0 0 0 0 0 0 STATICCALL", Fork::SpuriousDragon, Fork::Byzantium),
        ("RETURNDATASIZE", Fork::SpuriousDragon, Fork::Byzantium),
        ("0 0 0 RETURNDATACOPY", Fork::SpuriousDragon, Fork::Byzantium),
        ("0 0 SHL", Fork::Byzantium, Fork::Constantinople),
        ("0 0 SAR", Fork::Byzantium, Fork::Constantinople),
        ("0 EXTCODEHASH", Fork::Byzantium, Fork::Constantinople),
        ("0 0 0 0 CREATE2", Fork::Byzantium, Fork::Constantinople),
        ("CHAINID", Fork::Petersburg, Fork::Istanbul),
        ("SELFBALANCE", Fork::Petersburg, Fork::Istanbul),
        ("BASEFEE", Fork::Berlin, Fork::London),
        ("PUSH0", Fork::Paris, Fork::Shanghai),
        ("0 TLOAD", Fork::Shanghai, Fork::Cancun),
        ("0 0 TSTORE", Fork::Shanghai, Fork::Cancun),
        ("0 0 0 MCOPY", Fork::Shanghai, Fork::Cancun),
        ("0 BLOBHASH", Fork::Shanghai, Fork::Cancun),
        ("BLOBBASEFEE", Fork::Shanghai, Fork::Cancun),
        ("0 CLZ", Fork::Prague, Fork::Osaka),
        ("SLOTNUM", Fork::Bpo5, Fork::AmsterdamDraft),
    ];
    for (code, before, since) in rows {
        assert_eq!(Setup::new(before, code).run().halt, Some(Halt::InvalidOpcode), "{code} under {before}");
        let halt = Setup::new(since, code).run().halt;
        assert!(halt.is_none_or(|halt| halt == Halt::Revert), "{code} under {since}: {halt:?}");
    }
}

#[test]
fn push0() {
    assert_eq!(top(Fork::Shanghai, "PUSH0"), returns(0));
    assert_eq!(top(Fork::Shanghai, "7 PUSH0 ADD"), returns(7));
    assert_eq!(gas_of(Fork::Shanghai, "PUSH0"), 2);
    assert_eq!(Setup::new(Fork::Shanghai, &"PUSH0 ".repeat(1024)).run().halt, None);
    assert_eq!(Setup::new(Fork::Shanghai, &"PUSH0 ".repeat(1025)).run().halt, Some(Halt::StackOverflow));
}

#[test]
fn pushes_take_what_follows() {
    let bytes: String = (1..=32).map(|byte: u8| format!("{byte:02x}")).collect();
    for len in 1..=32usize {
        let immediate = &bytes[..2 * len];
        let expected = End::Word(crate::support::number(&format!("0x{immediate}")));
        assert_eq!(top(Fork::Frontier, &format!("PUSH{len} 0x{immediate}")), expected, "PUSH{len}");
        // Cut short by the code's end, an immediate goes on with zeros; the program then stops.
        let cut = format!("raw:{:02x}{}", 0x5f + len, &bytes[..2 * (len - 1)]);
        let (run, trace) = Setup::new(Fork::Frontier, &cut).trace();
        assert_eq!((run.halt, run.gas_used), (None, 3), "PUSH{len} cut short");
        let stop = trace.steps.last().expect("two steps");
        let padded = format!("0x{}00", &bytes[..2 * (len - 1)]);
        assert_eq!(stop.stack, [crate::support::number(&padded)], "PUSH{len} cut short");
    }
}

#[test]
fn fast_and_slow_halts_cost_all_gas() {
    let rows = [
        ("INVALID", Halt::InvalidOpcode),
        ("0 JUMP", Halt::InvalidJump),
        ("ADD", Halt::StackUnderflow),
        ("0 0 0 RETURNDATACOPY 1 0 0 RETURNDATACOPY", Halt::ReturnDataOutOfBounds),
        ("0 NOT MLOAD", Halt::OutOfGas),
    ];
    for (code, halt) in rows {
        let run = Setup::new(Fork::Osaka, code).run();
        assert_eq!((run.end(), run.gas_left, run.output.len()), (End::Halt(halt), 0, 0), "{code}");
    }
}

#[test]
fn a_revert_keeps_gas_and_gives_a_reason() {
    let run = Setup::new(Fork::Osaka, "1 1 SSTORE 0xab 0 MSTORE8 1 0 REVERT").run();
    assert_eq!((run.halt, &run.output[..]), (Some(Halt::Revert), &[0xab][..]));
    assert_eq!(run.gas_used, 6 + 22_100 + 9 + 3 + 6);
    assert!(run.diff.is_empty());
    assert_eq!(run.refund, 0);
}

//! SSTORE: its price and refund by fork (EIP-1283, EIP-2200, EIP-2929, EIP-3529).

use crate::support::{CONTRACT, Setup, word};
use rialto_vm::{Fork, Halt};

/// Gas and refund in one fork.
type Price = (u64, i64);

/// Stores these values in slot 0 one after the other.
fn stores(values: &[u64]) -> String {
    values.iter().map(|value| format!("{value} 0 SSTORE ")).collect::<String>() + "STOP"
}

#[test]
fn prices_and_refunds() {
    // value at the start, values stored, prices: Istanbul (EIP-2200's table), Berlin and London (EIP-3529's tables for a
    // warm slot)
    let rows: [(u64, &[u64], Price, Price, Price); 17] = [
        (0, &[0, 0], (1_612, 0), (212, 0), (212, 0)),
        (0, &[0, 1], (20_812, 0), (20_112, 0), (20_112, 0)),
        (0, &[1, 0], (20_812, 19_200), (20_112, 19_900), (20_112, 19_900)),
        (0, &[1, 2], (20_812, 0), (20_112, 0), (20_112, 0)),
        (0, &[1, 1], (20_812, 0), (20_112, 0), (20_112, 0)),
        (1, &[0, 0], (5_812, 15_000), (3_012, 15_000), (3_012, 4_800)),
        (1, &[0, 1], (5_812, 4_200), (3_012, 2_800), (3_012, 2_800)),
        (1, &[0, 2], (5_812, 0), (3_012, 0), (3_012, 0)),
        (1, &[2, 0], (5_812, 15_000), (3_012, 15_000), (3_012, 4_800)),
        (1, &[2, 3], (5_812, 0), (3_012, 0), (3_012, 0)),
        (1, &[2, 1], (5_812, 4_200), (3_012, 2_800), (3_012, 2_800)),
        (1, &[2, 2], (5_812, 0), (3_012, 0), (3_012, 0)),
        (1, &[1, 0], (5_812, 15_000), (3_012, 15_000), (3_012, 4_800)),
        (1, &[1, 2], (5_812, 0), (3_012, 0), (3_012, 0)),
        (1, &[1, 1], (1_612, 0), (212, 0), (212, 0)),
        (0, &[1, 0, 1], (40_818, 19_200), (40_118, 19_900), (40_118, 19_900)),
        (1, &[0, 1, 0], (10_818, 19_200), (5_918, 17_800), (5_918, 7_600)),
    ];
    for (start, values, istanbul, berlin, london) in rows {
        for (fork, (gas, refund), cold) in [
            (Fork::Istanbul, istanbul, 0),
            (Fork::Berlin, berlin, 2_100),
            (Fork::London, london, 2_100),
            (Fork::Osaka, london, 2_100),
        ] {
            let run = Setup::new(fork, &stores(values)).slot(CONTRACT, 0, start).run();
            assert_eq!((run.gas_used, run.refund), (gas + cold, refund), "{start} to {values:?} under {fork}");
            let last = values[values.len() - 1];
            assert_eq!(run.slot(CONTRACT, 0), word(last), "{start} to {values:?} under {fork}");
            assert_eq!(run.diff.accounts.len(), usize::from(last != start), "{start} to {values:?} under {fork}");
        }
    }
}

#[test]
fn prices_before_net_metering() {
    let rows = [(0, 0, 5_000, 0), (0, 1, 20_000, 0), (1, 0, 5_000, 15_000), (1, 1, 5_000, 0), (1, 2, 5_000, 0)];
    for (start, value, gas, refund) in rows {
        for fork in [Fork::Frontier, Fork::Byzantium, Fork::Petersburg] {
            let run = Setup::new(fork, &stores(&[value])).slot(CONTRACT, 0, start).run();
            assert_eq!((run.gas_used, run.refund), (6 + gas, refund), "{start} to {value} under {fork}");
        }
    }
    // EIP-1283 was in force in Constantinople alone.
    let run = Setup::new(Fork::Constantinople, &stores(&[1, 0])).run();
    assert_eq!((run.gas_used, run.refund), (12 + 20_000 + 200, 19_800));
    let run = Setup::new(Fork::Petersburg, &stores(&[1, 0])).run();
    assert_eq!((run.gas_used, run.refund), (12 + 20_000 + 5_000, 15_000));
}

#[test]
fn the_stipend_does_not_suffice() {
    // Gas at the opcode; a store that changes nothing would cost 800 or 2,200 only.
    let rows = [
        (Fork::Istanbul, 2_300, Some(Halt::OutOfGas)),
        (Fork::Istanbul, 2_301, None),
        (Fork::Osaka, 2_300, Some(Halt::OutOfGas)),
        (Fork::Osaka, 2_301, None),
        (Fork::Constantinople, 2_300, None),
    ];
    for (fork, gas, halt) in rows {
        assert_eq!(Setup::new(fork, &stores(&[0])).gas(6 + gas).run().halt, halt, "{gas} gas under {fork}");
    }
}

#[test]
fn originals_are_those_of_the_transaction() {
    // The second transaction begins with what the first one left.
    let code = "0 SLOAD ISZERO 0 SSTORE STOP";
    let runs = Setup::new(Fork::London, code).run_all(&[], 2);
    let reads = 3 + 2_100 + 3 + 3;
    assert_eq!((runs[0].gas_used, runs[0].refund), (reads + 20_000, 0), "0 to 1");
    assert_eq!((runs[1].gas_used, runs[1].refund), (reads + 2_900, 4_800), "1 to 0");
    assert!(runs[1].diff.is_empty(), "the block ends as it began");
}

#[test]
fn a_revert_takes_refunds_back() {
    let other = crate::support::OTHER;
    let code = format!("0 0 0 0 0 {other} 50000 CALL STOP");
    let refund = |end: &str| {
        Setup::new(Fork::London, &code).account(other, &format!("0 7 SSTORE {end}")).slot(other, 7, 7).run().refund
    };
    assert_eq!((refund("STOP"), refund("0 0 REVERT"), refund("INVALID")), (4_800, 0, 0));
}

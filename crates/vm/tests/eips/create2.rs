//! Addresses of contracts: CREATE2's (EIP-1014, with its examples) and CREATE's.

use crate::support::{CONTRACT, RETURN_TOP, Setup, asm, hex, returns, word};
use alloy_primitives::{Address, U256};
use rialto_vm::Fork;

#[test]
fn examples_of_eip_1014() {
    let deadbeef = "0xdeadbeef";
    let long = format!("0x{}", "deadbeef".repeat(11));
    let rows = [
        ("0x0000000000000000000000000000000000000000", "0", "0x00", "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
        ("0xdeadbeef00000000000000000000000000000000", "0", "0x00", "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"),
        (
            "0xdeadbeef00000000000000000000000000000000",
            "0xfeed000000000000000000000000000000000000",
            "0x00",
            "0xD04116cDd17beBE565EB2422F2497E06cC1C9833",
        ),
        ("0x0000000000000000000000000000000000000000", "0", deadbeef, "0x70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"),
        (
            "0x00000000000000000000000000000000deadbeef",
            "0xcafebabe",
            deadbeef,
            "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7",
        ),
        (
            "0x00000000000000000000000000000000deadbeef",
            "0xcafebabe",
            &long,
            "0x1d8bfDC5D46DC4f61D6b6115972536eBE6A8854C",
        ),
        ("0x0000000000000000000000000000000000000000", "0", "0x", "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
    ];
    for (creator, salt, initcode, expected) in rows {
        let creator: Address = creator.parse().expect("an address");
        let expected: Address = expected.parse().expect("an address");
        let initcode = hex(initcode);
        let stores: String = initcode.iter().enumerate().map(|(i, byte)| format!("{byte} {i} MSTORE8 ")).collect();
        let code = format!("{stores} {salt} {} 0 0 CREATE2 STOP", initcode.len());
        let mut setup = Setup::new(Fork::Osaka, "").account(creator, &code);
        setup.target = creator;
        let (run, trace) = setup.trace();
        assert_eq!(run.halt, None, "{expected}");
        let [_, create] = &trace.enters[..] else { panic!("{expected}: {:?}", trace.enters) };
        assert_eq!((create.kind, create.to), ("CREATE2", expected));
        assert_eq!(&create.input[..], &initcode[..]);
    }
}

#[test]
fn create_counts_nonces() {
    // Two creations: one that succeeds and one that fails; both raise the nonce.
    let code = "0xfe 0 MSTORE8 0 0 0 CREATE 0 MSTORE 1 0 0 CREATE POP 0 0 0 CREATE 32 MSTORE 64 0 RETURN";
    let run = Setup::new(Fork::Osaka, &format!("0 0 MSTORE8 {code}")).run();
    let addresses: Vec<Address> = run.words().into_iter().map(crate::support::as_address).collect();
    assert_eq!(addresses, [CONTRACT.create(1), CONTRACT.create(3)]);
}

#[test]
fn the_same_address_once() {
    let twice = "0 0 0 0 CREATE2 ISZERO ISZERO 0 0 0 0 CREATE2 ISZERO ISZERO 2 MUL ADD";
    let run = Setup::new(Fork::Osaka, &format!("{twice}{RETURN_TOP}")).run();
    assert_eq!(run.end(), returns(1), "the second finds the nonce of the first");
    let other_salt = twice.replacen("0 0 0 0 CREATE2", "1 0 0 0 CREATE2", 1);
    let run = Setup::new(Fork::Osaka, &format!("{other_salt}{RETURN_TOP}")).run();
    assert_eq!(run.end(), returns(3), "another salt");
}

#[test]
fn who_runs_in_initcode() {
    // The initcode deploys ADDRESS, CALLER, CALLVALUE and CALLDATASIZE as code.
    let initcode = asm("ADDRESS 0 MSTORE CALLER 32 MSTORE CALLVALUE 64 MSTORE CALLDATASIZE 96 MSTORE 128 0 RETURN");
    let mut padded = initcode.to_vec();
    padded.resize(32, 0);
    let code = format!("{} 0 MSTORE {} 0 3 CREATE STOP", U256::from_be_slice(&padded), initcode.len());
    let run = Setup::new(Fork::Osaka, &code).balance(CONTRACT, 5).input(vec![1, 2, 3]).run();
    let created = CONTRACT.create(1);
    let words: Vec<U256> = run.code(created).chunks(32).map(U256::from_be_slice).collect();
    let as_word = |address: Address| U256::from_be_slice(address.as_slice());
    assert_eq!(words, [as_word(created), as_word(CONTRACT), word(3), word(0)]);
    assert_eq!((run.balance(created), run.balance(CONTRACT)), (word(3), word(2)));
}

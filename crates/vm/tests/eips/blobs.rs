//! BLOBHASH (EIP-4844), BLOBBASEFEE (EIP-7516) and the other opcodes that tell of the block and the transaction.

use crate::support::{BENEFICIARY, CALLER, CONTRACT, End, RETURN_TOP, Setup, gas_of, number, repeated, word};
use alloy_primitives::{B256, U256};
use rialto_state::ReadError;
use rialto_vm::Fork;

fn setup(fork: Fork, code: &str) -> Setup {
    let mut setup = Setup::new(fork, &format!("{code}{RETURN_TOP}")).value(7).input(vec![1; 5]);
    setup.tx.blob_versioned_hashes = vec![B256::repeat_byte(0x01), B256::repeat_byte(0x02)];
    setup.tx.gas_price = word(33);
    setup.block.blob_base_fee = word(44);
    setup.block.base_fee = word(22);
    setup.block.prev_randao = B256::repeat_byte(0x55);
    setup.block.difficulty = word(66);
    setup.block.slot_number = 77;
    setup.state.insert_block_hash(999, B256::repeat_byte(0x99));
    setup.state.insert_block_hash(744, B256::repeat_byte(0x74));
    setup
}

#[test]
fn what_is_around_a_program() {
    let address = |address: alloy_primitives::Address| U256::from_be_bytes(address.into_word().0);
    // code, fork, word, gas
    let rows = [
        ("0 BLOBHASH", Fork::Cancun, repeated(0x01), 6),
        ("1 BLOBHASH", Fork::Cancun, repeated(0x02), 6),
        ("2 BLOBHASH", Fork::Cancun, word(0), 6),
        ("0x10000000000000000 BLOBHASH", Fork::Cancun, word(0), 6),
        ("0 NOT BLOBHASH", Fork::Cancun, word(0), 9),
        ("BLOBBASEFEE", Fork::Cancun, word(44), 2),
        ("BASEFEE", Fork::London, word(22), 2),
        ("PREVRANDAO", Fork::Paris, repeated(0x55), 2),
        ("PREVRANDAO", Fork::GrayGlacier, word(66), 2),
        ("SLOTNUM", Fork::Amsterdam, word(77), 2),
        ("CHAINID", Fork::Istanbul, word(1), 2),
        ("GASLIMIT", Fork::Frontier, word(30_000_000), 2),
        ("NUMBER", Fork::Frontier, word(1_000), 2),
        ("TIMESTAMP", Fork::Frontier, word(1_700_000_000), 2),
        ("COINBASE", Fork::Frontier, address(BENEFICIARY), 2),
        ("GASPRICE", Fork::Frontier, word(33), 2),
        ("ORIGIN", Fork::Frontier, address(CALLER), 2),
        ("CALLER", Fork::Frontier, address(CALLER), 2),
        ("ADDRESS", Fork::Frontier, address(CONTRACT), 2),
        ("CALLVALUE", Fork::Frontier, word(7), 2),
        ("SELFBALANCE", Fork::Istanbul, word(7), 5),
        ("ADDRESS BALANCE", Fork::Istanbul, word(7), 2 + 700),
        ("CALLDATASIZE", Fork::Frontier, word(5), 2),
        ("PC", Fork::Frontier, word(0), 2),
        ("0 POP PC", Fork::Frontier, word(3), 7),
        ("999 BLOCKHASH", Fork::Frontier, repeated(0x99), 23),
        ("744 BLOCKHASH", Fork::Frontier, repeated(0x74), 23),
        ("743 BLOCKHASH", Fork::Frontier, word(0), 23),
        ("1000 BLOCKHASH", Fork::Frontier, word(0), 23),
        ("1001 BLOCKHASH", Fork::Frontier, word(0), 23),
        ("0x100000000000003e7 BLOCKHASH", Fork::Frontier, word(0), 23),
    ];
    for (code, fork, expected, gas) in rows {
        let run = setup(fork, code).run();
        assert_eq!(run.end(), End::Word(expected), "{code} under {fork}");
        assert_eq!(run.gas_used, gas + 15, "{code} under {fork}");
    }
}

#[test]
fn gas_and_code_size() {
    assert_eq!(crate::support::top(Fork::Osaka, "GAS"), End::Word(word(crate::support::GAS - 2)));
    assert_eq!(crate::support::top(Fork::Osaka, "CODESIZE"), End::Word(number("9")));
    assert_eq!(gas_of(Fork::Osaka, "CODESIZE POP"), 4);
}

#[test]
fn a_block_hash_that_the_reader_lacks_is_no_zero() {
    // The block can't be executed then: the message has no result, neither success nor failure.
    let ran = setup(Fork::Osaka, "998 BLOCKHASH").try_run(&[], 1, None);
    assert_eq!(ran, Err(ReadError::MissingBlockHash { number: 998 }));
}

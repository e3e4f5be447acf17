//! The opcode table: the one place where an instruction's number, name, stack effect, immediate length, static gas and
//! first fork are written down.
//!
//! The interpreter takes its gas and stack checks from here at compile time, the translation its instruction lengths,
//! the tracer and the disassembler their names. An opcode's static gas is what it costs in every fork and whatever the
//! state; parts that depend on the fork or on state live in [`crate::Rules`].

use crate::Fork;

/// What the table knows about one opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// Mnemonic.
    pub name: &'static str,
    /// Words it takes from the stack.
    pub pops: u8,
    /// Words it puts on the stack.
    pub pushes: u8,
    /// Bytes that follow it and belong to it.
    pub immediate_bytes: u8,
    /// Gas it costs always, before anything dynamic.
    pub static_gas: u16,
    /// The fork that introduced it.
    pub since: Fork,
}

macro_rules! opcodes {
    ($($number:literal $name:ident $pops:literal $pushes:literal $immediate:literal $gas:literal $since:ident;)*) => {
        $(
            #[doc = concat!("Opcode ", stringify!($number), ".")]
            pub const $name: u8 = $number;
        )*

        /// The table, by opcode number; `None` where no fork defines one.
        pub static OPCODES: [Option<Opcode>; 256] = TABLE;

        pub(crate) const TABLE: [Option<Opcode>; 256] = {
            let mut table = [None; 256];
            $(
                table[$number] = Some(Opcode {
                    name: stringify!($name),
                    pops: $pops,
                    pushes: $pushes,
                    immediate_bytes: $immediate,
                    static_gas: $gas,
                    since: Fork::$since,
                });
            )*
            table
        };
    };
}

opcodes! {
    // number name pops pushes immediate gas since
    0x00 STOP 0 0 0 0 Frontier;
    0x01 ADD 2 1 0 3 Frontier;
    0x02 MUL 2 1 0 5 Frontier;
    0x03 SUB 2 1 0 3 Frontier;
    0x04 DIV 2 1 0 5 Frontier;
    0x05 SDIV 2 1 0 5 Frontier;
    0x06 MOD 2 1 0 5 Frontier;
    0x07 SMOD 2 1 0 5 Frontier;
    0x08 ADDMOD 3 1 0 8 Frontier;
    0x09 MULMOD 3 1 0 8 Frontier;
    0x0a EXP 2 1 0 10 Frontier;
    0x0b SIGNEXTEND 2 1 0 5 Frontier;
    0x10 LT 2 1 0 3 Frontier;
    0x11 GT 2 1 0 3 Frontier;
    0x12 SLT 2 1 0 3 Frontier;
    0x13 SGT 2 1 0 3 Frontier;
    0x14 EQ 2 1 0 3 Frontier;
    0x15 ISZERO 1 1 0 3 Frontier;
    0x16 AND 2 1 0 3 Frontier;
    0x17 OR 2 1 0 3 Frontier;
    0x18 XOR 2 1 0 3 Frontier;
    0x19 NOT 1 1 0 3 Frontier;
    0x1a BYTE 2 1 0 3 Frontier;
    0x1b SHL 2 1 0 3 Constantinople;
    0x1c SHR 2 1 0 3 Constantinople;
    0x1d SAR 2 1 0 3 Constantinople;
    0x1e CLZ 1 1 0 5 Osaka;
    0x20 KECCAK256 2 1 0 30 Frontier;
    0x30 ADDRESS 0 1 0 2 Frontier;
    0x31 BALANCE 1 1 0 0 Frontier;
    0x32 ORIGIN 0 1 0 2 Frontier;
    0x33 CALLER 0 1 0 2 Frontier;
    0x34 CALLVALUE 0 1 0 2 Frontier;
    0x35 CALLDATALOAD 1 1 0 3 Frontier;
    0x36 CALLDATASIZE 0 1 0 2 Frontier;
    0x37 CALLDATACOPY 3 0 0 3 Frontier;
    0x38 CODESIZE 0 1 0 2 Frontier;
    0x39 CODECOPY 3 0 0 3 Frontier;
    0x3a GASPRICE 0 1 0 2 Frontier;
    0x3b EXTCODESIZE 1 1 0 0 Frontier;
    0x3c EXTCODECOPY 4 0 0 0 Frontier;
    0x3d RETURNDATASIZE 0 1 0 2 Byzantium;
    0x3e RETURNDATACOPY 3 0 0 3 Byzantium;
    0x3f EXTCODEHASH 1 1 0 0 Constantinople;
    0x40 BLOCKHASH 1 1 0 20 Frontier;
    0x41 COINBASE 0 1 0 2 Frontier;
    0x42 TIMESTAMP 0 1 0 2 Frontier;
    0x43 NUMBER 0 1 0 2 Frontier;
    0x44 PREVRANDAO 0 1 0 2 Frontier;
    0x45 GASLIMIT 0 1 0 2 Frontier;
    0x46 CHAINID 0 1 0 2 Istanbul;
    0x47 SELFBALANCE 0 1 0 5 Istanbul;
    0x48 BASEFEE 0 1 0 2 London;
    0x49 BLOBHASH 1 1 0 3 Cancun;
    0x4a BLOBBASEFEE 0 1 0 2 Cancun;
    0x4b SLOTNUM 0 1 0 2 AmsterdamDraft;
    0x50 POP 1 0 0 2 Frontier;
    0x51 MLOAD 1 1 0 3 Frontier;
    0x52 MSTORE 2 0 0 3 Frontier;
    0x53 MSTORE8 2 0 0 3 Frontier;
    0x54 SLOAD 1 1 0 0 Frontier;
    0x55 SSTORE 2 0 0 0 Frontier;
    0x56 JUMP 1 0 0 8 Frontier;
    0x57 JUMPI 2 0 0 10 Frontier;
    0x58 PC 0 1 0 2 Frontier;
    0x59 MSIZE 0 1 0 2 Frontier;
    0x5a GAS 0 1 0 2 Frontier;
    0x5b JUMPDEST 0 0 0 1 Frontier;
    0x5c TLOAD 1 1 0 100 Cancun;
    0x5d TSTORE 2 0 0 100 Cancun;
    0x5e MCOPY 3 0 0 3 Cancun;
    0x5f PUSH0 0 1 0 2 Shanghai;
    0x60 PUSH1 0 1 1 3 Frontier;
    0x61 PUSH2 0 1 2 3 Frontier;
    0x62 PUSH3 0 1 3 3 Frontier;
    0x63 PUSH4 0 1 4 3 Frontier;
    0x64 PUSH5 0 1 5 3 Frontier;
    0x65 PUSH6 0 1 6 3 Frontier;
    0x66 PUSH7 0 1 7 3 Frontier;
    0x67 PUSH8 0 1 8 3 Frontier;
    0x68 PUSH9 0 1 9 3 Frontier;
    0x69 PUSH10 0 1 10 3 Frontier;
    0x6a PUSH11 0 1 11 3 Frontier;
    0x6b PUSH12 0 1 12 3 Frontier;
    0x6c PUSH13 0 1 13 3 Frontier;
    0x6d PUSH14 0 1 14 3 Frontier;
    0x6e PUSH15 0 1 15 3 Frontier;
    0x6f PUSH16 0 1 16 3 Frontier;
    0x70 PUSH17 0 1 17 3 Frontier;
    0x71 PUSH18 0 1 18 3 Frontier;
    0x72 PUSH19 0 1 19 3 Frontier;
    0x73 PUSH20 0 1 20 3 Frontier;
    0x74 PUSH21 0 1 21 3 Frontier;
    0x75 PUSH22 0 1 22 3 Frontier;
    0x76 PUSH23 0 1 23 3 Frontier;
    0x77 PUSH24 0 1 24 3 Frontier;
    0x78 PUSH25 0 1 25 3 Frontier;
    0x79 PUSH26 0 1 26 3 Frontier;
    0x7a PUSH27 0 1 27 3 Frontier;
    0x7b PUSH28 0 1 28 3 Frontier;
    0x7c PUSH29 0 1 29 3 Frontier;
    0x7d PUSH30 0 1 30 3 Frontier;
    0x7e PUSH31 0 1 31 3 Frontier;
    0x7f PUSH32 0 1 32 3 Frontier;
    0x80 DUP1 1 2 0 3 Frontier;
    0x81 DUP2 2 3 0 3 Frontier;
    0x82 DUP3 3 4 0 3 Frontier;
    0x83 DUP4 4 5 0 3 Frontier;
    0x84 DUP5 5 6 0 3 Frontier;
    0x85 DUP6 6 7 0 3 Frontier;
    0x86 DUP7 7 8 0 3 Frontier;
    0x87 DUP8 8 9 0 3 Frontier;
    0x88 DUP9 9 10 0 3 Frontier;
    0x89 DUP10 10 11 0 3 Frontier;
    0x8a DUP11 11 12 0 3 Frontier;
    0x8b DUP12 12 13 0 3 Frontier;
    0x8c DUP13 13 14 0 3 Frontier;
    0x8d DUP14 14 15 0 3 Frontier;
    0x8e DUP15 15 16 0 3 Frontier;
    0x8f DUP16 16 17 0 3 Frontier;
    0x90 SWAP1 2 2 0 3 Frontier;
    0x91 SWAP2 3 3 0 3 Frontier;
    0x92 SWAP3 4 4 0 3 Frontier;
    0x93 SWAP4 5 5 0 3 Frontier;
    0x94 SWAP5 6 6 0 3 Frontier;
    0x95 SWAP6 7 7 0 3 Frontier;
    0x96 SWAP7 8 8 0 3 Frontier;
    0x97 SWAP8 9 9 0 3 Frontier;
    0x98 SWAP9 10 10 0 3 Frontier;
    0x99 SWAP10 11 11 0 3 Frontier;
    0x9a SWAP11 12 12 0 3 Frontier;
    0x9b SWAP12 13 13 0 3 Frontier;
    0x9c SWAP13 14 14 0 3 Frontier;
    0x9d SWAP14 15 15 0 3 Frontier;
    0x9e SWAP15 16 16 0 3 Frontier;
    0x9f SWAP16 17 17 0 3 Frontier;
    0xa0 LOG0 2 0 0 375 Frontier;
    0xa1 LOG1 3 0 0 750 Frontier;
    0xa2 LOG2 4 0 0 1125 Frontier;
    0xa3 LOG3 5 0 0 1500 Frontier;
    0xa4 LOG4 6 0 0 1875 Frontier;
    0xe6 DUPN 0 1 1 3 AmsterdamDraft;
    0xe7 SWAPN 0 0 1 3 AmsterdamDraft;
    0xe8 EXCHANGE 0 0 1 3 AmsterdamDraft;
    0xf0 CREATE 3 1 0 0 Frontier;
    0xf1 CALL 7 1 0 0 Frontier;
    0xf2 CALLCODE 7 1 0 0 Frontier;
    0xf3 RETURN 2 0 0 0 Frontier;
    0xf4 DELEGATECALL 6 1 0 0 Homestead;
    0xf5 CREATE2 4 1 0 0 Constantinople;
    0xfa STATICCALL 6 1 0 0 Byzantium;
    0xfd REVERT 2 0 0 0 Byzantium;
    0xfe INVALID 0 0 0 0 Frontier;
    0xff SELFDESTRUCT 1 0 0 0 Frontier;
}

/// Static gas of an opcode that some fork defines; for use in constants.
pub(crate) const fn static_gas(number: u8) -> u64 {
    match TABLE[number as usize] {
        Some(opcode) => opcode.static_gas as u64,
        None => panic!("no such opcode"),
    }
}

/// Words that an opcode takes and puts; for use in constants.
pub(crate) const fn stack_effect(number: u8) -> (i32, i32) {
    match TABLE[number as usize] {
        Some(opcode) => (opcode.pops as i32, opcode.pushes as i32),
        None => panic!("no such opcode"),
    }
}

/// Words that an opcode needs on the stack, and words by which it grows; for use in constants.
pub(crate) const fn need_and_growth(number: u8) -> (usize, usize) {
    let (pops, pushes) = stack_effect(number);
    (pops as usize, if pushes > pops { (pushes - pops) as usize } else { 0 })
}

/// Bytes that follow `number` and belong to it, whether or not the opcode is defined.
///
/// Only pushes count where jump destinations are sought: the immediates of EIP-8024's opcodes are chosen so that they
/// never hide a JUMPDEST, and analysis ignores them.
pub(crate) const fn push_bytes(number: u8) -> usize {
    if number >= PUSH1 && number <= PUSH32 { (number - PUSH0) as usize } else { 0 }
}

/// Whether `number` is an opcode under `fork`.
pub fn is_defined(number: u8, fork: Fork) -> bool {
    OPCODES[number as usize].is_some_and(|opcode| opcode.since <= fork)
}

/// The name of an opcode, or `None` where no fork defines one.
pub fn name(number: u8) -> Option<&'static str> {
    OPCODES[number as usize].map(|opcode| opcode.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_regular() {
        for n in 1..=32u8 {
            let push = OPCODES[(PUSH0 + n) as usize].expect("defined");
            assert_eq!((push.pops, push.pushes, push.immediate_bytes, push.static_gas), (0, 1, n, 3), "PUSH{n}");
        }
        for n in 1..=16u8 {
            let dup = OPCODES[(DUP1 + n - 1) as usize].expect("defined");
            assert_eq!((dup.pops, dup.pushes), (n, n + 1), "DUP{n}");
            let swap = OPCODES[(SWAP1 + n - 1) as usize].expect("defined");
            assert_eq!((swap.pops, swap.pushes), (n + 1, n + 1), "SWAP{n}");
        }
        for n in 0..=4u8 {
            let log = OPCODES[(LOG0 + n) as usize].expect("defined");
            assert_eq!((log.pops, log.static_gas), (n + 2, 375 * (u16::from(n) + 1)), "LOG{n}");
        }
    }

    #[test]
    fn forks_add_opcodes_and_never_take_them() {
        let rows = [(SHL, Fork::Byzantium, false), (SHL, Fork::Constantinople, true), (PUSH0, Fork::Paris, false)];
        for (number, fork, expected) in rows {
            assert_eq!(is_defined(number, fork), expected, "{} under {fork}", name(number).expect("named"));
        }
        for number in 0..=255u8 {
            let defined: alloc::vec::Vec<bool> = Fork::ALL.into_iter().map(|fork| is_defined(number, fork)).collect();
            assert!(defined.is_sorted(), "{number:#04x}");
        }
    }
}

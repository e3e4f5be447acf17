//! Random bytecode that is mostly valid.
//!
//! A program is a list of statements. The writer keeps count of the words on the stack, so that opcodes find their
//! operands; it gives operands the kind of value that the opcode expects (an offset, a slot, an address that exists), so
//! that gas lasts; it lets jumps go forward to a JUMPDEST that it writes later, and backward only in counted loops. Now
//! and then it breaks each of these rules, because failures are behaviour too.

use super::choices::Choices;
use alloy_primitives::{Address, U256};
use rialto_vm::Fork;
use rialto_vm::opcode::{self as op, OPCODES};

/// What an operand is for.
#[derive(Clone, Copy)]
enum Role {
    Word,
    Offset,
    Length,
    Address,
    Slot,
    Small,
    Gas,
    Value,
    /// A part of the return data.
    ReturnOffset,
    ReturnLength,
}

use Role::{Address as Account, Gas, Length, Offset, Slot, Small, Value};

/// The operands of opcodes, from the top of the stack; those of all others are words.
const ROLES: [(u8, &[Role]); 38] = [
    (op::SIGNEXTEND, &[Small, Role::Word]),
    (op::BYTE, &[Small, Role::Word]),
    (op::SHL, &[Small, Role::Word]),
    (op::SHR, &[Small, Role::Word]),
    (op::SAR, &[Small, Role::Word]),
    (op::KECCAK256, &[Offset, Length]),
    (op::BALANCE, &[Account]),
    (op::CALLDATALOAD, &[Offset]),
    (op::CALLDATACOPY, &[Offset, Offset, Length]),
    (op::CODECOPY, &[Offset, Offset, Length]),
    (op::EXTCODESIZE, &[Account]),
    (op::EXTCODECOPY, &[Account, Offset, Offset, Length]),
    (op::RETURNDATACOPY, &[Offset, Role::ReturnOffset, Role::ReturnLength]),
    (op::EXTCODEHASH, &[Account]),
    (op::BLOCKHASH, &[Small]),
    (op::BLOBHASH, &[Small]),
    (op::MLOAD, &[Offset]),
    (op::MSTORE, &[Offset, Role::Word]),
    (op::MSTORE8, &[Offset, Role::Word]),
    (op::SLOAD, &[Slot]),
    (op::SSTORE, &[Slot, Small]),
    (op::TLOAD, &[Slot]),
    (op::TSTORE, &[Slot, Small]),
    (op::MCOPY, &[Offset, Offset, Length]),
    (op::LOG0, &[Offset, Length]),
    (op::LOG1, &[Offset, Length, Role::Word]),
    (op::LOG2, &[Offset, Length, Role::Word, Role::Word]),
    (op::LOG3, &[Offset, Length, Role::Word, Role::Word, Small]),
    (op::LOG4, &[Offset, Length, Role::Word, Small, Small, Small]),
    (op::CREATE, &[Value, Offset, Length]),
    (op::CREATE2, &[Value, Offset, Length, Small]),
    (op::CALL, &[Gas, Account, Value, Offset, Length, Offset, Length]),
    (op::CALLCODE, &[Gas, Account, Value, Offset, Length, Offset, Length]),
    (op::DELEGATECALL, &[Gas, Account, Offset, Length, Offset, Length]),
    (op::STATICCALL, &[Gas, Account, Offset, Length, Offset, Length]),
    (op::RETURN, &[Offset, Length]),
    (op::REVERT, &[Offset, Length]),
    (op::SELFDESTRUCT, &[Account]),
];

/// Opcodes that a plain statement may use: no control flow, and nothing that ends the program.
const ARITHMETIC: [u8; 26] = [
    op::ADD,
    op::MUL,
    op::SUB,
    op::DIV,
    op::SDIV,
    op::MOD,
    op::SMOD,
    op::ADDMOD,
    op::MULMOD,
    op::EXP,
    op::SIGNEXTEND,
    op::LT,
    op::GT,
    op::SLT,
    op::SGT,
    op::EQ,
    op::ISZERO,
    op::AND,
    op::OR,
    op::XOR,
    op::NOT,
    op::BYTE,
    op::SHL,
    op::SHR,
    op::SAR,
    op::CLZ,
];
const ENVIRONMENT: [u8; 26] = [
    op::ADDRESS,
    op::BALANCE,
    op::ORIGIN,
    op::CALLER,
    op::CALLVALUE,
    op::CALLDATALOAD,
    op::CALLDATASIZE,
    op::CODESIZE,
    op::GASPRICE,
    op::EXTCODESIZE,
    op::RETURNDATASIZE,
    op::EXTCODEHASH,
    op::BLOCKHASH,
    op::COINBASE,
    op::TIMESTAMP,
    op::NUMBER,
    op::PREVRANDAO,
    op::GASLIMIT,
    op::CHAINID,
    op::SELFBALANCE,
    op::BASEFEE,
    op::BLOBHASH,
    op::BLOBBASEFEE,
    op::MSIZE,
    op::GAS,
    op::PC,
];
const MEMORY: [u8; 9] = [
    op::MSTORE,
    op::MLOAD,
    op::MSTORE8,
    op::KECCAK256,
    op::CALLDATACOPY,
    op::CODECOPY,
    op::EXTCODECOPY,
    op::RETURNDATACOPY,
    op::MCOPY,
];
const STORAGE: [u8; 6] = [op::SSTORE, op::SLOAD, op::SSTORE, op::SSTORE, op::TSTORE, op::TLOAD];
const CALLS: [u8; 6] = [op::CALL, op::STATICCALL, op::DELEGATECALL, op::CALLCODE, op::CALL, op::CALL];
const LOGS: [u8; 5] = [op::LOG0, op::LOG1, op::LOG2, op::LOG3, op::LOG4];
const ENDS: [u8; 6] = [op::RETURN, op::REVERT, op::STOP, op::RETURN, op::STOP, op::SELFDESTRUCT];

/// What translations join with what follows, and what they join it with.
const SHORT: [u8; 24] = [
    op::PUSH1,
    op::PUSH1,
    op::PUSH1,
    op::PUSH4,
    op::PUSH20,
    op::DUP1,
    op::DUP2,
    op::DUP3,
    op::SWAP1,
    op::SWAP2,
    op::SWAP3,
    op::POP,
    op::POP,
    op::ADD,
    op::SUB,
    op::AND,
    op::SHL,
    op::SHR,
    op::LT,
    op::GT,
    op::EQ,
    op::ISZERO,
    op::MSTORE,
    op::MLOAD,
];

/// Initcode that ends in a way of its own, as code that it returns: nothing much, what no code may start with, as much as
/// there may be, and a byte more; and that fails or destroys itself.
const INITCODES: [&[u8]; 6] = [
    &[op::PUSH1, 3, op::PUSH1, 0, op::RETURN],
    &[op::PUSH1, 0xef, op::PUSH1, 0, op::MSTORE8, op::PUSH1, 4, op::PUSH1, 0, op::RETURN],
    &[op::PUSH2, 0x60, 0x00, op::PUSH1, 0, op::RETURN],
    &[op::PUSH2, 0x60, 0x01, op::PUSH1, 0, op::RETURN],
    &[op::PUSH1, 32, op::PUSH1, 0, op::REVERT],
    &[op::CALLER, op::SELFDESTRUCT],
];

/// Sequences that compilers write, with `JUMP_TARGET` for the two bytes of an offset: what a translation may treat as
/// one. Each needs at most three words; beside it, by how many words the stack grows.
const IDIOMS: [(&[u8], isize); 29] = [
    (&[op::PUSH1, 1, op::PUSH1, 1, op::PUSH1, 160, op::SHL, op::SUB, op::AND], 0),
    (&[op::PUSH1, 1, op::PUSH1, 1, op::PUSH1, 160, op::SHL, op::SUB], 1),
    (&[op::PUSH1, 2, op::PUSH1, 1, op::PUSH1, 96, op::SHL, op::SUB], 1),
    (&[op::PUSH1, 64, op::MLOAD], 1),
    (&[op::PUSH1, 128, op::PUSH1, 64, op::MSTORE], 0),
    (&[op::PUSH1, 7, op::PUSH1, 9], 2),
    (&[op::PUSH1, 224, op::SHR], 0),
    (&[op::PUSH1, 3, op::SHL], 0),
    (&[op::PUSH1, 0xff, op::AND], 0),
    (&[op::PUSH1, 32, op::ADD], 0),
    (&[op::PUSH1, 5, op::DUP1], 2),
    (&[op::PUSH1, 32, op::DUP1, op::MLOAD], 2),
    (&[op::PUSH1, 64, op::PUSH1, 7, op::DUP2, op::MSTORE], 1),
    (&[op::PUSH1, 32, op::PUSH1, 7, op::DUP2, op::MLOAD, op::DUP2, op::ADD], 3),
    (&[op::ADDRESS, op::PUSH20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, op::AND], 1),
    (&[op::ISZERO, op::ISZERO], 0),
    (&[op::SWAP2, op::POP, op::SWAP1, op::POP], -2),
    (&[op::DUP1, op::SWAP3, op::POP, op::POP, op::POP], -2),
    (&[op::POP, op::POP], -2),
    (&[op::ISZERO, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], -1),
    (&[op::DUP1, op::PUSH4, 1, 2, 3, 4, op::EQ, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], 0),
    (&[op::DUP1, op::PUSH4, 1, 2, 3, 4, op::GT, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], 0),
    (&[op::LT, op::ISZERO, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], -2),
    (&[op::LT, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], -2),
    (&[op::GT, op::ISZERO, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], -2),
    (&[op::GT, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], -2),
    (&[op::EQ, op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::JUMPI], -2),
    (&[op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::DUP2, op::SWAP1, op::JUMP], 1),
    (&[op::PUSH2, JUMP_TARGET, JUMP_TARGET, op::DUP2, op::POP, op::JUMP], 0),
];
const JUMP_TARGET: u8 = 0xee;

/// Longest code and initcode, and one byte more (EIP-170, EIP-3860).
const SIZE_LIMITS: [u64; 4] = [24_576, 24_577, 49_152, 49_153];

/// Most nested statements (loops, and programs that a program creates).
const NESTING_MAX: usize = 3;

pub struct CodeWriter<'w, 'a> {
    choices: &'w mut Choices<'a>,
    fork: Fork,
    addresses: &'w [Address],
    code: Vec<u8>,
    /// Words that are surely on the stack.
    depth: usize,
    /// Where offsets of jumps stand that have no destination yet, and the words that are surely on the stack there.
    open_jumps: Vec<(usize, usize)>,
    nesting: usize,
}

/// A program of at most `statements_max` statements for `fork`, which calls any of `addresses`.
pub fn program(choices: &mut Choices<'_>, fork: Fork, addresses: &[Address], statements_max: usize) -> Vec<u8> {
    nested_program(choices, fork, addresses, statements_max, 0)
}

fn nested_program(
    choices: &mut Choices<'_>,
    fork: Fork,
    addresses: &[Address],
    statements_max: usize,
    nesting: usize,
) -> Vec<u8> {
    let mut writer =
        CodeWriter { choices, fork, addresses, code: Vec::new(), depth: 0, open_jumps: Vec::new(), nesting };
    let count = writer.choices.below(statements_max + 1);
    for _ in 0..count {
        if writer.choices.is_empty() {
            break;
        }
        writer.statement();
    }
    writer.finish()
}

impl CodeWriter<'_, '_> {
    fn statement(&mut self) {
        match self.choices.below(24) {
            0 => self.push_operand(Role::Word),
            1..5 => self.operation(&ARITHMETIC),
            5..7 => self.operation(&ENVIRONMENT),
            7..9 => self.operation(&MEMORY),
            9..12 => self.operation(&STORAGE),
            12..15 => self.operation(&CALLS),
            15 => self.operation(&LOGS),
            16 => self.create(),
            17 if self.choices.happens(128) => self.shuffle(),
            17 => self.stack_run(),
            18 => self.idiom(),
            19 => self.jump(),
            20 => self.land(),
            21 => self.counted_loop(),
            22 => self.keep_result(),
            _ => self.rare(),
        }
    }

    /// One of the opcodes that the fork has, with its operands, and something that uses its result.
    fn operation(&mut self, opcodes: &[u8]) {
        let opcode = self.choices.one_of(opcodes);
        if !op::is_defined(opcode, self.fork) && !self.choices.happens(2) {
            return;
        }
        self.opcode(opcode);
        if self.choices.happens(64) {
            self.keep_result();
        }
    }

    fn opcode(&mut self, opcode: u8) {
        let Some(info) = OPCODES[usize::from(opcode)] else { return self.code.push(opcode) };
        let roles = ROLES.iter().find(|(number, _)| *number == opcode).map_or(&[][..], |(_, roles)| roles);
        let pops = usize::from(info.pops);
        // Some operands may be what happens to lie there.
        let found = if self.choices.happens(48) { self.depth.min(pops) } else { 0 };
        for position in (0..pops - found).rev() {
            self.push_operand(roles.get(position).copied().unwrap_or(Role::Word));
        }
        self.code.push(opcode);
        self.depth = self.depth.saturating_sub(pops) + usize::from(info.pushes);
    }

    fn push_operand(&mut self, role: Role) {
        match role {
            Role::Word => {
                let word = self.choices.word();
                self.push(word);
            }
            Role::Offset => {
                let offset = if self.choices.happens(2) { self.choices.word() } else { self.small(96) };
                self.push(offset);
            }
            Role::Length => {
                let length = match self.choices.byte() {
                    255 => self.choices.word(),
                    254 => self.choices.one_of(&SIZE_LIMITS.map(U256::from)),
                    _ => self.small(80),
                };
                self.push(length);
            }
            Role::Slot => {
                let slot = if self.choices.happens(8) { self.choices.word() } else { self.small(4) };
                self.push(slot);
            }
            Role::Small => {
                let word = if self.choices.happens(24) { self.choices.word() } else { self.small(40) };
                self.push(word);
            }
            Role::Gas => match self.choices.below(4) {
                0..2 => self.simple(op::GAS),
                2 => {
                    let gas = U256::from(self.choices.u16());
                    self.push(gas);
                }
                _ => self.push_operand(Role::Word),
            },
            Role::Value => {
                let value = if self.choices.happens(96) { self.choices.word() } else { U256::ZERO };
                let mask = if self.choices.happens(200) { U256::from(0xff) } else { U256::MAX };
                self.push(value & mask);
            }
            Role::Address => self.push_address(),
            Role::ReturnOffset if self.choices.happens(16) => self.push_operand(Role::Small),
            Role::ReturnOffset => self.push(U256::ZERO),
            Role::ReturnLength if self.choices.happens(32) => self.push_operand(Role::Small),
            Role::ReturnLength => self.simple(op::RETURNDATASIZE),
        }
    }

    fn small(&mut self, end: usize) -> U256 {
        U256::from(self.choices.below(end))
    }

    fn push_address(&mut self) {
        match self.choices.below(16) {
            0..12 => {
                let address = self.choices.one_of(self.addresses);
                self.push_bytes(address.as_slice());
            }
            12 => self.simple(op::ADDRESS),
            13 => self.simple(op::CALLER),
            14 => self.simple(op::COINBASE),
            _ => self.push_operand(Role::Word),
        }
    }

    /// A push of as few bytes as hold the word, or one more.
    fn push(&mut self, word: U256) {
        let bytes = word.to_be_bytes::<32>();
        let needed = 32 - word.leading_zeros() / 8;
        if needed == 0 && op::is_defined(op::PUSH0, self.fork) && !self.choices.happens(64) {
            return self.simple(op::PUSH0);
        }
        let len = needed.max(1) + usize::from(needed < 32 && self.choices.happens(16));
        self.push_bytes(&bytes[32 - len.min(32)..]);
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.code.push(op::PUSH0 + bytes.len() as u8);
        self.code.extend_from_slice(bytes);
        self.depth += 1;
    }

    /// An opcode that only pushes.
    fn simple(&mut self, opcode: u8) {
        self.code.push(opcode);
        self.depth += 1;
    }

    /// Initcode into memory, and a creation from it.
    fn create(&mut self) {
        if self.nesting >= NESTING_MAX {
            return;
        }
        let (fork, nesting) = (self.fork, self.nesting + 1);
        let initcode = match self.choices.byte() {
            192.. => self.choices.one_of(&INITCODES).to_vec(),
            _ => nested_program(self.choices, fork, self.addresses, 6, nesting),
        };
        let initcode = &initcode[..initcode.len().min(160)];
        for (index, chunk) in initcode.chunks(32).enumerate() {
            let mut word = [0; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            self.push_bytes(&word);
            self.push(U256::from(32 * index));
            self.code.push(op::MSTORE);
            self.depth -= 2;
        }
        let len = initcode.len();
        let opcode = self.choices.one_of(&[op::CREATE, op::CREATE2]);
        if !op::is_defined(opcode, self.fork) {
            return;
        }
        if opcode == op::CREATE2 {
            self.push_operand(Role::Small);
        }
        self.push(U256::from(len));
        self.push(U256::ZERO);
        self.push_operand(Role::Value);
        self.code.push(opcode);
        self.depth -= if opcode == op::CREATE2 { 3 } else { 2 };
        // Call what was created, if anything was.
        if self.choices.happens(128) {
            for _ in 0..5 {
                self.push(U256::ZERO);
            }
            self.code.extend([op::DUP6, op::GAS, op::CALL]);
            self.depth -= 4;
        }
    }

    fn shuffle(&mut self) {
        for _ in self.depth..2 {
            self.push_operand(Role::Small);
        }
        let n = self.choices.below(16);
        let n = if self.choices.happens(2) { n } else { n.min(self.depth - 2) };
        match self.choices.below(3) {
            0 => {
                self.code.push(op::DUP1 + n as u8);
                self.depth += 1;
            }
            1 => self.code.push(op::SWAP1 + n as u8),
            _ => {
                self.code.push(op::POP);
                self.depth = self.depth.saturating_sub(1);
            }
        }
    }

    /// Short opcodes in any order, which meet in all pairs and triples.
    fn stack_run(&mut self) {
        for _ in self.depth..8 {
            self.push_operand(Role::Small);
        }
        for _ in 0..2 + self.choices.below(10) {
            let opcode = self.choices.one_of(&SHORT);
            let info = OPCODES[usize::from(opcode)].expect("an opcode");
            if self.depth < usize::from(info.pops) || !op::is_defined(opcode, self.fork) {
                continue;
            }
            self.code.push(opcode);
            // Small numbers: offsets, shifts and the like.
            for _ in 0..info.immediate_bytes {
                self.code.push(self.choices.below(48) as u8);
            }
            self.depth = self.depth - usize::from(info.pops) + usize::from(info.pushes);
        }
    }

    fn idiom(&mut self) {
        let (sequence, change) = self.choices.one_of(&IDIOMS);
        for _ in self.depth..3 {
            self.push_operand(Role::Small);
        }
        // Sometimes only the first part of it.
        let len = if self.choices.happens(24) { self.choices.below(sequence.len() + 1) } else { sequence.len() };
        let start = self.code.len();
        self.code.extend_from_slice(&sequence[..len]);
        self.depth = self.depth.saturating_add_signed(change).saturating_sub(2 * usize::from(len < sequence.len()));
        let target = self.code[start..].windows(2).position(|pair| pair == [JUMP_TARGET; 2]);
        self.open_jumps.extend(target.map(|position| (start + position, self.depth)));
    }

    fn jump(&mut self) {
        let is_conditional = self.choices.happens(224);
        if is_conditional {
            self.push_operand(Role::Small);
        }
        self.depth -= usize::from(is_conditional);
        self.code.push(op::PUSH2);
        self.open_jumps.push((self.code.len(), self.depth));
        self.code.extend([0, 0]);
        self.code.push(if is_conditional { op::JUMPI } else { op::JUMP });
    }

    /// A destination for all jumps that have none yet.
    fn land(&mut self) {
        let here = (self.code.len() as u16).to_be_bytes();
        for (at, depth) in self.open_jumps.drain(..) {
            self.code[at..at + 2].copy_from_slice(&here);
            self.depth = self.depth.min(depth);
        }
        self.code.push(op::JUMPDEST);
    }

    /// A few statements, a few times.
    fn counted_loop(&mut self) {
        if self.nesting >= NESTING_MAX || self.code.len() > 2_000 {
            return;
        }
        self.nesting += 1;
        // The counter waits in memory, behind what statements write. Jumps don't enter or leave the loop, and statements
        // in it take nothing from the stack that was there before.
        let (outer_jumps, outer_depth) = (core::mem::take(&mut self.open_jumps), core::mem::take(&mut self.depth));
        let counter = [op::PUSH2, 1, 32 * self.nesting as u8];
        // Many rounds may fill the stack.
        let rounds = if self.choices.happens(4) { 255 } else { 1 + self.choices.below(6) as u8 };
        self.code.extend([op::PUSH1, rounds]);
        self.code.extend(counter);
        self.code.push(op::MSTORE);
        let start = (self.code.len() as u16).to_be_bytes();
        self.code.push(op::JUMPDEST);
        for _ in 0..self.choices.below(4) {
            self.statement();
        }
        self.land();
        self.code.extend([op::PUSH1, 1]);
        self.code.extend(counter);
        self.code.extend([op::MLOAD, op::SUB, op::DUP1]);
        self.code.extend(counter);
        self.code.extend([op::MSTORE, op::PUSH2, start[0], start[1], op::JUMPI]);
        self.nesting -= 1;
        (self.open_jumps, self.depth) = (outer_jumps, outer_depth);
    }

    /// Makes the top of the stack visible: in storage, in memory that may be returned, or in a log.
    fn keep_result(&mut self) {
        if self.depth == 0 {
            return;
        }
        match self.choices.below(3) {
            0 => {
                self.push_operand(Role::Offset);
                self.code.push(op::MSTORE);
            }
            1 => {
                self.push_operand(Role::Slot);
                self.code.push(op::SSTORE);
            }
            _ => {
                self.code.extend([op::PUSH1, 0, op::PUSH1, 0, op::LOG1]);
                self.depth += 1;
            }
        }
        self.depth -= 2;
    }

    /// An end before the end, or bytes without sense.
    fn rare(&mut self) {
        if self.choices.happens(128) {
            self.end();
        } else if self.choices.happens(32) {
            let len = self.choices.below(12);
            let bytes = self.choices.bytes(len);
            self.code.extend_from_slice(&bytes);
        } else {
            self.operation(&MEMORY);
        }
    }

    fn end(&mut self) {
        let opcode = if self.choices.happens(8) { op::INVALID } else { self.choices.one_of(&ENDS) };
        if op::is_defined(opcode, self.fork) {
            self.opcode(opcode);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if !self.open_jumps.is_empty() {
            self.land();
        }
        if self.choices.happens(200) {
            self.end();
        }
        if self.choices.happens(8) {
            // An end in the middle of an instruction.
            let len = self.code.len().saturating_sub(1 + self.choices.below(8));
            self.code.truncate(len);
        }
        self.code
    }
}

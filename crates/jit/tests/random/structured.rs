//! Random bytecode with the shapes that a compiler of it has to see through.
//!
//! Programs are made of what control flow does to a stack: branches that meet with words that are constants on one way
//! and not on the other, loops that carry and permute words, functions that are called from several places and jump back
//! to an address on the stack, jumps that are computed, and code behind calls that is entered from outside. Operands are
//! constants, words of the call data, and what is known of neither or of a part: masked, compared, shifted. The writer
//! counts the words on the stack, so that most programs run to their end; now and then it breaks a rule.

use super::choices::Choices;
use alloy_primitives::{Address, U256};
use rialto_vm::Fork;
use rialto_vm::opcode::{self as op, OPCODES};

mod outside;

const BINARY: [u8; 21] = [
    op::ADD,
    op::SUB,
    op::MUL,
    op::DIV,
    op::SDIV,
    op::MOD,
    op::SMOD,
    op::EXP,
    op::SIGNEXTEND,
    op::LT,
    op::GT,
    op::SLT,
    op::SGT,
    op::EQ,
    op::AND,
    op::OR,
    op::XOR,
    op::BYTE,
    op::SHL,
    op::SHR,
    op::SAR,
];
const OTHER_ARITHMETIC: [u8; 6] = [op::ADDMOD, op::MULMOD, op::ISZERO, op::ISZERO, op::NOT, op::CLZ];
const NULLARY: [u8; 20] = [
    op::GAS,
    op::GAS,
    op::PC,
    op::MSIZE,
    op::MSIZE,
    op::CALLDATASIZE,
    op::RETURNDATASIZE,
    op::CODESIZE,
    op::ADDRESS,
    op::CALLER,
    op::ORIGIN,
    op::CALLVALUE,
    op::GASPRICE,
    op::TIMESTAMP,
    op::NUMBER,
    op::SELFBALANCE,
    op::CHAINID,
    op::BASEFEE,
    op::COINBASE,
    op::SLOTNUM,
];
const COMPARISONS: [u8; 5] = [op::LT, op::GT, op::SLT, op::SGT, op::EQ];
const MASKS: [&[u8]; 8] = [&[1], &[3], &[0x1f], &[0xff], &[0xff, 0xff], &[0xff; 8], &[0xff; 16], &[0xff; 20]];

/// Most statements in each other.
const NESTING_MAX: usize = 4;
/// Bytes after which no more statements are begun.
const CODE_MAX: usize = 1_500;
/// Bytes of call data that programs look at.
pub const INPUT_BYTES: usize = 128;

/// Where code will be; an index into the writer's list.
#[derive(Clone, Copy)]
struct Label(usize);

/// Code that is called with its arguments above a return address, and leaves results in their place.
#[derive(Clone, Copy)]
struct Function {
    label: Label,
    arguments: usize,
    results: usize,
}

struct Writer<'w, 'a> {
    choices: &'w mut Choices<'a>,
    fork: Fork,
    addresses: &'w [Address],
    code: Vec<u8>,
    /// Words on the stack since the program or the function began.
    depth: usize,
    /// How many of them a statement leaves where they are.
    floor: usize,
    /// Positions of words that must not be exchanged: counters and return addresses.
    kept: Vec<usize>,
    labels: Vec<u16>,
    uses: Vec<(usize, Label)>,
    functions: Vec<Function>,
    nesting: usize,
}

/// A program for `fork` that calls any of `addresses`.
pub fn program(choices: &mut Choices<'_>, fork: Fork, addresses: &[Address]) -> Vec<u8> {
    let mut writer = Writer {
        choices,
        fork,
        addresses,
        code: Vec::new(),
        depth: 0,
        floor: 0,
        kept: Vec::new(),
        labels: Vec::new(),
        uses: Vec::new(),
        functions: Vec::new(),
        nesting: 0,
    };
    writer.whole();
    writer.code
}

impl Writer<'_, '_> {
    fn whole(&mut self) {
        for _ in 0..self.choices.below(4) {
            let function =
                Function { label: self.label(), arguments: self.choices.below(4), results: self.choices.below(3) };
            self.functions.push(function);
        }
        for _ in 0..self.choices.below(7) {
            self.operand();
        }
        let count = 1 + self.choices.below(14);
        self.statements(count);
        self.keep_all();
        self.end();
        let functions = core::mem::take(&mut self.functions);
        for (index, function) in functions.iter().enumerate() {
            // A function calls those behind it, and now and then any, itself too.
            let first = if self.choices.happens(24) { 0 } else { index + 1 };
            self.functions = functions[first..].to_vec();
            self.function(function);
        }
        for (at, label) in core::mem::take(&mut self.uses) {
            self.code[at..at + 2].copy_from_slice(&self.labels[label.0].to_be_bytes());
        }
        if self.choices.happens(8) {
            let len = self.code.len().saturating_sub(1 + self.choices.below(8));
            self.code.truncate(len);
        }
    }

    fn function(&mut self, function: &Function) {
        self.place(function.label);
        (self.depth, self.floor, self.kept) = (1 + function.arguments, 1, vec![0]);
        let count = 1 + self.choices.below(5);
        self.statements(count);
        self.level(1 + function.results);
        // The address comes up, and what stood there takes its place.
        if function.results > 0 {
            self.code.push(op::SWAP1 - 1 + function.results as u8);
        }
        self.code.push(op::JUMP);
    }

    fn statements(&mut self, count: usize) {
        for _ in 0..count {
            if self.choices.is_empty() || self.code.len() > CODE_MAX {
                return;
            }
            self.statement();
        }
    }

    fn statement(&mut self) {
        match self.choices.below(36) {
            0..7 => self.binary(),
            7..9 => self.defined(&OTHER_ARITHMETIC),
            9..11 => self.operand(),
            11..15 => self.shuffle(),
            15..17 => self.memory(),
            17 => self.storage(),
            18..21 => self.branch(),
            21 => self.repeat(),
            22 => self.count_up(),
            23..26 => self.call_function(),
            26 => self.computed_jump(),
            27 => self.call_contract(),
            28 => self.many_words(),
            29 => self.log(),
            30 => self.skip(),
            31..34 => self.on_words(),
            34 if self.kept.is_empty() && self.nesting == 0 => self.edge(),
            _ => self.rare(),
        }
    }

    /// One of the opcodes if the fork has it, with as many operands as the stack is short of.
    fn defined(&mut self, opcodes: &[u8]) {
        let opcode = self.choices.one_of(opcodes);
        if op::is_defined(opcode, self.fork) || self.choices.happens(1) {
            self.opcode(opcode);
        }
    }

    fn opcode(&mut self, opcode: u8) {
        let info = OPCODES[usize::from(opcode)].expect("an opcode");
        let pops = usize::from(info.pops);
        while self.depth < self.floor + pops {
            self.operand();
        }
        self.code.push(opcode);
        self.depth = self.depth - pops + usize::from(info.pushes);
    }

    fn binary(&mut self) {
        if self.choices.happens(160) {
            self.operand();
        }
        let opcode = self.choices.one_of(&BINARY);
        match opcode {
            op::EXP if self.choices.happens(128) => self.push(&[2]),
            op::SHL | op::SHR | op::SAR | op::BYTE | op::SIGNEXTEND if self.choices.happens(200) => {
                let amount = self.choices.byte();
                self.push(&[amount]);
            }
            _ => {}
        }
        self.defined(&[opcode]);
    }

    fn push(&mut self, bytes: &[u8]) {
        self.code.push(op::PUSH0 + bytes.len() as u8);
        self.code.extend_from_slice(bytes);
        self.depth += 1;
    }

    fn push_word(&mut self, word: U256) {
        let bytes = word.to_be_bytes::<32>();
        let len = word.byte_len().max(1);
        self.push(&bytes[32 - len..]);
    }

    fn push_label(&mut self, label: Label) {
        self.uses.push((self.code.len() + 1, label));
        self.push(&[0, 0]);
    }

    fn label(&mut self) -> Label {
        // What is never placed leads nowhere.
        self.labels.push(0xffff);
        Label(self.labels.len() - 1)
    }

    fn place(&mut self, label: Label) {
        self.labels[label.0] = self.code.len() as u16;
        self.code.push(op::JUMPDEST);
    }

    /// A word that is known, in part, or not at all.
    fn operand(&mut self) {
        match self.choices.below(16) {
            0..2 => {
                let word = self.choices.word();
                self.push_word(word);
            }
            2..4 => {
                let small = self.choices.byte();
                self.push(&[small]);
            }
            4..8 => self.input_word(),
            8 => {
                self.input_word();
                let mask = self.choices.one_of(&MASKS);
                self.push(mask);
                self.opcode(op::AND);
            }
            9 => self.condition(),
            10..13 if self.depth > 0 => {
                let n = self.choices.below(self.depth.min(16));
                self.code.push(op::DUP1 + n as u8);
                self.depth += 1;
            }
            13 if op::is_defined(op::PUSH0, self.fork) => {
                self.code.push(op::PUSH0);
                self.depth += 1;
            }
            _ => self.defined_or_small(),
        }
    }

    fn defined_or_small(&mut self) {
        let opcode = self.choices.one_of(&NULLARY);
        if op::is_defined(opcode, self.fork) {
            self.code.push(opcode);
            self.depth += 1;
        } else {
            self.push(&[opcode]);
        }
    }

    fn input_word(&mut self) {
        let offset = self.choices.one_of(&[0, 32, 64, 96, 1, 127]);
        self.push(&[offset]);
        self.opcode(op::CALLDATALOAD);
    }

    /// A number that is likely to be small.
    fn small(&mut self) {
        match self.choices.below(8) {
            0..5 => {
                let number = self.choices.byte();
                self.push(&[number]);
            }
            5..7 => {
                self.input_word();
                self.push(&[1, 0xff]);
                self.opcode(op::AND);
            }
            _ if self.choices.happens(16) => self.operand(),
            _ => self.push(&[2, 0]),
        }
    }

    fn condition(&mut self) {
        match self.choices.below(8) {
            0..4 => {
                self.operand();
                self.operand();
                self.defined(&COMPARISONS);
            }
            4 => self.input_word(),
            _ => self.operand(),
        }
        for _ in 0..self.choices.below(3) {
            self.opcode(op::ISZERO);
        }
    }

    fn shuffle(&mut self) {
        match self.choices.below(4) {
            0 if self.depth > self.floor => {
                self.code.push(op::POP);
                self.depth -= 1;
            }
            1 if self.depth > 0 => {
                let n = self.choices.below(self.depth.min(16));
                self.code.push(op::DUP1 + n as u8);
                self.depth += 1;
            }
            _ if self.depth > self.floor + 1 => {
                let n = 1 + self.choices.below((self.depth - 1).min(16));
                if !self.kept.contains(&(self.depth - 1 - n)) {
                    self.code.push(op::SWAP1 + n as u8 - 1);
                }
            }
            _ => self.operand(),
        }
    }

    /// Two ways that meet with equally many words.
    fn branch(&mut self) {
        if self.nesting >= NESTING_MAX {
            return;
        }
        self.nesting += 1;
        self.condition();
        let (other, end) = (self.label(), self.label());
        self.push_label(other);
        self.code.push(op::JUMPI);
        self.depth -= 2;
        let before = self.depth;
        let after = self.floor.max((before + self.choices.below(4)).saturating_sub(1));
        let count = self.choices.below(4);
        self.statements(count);
        match self.choices.byte() {
            192.. => self.fail(),
            176.. => self.end(),
            _ => {
                self.level(after);
                self.push_label(end);
                self.code.push(op::JUMP);
            }
        }
        self.place(other);
        self.depth = before;
        let count = self.choices.below(4);
        self.statements(count);
        self.level(after);
        self.place(end);
        self.nesting -= 1;
    }

    /// A counter on the stack, and what is done until it is 0; what lies below it is carried from round to round.
    fn repeat(&mut self) {
        if self.nesting >= NESTING_MAX {
            return;
        }
        self.nesting += 1;
        let rounds = if self.choices.happens(8) { 255 } else { 1 + self.choices.below(7) as u8 };
        self.push(&[rounds]);
        if self.choices.happens(64) {
            self.input_word();
            self.push(&[7]);
            self.opcode(op::AND);
            self.opcode(op::OR);
        }
        let start = self.label();
        self.place(start);
        let floor = core::mem::replace(&mut self.floor, self.depth);
        self.kept.push(self.depth - 1);
        let top = self.depth;
        let count = 1 + self.choices.below(4);
        self.statements(count);
        self.level(top);
        self.kept.pop();
        self.floor = floor;
        // Count, and again unless that made it 0.
        self.push(&[1]);
        self.code.extend([op::SWAP1, op::SUB, op::DUP1]);
        self.push_label(start);
        self.code.extend([op::JUMPI, op::POP]);
        self.depth -= 3;
        self.nesting -= 1;
    }

    /// A counter that goes up to a limit below it, near a number of bits that a compiler may look for.
    fn count_up(&mut self) {
        if self.nesting >= NESTING_MAX {
            return;
        }
        self.nesting += 1;
        let bits = self.choices.one_of(&[0usize, 0, 0, 31, 32, 47, 48, 48, 63, 64, 128, 255]);
        let start = ((U256::ONE << bits) - U256::ONE).wrapping_sub(U256::from(self.choices.below(4)));
        let rounds = self.choices.below(7);
        self.push_word(start.wrapping_add(U256::from(rounds)));
        if self.choices.happens(32) {
            self.operand();
            self.opcode(op::OR);
        }
        self.push_word(start);
        let again = self.label();
        self.place(again);
        let floor = core::mem::replace(&mut self.floor, self.depth);
        self.kept.extend([self.depth - 2, self.depth - 1]);
        let top = self.depth;
        let count = self.choices.below(4);
        self.statements(count);
        self.level(top);
        self.kept.truncate(self.kept.len() - 2);
        self.floor = floor;
        self.push(&[1]);
        self.code.extend([op::ADD, op::DUP2, op::DUP2, op::LT]);
        self.push_label(again);
        self.code.extend([op::JUMPI, op::POP, op::POP]);
        self.depth -= 4;
        self.nesting -= 1;
    }

    fn call_function(&mut self) {
        if self.functions.is_empty() {
            return;
        }
        let function = self.functions[self.choices.below(self.functions.len())];
        let back = self.label();
        self.push_label(back);
        for _ in 0..function.arguments {
            self.operand();
        }
        self.push_label(function.label);
        self.code.push(op::JUMP);
        self.depth = self.depth - 2 - function.arguments + function.results;
        self.place(back);
    }

    /// A jump into a table of jumps, at an index of the call data; or to wherever that word says.
    fn computed_jump(&mut self) {
        let end = self.label();
        let base = self.label();
        self.input_word();
        if !self.choices.happens(4) {
            self.push(&[3]);
            self.opcode(op::AND);
            self.push(&[5]);
            self.opcode(op::MUL);
            self.push_label(base);
            self.opcode(op::ADD);
        }
        if self.choices.happens(6) {
            // The same offset, far above all code.
            let bit = self.choices.one_of(&[1u32, 2, 3, 4, 6, 8, 16]);
            self.push_word(U256::ONE << (8 * bit as usize));
            self.opcode(op::OR);
        }
        self.code.push(op::JUMP);
        self.depth -= 1;
        for index in 0..4 {
            let case = if index == 0 { base } else { self.label() };
            self.place(case);
            self.push_label(end);
            self.code.push(op::JUMP);
            self.depth -= 1;
        }
        self.place(end);
    }

    /// So many words that they are not all in registers, and gone again.
    fn many_words(&mut self) {
        let count = 3 + self.choices.below(30);
        let before = self.depth;
        for _ in 0..count {
            if self.depth > 0 && self.choices.happens(96) {
                self.code.push(op::DUP1 + self.choices.below(self.depth.min(16)) as u8);
                self.depth += 1;
            } else {
                self.operand();
            }
        }
        let count = self.choices.below(4);
        self.statements(count);
        if self.choices.happens(128) {
            while self.depth > before + 1 {
                self.defined(&[op::ADD, op::XOR, op::SUB]);
            }
        }
    }

    /// A jump over bytes that are not run, or may not be code.
    fn skip(&mut self) {
        let end = self.label();
        self.push_label(end);
        self.code.push(op::JUMP);
        self.depth -= 1;
        let len = self.choices.below(6);
        let bytes = self.choices.bytes(len);
        self.code.extend_from_slice(&bytes);
        // No push reaches over the end, unless it is meant to.
        if !self.choices.happens(8) {
            self.code.extend([op::STOP; 32]);
        }
        self.place(end);
    }

    fn rare(&mut self) {
        match self.choices.below(16) {
            0 => {
                let bytes = self.choices.bytes(3);
                self.code.extend_from_slice(&bytes);
            }
            // More words than may be there.
            1 => {
                let start = self.label();
                self.place(start);
                self.code.extend([op::GAS, op::DUP1]);
                self.push_label(start);
                self.code.push(op::JUMP);
                self.depth -= 1;
            }
            // Fewer than there are.
            2 => {
                let swap = op::SWAP1 + self.choices.below(16) as u8;
                self.code.push(swap);
            }
            3 => self.code.push(op::DUP16),
            4 => self.code.extend([op::POP; 3]),
            5 => self.code.push(op::JUMP),
            6 => self.create(),
            7 if op::is_defined(op::DUPN, self.fork) => {
                let immediate = self.choices.byte();
                let opcode = self.choices.one_of(&[op::DUPN, op::SWAPN, op::EXCHANGE]);
                self.code.extend([opcode, immediate]);
            }
            8..10 => self.defined(&[op::BALANCE, op::EXTCODESIZE, op::EXTCODEHASH, op::BLOCKHASH, op::BLOBHASH]),
            _ => self.binary(),
        }
    }

    /// As many words as that, whichever.
    fn level(&mut self, depth: usize) {
        while self.depth > depth {
            self.code.push(op::POP);
            self.depth -= 1;
        }
        while self.depth < depth {
            self.operand();
        }
    }
}

//! What programs do beside their stack: memory, storage, logs, calls, creations, and how they end.

use super::Writer;
use rialto_vm::opcode as op;

const ENDS: [u8; 5] = [op::RETURN, op::REVERT, op::STOP, op::SELFDESTRUCT, op::INVALID];
const ON_WORDS: [u8; 16] = [
    op::SLOAD,
    op::SLOAD,
    op::SSTORE,
    op::SSTORE,
    op::TLOAD,
    op::TSTORE,
    op::BALANCE,
    op::EXTCODEHASH,
    op::BLOCKHASH,
    op::BLOBHASH,
    op::CALLDATALOAD,
    op::EXP,
    op::DIV,
    op::MULMOD,
    op::SHL,
    op::SIGNEXTEND,
];

impl Writer<'_, '_> {
    pub(super) fn memory(&mut self) {
        match self.choices.below(8) {
            0..3 => {
                self.operand();
                self.small();
                self.opcode(op::MSTORE);
            }
            3..5 => {
                self.small();
                self.opcode(op::MLOAD);
            }
            5 => {
                self.operand();
                self.small();
                self.opcode(op::MSTORE8);
            }
            6 => {
                self.small();
                self.small();
                self.opcode(op::KECCAK256);
            }
            _ => {
                self.small();
                self.small();
                self.small();
                self.defined(&[op::CALLDATACOPY, op::CODECOPY, op::MCOPY, op::RETURNDATACOPY]);
            }
        }
    }

    pub(super) fn storage(&mut self) {
        let slot = self.choices.below(3) as u8;
        match self.choices.below(4) {
            0..2 => {
                self.push(&[slot]);
                self.defined(&[op::SLOAD, op::SLOAD, op::TLOAD]);
            }
            _ => {
                self.operand();
                self.push(&[slot]);
                self.defined(&[op::SSTORE, op::SSTORE, op::TSTORE]);
            }
        }
    }

    pub(super) fn call_contract(&mut self) {
        let opcode = self.choices.one_of(&[op::CALL, op::CALL, op::STATICCALL, op::DELEGATECALL, op::CALLCODE]);
        if !op::is_defined(opcode, self.fork) {
            return;
        }
        let lengths = [self.choices.below(64) as u8, self.choices.below(64) as u8];
        self.push(&lengths[..1]);
        self.push(&[0]);
        self.push(&lengths[1..]);
        self.push(&[0]);
        if matches!(opcode, op::CALL | op::CALLCODE) {
            let value = u8::from(self.choices.happens(64));
            self.push(&[value]);
        }
        let address = self.choices.one_of(self.addresses);
        self.push(address.as_slice());
        match self.choices.below(4) {
            0..2 => self.opcode(op::GAS),
            2 => self.push(&[0x20, 0]),
            _ => {
                let gas = [self.choices.byte(), self.choices.byte()];
                self.push(&gas);
            }
        }
        self.opcode(opcode);
    }

    pub(super) fn log(&mut self) {
        let topics = self.choices.below(3) as u8;
        for _ in 0..topics {
            self.operand();
        }
        self.small();
        self.push(&[4]);
        self.opcode(op::LOG0 + topics);
    }

    /// Initcode of a few bytes that returns a few of its own.
    pub(super) fn create(&mut self) {
        let deployed = [op::PUSH1, self.choices.byte(), op::PUSH1, 0, op::MSTORE, op::MSIZE, op::PUSH1, 0, op::RETURN];
        let len = deployed.len() as u8;
        let copy = [op::PUSH1, len, op::DUP1, op::PUSH1, 11, op::PUSH1, 0, op::CODECOPY, op::PUSH1, 0, op::RETURN];
        let initcode = [&copy[..], &deployed[..]].concat();
        self.push(&initcode);
        self.push(&[0]);
        self.opcode(op::MSTORE);
        self.push(&[initcode.len() as u8]);
        self.push(&[32 - initcode.len() as u8]);
        self.push(&[0]);
        self.opcode(op::CREATE);
        // And call it.
        for _ in 0..5 {
            self.push(&[0]);
        }
        self.code.extend([op::DUP6, op::GAS, op::CALL]);
        self.depth -= 4;
    }

    /// Puts what is on the stack where it can be seen: one word with all of it in storage or in the output.
    pub(super) fn keep_all(&mut self) {
        for _ in 1..self.depth.min(40) {
            self.code.extend([op::PUSH1, 3, op::MUL, op::XOR]);
            self.depth -= 1;
        }
        self.push(&[0]);
        let opcode = self.choices.one_of(&[op::MSTORE, op::MSTORE, op::SSTORE]);
        self.opcode(opcode);
    }

    /// What reads or writes state, or is a call for another reason, on words as they lie or have just been moved.
    pub(super) fn on_words(&mut self) {
        for _ in 0..self.choices.below(4) {
            self.shuffle();
        }
        let opcode = self.choices.one_of(&ON_WORDS);
        if op::is_defined(opcode, self.fork) && self.depth > self.floor + 1 {
            self.opcode(opcode);
        }
    }

    /// Makes the stack as full as it may be, or nearly, or empties it where two ways meet, or takes a word too much.
    pub(super) fn edge(&mut self) {
        if self.depth < 500 && self.choices.happens(128) {
            let count = (1_024 - self.depth - self.choices.below(12)) as u16;
            self.push(&count.to_be_bytes());
            let start = self.label();
            self.place(start);
            self.code.extend([op::CALLDATASIZE, op::SWAP1, op::PUSH1, 1, op::SWAP1, op::SUB, op::DUP1]);
            self.push_label(start);
            self.code.extend([op::JUMPI, op::POP]);
            self.depth = self.depth - 2 + usize::from(count);
            return;
        }
        self.condition();
        let end = self.label();
        self.push_label(end);
        self.code.push(op::JUMPI);
        self.depth -= 2;
        self.place(end);
        let too_many = usize::from(self.choices.happens(96));
        self.code.extend(vec![op::POP; self.depth + too_many]);
        self.depth = 0;
    }

    /// Gives words of the stack as the reason of a failure.
    pub(super) fn fail(&mut self) {
        for place in 0..1 + self.choices.below(4) {
            if self.depth == 0 {
                self.operand();
            }
            let n = self.choices.below(self.depth.min(16));
            self.code.push(op::DUP1 + n as u8);
            self.depth += 1;
            self.push(&[32 * place as u8]);
            self.opcode(op::MSTORE);
        }
        let opcode = if op::is_defined(op::REVERT, self.fork) { op::REVERT } else { op::INVALID };
        self.push(&[128]);
        self.push(&[0]);
        self.code.push(opcode);
        self.depth -= 2;
    }

    pub(super) fn end(&mut self) {
        let opcode = if self.choices.happens(200) { op::RETURN } else { self.choices.one_of(&ENDS) };
        if !op::is_defined(opcode, self.fork) {
            return;
        }
        if matches!(opcode, op::RETURN | op::REVERT) {
            self.push(&[64]);
            self.push(&[0]);
        }
        self.opcode(opcode);
    }
}

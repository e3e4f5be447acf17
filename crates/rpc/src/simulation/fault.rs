//! Why an execution failed, as geth says it.
//!
//! The machine names the rule that was broken; geth's texts also say by what: how many words the stack had, which byte was no
//! opcode. That is in the last opcode of the frame, which a tracer remembers.

use crate::RpcError;
use crate::error::EXECUTION_REVERTED;
use alloy_primitives::{Bytes, U256};
use rialto_vm::{Halt, Step, Tracer, opcode};
use serde_json::json;

/// Words a frame may have on its stack.
const STACK_LIMIT: usize = 1024;
/// Selector of `Error(string)`.
const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// Selector of `Panic(uint256)`.
const PANIC_SELECTOR: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// What Solidity's panic codes mean.
const PANICS: [(u64, &str); 10] = [
    (0x00, "generic panic"),
    (0x01, "assert(false)"),
    (0x11, "arithmetic underflow or overflow"),
    (0x12, "division or modulo by zero"),
    (0x21, "enum overflow"),
    (0x22, "invalid encoded storage byte array accessed"),
    (0x31, "out-of-bounds array access; popping on an empty array"),
    (0x32, "out-of-bounds access of an array or bytesN"),
    (0x41, "out of memory"),
    (0x51, "uninitialized function"),
];

/// What a frame's last opcode was, and what it had.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastStep {
    pub opcode: u8,
    pub gas: u64,
    pub stack_len: usize,
    pub memory_len: usize,
    /// The topmost words, top first.
    pub top: [U256; 7],
}

impl LastStep {
    /// What has to be remembered of a step.
    pub(crate) fn of(step: &Step<'_>) -> Self {
        let word = |depth: usize| step.stack.len().checked_sub(depth).map_or(U256::ZERO, |at| step.stack[at]);
        Self {
            opcode: step.opcode,
            gas: step.gas,
            stack_len: step.stack.len(),
            memory_len: step.memory.len(),
            top: std::array::from_fn(|at| word(at + 1)),
        }
    }

    /// Whether it is a RETURN that the frame could pay.
    fn returned(&self) -> bool {
        self.opcode == opcode::STOP
            || (self.opcode == opcode::RETURN && memory_cost(self, 0, 1).is_some_and(|cost| cost <= self.gas))
    }
}

/// Gas for growing memory to hold the range whose offset and length are these of the topmost words; `None` beyond 64 bits.
pub(crate) fn memory_cost(step: &LastStep, offset: usize, len: usize) -> Option<u64> {
    let (offset, len) = (step.top[offset], step.top[len]);
    if len.is_zero() {
        return Some(0);
    }
    let end = u64::try_from(offset.checked_add(len)?).ok()?;
    let words_before = step.memory_len as u128 / 32;
    let words = u128::from(end.div_ceil(32)).max(words_before);
    let cost = |words: u128| 3 * words + words * words / 512;
    u64::try_from(cost(words) - cost(words_before)).ok()
}

/// The name of an opcode's number, as geth writes it.
pub(crate) fn opcode_name(number: u8) -> String {
    match number {
        opcode::PREVRANDAO => "DIFFICULTY".into(),
        _ => opcode::name(number).map_or_else(|| format!("opcode {number:#x} not defined"), str::to_string),
    }
}

/// Whether a frame of this kind creates a contract.
pub(crate) fn is_creation(kind: &str) -> bool {
    kind.starts_with("CREATE")
}

/// Why a frame failed. `last` is its last opcode, if it had one.
pub(crate) fn fault_text(halt: Halt, kind: &str, last: Option<&LastStep>) -> String {
    let Some(last) = last else { return halt.to_string() };
    let effect = opcode::OPCODES[usize::from(last.opcode)];
    match halt {
        Halt::InvalidOpcode => format!("invalid opcode: {}", opcode_name(last.opcode)),
        Halt::StackUnderflow => {
            let needed = effect.map_or(0, |opcode| usize::from(opcode.pops));
            format!("stack underflow ({} <=> {needed})", last.stack_len)
        }
        Halt::StackOverflow => {
            let growth = effect.map_or(1, |opcode| usize::from(opcode.pushes.saturating_sub(opcode.pops)));
            format!("stack limit reached {} ({})", last.stack_len, STACK_LIMIT - growth)
        }
        Halt::OutOfGas if is_creation(kind) && last.returned() => "contract creation code storage out of gas".into(),
        Halt::OutOfGas if last.opcode == opcode::SSTORE && last.gas <= 2_300 => {
            "out of gas: not enough gas for reentrancy sentry".into()
        }
        Halt::CodeTooLong => format!("max code size exceeded: code size {} limit 24576", last.top[1]),
        _ => halt.to_string(),
    }
}

/// Remembers the last opcode of the outermost frame, to say why it failed.
#[derive(Default)]
pub(crate) struct FaultTracer {
    /// The last opcode.
    pub last: Option<LastStep>,
}

impl Tracer for FaultTracer {
    fn step(&mut self, step: Step<'_>) {
        if step.depth == 1 {
            self.last = Some(LastStep::of(&step));
        }
    }
}

/// The reason in a REVERT's output, if it is an `Error(string)` or a `Panic(uint256)`.
pub(crate) fn revert_reason(output: &[u8]) -> Option<String> {
    let (selector, data) = output.split_first_chunk::<4>()?;
    let word = |at: usize| data.get(at..at.checked_add(32)?).map(U256::from_be_slice);
    if *selector == PANIC_SELECTOR {
        let code = word(0)?;
        let known = PANICS.iter().find(|(number, _)| U256::from(*number) == code);
        return Some(known.map_or_else(|| format!("unknown panic code: {code:#x}"), |(_, text)| (*text).into()));
    }
    if *selector != ERROR_SELECTOR {
        return None;
    }
    let offset = usize::try_from(word(0)?).ok()?;
    let len = usize::try_from(word(offset)?).ok()?;
    let start = offset.checked_add(32)?;
    let text = data.get(start..start.checked_add(len)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The text for a REVERT with this output.
pub(crate) fn revert_text(output: &[u8]) -> String {
    match revert_reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    }
}

/// The answer to a call that reverted.
pub(crate) fn revert_error(output: &Bytes) -> RpcError {
    RpcError::new(EXECUTION_REVERTED, revert_text(output)).with_data(json!(output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn reasons_are_decoded() {
        let error = "08c379a00000000000000000000000000000000000000000000000000000000000000020\
                     000000000000000000000000000000000000000000000000000000000000000a75736572206572726f72";
        let far = "08c379a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
        let panic = |code: u8| format!("4e487b71{:064x}", code);
        let rows = [
            ("error", error.to_string(), Some("user error")),
            ("offset beyond the data", far.to_string(), None),
            ("panic", panic(0x11), Some("arithmetic underflow or overflow")),
            ("unknown panic", panic(0x99), Some("unknown panic code: 0x99")),
            ("short panic", "4e487b7101".into(), None),
            ("custom error", "deadbeef00".into(), None),
            ("nothing", String::new(), None),
        ];
        for (name, data, expected) in rows {
            let data = hex::decode(&data).expect("hex");
            assert_eq!(revert_reason(&data).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn faults_say_by_what() {
        let last = |opcode, stack_len| LastStep { opcode, stack_len, gas: 5_000, ..LastStep::default() };
        let rows = [
            (Halt::StackUnderflow, "CALL", last(opcode::ADD, 1), "stack underflow (1 <=> 2)"),
            (Halt::StackOverflow, "CALL", last(opcode::PUSH1, 1024), "stack limit reached 1024 (1023)"),
            (Halt::InvalidOpcode, "CALL", last(opcode::INVALID, 0), "invalid opcode: INVALID"),
            (Halt::InvalidOpcode, "CALL", last(0x0c, 0), "invalid opcode: opcode 0xc not defined"),
            (Halt::OutOfGas, "CREATE", last(opcode::RETURN, 2), "contract creation code storage out of gas"),
            (Halt::OutOfGas, "CALL", last(opcode::RETURN, 2), "out of gas"),
            (Halt::InvalidJump, "CALL", last(opcode::JUMP, 1), "invalid jump destination"),
        ];
        for (halt, kind, last, expected) in rows {
            assert_eq!(fault_text(halt, kind, Some(&last)), expected);
        }
    }
}

//! Execution traces as EIP-3155 defines them: a JSON object per opcode, in lines.
//!
//! The machine shows each opcode before it runs; what it cost is known only when the next thing happens. So one line is
//! always held back. The next opcode of the same frame tells the cost by the gas that is left; a call that opens a frame
//! tells it by the gas the caller keeps (gas passed on by a call is part of its cost, gas passed on by a creation is not,
//! as in other clients); the end of the frame tells it by the gas that goes back. Two costs are computed instead: that
//! of RETURN and REVERT, because a creation's deposit is paid after them, and that of an opcode that fails, for which the
//! table's static gas stands.

use alloy_primitives::hex;
use rialto_vm::{Enter, Halt, Leave, Step, Tracer, opcode};
use std::fmt::Write as _;
use std::io::{self, Write};

/// What the lines hold besides what they must.
#[derive(Clone, Copy, Debug)]
pub struct TraceOptions {
    /// The frame's memory, as one hex string.
    pub memory: bool,
    /// The stack.
    pub stack: bool,
    /// What the last call returned.
    pub return_data: bool,
    /// A line of its own for each frame that begins.
    pub frame_begins: bool,
    /// A line of its own for each frame that ends, the outermost included.
    pub frame_ends: bool,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { memory: false, stack: true, return_data: true, frame_begins: false, frame_ends: false }
    }
}

/// An opcode that has not told its cost yet.
struct Pending {
    /// The line up to the cost.
    before_cost: String,
    /// The line after the cost, but for the error.
    after_cost: String,
    opcode: u8,
    gas: u64,
    depth: usize,
    /// Gas of a RETURN or REVERT.
    computed_cost: Option<u64>,
}

/// Writes a line for each opcode it is shown.
pub struct JsonTracer<'w> {
    out: Box<dyn Write + 'w>,
    options: TraceOptions,
    pending: Option<Pending>,
    /// Gas that the frames that are open began with.
    frames: Vec<u64>,
    /// The first error of the output, after which nothing more is written.
    error: Option<io::Error>,
}

impl<'w> JsonTracer<'w> {
    /// Writes to `out`.
    pub fn new(out: impl Write + 'w, options: TraceOptions) -> Self {
        Self { out: Box::new(out), options, pending: None, frames: Vec::new(), error: None }
    }

    /// Writes a line of the caller's own, such as the summary.
    pub fn line(&mut self, line: &str) {
        if self.error.is_none()
            && let Err(error) = writeln!(self.out, "{line}")
        {
            self.error = Some(error);
        }
    }

    /// Whether all was written.
    pub fn finish(mut self) -> io::Result<()> {
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }

    /// Writes the line held back.
    fn settle(&mut self, cost: u64, error: Option<Halt>) {
        let Some(pending) = self.pending.take() else { return };
        let mut line = pending.before_cost;
        // Writing to a string can't fail.
        let _ = write!(line, "{cost:#x}\",{}", pending.after_cost);
        if let Some(error) = error {
            let _ = write!(line, ",\"error\":\"{error}\"");
        }
        line.push('}');
        self.line(&line);
    }

    fn settle_at_end(&mut self, leave: &Leave<'_>) {
        let Some(pending) = &self.pending else { return };
        let spent = pending.gas.saturating_sub(leave.gas);
        let computed = pending.computed_cost.filter(|cost| *cost <= pending.gas);
        let (cost, error) = match (leave.halt, computed) {
            (_, Some(cost)) => (cost, leave.halt.filter(|halt| *halt == Halt::Revert)),
            (None | Some(Halt::Revert), None) => (spent, leave.halt),
            (Some(halt), None) => {
                let known = opcode::OPCODES[usize::from(pending.opcode)];
                (known.map_or(0, |opcode| u64::from(opcode.static_gas)), Some(halt))
            }
        };
        self.settle(cost, error);
    }
}

impl Tracer for JsonTracer<'_> {
    fn step(&mut self, step: Step<'_>) {
        if let Some(pending) = &self.pending {
            let cost = pending.gas.saturating_sub(step.gas);
            debug_assert_eq!(pending.depth, step.depth, "a frame that opens or ends is shown");
            self.settle(cost, None);
        }
        let mut before_cost = String::with_capacity(128);
        let _ = write!(
            before_cost,
            "{{\"pc\":{},\"op\":{},\"gas\":\"{:#x}\",\"gasCost\":\"",
            step.pc, step.opcode, step.gas
        );
        self.pending = Some(Pending {
            before_cost,
            after_cost: after_cost(&step, self.options),
            opcode: step.opcode,
            gas: step.gas,
            depth: step.depth,
            computed_cost: return_cost(&step),
        });
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.frames.push(enter.gas);
        let kept = if is_creation(enter.kind) { enter.caller_gas.saturating_add(enter.gas) } else { enter.caller_gas };
        if let Some(pending) = &self.pending {
            let cost = pending.gas.saturating_sub(kept);
            self.settle(cost, None);
        }
        if self.options.frame_begins {
            let mut frame = serde_json::json!({
                "from": enter.from,
                "to": enter.to,
                "gas": format!("{:#x}", enter.gas),
                "value": format!("{:#x}", enter.value),
                "type": enter.kind,
            });
            if self.options.memory {
                frame["input"] = hex::encode_prefixed(enter.input).into();
            }
            self.line(&frame.to_string());
        }
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.settle_at_end(&leave);
        let gas_before = self.frames.pop().unwrap_or(leave.gas);
        if self.options.frame_ends {
            let mut end = serde_json::json!({
                "output": hex::encode(leave.output),
                "gasUsed": format!("{:#x}", gas_before.saturating_sub(leave.gas)),
            });
            if let Some(halt) = leave.halt {
                end["error"] = halt.to_string().into();
            }
            self.line(&end.to_string());
        }
    }
}

fn is_creation(kind: &str) -> bool {
    kind.starts_with("CREATE")
}

fn after_cost(step: &Step<'_>, options: TraceOptions) -> String {
    let mut line = String::with_capacity(64 + 24 * step.stack.len());
    if options.memory && !(options.frame_ends && step.memory.is_empty()) {
        let _ = write!(line, "\"memory\":\"0x{}\",", hex::encode(step.memory));
    }
    let _ = write!(line, "\"memSize\":{},", step.memory.len());
    if options.stack {
        line.push_str("\"stack\":[");
        for (index, word) in step.stack.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let _ = write!(line, "{separator}\"{word:#x}\"");
        }
        line.push_str("],");
    }
    let _ = write!(line, "\"depth\":{},", step.depth);
    // Tools that ask for every frame's end expect only what is there.
    if options.return_data && !(options.frame_ends && step.return_data.is_empty()) {
        let _ = write!(line, "\"returnData\":\"0x{}\",", hex::encode(step.return_data));
    }
    let _ = write!(line, "\"refund\":{},\"opName\":\"", step.refund);
    match opcode::name(step.opcode) {
        Some(name) => line.push_str(name),
        None => drop(write!(line, "opcode {:#04x} not defined", step.opcode)),
    }
    line.push('"');
    line
}

/// What RETURN and REVERT cost: the memory that they make the frame's memory grow by.
fn return_cost(step: &Step<'_>) -> Option<u64> {
    if !matches!(step.opcode, opcode::RETURN | opcode::REVERT) {
        return None;
    }
    let [.., size, offset] = step.stack else { return None };
    if size.is_zero() {
        return Some(0);
    }
    let words_before = step.memory.len() as u64 / 32;
    let end = u64::try_from(offset.saturating_add(*size)).ok()?;
    let words = end.div_ceil(32).max(words_before);
    let cost = |words: u64| 3 * u128::from(words) + u128::from(words) * u128::from(words) / 512;
    u64::try_from(cost(words) - cost(words_before)).ok()
}

/// The line that ends a transaction's trace.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Return data, revert reason or deployed code.
    pub output: Vec<u8>,
    /// Gas that the transaction used.
    pub gas_used: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// The state root after it, where the whole state is known.
    pub state_root: Option<alloy_primitives::B256>,
    /// The fork's name.
    pub fork: String,
}

impl Summary {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        let mut fields = serde_json::Map::new();
        if let Some(root) = self.state_root {
            fields.insert("stateRoot".into(), root.to_string().into());
        }
        fields.insert("output".into(), hex::encode_prefixed(&self.output).into());
        fields.insert("gasUsed".into(), format!("{:#x}", self.gas_used).into());
        fields.insert("pass".into(), self.error.is_none().into());
        if let Some(error) = &self.error {
            fields.insert("error".into(), error.as_str().into());
        }
        fields.insert("fork".into(), self.fork.as_str().into());
        serde_json::Value::Object(fields).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};

    fn step<'a>(opcode: u8, gas: u64, stack: &'a [U256], depth: usize) -> Step<'a> {
        let address = Address::ZERO;
        Step { pc: 0, opcode, gas, depth, stack, memory: &[], return_data: &[], refund: 0, address }
    }

    fn enter(kind: &'static str, gas: u64, caller_gas: u64) -> Enter<'static> {
        let (from, to) = (Address::ZERO, Address::ZERO);
        Enter { kind, from, to, value: U256::ZERO, input: &[], gas, caller_gas }
    }

    /// The costs and errors of the lines that a run gives.
    fn costs(run: impl FnOnce(&mut JsonTracer<'_>)) -> Vec<(String, Option<String>)> {
        let mut out = Vec::new();
        let mut tracer = JsonTracer::new(&mut out, TraceOptions::default());
        run(&mut tracer);
        tracer.finish().expect("writing to memory");
        let text = String::from_utf8(out).expect("text");
        let of_line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let cost = line["gasCost"].as_str().expect("a cost").to_string();
            (cost, line["error"].as_str().map(str::to_string))
        };
        text.lines().map(of_line).collect()
    }

    #[test]
    fn each_opcode_has_its_cost() {
        let words = [U256::from(64), U256::ZERO];
        let leave = |gas, halt| Leave { halt, gas, output: &[] };
        let next = costs(|tracer| {
            tracer.step(step(opcode::PUSH1, 100, &[], 1));
            tracer.step(step(opcode::STOP, 97, &[], 1));
            tracer.leave(leave(97, None));
        });
        assert_eq!(next, [("0x3".into(), None), ("0x0".into(), None)], "opcode after opcode, and the last");

        let call = costs(|tracer| {
            tracer.step(step(opcode::CALL, 1_000, &[], 1));
            tracer.enter(enter("CALL", 500, 400));
            tracer.step(step(opcode::INVALID, 500, &[], 2));
            tracer.leave(leave(0, Some(Halt::InvalidOpcode)));
            tracer.step(step(opcode::STOP, 400, &[], 1));
            tracer.leave(leave(400, None));
        });
        let failed = ("0x0".into(), Some("invalid opcode".to_string()));
        assert_eq!(call, [("0x258".into(), None), failed, ("0x0".into(), None)], "a call's cost has what it passes on");

        let create = costs(|tracer| {
            tracer.step(step(opcode::CREATE, 100_000, &[], 1));
            tracer.enter(enter("CREATE", 60_000, 8_000));
            tracer.step(step(opcode::RETURN, 60_000, &words, 2));
            tracer.leave(leave(10_000, None));
        });
        assert_eq!(
            create,
            [("0x7d00".into(), None), ("0x6".into(), None)],
            "neither gas passed on nor a deposit counts"
        );

        let revert = costs(|tracer| {
            tracer.step(step(opcode::REVERT, 100, &words, 1));
            tracer.leave(leave(94, Some(Halt::Revert)));
        });
        assert_eq!(revert, [("0x6".into(), Some("execution reverted".to_string()))], "a revert is an error");
    }
}

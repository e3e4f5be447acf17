//! `rialto disasm`: bytecode to mnemonics.
//!
//! What an instruction is called and how many bytes belong to it comes from the machine's own opcode table, so the listing
//! shows the code as the interpreter takes it under the fork asked for.

use crate::{CliError, input};
use alloy_primitives::hex;
use clap::Args;
use rialto_vm::{Fork, opcode};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Immediates that EIP-8024 leaves to be instructions of their own, so that they never hide a jump's target.
const INVALID_IMMEDIATES: std::ops::RangeInclusive<u8> = opcode::JUMPDEST..=opcode::PUSH32;

/// Disassemble bytecode: offset, mnemonic and immediate of each instruction.
#[derive(Debug, Args)]
pub struct DisasmArgs {
    /// Bytecode in hex, with or without 0x; `-` or nothing for standard input
    code: Option<String>,
    /// Read the bytecode from a file instead, in hex
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "code")]
    file: Option<PathBuf>,
    /// The input is the bytecode itself, not its hex digits
    #[arg(long)]
    raw: bool,
    /// Fork whose opcodes are known; others are marked
    #[arg(long, value_name = "NAME", default_value = "Osaka", value_parser = input::fork)]
    fork: Fork,
    /// One JSON object an instruction
    #[arg(long)]
    json: bool,
}

/// One instruction of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction<'a> {
    /// Offset in the code, in bytes.
    pub offset: usize,
    /// Its opcode.
    pub opcode: u8,
    /// Its name, whatever the fork; `None` where no fork defines it.
    pub name: Option<&'static str>,
    /// The bytes that belong to it, fewer than it should have where the code ends early.
    pub immediate: &'a [u8],
    /// Bytes of its immediate that lie behind the end of the code and read as zero.
    pub missing_bytes: usize,
    /// Whether the fork defines it.
    pub is_defined: bool,
}

/// The instructions of `code` under `fork`, from its beginning.
pub fn disassemble(code: &[u8], fork: Fork) -> impl Iterator<Item = Instruction<'_>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let opcode = *code.get(offset)?;
        let is_defined = opcode::is_defined(opcode, fork);
        let after = offset + 1;
        let length = match opcode::OPCODES[usize::from(opcode)] {
            Some(known) if is_defined => usize::from(known.immediate_bytes),
            _ => 0,
        };
        let is_push = (opcode::PUSH1..=opcode::PUSH32).contains(&opcode);
        let next_is_instruction = !is_push && code.get(after).is_some_and(|next| INVALID_IMMEDIATES.contains(next));
        let length = if next_is_instruction { 0 } else { length };
        let end = code.len().min(after + length);
        let instruction = Instruction {
            offset,
            opcode,
            name: opcode::name(opcode),
            immediate: &code[after..end],
            missing_bytes: after + length - end,
            is_defined,
        };
        offset = end;
        Some(instruction)
    })
}

/// Runs the command.
pub fn run(args: &DisasmArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let code = code(args)?;
    for instruction in disassemble(&code, args.fork) {
        if args.json {
            writeln!(out, "{}", to_json(&instruction))?;
        } else {
            write_line(&instruction, args.fork, out)?;
        }
    }
    Ok(())
}

fn code(args: &DisasmArgs) -> Result<Vec<u8>, CliError> {
    let (place, bytes) = match (&args.file, args.code.as_deref()) {
        (Some(path), _) => (path.display().to_string(), input::read_file(path)?),
        (None, None | Some("-")) => ("standard input".to_string(), input::read_stdin()?),
        (None, Some(text)) => ("CODE".to_string(), text.as_bytes().to_vec()),
    };
    if args.raw {
        return Ok(bytes);
    }
    input::hex_text(&place, &bytes)
}

fn write_line(instruction: &Instruction<'_>, fork: Fork, out: &mut dyn Write) -> Result<(), CliError> {
    let Instruction { offset, opcode, name, immediate, missing_bytes, is_defined } = *instruction;
    write!(out, "{offset:06x}  ")?;
    match name {
        Some(name) => write!(out, "{name}")?,
        None => write!(out, "UNDEFINED {opcode:#04x}")?,
    }
    if !immediate.is_empty() {
        write!(out, " 0x{}", hex::encode(immediate))?;
    }
    if missing_bytes > 0 {
        write!(out, "  ; {missing_bytes} bytes behind the end read as zero")?;
    }
    if !is_defined && name.is_some() {
        write!(out, "  ; undefined in {fork}")?;
    }
    writeln!(out)?;
    Ok(())
}

fn to_json(instruction: &Instruction<'_>) -> serde_json::Value {
    json!({
        "offset": instruction.offset,
        "opcode": instruction.opcode,
        "name": instruction.name,
        "immediate": (!instruction.immediate.is_empty()).then(|| hex::encode_prefixed(instruction.immediate)),
        "missing_bytes": instruction.missing_bytes,
        "defined": instruction.is_defined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings() {
        let rows: [(&str, &[u8], Fork, &str); 7] = [
            ("push and stop", &[0x60, 0x40, 0x00], Fork::Osaka, "000000  PUSH1 0x40\n000002  STOP\n"),
            ("cut off", &[0x61, 0x01], Fork::Osaka, "000000  PUSH2 0x01  ; 1 bytes behind the end read as zero\n"),
            ("nothing after", &[0x60], Fork::Osaka, "000000  PUSH1  ; 1 bytes behind the end read as zero\n"),
            ("no such opcode", &[0x0c], Fork::Osaka, "000000  UNDEFINED 0x0c\n"),
            ("later opcode", &[0x5f], Fork::Paris, "000000  PUSH0  ; undefined in Paris\n"),
            ("immediate of a later opcode", &[0xe6, 0x01], Fork::Amsterdam, "000000  DUPN 0x01\n"),
            ("immediate that is an instruction", &[0xe6, 0x5b], Fork::Amsterdam, "000000  DUPN\n000001  JUMPDEST\n"),
        ];
        for (name, code, fork, expected) in rows {
            let mut out = Vec::new();
            for instruction in disassemble(code, fork) {
                write_line(&instruction, fork, &mut out).expect("writing to memory");
            }
            assert_eq!(String::from_utf8(out).expect("text"), expected, "{name}");
        }
    }
}

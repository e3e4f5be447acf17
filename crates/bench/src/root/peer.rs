//! Another program that does the same work on the same state, asked over its standard input.
//!
//! It is started with the name of a folder in which the files `state` and `diff` are. Both are records of fixed-size
//! big-endian fields: address (20 bytes), whether the account exists (1), nonce (8), balance (32), code hash (32), number of
//! slots (4), then slot and word (32 and 32) of each. It makes its databases in the folder and says `ready`. To each line
//! `MODE THREADS`, with mode `disk` or `memory`, it applies the diff to the state once, and answers `NANOSECONDS ROOT`.

use crate::BenchError;
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Diff, MemoryState};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running peer, which ends with the value.
pub(crate) struct Peer {
    name: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Writes the files and starts the program, which makes its databases.
    pub(crate) fn start(program: &Path, folder: &Path, state: &MemoryState, diff: &Diff) -> Result<Self, BenchError> {
        let failed =
            |error: io::Error| BenchError::File { path: program.display().to_string(), reason: error.to_string() };
        write_state(&folder.join("state"), state).map_err(failed)?;
        write_diff(&folder.join("diff"), diff).map_err(failed)?;
        let mut child =
            Command::new(program).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| failed(io::Error::other("has no pipes")))?;
        let name = program.display().to_string();
        let mut peer = Self { name, child, input, output: BufReader::new(output) };
        match peer.line()?.as_str() {
            "ready" => Ok(peer),
            other => Err(peer.error(format!("expected the line \"ready\", found {other:?}"))),
        }
    }

    fn error(&self, reason: String) -> BenchError {
        BenchError::File { path: self.name.clone(), reason }
    }

    fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| self.error(error.to_string()))?;
        Ok(line.trim_end().to_string())
    }

    /// Nanoseconds and root of one update.
    pub(crate) fn round(&mut self, mode: &str, threads: usize) -> Result<(u64, B256), BenchError> {
        writeln!(self.input, "{mode} {threads}").map_err(|error| self.error(error.to_string()))?;
        let line = self.line()?;
        let fields = line.split_once(' ');
        let answer = fields.and_then(|(time, root)| Some((time.parse().ok()?, root.parse().ok()?)));
        answer.ok_or_else(|| self.error(format!("expected nanoseconds and a root, found {line:?}")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_record(
    file: &mut impl Write,
    address: &Address,
    account: Option<&Account>,
    slots: &[(U256, U256)],
) -> io::Result<()> {
    let Account { nonce, balance, code_hash } = account.copied().unwrap_or_default();
    file.write_all(address.as_slice())?;
    file.write_all(&[u8::from(account.is_some())])?;
    file.write_all(&nonce.to_be_bytes())?;
    file.write_all(&balance.to_be_bytes::<32>())?;
    file.write_all(code_hash.as_slice())?;
    let count = u32::try_from(slots.len()).map_err(|_| io::Error::other("more than 2^32 slots"))?;
    file.write_all(&count.to_be_bytes())?;
    for (slot, word) in slots {
        file.write_all(&slot.to_be_bytes::<32>())?;
        file.write_all(&word.to_be_bytes::<32>())?;
    }
    Ok(())
}

fn write_state(path: &Path, state: &MemoryState) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (address, account) in state.iter() {
        let slots: Vec<_> = account.storage.iter().map(|(slot, word)| (*slot, *word)).collect();
        write_record(&mut file, address, Some(&account.info), &slots)?;
    }
    file.flush()
}

fn write_diff(path: &Path, diff: &Diff) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for change in &diff.accounts {
        let slots: Vec<_> = change.storage.iter().map(|slot| (slot.slot, slot.after)).collect();
        write_record(&mut file, &change.address, change.after.as_ref(), &slots)?;
    }
    file.flush()
}

//! Reading what the commands work on: files, standard input, hex text, names of forks.

use crate::CliError;
use alloy_primitives::hex;
use rialto_stf::json::{self, JsonCursor, JsonError};
use rialto_vm::Fork;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes that are read from a file or from standard input.
const MAX_INPUT_BYTES: u64 = 1 << 30;

/// The fork of this name, for arguments.
pub fn fork(name: &str) -> Result<Fork, String> {
    Fork::from_name(name).ok_or_else(|| format!("expected one of {}", fork_names().join(", ")))
}

/// The names of all forks, in their order.
pub fn fork_names() -> Vec<&'static str> {
    Fork::ALL.iter().map(|fork| fork.name()).collect()
}

/// Where the conformance archives are: `RIALTO_FIXTURES`, or `../shared/fixtures` beside the repository.
pub fn fixtures_folder() -> Result<PathBuf, CliError> {
    let folder = match std::env::var_os("RIALTO_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")),
    };
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(CliError::file(&folder, "expected the folder of the fixtures (set RIALTO_FIXTURES), found none")),
    }
}

/// A file's content.
pub fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let file = fs::File::open(path).map_err(|error| CliError::file(path, error))?;
    read_bounded(file).map_err(|reason| CliError::file(path, reason))
}

/// Standard input to its end.
pub fn read_stdin() -> Result<Vec<u8>, CliError> {
    read_bounded(std::io::stdin().lock()).map_err(|reason| CliError::file(Path::new("standard input"), reason))
}

fn read_bounded(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(format!("expected at most {MAX_INPUT_BYTES} bytes, found more"));
    }
    Ok(bytes)
}

/// The bytes that hex digits stand for: with or without `0x`, quotes and white space around them.
pub fn hex_text(place: &str, text: &[u8]) -> Result<Vec<u8>, CliError> {
    let wrong = |found: String, expected: &str| CliError::Argument {
        name: place.to_string(),
        value: found,
        expected: expected.to_string(),
    };
    let text = String::from_utf8_lossy(text);
    let digits = text.trim().trim_matches('"');
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    if let Some((position, other)) = digits.char_indices().find(|(_, digit)| !digit.is_ascii_hexdigit()) {
        return Err(wrong(other.to_string(), &format!("hex digits only, this is digit {position}")));
    }
    hex::decode(digits).map_err(|_| wrong(format!("{} digits", digits.len()), "an even number of hex digits"))
}

/// A parsed JSON file.
#[derive(Debug)]
pub struct Document {
    file: String,
    value: Value,
}

impl Document {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        Self::parse(&path.display().to_string(), &read_file(path)?)
    }

    /// Parses a file's content.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, CliError> {
        let value = json::parse(bytes).map_err(|error| CliError::Json { file: file.to_string(), error })?;
        Ok(Self { file: file.to_string(), value })
    }

    /// A value that was read with others.
    pub fn of_value(file: &str, value: Value) -> Self {
        Self { file: file.to_string(), value }
    }

    /// The file's name, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The document's root.
    pub fn root(&self) -> JsonCursor<'_> {
        JsonCursor::new(&self.value, "")
    }

    /// What `read` makes of the document.
    pub fn decode<T>(&self, read: impl FnOnce(&JsonCursor<'_>) -> Result<T, JsonError>) -> Result<T, CliError> {
        read(&self.root()).map_err(|error| self.error(error))
    }

    /// An error about a value in the document.
    pub fn error(&self, error: JsonError) -> CliError {
        CliError::Json { file: self.file.clone(), error }
    }
}

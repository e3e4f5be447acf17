//! Reading what cases are made from: JSON files, folders of them, and compressed archives.

use crate::BenchError;
use rialto_stf::json::{self, JsonCursor, JsonError};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// First bytes of a file that stands for one kept elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs";
/// Largest file that is read from an archive, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

pub(crate) fn failed(path: &Path, reason: impl ToString) -> BenchError {
    BenchError::File { path: path.display().to_string(), reason: reason.to_string() }
}

/// A parsed JSON file.
pub(crate) struct Document {
    file: String,
    value: Value,
}

impl Document {
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Self, BenchError> {
        let value = json::parse(bytes).map_err(|error| BenchError::Json { file: file.into(), error })?;
        Ok(Self { file: file.into(), value })
    }

    /// Name of the file, for errors.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// What `read` makes of the document.
    pub(crate) fn decode<T>(
        &self,
        read: impl FnOnce(&JsonCursor<'_>) -> Result<T, JsonError>,
    ) -> Result<T, BenchError> {
        read(&JsonCursor::new(&self.value, "")).map_err(|error| BenchError::Json { file: self.file.clone(), error })
    }

    /// The root of the document.
    pub(crate) fn root(&self) -> JsonCursor<'_> {
        JsonCursor::new(&self.value, "")
    }
}

/// Takes a file's name and contents.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<(), BenchError>;

/// Hands every JSON file at `path` (a file, a folder with all that is below it, or a `.tar.zst`) to `visit` in the order
/// of their names, and returns the names of those that only point to a file kept elsewhere.
pub(crate) fn visit_json(path: &Path, visit: Visit<'_>) -> Result<Vec<String>, BenchError> {
    let mut left_out = Vec::new();
    let mut visit_file = |name: &str, bytes: &[u8]| {
        if bytes.starts_with(LFS_POINTER) {
            left_out.push(name.to_string());
            return Ok(());
        }
        visit(name, bytes)
    };
    if path.is_dir() {
        visit_folder(path, &mut visit_file)?;
    } else if path.to_string_lossy().ends_with(".tar.zst") {
        visit_archive(path, &mut visit_file)?;
    } else {
        let bytes = std::fs::read(path).map_err(|error| failed(path, error))?;
        visit_file(&path.display().to_string(), &bytes)?;
    }
    Ok(left_out)
}

fn visit_folder(folder: &Path, visit: Visit<'_>) -> Result<(), BenchError> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let entries: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = entries.map_err(|error| failed(folder, error))?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            visit_folder(&path, visit)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
            visit(&path.display().to_string(), &bytes)?;
        }
    }
    Ok(())
}

fn visit_archive(path: &Path, visit: Visit<'_>) -> Result<(), BenchError> {
    let wrong = |error: std::io::Error| failed(path, error);
    let file = std::fs::File::open(path).map_err(wrong)?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).map_err(wrong)?);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let name = entry.path().map_err(wrong)?.display().to_string();
        if !name.ends_with(".json") {
            continue;
        }
        if entry.size() > MAX_FILE_BYTES {
            return Err(failed(
                path,
                format!("{name}: expected at most {MAX_FILE_BYTES} bytes, found {}", entry.size()),
            ));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(wrong)?;
        files.push((name, bytes));
    }
    files.sort();
    files.iter().try_for_each(|(name, bytes)| visit(name, bytes))
}

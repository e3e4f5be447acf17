//! Finding vectors: JSON files by name, folders of them, and `.tar.zst` archives that are never unpacked.
//!
//! Files are handed out one by one, in an order that depends on nothing but their names (folders) or their places
//! (archives), so a run holds one file per worker in memory however large the archive is. Three things need care:
//!
//! * A Git LFS pointer is a few lines of text that stand for a file kept elsewhere. It is no vector, so it neither passes
//!   nor fails; it is handed out by name for the run to tell.
//! * A file or an archive that can't be read is handed out with the reason, for the run to count as a failed case: a
//!   truncated archive must not look like a small one.
//! * Folders and files whose name begins with a dot hold indexes and marks, not vectors.

use crate::CliError;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How the text of a Git LFS pointer begins.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec";
/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Deepest folder that is searched; a loop of links ends here.
const MAX_FOLDER_DEPTH: usize = 32;

/// What stands at a place where a vector is expected.
#[derive(Debug)]
pub enum Found {
    /// A file to read.
    File {
        /// Its path, in an archive after the archive's own and a colon.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// A Git LFS pointer.
    LeftOut {
        /// Its path.
        name: String,
    },
    /// A file, folder or archive that can't be read to its end.
    Unreadable {
        /// Its path.
        name: String,
        /// Why not.
        reason: String,
    },
}

type Visit<'a> = &'a mut dyn FnMut(Found) -> ControlFlow<()>;

/// Checks that each path exists, so that a misspelt one is an error of usage and not an empty run.
pub fn check_paths(paths: &[PathBuf]) -> Result<(), CliError> {
    for path in paths {
        fs::metadata(path).map_err(|error| CliError::file(path, error))?;
    }
    Ok(())
}

/// Hands out every file at `paths`, in order, until `visit` breaks off.
pub fn visit(paths: &[PathBuf], visit: Visit<'_>) -> ControlFlow<()> {
    for path in paths {
        if path.is_dir() {
            visit_folder(path, 0, visit)?;
        } else if is_archive(path) {
            visit_archive(path, visit)?;
        } else {
            visit(read_file(path))?;
        }
    }
    ControlFlow::Continue(())
}

/// Whether a file is an archive of vectors by its name.
pub fn is_archive(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".tar.zst")
}

fn unreadable(path: &Path, reason: impl ToString) -> Found {
    Found::Unreadable { name: path.display().to_string(), reason: reason.to_string() }
}

fn of_bytes(name: String, bytes: Vec<u8>) -> Found {
    if bytes.starts_with(LFS_POINTER) { Found::LeftOut { name } } else { Found::File { name, bytes } }
}

fn read_file(path: &Path) -> Found {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
            unreadable(path, format!("expected at most {MAX_FILE_BYTES} bytes, found more"))
        }
        Ok(bytes) => of_bytes(path.display().to_string(), bytes),
        Err(error) => unreadable(path, error),
    }
}

fn is_hidden(name: &Path) -> bool {
    name.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn visit_folder(folder: &Path, depth: usize, visit: Visit<'_>) -> ControlFlow<()> {
    if depth > MAX_FOLDER_DEPTH {
        return visit(unreadable(folder, format!("expected at most {MAX_FOLDER_DEPTH} folders in each other")));
    }
    let entries = fs::read_dir(folder).and_then(|entries| {
        let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        paths
    });
    let mut paths = match entries {
        Ok(paths) => paths,
        Err(error) => return visit(unreadable(folder, error)),
    };
    paths.retain(|path| !is_hidden(path));
    paths.sort();
    for path in paths {
        if path.is_dir() {
            visit_folder(&path, depth + 1, visit)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            visit(read_file(&path))?;
        } else if is_archive(&path) {
            visit_archive(&path, visit)?;
        }
    }
    ControlFlow::Continue(())
}

fn visit_archive(path: &Path, visit: Visit<'_>) -> ControlFlow<()> {
    match visit_entries(path, visit) {
        Ok(flow) => flow,
        Err(error) => visit(unreadable(path, error)),
    }
}

fn visit_entries(path: &Path, visit: Visit<'_>) -> std::io::Result<ControlFlow<()>> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(fs::File::open(path)?)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let inner = entry.path()?.into_owned();
        let is_json = inner.extension().is_some_and(|extension| extension == "json");
        if !entry.header().entry_type().is_file() || !is_json || inner.ancestors().any(is_hidden) {
            continue;
        }
        let name = format!("{}:{}", path.display(), inner.display());
        let found = if entry.size() > MAX_FILE_BYTES {
            let reason = format!("expected at most {MAX_FILE_BYTES} bytes, found {}", entry.size());
            Found::Unreadable { name, reason }
        } else {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            of_bytes(name, bytes)
        };
        if visit(found).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

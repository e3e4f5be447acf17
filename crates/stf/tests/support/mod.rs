//! Reads test vectors out of the archives of fixtures, without unpacking them.

#![allow(dead_code)]

use rialto_stf::json::parse;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The directory of the archives: `RIALTO_FIXTURES`, else `../shared/fixtures` beside the repository.
fn fixtures_directory() -> PathBuf {
    match std::env::var_os("RIALTO_FIXTURES") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
    }
}

/// Calls `visit` with the path and contents of each file of the archive that `select` (path, position) wants. Says by
/// name what is left out when there is no archive, and returns whether there is one.
pub fn visit_archive(
    archive: &str,
    mut select: impl FnMut(&str, usize) -> bool,
    mut visit: impl FnMut(&str, &[u8]),
) -> bool {
    let path = fixtures_directory().join(archive);
    let Ok(file) = File::open(&path) else {
        println!("left out: {archive} ({} can't be opened)", path.display());
        return false;
    };
    let decoder = zstd::Decoder::new(file).expect("the archive is in zstd's format");
    let mut archive = tar::Archive::new(decoder);
    let mut position = 0;
    let mut contents = Vec::new();
    for entry in archive.entries().expect("the archive is in tar's format") {
        let mut entry = entry.expect("the archive is complete");
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let selected = select(&name, position);
        position += 1;
        if selected {
            contents.clear();
            entry.read_to_end(&mut contents).expect("the archive is complete");
            visit(&name, &contents);
        }
    }
    true
}

/// As [`visit_archive`], for the files that are JSON objects; some `.json` files are pointers to elsewhere.
pub fn visit_json(
    archive: &str,
    mut select: impl FnMut(&str, usize) -> bool,
    mut visit: impl FnMut(&str, &Value),
) -> bool {
    let select = |name: &str, position| name.ends_with(".json") && select(name, position);
    visit_archive(archive, select, |name, contents| {
        if !contents.starts_with(b"version https://git-lfs") {
            visit(name, &parse(contents).unwrap_or_else(|error| panic!("{name}: {error}")));
        }
    })
}

/// Bytes from hex digits, with or without `0x`.
pub fn unhex(text: &str) -> Vec<u8> {
    alloy_primitives::hex::decode(text).unwrap_or_else(|error| panic!("{text:.80}: {error}"))
}

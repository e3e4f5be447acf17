//! House rules that a line-based scan can hold: function and file length, whitespace, essays, where `unsafe` may stand,
//! floats in the pure crates, and links between documents.
//!
//! Two of them are ratchets: the number of functions and of files over the limit is written below and has to be exact, so
//! it can only be changed on purpose, and the only change that a review lets through is downwards.
//!
//! The scan trusts rustfmt: a function ends at the first line that is a closing brace at the indentation of its `fn`, a
//! declaration without a body at a `)` there.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a function, signature and closing brace included.
const FUNCTION_LINES: usize = 70;
/// Functions in `crates/*/src` that are longer. It may only fall.
const LONG_FUNCTIONS: usize = 1;
/// Lines of a file.
const FILE_LINES: usize = 600;
/// Files in `crates/*/src` that are longer. It may only fall.
const LONG_FILES: usize = 4;

/// Crates that may contain `unsafe`.
const UNSAFE_CRATES: [&str; 2] = ["jit", "vm"];
/// Crates whose results must be the same bytes on every machine.
const PURE_CRATES: [&str; 5] = ["state", "trie", "vm", "market", "stf"];

/// Folders that hold what is generated or fetched.
const SKIPPED_FOLDERS: [&str; 5] = ["target", "node_modules", "corpus", "artifacts", "proptest-regressions"];
/// What a text file's name ends with.
const TEXT_ENDINGS: [&str; 8] = [".rs", ".toml", ".md", ".sol", ".mjs", ".gitignore", "/.ci/run", ".yml"];

struct SourceFile {
    /// Relative to the repository.
    path: String,
    text: String,
}

impl SourceFile {
    /// The crate whose source it is.
    fn crate_name(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        (rest.starts_with("src/") && self.path.ends_with(".rs")).then_some(name)
    }

    /// Lines with their numbers, without comments. A string that contains `//` is cut short, which hides nothing that is
    /// looked for here.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository exists")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder is readable").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
        if path.is_dir() {
            let is_hidden = name.starts_with('.') && name != ".ci";
            if !is_hidden && !SKIPPED_FOLDERS.contains(&name) {
                collect(root, &path, files);
            }
        } else if TEXT_ENDINGS.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root).expect("below the repository").to_string_lossy().into_owned();
            files.push(SourceFile { path, text });
        }
    }
}

/// Every text file of the repository.
fn text_files() -> Vec<SourceFile> {
    let root = repository();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(files.len() > 100, "the repository has more files than {}", files.len());
    files
}

/// The name of the function that the line declares.
fn declared_function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_declaration = before.split_whitespace().all(|word| {
        matches!(word, "pub" | "const" | "unsafe" | "extern" | "\"C\"" | "async")
            || (word.starts_with("pub(") && word.ends_with(')'))
    });
    is_declaration.then(|| after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

/// Functions of more than [`FUNCTION_LINES`] lines: line of the declaration, name, lines.
fn long_functions(text: &str) -> Vec<(usize, String, usize)> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut open: Vec<(usize, usize, String)> = Vec::new();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = declared_function(line) {
            let ends_here = line.ends_with('}') || line.ends_with(';');
            if !ends_here {
                open.push((indentation(line), index + 1, name.to_string()));
            }
        } else if line.trim() == "}" || (line.trim().starts_with(')') && line.ends_with(';')) {
            let closed = open.pop_if(|(indent, ..)| *indent == indentation(line));
            if let Some((_, start, name)) = closed.filter(|(_, start, _)| index + 2 - start > FUNCTION_LINES) {
                found.push((start, name, index + 2 - start));
            }
        }
    }
    found
}

/// Fails with the list of what was found unless there are exactly as many as the ratchet says.
fn check_ratchet(name: &str, limit: usize, found: &[String]) {
    let list = found.join("\n  ");
    assert!(found.len() <= limit, "{name} allows {limit}, found {}:\n  {list}", found.len());
    assert!(found.len() == limit, "only {} are left: lower {name} from {limit} in {}", found.len(), file!());
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for file in text_files().iter().filter(|file| file.crate_name().is_some()) {
        for (line, name, lines) in long_functions(&file.text) {
            found.push(format!("{}:{line}: {name} has {lines} lines, limit {FUNCTION_LINES}", file.path));
        }
    }
    check_ratchet("LONG_FUNCTIONS", LONG_FUNCTIONS, &found);
}

#[test]
fn files_are_short() {
    let files = text_files();
    let long = files.iter().filter(|file| file.crate_name().is_some()).filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > FILE_LINES).then(|| format!("{}: {lines} lines, limit {FILE_LINES}", file.path))
    });
    check_ratchet("LONG_FILES", LONG_FILES, &long.collect::<Vec<_>>());
}

#[test]
fn whitespace_is_plain() {
    let mut found = Vec::new();
    for file in text_files() {
        for (index, line) in file.text.lines().enumerate() {
            if line.contains('\t') || line.ends_with([' ', '\r']) {
                found.push(format!("{}:{}: tab or trailing whitespace", file.path, index + 1));
            }
        }
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            found.push(format!("{}: expected one line break at the end", file.path));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_source_file_opens_with_its_essay() {
    let files = text_files();
    let bare = files.iter().filter(|file| file.crate_name().is_some() && !file.text.starts_with("//! "));
    let bare: Vec<&str> = bare.map(|file| file.path.as_str()).collect();
    assert!(bare.is_empty(), "expected //! on the first line of {}", bare.join(", "));
}

/// Lines of the crates that `is_in_scope` picks in which one of `words` stands.
fn lines_with(words: &[&str], is_in_scope: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in text_files().iter().filter(|file| file.crate_name().is_some_and(&is_in_scope)) {
        for (number, line) in file.code_lines() {
            let mut tokens = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(word) = tokens.find(|token| words.contains(token)) {
                found.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    found
}

#[test]
fn unsafe_code_is_in_the_virtual_machine_and_the_compiler_only() {
    let found = lines_with(&["unsafe"], |name| !UNSAFE_CRATES.contains(&name));
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(!lines_with(&["unsafe"], |name| UNSAFE_CRATES.contains(&name)).is_empty(), "the scan finds what there is");
}

#[test]
fn pure_crates_know_no_floats() {
    let found = lines_with(&["f32", "f64"], |name| PURE_CRATES.contains(&name));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = repository();
    let mut found = Vec::new();
    for file in text_files().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root.join(&file.path).parent().expect("a file has a folder").to_path_buf();
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                found.push(format!("{}: {link}", file.path));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn scan_finds_long_functions() {
    let body = "    x();\n".repeat(FUNCTION_LINES - 2);
    let rows = [
        ("at the limit", format!("fn f() {{\n{body}}}\n"), vec![]),
        ("over it", format!("pub(crate) const fn f() {{\n{body}    x();\n}}\n"), vec![(1, "f", FUNCTION_LINES + 1)]),
        ("two short ones", format!("fn f() {{\n{body}}}\n\nfn g() {{\n{body}}}\n"), vec![]),
        ("a declaration", format!("fn f();\n{body}\n{body}}}\n"), vec![]),
        ("a long declaration", format!("fn f(\n    x: u8,\n) -> u8;\n{body}\n{body}}}\n"), vec![]),
        ("in an implementation", format!("impl X {{\n    fn f() {{\n{body}{body}    }}\n}}\n"), vec![(2, "f", 138)]),
        ("in a comment", format!("// fn f() {{\n{body}{body}}}\n"), vec![]),
    ];
    for (name, text, expected) in rows {
        let found = long_functions(&text);
        let found: Vec<_> = found.iter().map(|(line, name, lines)| (*line, name.as_str(), *lines)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

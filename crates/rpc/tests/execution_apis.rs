//! The cases of `ethereum/execution-apis`: what nodes have to answer, request by request.
//!
//! A node is filled with the suite's chain as an operator would do it (genesis document, blocks in a file, a fork choice), in
//! memory and on disk; its requests go through the HTTP server. Answers have to be equal, but for the texts of errors. Cases that
//! the suite marks as `speconly` depend on what a node chooses; their answers have to be of the same shape.

mod support;

use alloy_primitives::B256;
use rialto_node::{ForkchoiceStatus, Node, NodeConfig};
use rialto_rpc::RpcLimits;
use rialto_stf::Block;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use support::{HttpClient, Server};

const ARCHIVE: &str = "execution-apis.tar.zst";
/// Fields that a node may leave out, in answers of which only the shape is compared.
const OPTIONAL: [&str; 9] =
    ["deleteStrategy", "memory", "storage", "returnData", "refund", "error", "reason", "data", "opName"];
/// Differences that are printed of a case.
const SHOWN: usize = 6;

/// The suite's files by path, `None` without the archive.
fn suite() -> Option<BTreeMap<String, Vec<u8>>> {
    let folder = match std::env::var_os("RIALTO_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
    };
    let path = folder.join(ARCHIVE);
    let Ok(file) = File::open(&path) else {
        println!("left out: {ARCHIVE} ({} can't be opened)", path.display());
        return None;
    };
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("the archive is in zstd's format"));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("the archive is in tar's format") {
        let mut entry = entry.expect("the archive is complete");
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("the archive is complete");
            files.insert(name, bytes);
        }
    }
    Some(files)
}

/// The file of this name, in whatever folder of the archive.
fn file<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &str) -> &'a [u8] {
    let found = files.iter().find(|(path, _)| path.rsplit('/').next() == Some(name));
    found.unwrap_or_else(|| panic!("{name}: expected in {ARCHIVE}, found none")).1
}

/// A node with the suite's chain.
fn filled_node(files: &BTreeMap<String, Vec<u8>>, datadir: Option<PathBuf>) -> Arc<Node> {
    let config = NodeConfig { genesis: Some(file(files, "genesis.json").to_vec()), datadir, ..NodeConfig::default() };
    let node = Node::open(config).expect("the node opens");
    let mut rest = file(files, "chain.rlp");
    while !rest.is_empty() {
        let (block, after) = first_item(rest);
        let block = Block::decode(block).expect("a block");
        let number = block.header.number;
        node.import(block).unwrap_or_else(|error| panic!("block {number}: {error}"));
        rest = after;
    }
    let request: Value = serde_json::from_slice(file(files, "headfcu.json")).expect("JSON");
    let hash = |name: &str| -> B256 {
        request["params"][0][name]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{name}: {request}"))
    };
    let status = node
        .set_forkchoice(hash("headBlockHash"), hash("safeBlockHash"), hash("finalizedBlockHash"))
        .expect("a status");
    assert_eq!(status, ForkchoiceStatus::Valid);
    node
}

/// The first RLP list of `bytes`, and what follows it.
fn first_item(bytes: &[u8]) -> (&[u8], &[u8]) {
    let first = bytes[0];
    assert!(first >= 0xc0, "expected a list, found {first:#x}");
    let (head, length) = if first < 0xf8 {
        (1, usize::from(first - 0xc0))
    } else {
        let count = usize::from(first - 0xf7);
        (1 + count, bytes[1..1 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    };
    bytes.split_at(head + length)
}

/// Where two answers differ.
fn differences(path: &str, expected: &Value, found: &Value, into: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in left {
                match right.get(name) {
                    Some(other) => differences(&format!("{path}.{name}"), value, other, into),
                    None => into.push(format!("{path}.{name}: expected {value:.100}, found none")),
                }
            }
            for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
                into.push(format!("{path}.{name}: expected none, found {value:.100}"));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                into.push(format!("{path}: expected {} items, found {}", left.len(), right.len()));
            }
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}[{index}]"), left, right, into);
            }
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => {}
        _ if expected == found => {}
        _ => into.push(format!("{path}: expected {}, found {}", short(expected), short(found))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// Whether the keys of an object are data, such as addresses and nonces.
fn is_map(fields: &serde_json::Map<String, Value>) -> bool {
    fields.keys().all(|key| key.starts_with("0x") || key.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where the shapes of two answers differ: types, and fields of objects. Arrays and maps are compared by their first items.
fn shape_differences(path: &str, expected: &Value, found: &Value, into: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) if is_map(left) && is_map(right) => {
            if let (Some(left), Some(right)) = (left.values().next(), right.values().next()) {
                shape_differences(&format!("{path}.*"), left, right, into);
            }
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_optional = |name: &String| OPTIONAL.contains(&name.as_str());
            for (name, value) in left {
                match right.get(name) {
                    Some(other) => shape_differences(&format!("{path}.{name}"), value, other, into),
                    None if is_optional(name) => {}
                    None => into.push(format!("{path}.{name}: expected {}, found none", short(value))),
                }
            }
            for name in right.keys().filter(|name| !left.contains_key(*name) && !is_optional(name)) {
                into.push(format!("{path}.{name}: expected none"));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if let (Some(left), Some(right)) = (left.first(), right.first()) {
                shape_differences(&format!("{path}[0]"), left, right, into);
            }
        }
        (Value::String(left), Value::String(right)) if left.starts_with("0x") == right.starts_with("0x") => {}
        (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => {}
        _ => into.push(format!("{path}: expected the shape of {}, found {}", short(expected), short(found))),
    }
}

/// Takes out what may differ: the texts of errors.
fn without_message(mut answer: Value) -> Value {
    if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("message");
    }
    answer
}

/// Runs a case and gives what is wrong.
fn run_case(client: &mut HttpClient, text: &str) -> Vec<String> {
    let is_shape_only = text.lines().any(|line| line.starts_with("// speconly"));
    let mut wrong = Vec::new();
    let mut answer = None;
    for line in text.lines() {
        if let Some(request) = line.strip_prefix(">> ") {
            let response = client.post(request);
            answer = Some(response.json());
        } else if let Some(expected) = line.strip_prefix("<< ") {
            let expected: Value = serde_json::from_str(expected).expect("JSON");
            let found = without_message(answer.take().expect("a request before the answer"));
            let compare = if is_shape_only { shape_differences } else { differences };
            compare("", &without_message(expected), &found, &mut wrong);
        }
    }
    wrong
}

fn run_suite(files: &BTreeMap<String, Vec<u8>>, datadir: Option<PathBuf>) {
    let server = Server::of_node(filled_node(files, datadir), RpcLimits::default());
    let filter = std::env::var("RIALTO_CASE").unwrap_or_default();
    let (mut passed, mut failed) = (0, Vec::new());
    let cases = files.iter().filter(|(name, _)| name.ends_with(".io") && name.contains(&filter));
    for (name, text) in cases {
        let wrong = run_case(&mut server.http(), &String::from_utf8_lossy(text));
        if wrong.is_empty() {
            passed += 1;
            continue;
        }
        println!("FAILED {name}");
        for line in wrong.iter().take(SHOWN) {
            println!("    {line}");
        }
        if wrong.len() > SHOWN {
            println!("    and {} more", wrong.len() - SHOWN);
        }
        failed.push(name);
    }
    println!("{passed} cases of {ARCHIVE} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{} cases failed, see above", failed.len());
    assert!(passed > 0, "expected cases, found none");
}

#[test]
fn cases_pass_in_memory() {
    if let Some(files) = suite() {
        run_suite(&files, None);
    }
}

#[test]
fn cases_pass_on_disk() {
    if let Some(files) = suite() {
        let folder = tempfile::tempdir().expect("a folder");
        run_suite(&files, Some(folder.path().to_path_buf()));
    }
}

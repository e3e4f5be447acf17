//! `rialto statetest` and `rialto blocktest` on vectors of our own: what passes, what fails and how they say so.

mod support;

use rialto::input::Document;
use rialto_stf::json;
use rialto_stf::{Block, Genesis};
use serde_json::{Value, json};
use support::{Folder, example_chain, rialto, rialto_in, transfer_test};

/// Writes tests by name into a file.
fn suite(tests: &[(&str, &Value)]) -> String {
    let tests: serde_json::Map<String, Value> =
        tests.iter().map(|(name, test)| ((*name).to_string(), (*test).clone())).collect();
    Value::Object(tests).to_string()
}

#[test]
fn statetest_tells_good_from_bad() {
    let good = transfer_test("Berlin");
    let case = |change: &dyn Fn(&mut Value)| {
        let mut test = good.clone();
        change(&mut test["post"]["Berlin"][0]);
        test
    };
    let wrong_root = case(&|case| case["hash"] = json!(format!("0x{}", "11".repeat(32))));
    let wrong_logs = case(&|case| case["logs"] = json!(format!("0x{}", "22".repeat(32))));
    let accepted = case(&|case| case["expectException"] = json!("TransactionException.NONCE_IS_MAX"));
    let unknown_fork = transfer_test("Atlantis");
    let mut without_bytes = good.clone();
    without_bytes["post"]["Berlin"][0].as_object_mut().expect("a case").remove("txbytes");
    // More than the sender has: rejected, and the state is as before.
    let mut poor = without_bytes.clone();
    poor["post"]["Berlin"][0]["indexes"]["value"] = json!(1);
    poor["post"]["Berlin"][0]["expectException"] = json!("TransactionException.INSUFFICIENT_ACCOUNT_FUNDS");
    let case = poor["post"]["Berlin"][0].as_object_mut().expect("a case");
    case.remove("hash");
    case.insert("state".into(), good["pre"].clone());
    let mut other_class = poor.clone();
    other_class["post"]["Berlin"][0]["expectException"] =
        json!("TransactionException.NONCE_IS_MAX|TransactionException.SENDER_NOT_EOA");
    let rows: [(&str, &Value, Option<&str>); 8] = [
        ("good", &good, None),
        ("signed by us", &without_bytes, None),
        ("rejected as expected", &poor, None),
        ("wrong root", &wrong_root, Some("state root: expected 0x1111")),
        ("wrong logs", &wrong_logs, Some("hash of the logs: expected 0x2222")),
        (
            "accepted",
            &accepted,
            Some("expected a rejection (TransactionException.NONCE_IS_MAX), the transaction is valid"),
        ),
        (
            "other class",
            &other_class,
            Some("found TransactionException.INSUFFICIENT_ACCOUNT_FUNDS (balance of the sender"),
        ),
        (
            "unknown fork",
            &unknown_fork,
            Some("expected a fork, as Osaka, or a transition, as CancunToPragueAtTime15k, found \"Atlantis\""),
        ),
    ];
    let folder = Folder::new("statetest");
    for (name, test, expected) in rows {
        let file = folder.write("test.json", suite(&[(name, test)]));
        let run = rialto(&["statetest", &file]);
        match expected {
            None => assert_eq!((run.code, run.last_line()), (0, "1 passed, 0 failed"), "{name}: {}", run.stdout),
            Some(expected) => {
                assert_eq!((run.code, run.last_line()), (1, "0 passed, 1 failed"), "{name}: {}", run.stdout);
                assert!(run.stdout.contains(expected), "{name}: expected {expected:?} in {}", run.stdout);
            }
        }
        let run = rialto(&["statetest", &file, "--json"]);
        let [object] = run.objects().try_into().expect("one object a case");
        assert_eq!(object["pass"], json!(expected.is_none()), "{name}");
        assert_eq!(object["error"].is_null(), expected.is_none(), "{name}");
        assert_eq!(object["name"], json!(name));
    }
}

#[test]
fn statetest_shows_what_a_case_gave() {
    let folder = Folder::new("statetest-json");
    let test = transfer_test("London");
    let file = folder.write("test.json", suite(&[("transfer", &test)]));
    let run = rialto(&["statetest", &file, "--json"]);
    let [object] = run.objects().try_into().expect("one object a case");
    assert_eq!(object["gas_used"], json!(21_000));
    assert_eq!(object["state_root"], test["post"]["London"][0]["hash"]);
    assert_eq!(object["logs_hash"], test["post"]["London"][0]["logs"]);
    assert_eq!(object["fork"], json!("London"));
    assert_eq!(object["file"], json!(file));
    assert_eq!(object["indexes"], json!({ "data": 0, "gas": 0, "value": 0 }));
}

/// An archive of files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 0).expect("an encoder"));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).expect("writing to memory");
    }
    archive.into_inner().and_then(zstd::Encoder::finish).expect("writing to memory")
}

#[test]
fn vectors_are_found_wherever_they_are() {
    let (berlin, london) = (transfer_test("Berlin"), transfer_test("London"));
    let [first, second] = [suite(&[("one", &berlin), ("two", &london)]), suite(&[("three", &berlin)])];
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    let folder = Folder::new("found");
    folder.write("vectors/b/first.json", &first);
    folder.write("vectors/a.json", &second);
    folder.write("vectors/pointer.json", pointer);
    folder.write("vectors/notes.txt", "not a vector");
    folder.write("vectors/.meta/index.json", "{\"not\": \"a vector\"}");
    let packed = archive(&[("x/a.json", second.as_bytes()), ("x/b.json", first.as_bytes()), ("x/.meta/i.json", b"{}")]);
    folder.write("packed.tar.zst", &packed);
    folder.write("broken.tar.zst", &packed[..packed.len() / 2]);
    folder.write("syntax.json", "{\"one\": ");
    folder.write("list.json", "[1, 2]");
    folder.write("other.json", "{\"one\": {\"unrelated\": 1}}");

    // What begins with @ is a path in the folder.
    let rows: [(&str, &[&str], i32, &str, &str); 11] = [
        ("folder", &["@vectors"], 0, "3 passed, 0 failed", ""),
        ("file", &["@vectors/b/first.json"], 0, "2 passed, 0 failed", ""),
        ("archive", &["@packed.tar.zst"], 0, "3 passed, 0 failed", ""),
        ("several", &["@vectors", "@packed.tar.zst"], 0, "6 passed, 0 failed", ""),
        ("by fork", &["@vectors", "--fork", "london"], 0, "1 passed, 0 failed", ""),
        ("by name", &["@vectors", "--filter", "three"], 0, "1 passed, 0 failed", ""),
        ("by file", &["@vectors", "--filter", "first.json"], 0, "2 passed, 0 failed", ""),
        ("nothing selected", &["@vectors", "--filter", "nowhere"], 1, "0 passed, 0 failed", "found none"),
        ("truncated archive", &["@broken.tar.zst"], 1, "failed", "broken.tar.zst"),
        ("no JSON", &["@syntax.json"], 1, "0 passed, 1 failed", "JSON at line 1"),
        ("no tests", &["@list.json"], 1, "0 passed, 1 failed", "expected an object"),
    ];
    for (name, arguments, code, last_line, text) in rows {
        let run = rialto_in(&folder, &[&["statetest"], arguments].concat());
        assert_eq!(run.code, code, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.last_line().ends_with(last_line), "{name}: {}", run.stdout);
        assert!(format!("{}{}", run.stdout, run.stderr).contains(text), "{name}: {} {}", run.stdout, run.stderr);
    }
    let vectors = folder.file("vectors");
    let run = rialto(&["statetest", &vectors]);
    assert!(run.stderr.contains("left out") && run.stderr.contains("pointer.json"), "{}", run.stderr);
    let run = rialto(&["statetest", &folder.file("other.json")]);
    assert!(run.stdout.contains("post: expected a value, found nothing"), "{}", run.stdout);
    let names = |jobs: &str| {
        let run = rialto(&["statetest", &vectors, "--json", "--jobs", jobs]);
        run.objects().iter().map(|object| object["name"].as_str().expect("a name").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("1"), ["three", "one", "two"], "files by name, tests as they stand");
    assert_eq!(names("3"), names("1"), "the number of cores changes nothing");
}

#[test]
fn statetest_traces() {
    let folder = Folder::new("statetest-trace");
    let mut test = transfer_test("Berlin");
    test["pre"][support::RECIPIENT.to_string()] =
        json!({ "nonce": "0x1", "balance": "0x0", "code": "0x60005000", "storage": {} });
    let file = folder.write("test.json", suite(&[("call", &test)]));
    let run = rialto(&["statetest", &file, "--trace"]);
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line["opName"].as_str()).collect();
    assert_eq!(names, ["PUSH1", "POP", "STOP"], "{}", run.stderr);
    assert_eq!(lines.last().expect("a summary")["gasUsed"], json!("0x520d"));
}

/// The example chain as a blockchain test.
fn example_test() -> Value {
    let genesis_json = Document::read(&example_chain().join("genesis.json")).expect("the example chain has a genesis");
    let genesis = Genesis::from_json(&genesis_json.root()).expect("a genesis");
    let genesis_block = Block { header: genesis.header.clone(), withdrawals: Some(Vec::new()), ..Block::default() };
    let mut blocks = Vec::new();
    let mut last = None;
    for number in 1..=6 {
        let rlp =
            std::fs::read(example_chain().join(format!("block_{number}.rlp"))).expect("the example chain has blocks");
        let block = Block::decode(&rlp).expect("a block");
        blocks.push(json!({ "rlp": alloy_primitives::hex::encode_prefixed(&rlp) }));
        last = Some(block);
    }
    let last = last.expect("six blocks");
    let header = &genesis.header;
    json!({
        "network": "Osaka",
        "config": { "chainid": format!("{:#x}", genesis.chain.chain_id), "blobSchedule": genesis_json.root().value()["config"]["blobSchedule"] },
        "genesisBlockHeader": {
            "parentHash": header.parent_hash, "uncleHash": header.ommers_hash, "coinbase": header.beneficiary,
            "stateRoot": header.state_root, "transactionsTrie": header.transactions_root,
            "receiptTrie": header.receipts_root, "bloom": header.logs_bloom, "difficulty": header.difficulty,
            "number": header.number, "gasLimit": header.gas_limit, "gasUsed": header.gas_used,
            "timestamp": header.timestamp, "extraData": header.extra_data, "mixHash": header.mix_hash,
            "nonce": header.nonce, "baseFeePerGas": header.base_fee_per_gas,
            "withdrawalsRoot": header.withdrawals_root, "blobGasUsed": header.blob_gas_used,
            "excessBlobGas": header.excess_blob_gas, "parentBeaconBlockRoot": header.parent_beacon_block_root,
            "requestsHash": header.requests_hash, "hash": header.hash(),
        },
        "genesisRLP": alloy_primitives::hex::encode_prefixed(genesis_block.encode()),
        "pre": genesis_json.root().value()["alloc"],
        "blocks": blocks,
        "lastblockhash": last.hash(),
        "postStateHash": last.header.state_root,
    })
}

/// The test with its third block changed.
fn with_third_block(test: &Value, expected: Option<&str>, change: impl Fn(&mut Block)) -> Value {
    let mut test = test.clone();
    let rlp = alloy_primitives::hex::decode(test["blocks"][2]["rlp"].as_str().expect("hex")).expect("hex");
    let mut block = Block::decode(&rlp).expect("a block");
    change(&mut block);
    // The blocks after it have no parent now, and the second one is the last.
    let blocks = test["blocks"].as_array_mut().expect("blocks");
    blocks.truncate(3);
    blocks[2]["rlp"] = json!(alloy_primitives::hex::encode_prefixed(block.encode()));
    if let Some(expected) = expected {
        blocks[2]["expectException"] = json!(expected);
        let second = alloy_primitives::hex::decode(blocks[1]["rlp"].as_str().expect("hex")).expect("hex");
        let second = Block::decode(&second).expect("a block");
        test["lastblockhash"] = json!(second.hash());
        test["postStateHash"] = json!(second.header.state_root);
    }
    test
}

#[test]
fn blocktest_tells_good_from_bad() {
    let good = example_test();
    let reject = |expected: &str, change: &dyn Fn(&mut Block)| with_third_block(&good, Some(expected), change);
    let [gas, root, receipts, bloom, limit, body] = [
        reject("BlockException.INVALID_GAS_USED", &|block| block.header.gas_used += 1),
        reject("BlockException.INVALID_STATE_ROOT", &|block| block.header.state_root.0[0] ^= 1),
        reject("BlockException.INVALID_RECEIPTS_ROOT", &|block| block.header.receipts_root.0[0] ^= 1),
        reject("BlockException.INVALID_LOG_BLOOM", &|block| block.header.logs_bloom.0[0] ^= 1),
        reject("BlockException.INVALID_GASLIMIT", &|block| block.header.gas_limit *= 2),
        reject("BlockException.INVALID_TRANSACTIONS_ROOT", &|block| drop(block.transactions.pop())),
    ];
    let unknown_parent = reject("BlockException.UNKNOWN_PARENT", &|block| block.header.parent_hash.0[0] ^= 1);
    let other_class = reject("BlockException.INVALID_STATE_ROOT", &|block| block.header.gas_used += 1);
    let accepted = reject("BlockException.INVALID_STATE_ROOT", &|_| {});
    let unexpected = with_third_block(&good, None, |block| block.header.gas_used += 1);
    let mut wrong_head = good.clone();
    wrong_head["lastblockhash"] = wrong_head["genesisBlockHeader"]["hash"].clone();
    let mut wrong_genesis = good.clone();
    wrong_genesis["genesisBlockHeader"]["gasLimit"] = json!("0x1");
    let mut cut_off = with_third_block(&good, Some("BlockException.RLP_STRUCTURES_ENCODING"), |_| {});
    let rlp = cut_off["blocks"][2]["rlp"].as_str().expect("hex");
    cut_off["blocks"][2]["rlp"] = json!(&rlp[..rlp.len() / 4 * 2]);
    let rows: [(&str, &Value, Option<&str>); 14] = [
        ("good", &good, None),
        ("gas used", &gas, None),
        ("state root", &root, None),
        ("receipts root", &receipts, None),
        ("bloom", &bloom, None),
        ("gas limit", &limit, None),
        ("body", &body, None),
        ("parent", &unknown_parent, None),
        ("cut off", &cut_off, None),
        (
            "other class",
            &other_class,
            Some("expected a rejection (BlockException.INVALID_STATE_ROOT), found BlockException.INVALID_GAS_USED"),
        ),
        (
            "accepted",
            &accepted,
            Some("blocks[2]: expected a rejection (BlockException.INVALID_STATE_ROOT), the block is valid"),
        ),
        ("unexpected", &unexpected, Some("blocks[2]: expected a valid block, found BlockException.INVALID_GAS_USED")),
        ("last block", &wrong_head, Some("lastblockhash: expected")),
        ("genesis", &wrong_genesis, Some("genesisBlockHeader.gas_limit: expected 1, found")),
    ];
    let folder = Folder::new("blocktest");
    for (name, test, expected) in rows {
        let file = folder.write("test.json", suite(&[(name, test)]));
        let run = rialto(&["blocktest", &file]);
        match expected {
            None => assert_eq!((run.code, run.last_line()), (0, "1 passed, 0 failed"), "{name}: {}", run.stdout),
            Some(expected) => {
                assert_eq!((run.code, run.last_line()), (1, "0 passed, 1 failed"), "{name}: {}", run.stdout);
                assert!(run.stdout.contains(expected), "{name}: expected {expected:?} in {}", run.stdout);
            }
        }
    }
    let file = folder.write("test.json", suite(&[("good", &good)]));
    let [object] = rialto(&["blocktest", &file, "--json"]).objects().try_into().expect("one object a case");
    assert_eq!(object["state_root"], good["postStateHash"]);
    assert_eq!(rialto(&["blocktest", &file, "--fork", "Prague"]).last_line(), "0 passed, 0 failed");
    // The suite's reader of JSON states is the engine's own.
    assert!(json::alloc(&Document::of_value("pre", good["pre"].clone()).root()).is_ok());
}

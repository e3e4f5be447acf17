//! The commands besides the vector runners, on the example chain and on small inputs of our own.

mod support;

use rialto::block_input::read_blocks;
use rialto::block_run;
use rialto::chain_store::ChainStore;
use rialto::input::Document;
use rialto::linear_chain::LinearChain;
use rialto::stateless;
use rialto_state::WitnessRecorder;
use rialto_stf::{Block, Genesis, ReceiptStatus};
use serde_json::{Value, json};
use support::{Folder, example_chain, rialto, rialto_in, rialto_with_input, sender, transfer_test};

fn example(file: &str) -> String {
    example_chain().join(file).to_str().expect("text").to_string()
}

fn genesis() -> Genesis {
    let document = Document::read(&example_chain().join("genesis.json")).expect("the example chain has a genesis");
    Genesis::from_json(&document.root()).expect("a genesis")
}

fn block(number: u64) -> Block {
    let rlp = std::fs::read(example(&format!("block_{number}.rlp"))).expect("the example chain has blocks");
    Block::decode(&rlp).expect("a block")
}

#[test]
fn execute_runs_the_example_chain() {
    let chain = example_chain();
    let chain = chain.to_str().expect("text");
    let run = rialto(&["execute", chain, "--check"]);
    assert_eq!(run.code, 0, "{} {}", run.stdout, run.stderr);
    assert_eq!(run.stdout.lines().filter(|line| line.ends_with(", ok")).count(), 6, "{}", run.stdout);

    let objects = rialto(&["execute", chain, "--json"]).objects();
    assert_eq!(objects.len(), 6);
    for (number, object) in (1..).zip(&objects) {
        let header = block(number).header;
        assert_eq!(object["block"], json!(number));
        assert_eq!(object["transactions"], json!(block(number).transactions.len()), "block {number}");
        assert_eq!(object["gas_used"], json!(header.gas_used), "block {number}");
        assert_eq!(object["receipts_root"], json!(header.receipts_root), "block {number}");
        assert_eq!(object["state_root"], json!(header.state_root), "block {number}");
        assert_eq!(object["matches"], json!(true), "block {number}");
        assert!(object["nanoseconds"].as_u64().expect("a number") > 0, "block {number}");
    }

    let folder = Folder::new("execute-forms");
    let all: Vec<u8> = (1..=6).flat_map(|number| block(number).encode()).collect();
    folder.write("chain.rlp", &all);
    folder.write("digits.rlp", alloy_primitives::hex::encode_prefixed(&all));
    let genesis = example("genesis.json");
    let alloc = Document::read(&example_chain().join("genesis.json")).expect("a genesis");
    folder.write("alloc.json", alloc.root().value()["alloc"].to_string());
    let chain_id = self::genesis().chain.chain_id.to_string();
    let [first, second] = [example("block_1.rlp"), example("block_2.json")];
    let rows: [(&str, &[&str], usize); 4] = [
        ("many blocks in a file", &["--genesis", &genesis, "@chain.rlp"], 6),
        ("hex digits", &["--genesis", &genesis, "@digits.rlp"], 6),
        ("RLP and JSON", &["--genesis", &genesis, &first, &second], 2),
        ("an alloc", &["--alloc", "@alloc.json", "--chain", "Osaka", "--chain-id", &chain_id, &first], 1),
    ];
    for (name, arguments, blocks) in rows {
        let run = rialto_in(&folder, &[&["execute", "--check", "--json"], arguments].concat());
        let objects = run.objects();
        assert_eq!((run.code, objects.len()), (0, blocks), "{name}: {} {}", run.stdout, run.stderr);
        assert!(objects.iter().all(|object| object["matches"] == json!(true)), "{name}: {}", run.stdout);
    }
}

#[test]
fn execute_checks_blocks_against_their_headers() {
    let folder = Folder::new("execute-check");
    let changed = |name: &str, change: &dyn Fn(&mut Block)| {
        let mut block = block(1);
        change(&mut block);
        folder.write(name, block.encode())
    };
    let genesis = example("genesis.json");
    let rows: [(&str, String, &str); 4] = [
        ("gas", changed("gas.rlp", &|block| block.header.gas_used -= 1), "DIFFERS: header.gas_used"),
        ("root", changed("root.rlp", &|block| block.header.state_root.0[0] ^= 1), "DIFFERS: header.state_root"),
        ("limit", changed("limit.rlp", &|block| block.header.gas_limit *= 2), "INVALID: header.gas_limit"),
        ("body", changed("body.rlp", &|block| drop(block.transactions.pop())), "INVALID: header.transactions_root"),
    ];
    for (name, file, text) in &rows {
        let run = rialto(&["execute", "--genesis", &genesis, file, "--check"]);
        assert_eq!(run.code, 1, "{name}: {}", run.stderr);
        assert!(run.stdout.contains(text), "{name}: {}", run.stdout);
        let run = rialto(&["execute", "--genesis", &genesis, file, "--check", "--json"]);
        assert_eq!(run.objects()[0]["matches"], json!(false), "{name}");
    }
    // Without a check a difference is shown but no reason to fail; a block that is not valid can't be executed at all.
    assert_eq!(rialto(&["execute", "--genesis", &genesis, &rows[0].1]).code, 0);
    assert_eq!(rialto(&["execute", "--genesis", &genesis, &rows[2].1]).code, 2);
}

/// The folder of the chain's second block with the part of the state that it touches, as archives of single blocks have it.
fn block_folder(folder: &Folder, change: impl Fn(&mut Value, &mut Value)) -> String {
    let mut chain = LinearChain::of_genesis(&genesis()).expect("a chain");
    let first = read_blocks(&example_chain().join("block_1.rlp"), chain.spec()).expect("a block").remove(0);
    let executed = chain.execute(&first).expect("valid");
    chain.append(first.block, executed);
    let second = read_blocks(&example_chain().join("block_2.json"), chain.spec()).expect("a block").remove(0);
    let reader = chain.reader();
    let recorder = WitnessRecorder::new(&reader);
    let executed = block_run::execute_sequentially(chain.spec(), &second, &recorder, None, None).expect("valid");
    let mut state = serde_json::Map::new();
    for (address, slots) in &recorder.into_record().accounts {
        let Some(account) = reader.state.get(address) else { continue };
        let code = reader.state.get_code(&account.info.code_hash).map(|code| code.bytes().clone());
        let word = |slot| account.storage.get(slot).copied().unwrap_or_default();
        let slots = slots.iter().map(|slot| (format!("{slot:#x}"), json!(format!("{:#x}", word(slot)))));
        state.insert(
            address.to_string(),
            json!({
                "basic": { "balance": format!("{:#x}", account.info.balance), "nonce": account.info.nonce },
                "code": code.filter(|code| !code.is_empty()),
                "storage": slots.collect::<serde_json::Map<_, _>>(),
            }),
        );
    }
    let receipts: Vec<Value> = executed
        .outcome
        .receipts
        .iter()
        .map(|receipt| {
            let logs = receipt
                .logs
                .iter()
                .map(|log| json!({ "address": log.address, "topics": log.topics.to_vec(), "data": log.data }));
            json!({
                "type": format!("{:#x}", receipt.tx_type as u8),
                "status": receipt.status == ReceiptStatus::Status(true),
                "cumulativeGasUsed": format!("{:#x}", receipt.cumulative_gas_used),
                "logs": logs.collect::<Vec<_>>(),
            })
        })
        .collect();
    let text = std::fs::read(example("block_2.json")).expect("the example chain has blocks");
    let mut block: Value = serde_json::from_slice(&text).expect("JSON");
    block["receipts"] = json!(receipts);
    let mut state = Value::Object(state);
    change(&mut block, &mut state);
    folder.write("2/block.json", block.to_string());
    folder.write("2/pre_state.json", state.to_string());
    folder.file("2")
}

#[test]
fn execute_runs_a_block_on_a_part_of_the_state() {
    let folder = Folder::new("execute-partial");
    let chain_id = genesis().chain.chain_id.to_string();
    let options = ["--chain", "Osaka", "--chain-id", &chain_id];
    let run = |path: &str, more: &[&str]| rialto(&[&["execute", path], &options[..], more].concat());
    let path = block_folder(&folder, |_, _| {});
    let good = run(&path, &["--check", "--json"]);
    let [object] = good.objects().try_into().unwrap_or_else(|_| panic!("{} {}", good.stdout, good.stderr));
    assert_eq!((good.code, &object["matches"]), (0, &json!(true)), "{}", good.stdout);
    assert_eq!(object["receipts_root"], json!(block(2).header.receipts_root));
    assert!(object["state_root"].is_null(), "a part of a state has no root");
    // A folder of folders.
    let outer = folder.path().to_str().expect("text").to_string();
    assert_eq!(run(&outer, &["--check"]).stdout.lines().count(), 1);

    let path = block_folder(&folder, |block, _| {
        block.as_object_mut().expect("a block").remove("hash");
        block["receiptsRoot"] = json!(alloy_primitives::B256::ZERO);
        let gas = &mut block["receipts"][7]["cumulativeGasUsed"];
        *gas = json!(format!("{:#x}", u64::from_str_radix(&gas.as_str().expect("hex")[2..], 16).expect("hex") + 5));
    });
    let bad = run(&path, &["--check"]);
    assert_eq!(bad.code, 1);
    assert!(bad.stdout.contains("the first transaction that differs: transactions[7]: gas used"), "{}", bad.stdout);

    let path = block_folder(&folder, |_, state| {
        for account in state.as_object_mut().expect("a state").values_mut() {
            account["storage"] = json!({});
        }
    });
    let missing = run(&path, &["--check"]);
    assert_eq!(missing.code, 2, "{}", missing.stdout);
    assert!(missing.stderr.contains("expected in the pre-state, found nothing"), "{}", missing.stderr);
}

#[test]
fn execute_runs_a_block_on_a_witness() {
    let folder = Folder::new("execute-witness");
    let genesis = genesis();
    let block_zero = Block { header: genesis.header.clone(), withdrawals: Some(Vec::new()), ..Block::default() };
    let store = ChainStore::new(genesis.chain.clone(), block_zero, genesis.state()).expect("a chain");
    let witness = stateless::produce(&store, &block(1)).expect("a witness");
    let text = |state: &[alloy_primitives::Bytes], headers: &[alloy_primitives::Bytes]| {
        json!({ "state": state, "codes": witness.codes, "headers": headers }).to_string()
    };
    folder.write("whole.json", text(&witness.state, &witness.headers));
    folder.write("less.json", text(&witness.state[1..], &witness.headers));
    folder.write("orphan.json", text(&witness.state, &[]));
    folder.write("broken.json", text(&witness.state, &[witness.headers[0].slice(..40)]));
    let chain_id = genesis.chain.chain_id.to_string();
    let first = example("block_1.rlp");
    let rows = [
        ("whole", "@whole.json", 0, ", ok"),
        ("a node is absent", "@less.json", 2, "expected in the witness, found nothing"),
        ("no header", "@orphan.json", 2, "headers: expected the parent's, with the hash 0x"),
        ("half a header", "@broken.json", 2, "headers[0]: header: expected"),
    ];
    for (name, file, code, text) in rows {
        let options = ["--chain", "Osaka", "--chain-id", &chain_id, "--check", "--witness", file, &first];
        let run = rialto_in(&folder, &[&["execute"], &options[..]].concat());
        assert_eq!(run.code, code, "{name}: {} {}", run.stdout, run.stderr);
        assert!(format!("{}{}", run.stdout, run.stderr).contains(text), "{name}: {} {}", run.stdout, run.stderr);
    }
}

#[test]
fn trace_shows_each_opcode() {
    let folder = Folder::new("trace");
    let mut test = transfer_test("Berlin");
    test["pre"][support::RECIPIENT.to_string()] =
        json!({ "nonce": "0x1", "balance": "0x0", "code": support::CONTRACT_CODE, "storage": {} });
    let file = folder.write("test.json", json!({ "call": test }).to_string());
    let run = rialto(&["trace", &file]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines = run.objects();
    let found: Vec<(u64, &str, &str)> = lines
        .iter()
        .filter(|line| line["pc"].is_number())
        .map(|line| {
            let text = |name: &str| line[name].as_str().expect("text");
            (line["pc"].as_u64().expect("a number"), text("opName"), text("gasCost"))
        })
        .collect();
    let expected = [
        (0, "PUSH1", "0x3"),
        (2, "PUSH1", "0x3"),
        (4, "SSTORE", "0x5654"),
        (5, "PUSH1", "0x3"),
        (7, "PUSH1", "0x3"),
        (9, "PUSH1", "0x3"),
        // LOG1 with one word of memory for its two bytes: 750 + 16 + 3.
        (11, "LOG1", "0x301"),
        (12, "STOP", "0x0"),
    ];
    assert_eq!(found, expected);
    let [.., store, _, _, _, _, _, summary] = lines.as_slice() else { panic!("nine lines: {}", run.stdout) };
    assert_eq!(store["stack"], json!(["0x1", "0x0"]));
    assert_eq!((&store["depth"], &store["memSize"], &store["refund"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!(summary["pass"], json!(true));
    let run = rialto(&["trace", &file, "--no-stack", "--no-return-data", "--memory"]);
    let line = &run.objects()[0];
    assert!(line["stack"].is_null() && line["returnData"].is_null() && line["memory"] == json!("0x"), "{line}");

    let chain = example_chain();
    let run = rialto(&["trace", chain.to_str().expect("text"), "--block", "2", "--tx", "1"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.objects().last().expect("a summary")["gasUsed"].is_string());
}

/// The input of a transition with one transfer.
fn transition_input() -> Value {
    let test = transfer_test("Berlin");
    let mut env = test["env"].clone();
    env["currentBaseFee"] = json!("0x7");
    let mut transaction = test["transaction"].clone();
    transaction["gas"] = json!("0x5208");
    transaction["value"] = json!("0x7");
    transaction["input"] = json!("0x");
    for name in ["gasLimit", "data", "sender"] {
        transaction.as_object_mut().expect("a transaction").remove(name);
    }
    for name in ["v", "r", "s"] {
        transaction[name] = json!("0x0");
    }
    let mut late = transaction.clone();
    late["nonce"] = json!("0x5");
    json!({ "alloc": test["pre"], "env": env, "txs": [transaction, late] })
}

const T8N: [&str; 8] = [
    "t8n",
    "--input.alloc=stdin",
    "--input.env=stdin",
    "--input.txs=stdin",
    "--output.alloc=stdout",
    "--output.result=stdout",
    "--output.body=stdout",
    "--state.reward=-1",
];

#[test]
fn t8n_applies_transactions() {
    let run =
        rialto_with_input(&[&T8N[..], &["--state.fork=Berlin"]].concat(), transition_input().to_string().as_bytes());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let output: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let test = transfer_test("Berlin");
    let result = &output["result"];
    assert_eq!(result["stateRoot"], test["post"]["Berlin"][0]["hash"], "as the state test with the same transfer");
    assert_eq!(result["logsHash"], test["post"]["Berlin"][0]["logs"]);
    assert_eq!((&result["gasUsed"], &result["currentDifficulty"]), (&json!("0x5208"), &json!("0x20000")));
    assert_eq!(result["receipts"].as_array().expect("receipts").len(), 1);
    assert_eq!(result["rejected"][0]["index"], json!(1));
    let text = result["rejected"][0]["error"].as_str().expect("text");
    assert_eq!(text, format!("nonce too high: address {}, tx: 5 state: 1", sender()));
    let recipient = &output["alloc"][support::RECIPIENT.to_string().to_lowercase()];
    assert_eq!(recipient, &json!({ "balance": "0x7" }));
    // The body is read again as the transactions of another run.
    let mut again = transition_input();
    again.as_object_mut().expect("an input").remove("txs");
    again["txsRlp"] = output["body"].clone();
    let run = rialto_with_input(&[&T8N[..], &["--state.fork=Berlin"]].concat(), again.to_string().as_bytes());
    let repeated: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(repeated["result"]["stateRoot"], result["stateRoot"]);
}

#[test]
fn t8n_writes_files() {
    let folder = Folder::new("t8n");
    let input = transition_input();
    for name in ["alloc", "env", "txs"] {
        folder.write(&format!("{name}.json"), input[name].to_string());
    }
    let run = rialto_in(
        &folder,
        &[
            "t8n",
            "--input.alloc",
            "@alloc.json",
            "--input.env",
            "@env.json",
            "--input.txs",
            "@txs.json",
            "--output.basedir",
            "@out",
            "--state.fork",
            "Berlin",
            "--output.body",
            "body.rlp",
            "--trace",
            "--opcode.count",
            "counts.json",
        ],
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("out"))
        .expect("the folder was made")
        .map(|entry| entry.expect("an entry").file_name().to_str().expect("text").to_string())
        .collect();
    names.sort();
    let (traces, files): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.starts_with("trace-0-0x"));
    assert_eq!(files, ["alloc.json", "body.rlp", "counts.json", "result.json"]);
    let [trace] = traces.try_into().expect("a trace of the transaction that was applied");
    let text = std::fs::read_to_string(folder.path().join("out").join(trace)).expect("a trace");
    assert_eq!(text, "{\"output\":\"\",\"gasUsed\":\"0x0\"}\n", "a transfer has no opcodes");
}

#[test]
fn t8n_has_an_exit_code_for_each_kind_of_error() {
    let change = |pointer: &str, value: Value| {
        let mut input = transition_input();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = input.pointer_mut(parent).expect("a parent");
        match value {
            Value::Null => drop(parent.as_object_mut().expect("an object").remove(name)),
            value => parent[name] = value,
        }
        input.to_string()
    };
    let same = || transition_input().to_string();
    let blockhash = change(
        &format!("/alloc/{}", support::RECIPIENT),
        json!({ "balance": "0x0", "code": "0x600040", "nonce": "0x1", "storage": {} }),
    );
    let blockhash = blockhash.replace("\"gas\":\"0x5208\"", "\"gas\":\"0xffff\"");
    let rows = [
        ("unknown fork", same(), "Atlantis", 3, "--state.fork: expected one of Frontier"),
        ("unknown EIP", same(), "Frontier+1346", 3, "--state.fork"),
        ("no base fee", change("/env/currentBaseFee", Value::Null), "London", 3, "env.parentBaseFee"),
        ("no difficulty", change("/env/currentDifficulty", Value::Null), "Berlin", 3, "env.parentDifficulty"),
        ("no randomness", change("/env/currentDifficulty", json!("0x0")), "Paris", 3, "env.currentRandom"),
        ("difficulty after the merge", change("/env/currentRandom", json!("0x0")), "Paris", 3, "env.currentDifficulty"),
        ("missing hash", blockhash, "Berlin", 4, "expected the hash of block 0"),
        ("no JSON", "{".to_string(), "Berlin", 10, "stdin: expected JSON"),
        ("no environment", change("/env", Value::Null), "Berlin", 10, "env: expected a value, found nothing"),
        (
            "negative number",
            change("/env/currentNumber", json!(-1)),
            "Berlin",
            10,
            "env.currentNumber: expected a number of at least 0, found -1",
        ),
        ("wrong type", change("/txs", json!("0x")), "Berlin", 10, "txs: expected an array"),
        ("wrong RLP", change("/txsRlp", json!("0xc3")), "Berlin", 12, "stdin: expected"),
    ];
    for (name, input, fork, code, text) in rows {
        let run = rialto_with_input(&[&T8N[..], &["--state.fork", fork]].concat(), input.as_bytes());
        assert_eq!(run.code, code, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(text), "{name}: {}", run.stderr);
    }
    let run = rialto(&["t8n", "--input.alloc", "/nowhere/alloc.json"]);
    assert_eq!(run.code, 11, "{}", run.stderr);
}

#[test]
fn disasm_reads_hex_files_and_standard_input() {
    let folder = Folder::new("disasm");
    folder.write("code.hex", "0x6001\n");
    folder.write("code.bin", [0x60, 0x01]);
    let listing = "000000  PUSH1 0x01\n";
    let rows: [(&str, &[&str], &str, &str); 7] = [
        ("argument", &["0x6001"], "", listing),
        ("without 0x", &["6001"], "", listing),
        ("standard input", &[], "6001\n", listing),
        ("dash", &["-"], "0x6001", listing),
        ("file", &["--file", "@code.hex"], "", listing),
        ("raw file", &["--raw", "--file", "@code.bin"], "", listing),
        ("nothing", &["0x"], "", ""),
    ];
    for (name, arguments, input, expected) in rows {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| argument.strip_prefix('@').map_or((*argument).to_string(), |name| folder.file(name)))
            .collect();
        let arguments: Vec<&str> = ["disasm"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let run = rialto_with_input(&arguments, input.as_bytes());
        assert_eq!((run.code, run.stdout.as_str()), (0, expected), "{name}: {}", run.stderr);
    }
    let run = rialto(&["disasm", "5f0c", "--fork", "paris", "--json"]);
    let [push, undefined] = run.objects().try_into().expect("two instructions");
    assert_eq!((&push["name"], &push["defined"]), (&json!("PUSH0"), &json!(false)));
    assert_eq!((&undefined["name"], &undefined["offset"]), (&Value::Null, &json!(1)));
}

#[test]
fn bench_compares_a_case_of_ones_own() {
    let folder = Folder::new("bench");
    let case = json!({ "name": "stop", "code": "0x00", "input": "0x", "gas_limit": "0x186a0" });
    folder.write("case.json", case.to_string());
    let arguments = ["bench", "--no-synthetic", "--case", "@case.json", "--case-time", "1", "--json"];
    let run = rialto_in(&folder, &arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let case = &report["cases"][0];
    assert_eq!((&case["name"], &case["group"]), (&json!("stop"), &json!("synthetic")));
    for name in ["rialto_ns", "revm_ns", "ratio"] {
        assert!(case[name].is_number(), "{name} in {report}");
    }
    assert!(report["geomean"]["synthetic"].is_number() && report["geomean"]["mainnet"].is_null(), "{report}");
}

#[test]
fn help_version_and_completions() {
    let rows: [(&[&str], i32, &str); 8] = [
        (&["--version"], 0, env!("CARGO_PKG_VERSION")),
        (&["--help"], 0, "Exit codes: 0 all is well, 1 a check failed, 2 bad usage or input"),
        (&["execute", "--help"], 0, "--check"),
        (&["statetest", "--help"], 0, "N passed, N failed"),
        (&["t8n", "--help"], 0, "--input.alloc"),
        (&["completions", "bash"], 0, "_rialto"),
        (&["completions", "zsh"], 0, "#compdef rialto"),
        (&["completions", "fish"], 0, "complete -c rialto"),
    ];
    for (arguments, code, text) in rows {
        let run = rialto(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {}", run.stderr);
        assert!(run.stdout.contains(text), "{arguments:?}: {}", run.stdout);
        assert!(run.stderr.is_empty(), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn bad_input_is_an_error_that_says_where() {
    let folder = Folder::new("bad-input");
    let first = std::fs::read(example("block_1.rlp")).expect("the example chain has blocks");
    folder.write("cut.rlp", &first[..200]);
    folder.write("tail.rlp", [&first[..], &[0x80]].concat());
    folder.write("empty.rlp", "");
    folder.write("syntax.json", "{\"alloc\": ");
    let genesis: Value =
        serde_json::from_slice(&std::fs::read(example("genesis.json")).expect("a genesis")).expect("JSON");
    let changed = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut value = genesis.clone();
        change(&mut value);
        folder.write(name, value.to_string());
    };
    let account = || json!({ "balance": "0x1" });
    changed("type.json", &|genesis| genesis["gasLimit"] = json!(true));
    changed("negative.json", &|genesis| genesis["timestamp"] = json!(-7));
    changed("negative-hex.json", &|genesis| genesis["timestamp"] = json!("-0x7"));
    changed("huge.json", &|genesis| genesis["gasLimit"] = json!(format!("0x{}", "f".repeat(17))));
    changed("digit.json", &|genesis| genesis["mixHash"] = json!("0xzz"));
    changed("address.json", &|genesis| genesis["alloc"]["0x12"] = account());
    changed("fork.json", &|genesis| genesis["config"]["atlantisTime"] = json!(0));
    changed("order.json", &|genesis| genesis["config"]["cancunTime"] = json!(u64::MAX));
    let mut block: Value =
        serde_json::from_slice(&std::fs::read(example("block_1.json")).expect("a block")).expect("JSON");
    block["transactions"][0]["r"] = json!("0x0");
    block["transactions"][0].as_object_mut().expect("a transaction").remove("hash");
    folder.write("signature.json", block.to_string());
    block["gasUsed"] = json!("0x1");
    folder.write("hash.json", block.to_string());

    let good = example("genesis.json");
    let [rlp, zero] = [example("block_1.rlp"), "0".to_string()];
    let rows: [(&str, &[&str], &str); 27] = [
        ("no command", &[], "Usage: rialto"),
        ("unknown command", &["fly"], "unrecognized subcommand 'fly'"),
        ("missing file", &["statetest", "@nowhere.json"], "nowhere.json: No such file"),
        ("missing genesis", &["execute", "--genesis", "@nowhere.json", &rlp], "nowhere.json: No such file"),
        ("file without a state", &["execute", &rlp], "expected --genesis, --alloc or --witness"),
        ("folder without a block", &["execute", "@."], "expected block.json, genesis.json"),
        ("two states", &["execute", "--genesis", &good, "--alloc", &good, &rlp], "cannot be used with"),
        (
            "unknown chain",
            &["execute", "--alloc", &good, "--chain", "Atlantis", &rlp],
            "--chain: \"Atlantis\": expected mainnet",
        ),
        (
            "truncated RLP",
            &["execute", "--genesis", &good, "@cut.rlp"],
            "block with index 0: expected 16066 bytes, found only 197",
        ),
        ("bytes behind a block", &["execute", "--genesis", &good, "@tail.rlp"], "block with index 1: expected a list"),
        ("JSON syntax", &["execute", "--genesis", "@syntax.json", &rlp], "syntax.json: expected JSON at line 1"),
        ("wrong type", &["execute", "--genesis", "@type.json", &rlp], "gasLimit: expected a quantity, found true"),
        (
            "negative number",
            &["execute", "--genesis", "@negative.json", &rlp],
            "timestamp: expected a number of at least 0, found -7",
        ),
        (
            "negative hex",
            &["execute", "--genesis", "@negative-hex.json", &rlp],
            "timestamp: expected a number of at least 0, found \"-0x7\"",
        ),
        (
            "absurd size",
            &["execute", "--genesis", "@huge.json", &rlp],
            "gasLimit: expected an integer of at most 64 bits",
        ),
        ("bad digit", &["execute", "--genesis", "@digit.json", &rlp], "mixHash: expected 32 bytes instead of 1"),
        (
            "short address",
            &["execute", "--genesis", "@address.json", &rlp],
            "expected 20 bytes instead of 1, found the key \"0x12\"",
        ),
        (
            "unknown fork",
            &["execute", "--genesis", "@fork.json", &rlp],
            "config.atlantisTime: expected a fork that is known",
        ),
        ("forks out of order", &["execute", "--genesis", "@order.json", &rlp], "config."),
        (
            "signature",
            &["execute", "--genesis", &good, "@signature.json"],
            "transactions[0]: expected a transaction of this chain and time",
        ),
        ("stated hash", &["execute", "--genesis", &good, "@hash.json"], "hash: expected 0x"),
        ("unknown fork to disassemble", &["disasm", "00", "--fork", "Atlantis"], "expected one of Frontier"),
        ("bad hex", &["disasm", "0x6g"], "CODE: \"g\": expected hex digits only, this is digit 1"),
        ("odd hex", &["disasm", "0x600"], "expected an even number of hex digits"),
        ("index", &["trace", &chain_path(), "--block", "1", "--tx", "46"], "--tx: \"46\": expected an index below 46"),
        (
            "block",
            &["trace", &chain_path(), "--block", "9", "--tx", &zero],
            "--block: \"9\": expected the number of a block",
        ),
        ("unknown shell", &["completions", "abacus"], "invalid value 'abacus'"),
    ];
    for (name, arguments, text) in rows {
        let run = rialto_in(&folder, arguments);
        assert_eq!(run.code, 2, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.stderr.contains(text), "{name}: expected {text:?} in {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{name}: {}", run.stderr);
    }
}

fn chain_path() -> String {
    example_chain().to_str().expect("text").to_string()
}

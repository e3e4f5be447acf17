//! `--threads`, `--jit` and `--strategy` from the outside: they change nothing but the time, and what is no such value is named.

#[path = "support/json_rpc.rs"]
mod json_rpc;
#[path = "support/server.rs"]
mod server;
mod support;

use alloy_primitives::{Address, address};
use json_rpc::Client;
use serde_json::{Value, json};
use server::Server;
use support::{Folder, example_chain, rialto, rialto_in, transfer_test};

/// Ways that the commands which check something know.
const WAYS: [&[&str]; 7] = [
    &["--threads", "1", "--jit", "off"],
    &["--threads", "2"],
    &["--threads", "16", "--strategy", "optimistic"],
    &["--threads", "4", "--strategy", "list"],
    &["--threads", "1", "--jit", "always"],
    &["--threads", "2", "--jit", "always"],
    &["--all-strategies"],
];

#[test]
fn execute_gives_the_same_in_every_way() {
    let chain = example_chain();
    let chain = chain.to_str().expect("text");
    let run = |more: &[&str]| {
        let run = rialto(&[&["execute", chain, "--check", "--json"], more].concat());
        assert_eq!(run.code, 0, "{more:?}: {} {}", run.stdout, run.stderr);
        let mut objects = run.objects();
        assert!(objects.iter_mut().all(|object| object["nanoseconds"].take().as_u64() > Some(0)), "{more:?}");
        objects
    };
    let expected = run(&[]);
    assert_eq!(expected.len(), 6);
    for way in WAYS {
        assert_eq!(run(way), expected, "{way:?}");
    }
}

#[test]
fn vectors_give_the_same_in_every_way() {
    let folder = Folder::new("strategies-vectors");
    let tests = json!({ "berlin": transfer_test("Berlin"), "london": transfer_test("London") });
    let mut wrong = tests.clone();
    wrong["berlin"]["post"]["Berlin"][0]["hash"] = json!(alloy_primitives::B256::ZERO);
    folder.write("good.json", tests.to_string());
    folder.write("wrong.json", wrong.to_string());
    for way in WAYS {
        for (file, code, last_line) in
            [("@good.json", 0, "2 passed, 0 failed"), ("@wrong.json", 1, "1 passed, 1 failed")]
        {
            let run = rialto_in(&folder, &[&["statetest", file], way].concat());
            assert_eq!((run.code, run.last_line()), (code, last_line), "{way:?}: {} {}", run.stdout, run.stderr);
        }
    }
}

#[test]
fn a_chain_is_imported_in_every_way() {
    let folder = Folder::new("strategies-import");
    let genesis = example_chain().join("genesis.json").to_str().expect("text").to_string();
    let blocks = (1..=6).flat_map(|number| {
        std::fs::read(example_chain().join(format!("block_{number}.rlp"))).expect("the example chain has blocks")
    });
    folder.write("chain.rlp", blocks.collect::<Vec<u8>>());
    let ways: [&[&str]; 3] = [
        &["--threads", "1", "--jit", "off"],
        &["--threads", "4", "--jit", "auto"],
        &["--threads", "2", "--jit", "always"],
    ];
    let heads = ways.iter().enumerate().map(|(index, way)| {
        let data = format!("@data-{index}");
        let begun = rialto_in(&folder, &["init", "--datadir", &data, "--chain", &genesis]);
        assert_eq!(begun.code, 0, "{}", begun.stderr);
        let run = rialto_in(&folder, &[&["import", "--datadir", &data, "@chain.rlp", "--json"], *way].concat());
        assert_eq!(run.code, 0, "{way:?}: {} {}", run.stdout, run.stderr);
        run.objects().remove(0)["head"].take()
    });
    let heads: Vec<Value> = heads.collect();
    assert_eq!(heads[0]["number"], json!(6));
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
}

/// A contract: counts from 100 down to 0 and then adds 1 to slot 0.
const COUNTER: Address = Address::repeat_byte(0xc0);
const COUNTER_CODE: &str = "0x60645b600190038060025750 5f546001015f5500";
/// An account of the default words.
const SENDER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
/// Transactions of a block; twice as many of them call the contract as transfer.
const CALLS: u64 = 48;

/// What a developer's chain makes of a block of calls and transfers.
fn mined(way: &[&str]) -> Value {
    let fixed = ["--timestamp", "1700000000", "--no-mining", "--order", "fifo"];
    let server = Server::dev(&[&fixed[..], way].concat());
    let mut client = Client::open(&server.address);
    client.result("anvil_setCode", json!([COUNTER, COUNTER_CODE.replace(' ', "")]));
    for number in 0..CALLS {
        let to = if number % 3 == 2 { Address::with_last_byte(0xdd) } else { COUNTER };
        let transaction =
            json!({ "from": SENDER, "to": to, "gas": "0x186a0", "value": "0x1", "nonce": format!("{number:#x}") });
        client.result("eth_sendTransaction", json!([transaction]));
    }
    client.result("evm_setNextBlockTimestamp", json!([1_700_000_012]));
    client.result("evm_mine", json!([]));
    let block = client.result("eth_getBlockByNumber", json!(["latest", false]));
    let count = client.result("eth_getStorageAt", json!([COUNTER, "0x0", "latest"]));
    let estimate = client.result("eth_estimateGas", json!([{ "from": SENDER, "to": COUNTER }]));
    assert_eq!(server.stop(), Some(0), "{way:?}");
    json!({ "hash": block["hash"], "root": block["stateRoot"], "gas": block["gasUsed"],
        "transactions": block["transactions"].as_array().map(Vec::len), "count": count, "estimate": estimate })
}

#[test]
fn a_developers_chain_mines_the_same_block_in_every_way() {
    let expected = mined(&["--threads", "1", "--jit", "off"]);
    assert_eq!(expected["transactions"], json!(CALLS), "{expected}");
    assert_eq!(expected["count"], json!(format!("0x{:064x}", CALLS * 2 / 3)), "{expected}");
    for way in [["--threads", "2", "--jit", "auto"], ["--threads", "2", "--jit", "always"]] {
        assert_eq!(mined(&way), expected, "{way:?}");
    }
}

#[test]
fn what_is_no_strategy_is_named() {
    let folder = Folder::new("strategies-bad");
    folder.write("threads.toml", "threads = 0\n");
    folder.write("jit.toml", "jit = \"sometimes\"\n");
    let chain = example_chain().to_str().expect("text").to_string();
    let node = ["node", "--datadir", "@none", "--config"];
    let rows: [(&str, Vec<&str>, &str); 10] = [
        (
            "no thread",
            vec!["execute", &chain, "--threads", "0"],
            "invalid value '0' for '--threads <N>': 0 is not in 1..=256",
        ),
        ("too many", vec!["blocktest", &chain, "--threads", "257"], "257 is not in 1..=256"),
        ("no number", vec!["statetest", &chain, "--threads", "all"], "invalid value 'all' for '--threads <N>'"),
        ("no such time", vec!["execute", &chain, "--jit", "maybe"], "[possible values: off, auto, always]"),
        (
            "no such order",
            vec!["blocktest", &chain, "--strategy", "random"],
            "[possible values: auto, optimistic, list]",
        ),
        ("one and all", vec!["execute", &chain, "--all-strategies", "--threads", "2"], "cannot be used with"),
        ("of dev", vec!["dev", "--jit", "on"], "invalid value 'on' for '--jit <WHEN>'"),
        ("of import", vec!["import", "--datadir", "@none", "--threads=-1", "@none"], "'-1' for '--threads <N>'"),
        ("file, threads", [&node[..], &["@threads.toml"]].concat(), "invalid value '0' for '--threads <N>'"),
        ("file, jit", [&node[..], &["@jit.toml"]].concat(), "invalid value 'sometimes' for '--jit <WHEN>'"),
    ];
    for (name, arguments, text) in rows {
        let run = rialto_in(&folder, &arguments);
        assert_eq!(run.code, 2, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.stderr.contains(text), "{name}: {}", run.stderr);
    }
}

//! `rialto db` from the outside, on the example chain: figures, verification, a state that begins another chain, and what is no database.

mod support;

use serde_json::{Map, Value};
use std::fs;
use support::{Folder, Run, example_chain, rialto_in};

fn run(folder: &Folder, arguments: &[&str]) -> Run {
    let run = rialto_in(folder, arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
    run
}

fn object(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
}

/// A folder with the example chain in its data directory `data`.
fn with_example_chain(test: &str) -> Folder {
    let folder = Folder::new(test);
    let genesis = example_chain().join("genesis.json");
    run(&folder, &["init", "--datadir", "@data", "--chain", genesis.to_str().expect("text")]);
    let block = |number: u64| fs::read(example_chain().join(format!("block_{number}.rlp")));
    let blocks: Vec<u8> = (1..).map_while(|number| block(number).ok()).flatten().collect();
    folder.write("chain.rlp", blocks);
    run(&folder, &["import", "--datadir", "@data", "@chain.rlp"]);
    folder
}

#[test]
fn figures_and_verification() {
    let folder = with_example_chain("db_figures");
    let stats = object(&run(&folder, &["db", "stats", "--datadir", "@data", "--json"]));
    let report = object(&run(&folder, &["db", "verify", "--datadir", "@data", "--json"]));
    assert_eq!(report["clean"], true, "{report}");
    let rows =
        [("accounts", "accounts"), ("slots", "storage"), ("blocks", "headers"), ("transactions", "transactions")];
    for (counted, table) in rows {
        assert_eq!(report[counted], stats["tables"][table]["entries"], "{counted}");
        assert!(report[counted].as_u64() > Some(0), "{counted}");
    }
    assert_eq!(report["head"], stats["head"]);
    let text = run(&folder, &["db", "verify", "--datadir", "@data"]);
    assert!(text.last_line() == "clean" && text.stderr.is_empty(), "{} {}", text.stdout, text.stderr);
    let text = run(&folder, &["db", "stats", "--datadir", "@data"]);
    assert!(text.stdout.contains("storage_nodes_history"), "{}", text.stdout);
}

#[test]
fn an_exported_state_begins_a_chain_with_its_root() {
    let folder = with_example_chain("db_export");
    let report = object(&run(&folder, &["db", "verify", "--datadir", "@data", "--json"]));
    let alloc = object(&run(&folder, &["db", "export-state", "--datadir", "@data"]));
    // The same accounts, one a line.
    let mut accounts = Map::new();
    for mut account in run(&folder, &["db", "export-state", "--datadir", "@data", "--json"]).objects() {
        let address = account.as_object_mut().and_then(|account| account.remove("address")).expect("an address");
        accounts.insert(address.as_str().expect("text").to_lowercase(), account);
    }
    assert_eq!(Value::Object(accounts), alloc);
    // A state of before is another one.
    let first = object(&run(&folder, &["db", "export-state", "--datadir", "@data", "--block", "0"]));
    assert_ne!(first, alloc);
    let genesis = fs::read(example_chain().join("genesis.json")).expect("the example chain has a genesis");
    let mut genesis: Value = serde_json::from_slice(&genesis).expect("JSON");
    genesis["alloc"] = alloc;
    folder.write("again.json", genesis.to_string());
    run(&folder, &["init", "--datadir", "@again", "--chain", "@again.json"]);
    let again = object(&run(&folder, &["db", "verify", "--datadir", "@again", "--json"]));
    assert_eq!((&again["clean"], &again["state_root"]), (&Value::Bool(true), &report["state_root"]));
}

#[test]
fn what_is_no_database() {
    let folder = with_example_chain("db_errors");
    let path = folder.path().join("data").join("rialto.redb");
    let mut bytes = fs::read(&path).expect("a database");
    bytes.truncate(5000);
    folder.write("text/rialto.redb", "no database");
    folder.write("half/rialto.redb", bytes);
    let rows = [
        ("nothing there", vec!["db", "stats", "--datadir", "@nothing"], "expected a data directory with a database"),
        ("no database", vec!["db", "stats", "--datadir", "@text"], "database: "),
        ("half a database", vec!["db", "verify", "--datadir", "@half"], "database: "),
        (
            "no such block",
            vec!["db", "export-state", "--datadir", "@data", "--block", "99"],
            "expected a block up to the head",
        ),
    ];
    for (name, arguments, expected) in rows {
        let run = rialto_in(&folder, &arguments);
        assert!(run.code == 2 && run.stderr.contains(expected), "{name}: {} {}", run.code, run.stderr);
    }
    assert!(!folder.path().join("nothing").exists(), "looking makes nothing");
}

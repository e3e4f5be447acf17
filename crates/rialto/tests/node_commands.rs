//! The commands that begin, fill, copy and run a chain, from the outside: what they print, what they leave, how they end.

#[path = "support/json_rpc.rs"]
mod json_rpc;
#[path = "support/server.rs"]
mod server;
mod support;

use json_rpc::Client;
use rialto::metrics::METRICS;
use rialto::{cli, input, node_args, settings};
use rialto_stf::Block;
use serde_json::{Value, json};
use server::Server;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use support::{Folder, Run, example_chain, repository, rialto, rialto_in};

/// Blocks of the example chain.
const EXAMPLE_BLOCKS: u64 = 6;

fn example_genesis() -> String {
    example_chain().join("genesis.json").to_str().expect("text").to_string()
}

fn example_blocks() -> Vec<Block> {
    let block = |number| {
        let rlp =
            std::fs::read(example_chain().join(format!("block_{number}.rlp"))).expect("the example chain has blocks");
        Block::decode(&rlp).expect("a block")
    };
    (1..=EXAMPLE_BLOCKS).map(block).collect()
}

fn encoded(blocks: &[Block]) -> Vec<u8> {
    blocks.iter().flat_map(Block::encode).collect()
}

/// Genesis documents and files of blocks: the example chain, and the public test chain where it is.
fn chains() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let genesis = std::fs::read(example_genesis()).expect("the example chain has a genesis");
    let mut chains = vec![("example chain", genesis, encoded(&example_blocks()))];
    let archive = input::fixtures_folder().map(|folder| folder.join("execution-apis.tar.zst"));
    let Ok(file) = archive.map_err(drop).and_then(|path| File::open(path).map_err(drop)) else {
        println!("left out: the chain of execution-apis, since there is no execution-apis.tar.zst");
        return chains;
    };
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("it is in zstd's format"));
    let (mut genesis, mut blocks) = (Vec::new(), Vec::new());
    for entry in archive.entries().expect("it is in tar's format") {
        let mut entry = entry.expect("it is whole");
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        match name.rsplit('/').next() {
            Some("genesis.json") => drop(entry.read_to_end(&mut genesis).expect("it is whole")),
            Some("chain.rlp") => drop(entry.read_to_end(&mut blocks).expect("it is whole")),
            _ => {}
        }
    }
    assert!(!genesis.is_empty() && !blocks.is_empty(), "the archive has a chain");
    chains.push(("execution-apis", genesis, blocks));
    chains
}

fn object(run: &Run) -> Value {
    assert_eq!(run.objects().len(), 1, "{} {}", run.stdout, run.stderr);
    run.objects().remove(0)
}

/// A folder with the example chain in its data directory `data`.
fn with_example_chain(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.write("chain.rlp", encoded(&example_blocks()));
    let run = rialto_in(&folder, &["init", "--datadir", "@data", "--chain", &example_genesis()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = rialto_in(&folder, &["import", "--datadir", "@data", "@chain.rlp"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    folder
}

#[test]
fn chains_are_imported_exported_and_imported_again() {
    for (name, genesis, blocks) in chains() {
        let folder = Folder::new("node-commands-chains");
        folder.write("genesis.json", &genesis);
        folder.write("chain.rlp", &blocks);
        let init = |datadir: &str| {
            let run = rialto_in(&folder, &["init", "--datadir", datadir, "--chain", "@genesis.json", "--json"]);
            assert_eq!(run.code, 0, "{name}: {}", run.stderr);
            object(&run)
        };
        let begun = init("@first");
        assert_eq!(begun["head"]["hash"], begun["genesis"], "{name}");
        assert_eq!(begun["head"]["number"], json!(0), "{name}");

        let import = |datadir: &str, file: &str| {
            let run = rialto_in(&folder, &["import", "--datadir", datadir, file, "--json"]);
            assert_eq!(run.code, 0, "{name}: {}", run.stderr);
            object(&run)
        };
        let imported = import("@first", "@chain.rlp");
        let count = imported["blocks"].as_u64().expect("a number");
        assert!(count > 0, "{name}: {imported}");
        assert_eq!(imported["head"]["number"], json!(count), "{name}");
        assert_eq!(init("@first")["head"], imported["head"], "{name}: beginning it again changes nothing");
        assert_eq!(import("@first", "@chain.rlp")["head"], imported["head"], "{name}: known blocks change nothing");

        let run = rialto_in(&folder, &["export", "--datadir", "@first", "@whole.rlp", "--json"]);
        assert_eq!((run.code, &object(&run)["blocks"]), (0, &json!(count)), "{name}: {}", run.stderr);
        assert_eq!(std::fs::read(folder.file("whole.rlp")).expect("written"), blocks, "{name}");
        for (file, first, last) in [("head.rlp", 1, count / 2), ("tail.rlp", count / 2 + 1, count)] {
            let (path, first, last) = (format!("@{file}"), first.to_string(), last.to_string());
            let run = rialto_in(&folder, &["export", "--datadir", "@first", &path, &first, &last]);
            assert_eq!(run.code, 0, "{name} {file}: {}", run.stderr);
        }
        let parts = ["head.rlp", "tail.rlp"].map(|file| std::fs::read(folder.file(file)).expect("written")).concat();
        assert_eq!(parts, blocks, "{name}");

        init("@second");
        import("@second", "@head.rlp");
        assert_eq!(import("@second", "@tail.rlp")["head"], imported["head"], "{name}");
        let run = rialto_in(&folder, &["db", "verify", "--datadir", "@second", "--json"]);
        assert_eq!((run.code, &object(&run)["clean"]), (0, &json!(true)), "{name}: {}", run.stdout);
    }
}

#[test]
fn a_bad_block_is_named_and_what_was_before_it_is_kept() {
    let changed = |change: fn(&mut Block)| {
        let mut blocks = example_blocks();
        change(&mut blocks[3]);
        encoded(&blocks)
    };
    let mut without_third = example_blocks();
    drop(without_third.remove(2));
    let good = encoded(&example_blocks());
    let third_ends = encoded(&example_blocks()[..3]).len();
    let rows: [(&str, Vec<u8>, i32, u64, &str); 6] = [
        ("state root", changed(|block| block.header.state_root.0[0] ^= 1), 1, 3, "header.state_root"),
        ("gas used", changed(|block| block.header.gas_used += 1), 1, 3, "header.gas_used"),
        ("body", changed(|block| drop(block.transactions.pop())), 1, 3, "header.transactions_root"),
        ("missing parent", encoded(&without_third), 1, 2, "header.parent_hash: expected a known block"),
        ("cut", good[..third_ends + 100].to_vec(), 2, 3, &format!("byte {third_ends}: expected a block")),
        ("no blocks", b"nonsense".to_vec(), 2, 0, "byte 0: expected a block, which is an RLP list"),
    ];
    for (name, bytes, code, head, text) in rows {
        let folder = Folder::new("node-commands-bad");
        folder.write("chain.rlp", bytes);
        rialto_in(&folder, &["init", "--datadir", "@data", "--chain", &example_genesis()]);
        let run = rialto_in(&folder, &["import", "--datadir", "@data", "@chain.rlp", "--json"]);
        assert_eq!(run.code, code, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.stderr.contains(text), "{name}: {}", run.stderr);
        let summary = object(&run);
        assert_eq!((&summary["head"]["number"], &summary["blocks"]), (&json!(head), &json!(head)), "{name}");
        if code == 1 {
            assert_eq!(summary["rejected"]["number"], json!(4), "{name}: {summary}");
            assert!(run.stderr.contains("block 4 0x"), "{name}: {}", run.stderr);
        }
        let run = rialto_in(&folder, &["db", "verify", "--datadir", "@data"]);
        assert_eq!(run.code, 0, "{name}: {}", run.stdout);
    }
}

#[test]
fn mistakes_are_said() {
    let folder = with_example_chain("node-commands-mistakes");
    folder.write("other.json", {
        let mut genesis: Value =
            serde_json::from_slice(&std::fs::read(example_genesis()).expect("a file")).expect("JSON");
        genesis["timestamp"] = json!("0x1");
        genesis.to_string()
    });
    folder.write("broken.json", "{\"config\": {\"chainId\": 1}}");
    folder.write("unknown.toml", "[http]\nprot = 1\n");
    folder.write("type.toml", "[http]\nport = \"many\"\n");
    folder.write("broken.toml", "[http\n");
    folder.write("nested.toml", "[http]\nport = [{}]\n");
    let node = ["node", "--datadir", "@data", "--authrpc.port", "0"];
    let with = |more: &[&'static str]| -> Vec<&str> { node.iter().copied().chain(more.iter().copied()).collect() };
    let rows: Vec<(&str, Vec<&str>, &str)> = vec![
        (
            "no chain",
            vec!["import", "--datadir", "@empty", "@chain.rlp"],
            "expected a chain, found none; `rialto init`",
        ),
        ("other genesis", vec!["init", "--datadir", "@data", "--chain", "@other.json"], "genesis: expected block 0x"),
        ("broken genesis", vec!["init", "--datadir", "@new", "--chain", "@broken.json"], "genesis"),
        ("no genesis", vec!["init", "--datadir", "@new", "--chain", "@absent.json"], "absent.json: "),
        ("no blocks", vec!["import", "--datadir", "@data", "@absent.rlp"], "absent.rlp: "),
        ("too many blocks", vec!["export", "--datadir", "@data", "@out.rlp", "1", "9"], "expected at most 6"),
        ("no folder", vec!["node"], "--datadir: \"\": expected a folder"),
        ("unknown flag", with(&["--htp"]), "--htp"),
        ("unknown namespace", with(&["--http", "--http.port", "0", "--http.api", "eth,foo"]), "namespace foo"),
        ("dev's namespace", with(&["--history", "some"]), "`all`"),
        ("extra data", with(&["--builder.extradata", "more than thirty-two bytes of text"]), "at most 32 bytes"),
        ("log filter", with(&["--log.filter", "rialto=loud"]), "--log.filter"),
        ("size", with(&["--rpc.max-request-size", "99999"]), "--rpc.max-request-size: \"99999\""),
        ("no file of settings", with(&["--config", "absent.toml"]), "absent.toml: "),
        (
            "unknown setting",
            with(&["--config", "@unknown.toml"]),
            "http.prot: expected a setting of `rialto node` (such as http.port",
        ),
        ("setting of another type", with(&["--config", "@type.toml"]), "--http.port"),
        ("no TOML", with(&["--config", "@broken.toml"]), "broken.toml: TOML parse error"),
        ("no scalar", with(&["--config", "@nested.toml"]), "http.port: expected strings and numbers"),
        ("mnemonic", vec!["dev", "--mnemonic", "test test"], "mnemonic: expected 12 to 24 English words"),
        ("accounts", vec!["dev", "--accounts", "10001"], "accounts: expected at most 10000"),
        ("fork", vec!["dev", "--hardfork", "london"], "expected one of latest, Paris"),
        ("block time", vec!["dev", "--block-time", "0"], "at least 0.001"),
    ];
    for (name, arguments, text) in rows {
        let run = rialto_in(&folder, &arguments);
        assert_eq!(run.code, 2, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.stderr.contains(text), "{name}: {}", run.stderr);
    }
}

#[test]
fn settings_come_from_flag_environment_file_and_default_in_this_order() {
    let folder = Folder::new("node-commands-settings");
    // A value that is too long is shown by the complaint about it.
    let value = |source: &str| format!("{source}, with more text after it than fits");
    folder.write("file.toml", format!("[builder]\nextradata = \"{}\"\n", value("file")));
    let rows = [
        (true, true, true, "flag"),
        (true, false, true, "flag"),
        (false, true, true, "environment"),
        (false, false, true, "file"),
        (false, true, false, "environment"),
    ];
    for row @ (has_flag, has_variable, has_file, expected) in rows {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.args(["node", "--datadir", &folder.file("none")]);
        if has_flag {
            command.args(["--builder.extradata", &value("flag")]);
        }
        if has_variable {
            command.env("RIALTO_BUILDER_EXTRADATA", value("environment"));
        }
        if has_file {
            command.env("RIALTO_CONFIG", folder.file("file.toml"));
        }
        let output = command.output().expect("the command runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(&format!("\"{}", value(expected))), "{row:?}: {text}");
    }
}

#[test]
fn every_setting_has_its_variable_and_is_documented() {
    let document = std::fs::read_to_string(repository().join("OPERATIONS.md")).expect("it is there");
    for name in ["node", "dev"] {
        let command = cli::command();
        let subcommand = command.find_subcommand(name).expect("a subcommand");
        let mut count = 0;
        for argument in settings::settings_of(subcommand) {
            let flag = argument.get_long().expect("settings have flags");
            assert_eq!(node_args::misnamed_variable(argument), None, "{name} --{flag}");
            assert!(document.contains(&format!("`--{flag}`")), "OPERATIONS.md says nothing of {name} --{flag}");
            count += 1;
        }
        assert!(count > 20, "{name} has settings");
    }
}

/// Status and body of a page of the port for operations.
fn page(address: &str, path: &str) -> (u16, String) {
    answer_to(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n"))
}

/// Status and body that the port for operations answers a request with.
fn answer_to(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it is served");
    stream.write_all(request.as_bytes()).expect("it takes requests");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, text.split_once("\r\n\r\n").expect("a body").1.to_string())
}

fn start_node(folder: &Folder, more: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    let ports = ["--http", "--http.port", "0", "--authrpc.port", "0", "--metrics", "127.0.0.1:0"];
    command.args(["node", "--datadir", &folder.file("data")]).args(ports).args(more);
    Server::start(command, "Listening on 127.0.0.1:")
}

#[test]
fn a_node_serves_and_locks_its_data() {
    let folder = with_example_chain("node-commands-node");
    let mut server = start_node(&folder, &[]);
    let mut client = Client::open(&server.address);
    assert_eq!(client.quantity("eth_blockNumber", json!([])), EXAMPLE_BLOCKS);
    let answer = client.answer("evm_snapshot", &json!([])).expect("an answer");
    assert_eq!(answer["error"]["code"], json!(-32601), "dev mode's helpers are not served: {answer}");

    let run = rialto_in(&folder, &["import", "--datadir", "@data", "@chain.rlp"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("expected no other process to use it, found one"), "{}", run.stderr);

    assert!(server.is_running());
    assert_eq!(server.stop(), Some(0));
    let run = rialto_in(&folder, &["import", "--datadir", "@data", "@chain.rlp"]);
    assert_eq!(run.code, 0, "the lock is gone with the process: {}", run.stderr);
    let secret = std::fs::read_to_string(folder.file("data/jwt.hex")).expect("the node made a secret");
    assert_eq!(secret.trim_start_matches("0x").trim().len(), 64);
}

#[test]
fn signals_end_with_code_0() {
    let folder = with_example_chain("node-commands-signals");
    let node = ["node", "--datadir", &folder.file("data"), "--http", "--http.port", "0", "--authrpc.port", "0"];
    let rows: [(&str, &[&str]); 4] = [
        ("-INT", &node),
        ("-TERM", &node),
        ("-INT", &["dev", "--http.port", "0"]),
        ("-TERM", &["dev", "--http.port", "0"]),
    ];
    for (signal, arguments) in rows {
        let name = format!("{} {signal}", arguments[0]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        let mut child = command.args(arguments).arg("--json").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
        assert_eq!(ready["ready"], json!(true), "{name}");
        let address = ready["http"].as_str().expect("an address");
        Client::open(address).quantity("eth_blockNumber", json!([]));
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{name}");
    }
}

#[test]
fn operations_are_watched() {
    let folder = with_example_chain("node-commands-metrics");
    let server = start_node(&folder, &[]);
    let line = server.output().lines().find_map(|line| line.trim().strip_prefix("Metrics on ").map(str::to_string));
    let address = line.expect("it says where");
    let mut client = Client::open(&server.address);
    client.quantity("eth_blockNumber", json!([]));
    client.answer("no_such_method", &json!([])).expect("an answer");
    client.answer("eth_getBalance", &json!(["nobody", "latest"])).expect("an answer");

    let (status, text) = page(&address, "/metrics");
    assert_eq!(status, 200);
    for metric in &METRICS {
        assert!(text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind)), "{}:\n{text}", metric.name);
    }
    let lines = [
        format!("rialto_head_block {EXAMPLE_BLOCKS}"),
        "rialto_ready 1".to_string(),
        "rialto_rpc_connections 1".to_string(),
        "rialto_rpc_requests_total{method=\"eth_blockNumber\"} 1".to_string(),
        "rialto_rpc_requests_total{method=\"unknown\"} 1".to_string(),
        "rialto_rpc_errors_total{method=\"unknown\",code=\"-32601\"} 1".to_string(),
        "rialto_rpc_errors_total{method=\"eth_getBalance\",code=\"-32602\"} 1".to_string(),
        "rialto_rpc_request_seconds_count{method=\"eth_blockNumber\"} 1".to_string(),
        "rialto_reorgs_total 0".to_string(),
        "rialto_block_import_seconds_count 0".to_string(),
    ];
    for line in lines {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    assert_eq!(page(&address, "/health"), (200, format!("{{\"status\":\"ok\",\"head\":{EXAMPLE_BLOCKS}}}\n")));
    assert_eq!(page(&address, "/ready").0, 200);
    let rows = [
        ("another page", "GET /else HTTP/1.1\r\n\r\n".to_string(), 404),
        ("another method", "POST /metrics HTTP/1.1\r\n\r\n".to_string(), 405),
        ("no HTTP", "\r\n\r\n".to_string(), 405),
        ("no end", "x".repeat(8 * 1_024 + 1), 400),
    ];
    for (name, request, status) in rows {
        assert_eq!(answer_to(&address, &request).0, status, "{name}");
    }
    assert_eq!(page(&address, "/ready?from=here").0, 200, "it goes on serving");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_dashboard_shows_what_is_measured() {
    let path = repository().join("ops/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).expect("it is there")).expect("it is JSON");
    let mut shown: Vec<String> = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let query = target["expr"].as_str().expect("a query");
            let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            shown.extend(words.filter(|word| word.starts_with("rialto_")).map(str::to_string));
        }
    }
    assert!(shown.len() > 10, "it has queries");
    let measured = |name: &str| {
        METRICS.iter().any(|metric| match (metric.kind, name.strip_prefix(metric.name)) {
            ("histogram", Some(suffix)) => ["_bucket", "_sum", "_count"].contains(&suffix),
            (_, suffix) => suffix == Some(""),
        })
    };
    for name in &shown {
        assert!(measured(name), "the dashboard shows {name}, which nothing measures");
    }
    let document = std::fs::read_to_string(repository().join("OPERATIONS.md")).expect("it is there");
    for metric in &METRICS {
        assert!(document.contains(metric.name), "OPERATIONS.md says nothing of {}", metric.name);
    }
}

#[test]
fn help_is_there_for_every_command() {
    for name in ["dev", "node", "init", "import", "export"] {
        let run = rialto(&[name, "--help"]);
        assert_eq!(run.code, 0, "{name}");
        assert!(run.stdout.contains("Usage: rialto"), "{name}: {}", run.stdout);
    }
}

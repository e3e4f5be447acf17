//! `rialto market` against a chain in dev mode: what it shows, and an operator's proposals from announcement to effect.

#[path = "support/server.rs"]
mod server;

use serde_json::Value;
use server::Server;
use std::path::Path;
use std::process::Command;

/// The key of the first account in dev mode, which operates the market.
const OPERATOR: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// That of the third, which is nobody.
const NOBODY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

/// What a command prints, or what it says is wrong.
fn market(server: &Server, key: Option<&Path>, arguments: &str) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.arg("market").args(arguments.split_whitespace()).args(["--rpc-url", &server.url()]);
    if let Some(key) = key {
        command.arg("--private-key-file").arg(key);
    }
    let output = command.output().expect("the command starts");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn the_market_is_shown() {
    let server = Server::dev(&["--market"]);
    let rows = [
        ("instruments", Ok("perpetual")),
        ("book 2 --depth 5", Ok("checksum 0")),
        ("parameters 2", Ok("takerFeePpm")),
        ("proposals", Ok("time lock 0 s")),
        ("liquidations", Ok("0 accounts wait")),
        ("account 1", Ok("equity 0")),
        ("account 99", Err("expected one that is open")),
        ("account x", Err("expected a number")),
        ("book 99", Err("expected one that is listed")),
        ("book 2 --block 0x99", Err("header not found")),
    ];
    for (arguments, expected) in rows {
        let found = market(&server, None, arguments);
        match (&found, expected) {
            (Ok(text), Ok(part)) | (Err(text), Err(part)) => assert!(text.contains(part), "{arguments}: {text}"),
            _ => panic!("{arguments}: {found:?}"),
        }
    }
    for arguments in ["instruments", "book 2", "parameters 2", "proposals", "liquidations", "account 1"] {
        let text = market(&server, None, &format!("{arguments} --json")).expect(arguments);
        serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{arguments}: {error}: {text}"));
    }
}

#[test]
fn an_operator_proposes_and_everyone_executes() {
    let server = Server::dev(&["--market"]);
    let folder = tempfile::tempdir().expect("a folder");
    let key = |name: &str, digits: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, digits).expect("written");
        file
    };
    let (operator, nobody) = (key("operator", OPERATOR), key("nobody", NOBODY));
    // Who signs, the command, and what it says.
    let rows = [
        (None, "propose set 2 takerFeePpm=500", Ok("\"input\"")),
        (Some(&nobody), "propose set 2 takerFeePpm=500", Err("the sender may not do this")),
        (Some(&operator), "propose set 2 takerFeePpm=5000000", Err("expected 0 to 50000")),
        (Some(&operator), "propose set 2 nothing=1", Err("expected one of minLots")),
        (Some(&operator), "propose set 2 takerFeePpm=500 maxOrders=100", Ok("proposal 1: instrument 2")),
        (None, "proposals", Ok("takerFeePpm=500 maxOrders=100")),
        (Some(&nobody), "execute 1", Ok("executed in block")),
        (Some(&nobody), "execute 1", Err("expected a proposal that waits")),
        (None, "parameters 2", Ok("takerFeePpm                   500")),
        (Some(&operator), "propose timelock 3600", Ok("proposal 2: time lock 3600 s")),
        (Some(&operator), "cancel 2", Ok("cancelled in block")),
        (Some(&operator), "cancel 2", Err("no proposal 2")),
        (
            Some(&operator),
            "list --kind perpetual --feed 1 --tick-value 100 --lot-size 1000000000000000 initialPpm=100000",
            Ok("list perpetual on feed 1: initialPpm=100000"),
        ),
        (Some(&operator), "execute 3", Ok("executed in block")),
        (None, "parameters 10", Ok("initialPpm                 100000")),
        (Some(&operator), "restrict 3 halted", Ok("restricted in block")),
        (Some(&nobody), "restrict 2 halted", Err("the sender may not do this")),
        (None, "instruments", Ok("halted")),
    ];
    for (key, arguments, expected) in rows {
        let found = market(&server, key.map(|key| key.as_path()), arguments);
        match (&found, expected) {
            (Ok(text), Ok(part)) | (Err(text), Err(part)) => assert!(text.contains(part), "{arguments}: {text}"),
            _ => panic!("{arguments}: {found:?}"),
        }
    }
}

#[test]
fn a_scenario_is_simulated() {
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("chart.svg");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/market/gap.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.args(["market", "simulate"]).arg(&scenario).arg("--chart").arg(&chart);
    let table = command.output().expect("the command starts");
    assert!(table.status.success(), "{}", String::from_utf8_lossy(&table.stderr));
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(text.contains("losses paid by insurance"), "{text}");
    assert!(std::fs::read_to_string(&chart).expect("a chart").ends_with("</svg>\n"));
    let json = command.arg("--json").output().expect("the command starts");
    let report: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert!(report["queued"].as_u64().is_some_and(|queued| queued > 0), "{report}");
}

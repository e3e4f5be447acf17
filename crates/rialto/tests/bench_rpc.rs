//! `rialto bench rpc` between two nodes of this build: every case is measured, and the document has what it says it has.

#[path = "support/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;

use server::Server;
use support::rialto;

#[test]
fn two_nodes_are_compared() {
    let peer = Server::dev(&[]);
    let url = peer.url();
    let small = ["--rounds", "1", "--duration", "50", "--warm-up", "10", "--blocks", "105", "--transactions", "64"];
    let arguments = [&["bench", "rpc", "--json", "--connections", "4", "--peer", &url][..], &small].concat();
    // The second run finds the peer as the first one left it.
    for run in ["first", "second"] {
        let result = rialto(&arguments);
        assert_eq!(result.code, 0, "{run} run: {}", result.stderr);
        let objects = result.objects();
        let [report] = &objects[..] else { panic!("{run} run: expected one object, found {}", result.stdout) };
        assert_eq!(report["blocks"], 105, "{run} run: {report}");
        assert_eq!(report["peer"]["url"], url.as_str(), "{run} run: {report}");
        let cases = report["cases"].as_array().unwrap_or_else(|| panic!("{run} run: no cases in {report}"));
        assert_eq!(cases.len(), 6, "{run} run: {report}");
        for case in cases {
            for side in ["rialto", "peer"] {
                let speed = case[side]["per_second"].as_f64().unwrap_or_default();
                assert!(speed > 0.0, "{run} run, {side}: {case}");
                assert_eq!(case[side]["rounds"].as_array().map(Vec::len), Some(1), "{run} run, {side}: {case}");
            }
            assert!(case["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{run} run: {case}");
        }
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let peer = Server::dev(&[]);
    let address = peer.address.clone();
    drop(peer);
    let result = rialto(&["bench", "rpc", "--peer", &format!("http://{address}"), "--url", "http://127.0.0.1:1"]);
    assert_eq!(result.code, 2, "{}", result.stderr);
    assert!(result.stderr.contains("127.0.0.1:1: "), "{}", result.stderr);
    // Flags of the other benchmark mean nothing here.
    let result = rialto(&["bench", "--no-synthetic", "rpc", "--peer", "http://127.0.0.1:1"]);
    assert_eq!(result.code, 2, "{}", result.stderr);
}

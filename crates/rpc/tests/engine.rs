//! A chain that is driven through the Engine API alone: over HTTP, with tokens, as a consensus client drives it.

mod engine_support;

use alloy_primitives::{Address, B256, Bytes, U256};
use engine_support::{Consensus, Fork, PRAGUE, SENDER_KEY, ZERO_HASH, blob_transaction, genesis, tampered, transfer};
use rialto_node::BlockId;
use rialto_rpc::{EngineRequest, JwtSecret};
use rialto_stf::{Block, address_of_secret_key};
use serde_json::{Value, json};

/// Error codes of the specification.
const UNKNOWN_PAYLOAD: i64 = -38001;
const INVALID_FORKCHOICE: i64 = -38002;
const INVALID_ATTRIBUTES: i64 = -38003;
const TOO_LARGE: i64 = -38004;
const UNSUPPORTED_FORK: i64 = -38005;
const TOO_DEEP_REORG: i64 = -38006;
const INVALID_PARAMS: i64 = -32602;

/// The code of an error.
fn code(result: Result<Value, Value>) -> i64 {
    match result {
        Ok(value) => panic!("expected an error, found {value}"),
        Err(error) => error["code"].as_i64().unwrap_or_else(|| panic!("no code in {error}")),
    }
}

#[test]
fn a_chain_grows_through_every_fork_with_the_versions_for_each() {
    let consensus = Consensus::new();
    let rows = Fork::ALL;
    for (index, fork) in rows.iter().enumerate() {
        for step in 0..2u64 {
            let timestamp = fork.since + 2 + step * 12;
            let nonce = index as u64 * 2 + step;
            consensus.ok("eth_sendRawTransaction", json!([transfer(nonce)]));
            let head = consensus.head();
            let id = consensus.build(&head, fork, timestamp);
            for other in rows.iter().filter(|other| other.get_payload != fork.get_payload) {
                // The second version is for Paris and Shanghai, and serves blocks of both.
                if other.get_payload == 2 && fork.get_payload == 1 {
                    continue;
                }
                let method = format!("engine_getPayloadV{}", other.get_payload);
                let found = code(consensus.call(&method, json!([id])));
                assert_eq!(found, UNSUPPORTED_FORK, "{}: {method}", fork.name);
            }
            let answer = consensus.ok(&format!("engine_getPayloadV{}", fork.get_payload), json!([id]));
            let payload = if fork.get_payload == 1 { &answer } else { &answer["executionPayload"] };
            assert_eq!(payload["transactions"].as_array().map(Vec::len), Some(1), "{}: {answer}", fork.name);
            assert_eq!(payload["parentHash"], json!(head), "{}", fork.name);
            let params = fork.new_payload_params(payload, &answer);
            let status = consensus.ok(&fork.new_payload_method(), params.clone());
            assert_eq!(
                status,
                json!({"status": "VALID", "latestValidHash": payload["blockHash"], "validationError": null})
            );
            // The same again changes nothing.
            assert_eq!(consensus.ok(&fork.new_payload_method(), params)["status"], "VALID", "{}", fork.name);
            assert_eq!(consensus.head(), head, "{}: a payload is not the head yet", fork.name);
            let hash = payload["blockHash"].clone();
            assert_eq!(consensus.choose(&hash), "VALID", "{}", fork.name);
            assert_eq!(json!(consensus.head()), hash, "{}", fork.name);
        }
    }
    let number = consensus.ok("eth_blockNumber", json!([]));
    assert_eq!(number, json!(format!("{:#x}", 2 * rows.len())));
    let last = 2 * rows.len() as u64;
    bodies_are_those_of_the_chain(&consensus, last);
    let range = json!(["0x1", format!("{last:#x}")]);
    let bodies = consensus.ok("engine_getPayloadBodiesByRangeV2", range.clone());
    let consensus = consensus.restart();
    assert_eq!(consensus.ok("engine_getPayloadBodiesByRangeV2", range), bodies, "access lists outlive the process");
}

/// `engine_getPayloadBodies...` on a chain of so many blocks, each with a transaction.
fn bodies_are_those_of_the_chain(consensus: &Consensus, last: u64) {
    let range = |start: u64, count: u64| json!([format!("{start:#x}"), format!("{count:#x}")]);
    let all = consensus.ok("engine_getPayloadBodiesByRangeV1", range(1, 1_000));
    let all = all.as_array().expect("bodies").clone();
    assert_eq!(all.len() as u64, last, "nothing after the head");
    assert!(all.iter().all(|body| body["transactions"].as_array().map(Vec::len) == Some(1)));
    assert!(all[0]["withdrawals"].is_null() && all[0].get("blockAccessList").is_none(), "{}", all[0]);
    assert_eq!(all[3]["withdrawals"], json!([]), "since Shanghai");
    assert_eq!(consensus.ok("engine_getPayloadBodiesByRangeV1", range(last + 1, 5)), json!([]));
    let with_lists = consensus.ok("engine_getPayloadBodiesByRangeV2", range(last - 2, 3));
    assert!(with_lists[0]["blockAccessList"].is_null(), "before Amsterdam");
    assert!(with_lists[2]["blockAccessList"].is_string(), "of Amsterdam: {}", with_lists[2]);
    let head = consensus.head();
    let by_hash = consensus.ok("engine_getPayloadBodiesByHashV1", json!([[head, ZERO_HASH, head]]));
    assert_eq!(by_hash, json!([all.last(), null, all.last()]));
    let rows = [
        ("start", range(0, 1), INVALID_PARAMS),
        ("count", range(1, 0), INVALID_PARAMS),
        ("too many", range(1, 1_025), TOO_LARGE),
        ("no number", json!(["1", "0x1"]), INVALID_PARAMS),
        ("missing", json!(["0x1"]), INVALID_PARAMS),
    ];
    for (name, params, expected) in rows {
        assert_eq!(code(consensus.call("engine_getPayloadBodiesByRangeV1", params)), expected, "{name}");
    }
    let hashes = json!([vec![ZERO_HASH; 1_025]]);
    assert_eq!(code(consensus.call("engine_getPayloadBodiesByHashV1", hashes)), TOO_LARGE);
}

#[test]
fn wrong_versions_and_structures_have_their_codes() {
    let consensus = Consensus::at(PRAGUE.since);
    let head = consensus.head();
    let state = json!({"headBlockHash": head, "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH});
    let with = |name: &str, value: Value| {
        let mut attributes = PRAGUE.attributes(PRAGUE.since + 12);
        attributes[name] = value;
        attributes
    };
    let rows: [(&str, u8, Value, i64); 9] = [
        ("V1 after Shanghai", 1, Fork::ALL[0].attributes(PRAGUE.since + 12), UNSUPPORTED_FORK),
        ("V2 after Cancun", 2, Fork::ALL[1].attributes(PRAGUE.since + 12), UNSUPPORTED_FORK),
        ("V4 before Amsterdam", 4, with("slotNumber", json!("0x1")), UNSUPPORTED_FORK),
        ("V3 without a root", 3, with("parentBeaconBlockRoot", Value::Null), INVALID_ATTRIBUTES),
        ("V3 without withdrawals", 3, with("withdrawals", Value::Null), INVALID_ATTRIBUTES),
        ("V3 with a slot", 3, with("slotNumber", json!("0x1")), INVALID_ATTRIBUTES),
        ("the head's time", 3, with("timestamp", json!(format!("{:#x}", PRAGUE.since))), INVALID_ATTRIBUTES),
        ("no number", 3, with("timestamp", json!(7)), INVALID_ATTRIBUTES),
        ("no attributes", 3, json!("attributes"), INVALID_ATTRIBUTES),
    ];
    for (name, version, attributes, expected) in rows {
        let found = consensus.call(&format!("engine_forkchoiceUpdatedV{version}"), json!([state, attributes]));
        assert_eq!(code(found), expected, "{name}");
    }
    let (payload, answer) = consensus.built(&head, &PRAGUE, PRAGUE.since + 12);
    let params = PRAGUE.new_payload_params(&payload, &answer);
    let changed = |index: usize, value: Value| {
        let mut params = params.clone();
        params[index] = value;
        params
    };
    let with_field = |name: &str, value: Value| {
        let mut params = params.clone();
        params[0][name] = value;
        params
    };
    let rows: [(&str, &str, Value, i64); 11] = [
        ("V1 with withdrawals", "engine_newPayloadV1", json!([payload]), INVALID_PARAMS),
        ("V2 with blob gas", "engine_newPayloadV2", json!([payload]), INVALID_PARAMS),
        ("V3 with requests", "engine_newPayloadV3", params.clone(), INVALID_PARAMS),
        ("V3 at Prague", "engine_newPayloadV3", json!([payload, [], ZERO_HASH]), UNSUPPORTED_FORK),
        ("V5 without a list", "engine_newPayloadV5", params.clone(), INVALID_PARAMS),
        ("no blob gas", "engine_newPayloadV4", with_field("blobGasUsed", Value::Null), INVALID_PARAMS),
        ("no hashes", "engine_newPayloadV4", changed(1, Value::Null), INVALID_PARAMS),
        ("no root", "engine_newPayloadV4", changed(2, Value::Null), INVALID_PARAMS),
        ("no requests", "engine_newPayloadV4", changed(3, Value::Null), INVALID_PARAMS),
        ("requests out of order", "engine_newPayloadV4", changed(3, json!(["0x0101", "0x0002"])), INVALID_PARAMS),
        ("an empty request", "engine_newPayloadV4", changed(3, json!(["0x01"])), INVALID_PARAMS),
    ];
    for (name, method, params, expected) in rows {
        assert_eq!(code(consensus.call(method, params)), expected, "{name}");
    }
    let rows = [
        ("unknown", json!(["0x0102030405060708"]), UNKNOWN_PAYLOAD),
        ("short", json!(["0x01"]), INVALID_PARAMS),
        ("none", json!([]), INVALID_PARAMS),
    ];
    for (name, params, expected) in rows {
        assert_eq!(code(consensus.call("engine_getPayloadV4", params)), expected, "{name}");
    }
    let state = json!([{"headBlockHash": head, "safeBlockHash": ZERO_HASH}]);
    assert_eq!(code(consensus.call("engine_forkchoiceUpdatedV3", state)), INVALID_PARAMS);
}

#[test]
fn heads_move_to_a_side_chain_and_back() {
    let consensus = Consensus::at(PRAGUE.since);
    let root = consensus.head();
    let trunk = consensus.grow(&root, 3, 1);
    let side = consensus.grow(&root, 2, 2);
    assert_eq!(consensus.head(), side[1]);
    for (name, head) in
        [("to the trunk", trunk[2]), ("to the side", side[1]), ("back", trunk[2]), ("an ancestor", trunk[1])]
    {
        assert_eq!(consensus.choose(&json!(head)), "VALID", "{name}");
        assert_eq!(consensus.head(), head, "{name}");
    }
    assert_eq!(consensus.choose(&json!(trunk[2])), "VALID");
    let state = |head: B256, safe: B256, finalized: B256| json!([{"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized}, null]);
    let method = "engine_forkchoiceUpdatedV3";
    let unknown = B256::repeat_byte(9);
    assert_eq!(code(consensus.call(method, state(trunk[2], side[0], ZERO_HASH))), INVALID_FORKCHOICE);
    assert_eq!(code(consensus.call(method, state(trunk[2], trunk[0], unknown))), INVALID_FORKCHOICE);
    let answer = consensus.ok(method, state(unknown, ZERO_HASH, ZERO_HASH));
    assert_eq!(answer["payloadStatus"], json!({"status": "SYNCING", "latestValidHash": null, "validationError": null}));
    consensus.ok(method, state(trunk[2], trunk[1], trunk[0]));
    for (tag, expected) in [("latest", trunk[2]), ("safe", trunk[1]), ("finalized", trunk[0])] {
        let block = consensus.ok("eth_getBlockByNumber", json!([tag, false]));
        assert_eq!(block["hash"], json!(expected), "{tag}");
    }
    // A message that is older than what is final is valid, changes nothing and builds nothing.
    let attributes = PRAGUE.attributes(PRAGUE.since + 90);
    let answer = consensus.ok(method, json!([state(root, ZERO_HASH, ZERO_HASH)[0], attributes]));
    assert_eq!((&answer["payloadStatus"]["status"], &answer["payloadId"]), (&json!("VALID"), &Value::Null));
    assert_eq!(consensus.head(), trunk[2]);
}

#[test]
fn a_reorganisation_beyond_the_kept_states_is_too_deep() {
    let consensus = Consensus::with_history(PRAGUE.since, 2);
    let root = consensus.head();
    let trunk = consensus.grow(&root, 5, 1);
    let state = json!([{"headBlockHash": trunk[0], "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH}, null]);
    assert_eq!(code(consensus.call("engine_forkchoiceUpdatedV3", state)), TOO_DEEP_REORG);
    assert_eq!(consensus.head(), trunk[4]);
    assert_eq!(consensus.choose(&json!(trunk[3])), "VALID");
    assert_eq!(consensus.head(), trunk[3]);
}

#[test]
fn attributes_that_are_refused_do_not_undo_the_head() {
    let consensus = Consensus::at(PRAGUE.since);
    let root = consensus.head();
    let (payload, answer) = consensus.built(&root, &PRAGUE, PRAGUE.since + 12);
    consensus.ok(&PRAGUE.new_payload_method(), PRAGUE.new_payload_params(&payload, &answer));
    let state =
        json!({"headBlockHash": payload["blockHash"], "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH});
    let found = consensus.call("engine_forkchoiceUpdatedV3", json!([state, PRAGUE.attributes(PRAGUE.since)]));
    assert_eq!(code(found), INVALID_ATTRIBUTES);
    assert_eq!(json!(consensus.head()), payload["blockHash"]);
}

#[test]
fn a_rollups_driver_names_transactions() {
    let consensus = Consensus::at(PRAGUE.since + 1);
    let head = consensus.head();
    // The pool has the named transaction too, which can't be in the block twice.
    for nonce in 0..2 {
        consensus.ok("eth_sendRawTransaction", json!([transfer(nonce)]));
    }
    let rows = [
        ("named, and then the pool's", json!([transfer(0)]), json!(false), Ok(2)),
        ("named, and no others", json!([transfer(0)]), json!(true), Ok(1)),
        ("none at all", json!([]), json!(true), Ok(0)),
        ("what is no transaction", json!(["0x02c0"]), json!(true), Err(INVALID_ATTRIBUTES)),
        ("what is no list", json!("0x"), json!(true), Err(INVALID_ATTRIBUTES)),
    ];
    for (name, transactions, no_tx_pool, expected) in rows {
        let mut attributes = PRAGUE.attributes(PRAGUE.since + 20);
        attributes["transactions"] = transactions;
        attributes["noTxPool"] = no_tx_pool;
        attributes["gasLimit"] = json!("0x1c9c380");
        let state = json!({"headBlockHash": head, "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH});
        let answer = consensus.call("engine_forkchoiceUpdatedV3", json!([state, attributes]));
        let Ok(count) = expected else {
            assert_eq!(Err(code(answer)), expected, "{name}");
            continue;
        };
        let id = answer.expect(name)["payloadId"].clone();
        let payload = consensus.ok("engine_getPayloadV4", json!([id]))["executionPayload"].clone();
        assert_eq!(payload["transactions"].as_array().map(Vec::len), Some(count), "{name}");
        assert_eq!(payload["gasLimit"], json!("0x1c9c380"), "{name}");
    }
}

#[test]
fn what_is_not_valid_stays_so_with_its_descendants() {
    let consensus = Consensus::at(PRAGUE.since);
    let root = consensus.head();
    let blocks = consensus.grow(&root, 2, 1);
    let block = |hash: B256| consensus.block(hash);
    let spec = consensus.node().spec().clone();
    let send = |block: &Block| {
        let EngineRequest { method, params } = EngineRequest::new_payload(&spec, block, &[], None);
        consensus.ok(method, json!(params))
    };
    let bad = tampered(&block(blocks[1]), |header| header.state_root = B256::repeat_byte(1));
    let rows: [(&str, Block, B256); 4] = [
        ("state root", bad.clone(), blocks[0]),
        ("again", bad.clone(), blocks[0]),
        ("gas used", tampered(&block(blocks[1]), |header| header.gas_used += 1), blocks[0]),
        ("base fee", tampered(&block(blocks[0]), |header| header.base_fee_per_gas = Some(3)), root),
    ];
    for (name, block, latest_valid) in rows {
        let status = send(&block);
        assert_eq!(status["status"], "INVALID", "{name}: {status}");
        assert_eq!(status["latestValidHash"], json!(latest_valid), "{name}: {status}");
        assert!(
            status["validationError"].as_str().is_some_and(|text| text.contains("expected") || text.contains("found")),
            "{name}: {status}"
        );
    }
    let child = tampered(&block(blocks[1]), |header| {
        header.parent_hash = bad.hash();
        header.number += 1;
        header.timestamp += 12;
    });
    let grandchild = tampered(&child, |header| {
        header.parent_hash = child.hash();
        header.number += 1;
    });
    for (name, block) in [("child", &child), ("grandchild", &grandchild)] {
        let status = send(block);
        assert_eq!(
            (&status["status"], &status["latestValidHash"]),
            (&json!("INVALID"), &json!(blocks[0])),
            "{name}: {status}"
        );
    }
    let answer = consensus.forkchoice(&json!(child.hash()));
    assert_eq!(answer["payloadStatus"]["status"], "INVALID", "{answer}");
    assert_eq!(answer["payloadStatus"]["latestValidHash"], json!(blocks[0]), "{answer}");
    assert_eq!(consensus.head(), blocks[1]);
    let orphan = tampered(&block(blocks[1]), |header| header.parent_hash = B256::repeat_byte(5));
    assert_eq!(send(&orphan), json!({"status": "SYNCING", "latestValidHash": null, "validationError": null}));
}

#[test]
fn what_a_payload_shows_by_itself_is_invalid_without_a_latest_valid_hash() {
    let consensus = Consensus::at(PRAGUE.since);
    let root = consensus.head();
    consensus.ok("eth_sendRawTransaction", json!([transfer(0)]));
    let (payload, answer) = consensus.built(&root, &PRAGUE, PRAGUE.since + 12);
    type Change = fn(&mut Value);
    let rows: [(&str, Change, &str); 6] = [
        ("block hash", |params| params[0]["blockHash"] = json!(ZERO_HASH), "blockHash"),
        ("state root", |params| params[0]["stateRoot"] = json!(ZERO_HASH), "blockHash"),
        ("empty transaction", |params| params[0]["transactions"] = json!(["0x"]), "transactions[0]"),
        ("no transaction", |params| params[0]["transactions"] = json!(["0x7f01"]), "transactions[0]"),
        ("blobs", |params| params[1] = json!([ZERO_HASH]), "expectedBlobVersionedHashes"),
        ("requests", |params| params[3] = json!(["0x0001"]), "blockHash"),
    ];
    for (name, change, text) in rows {
        let mut params = PRAGUE.new_payload_params(&payload, &answer);
        change(&mut params);
        let status = consensus.ok(&PRAGUE.new_payload_method(), params);
        assert_eq!(
            (&status["status"], &status["latestValidHash"]),
            (&json!("INVALID"), &Value::Null),
            "{name}: {status}"
        );
        assert!(status["validationError"].as_str().is_some_and(|error| error.starts_with(text)), "{name}: {status}");
    }
    let params = PRAGUE.new_payload_params(&payload, &answer);
    assert_eq!(consensus.ok(&PRAGUE.new_payload_method(), params)["status"], "VALID", "none of it is held against it");
}

#[test]
fn a_restart_in_the_middle_of_a_reorganisation_is_none() {
    let consensus = Consensus::at(PRAGUE.since);
    let root = consensus.head();
    let trunk = consensus.grow(&root, 2, 1);
    let side = consensus.grow(&root, 3, 2);
    assert_eq!(consensus.choose(&json!(trunk[1])), "VALID");
    // The side chain grows by one that nobody has chosen yet.
    let tip = {
        assert_eq!(consensus.choose(&json!(side[2])), "VALID");
        let (payload, answer) = consensus.built(&side[2], &PRAGUE, PRAGUE.since + 60);
        assert_eq!(consensus.choose(&json!(trunk[1])), "VALID");
        let status = consensus.ok(&PRAGUE.new_payload_method(), PRAGUE.new_payload_params(&payload, &answer));
        assert_eq!(status["status"], "VALID", "{status}");
        payload["blockHash"].clone()
    };
    let consensus = consensus.restart();
    assert_eq!(consensus.head(), trunk[1]);
    assert_eq!(consensus.choose(&tip), "VALID");
    assert_eq!(json!(consensus.head()), tip);
    let view = consensus.node().view().expect("a view");
    let hash = |number| view.hash(BlockId::Number(number)).expect("readable");
    assert_eq!([hash(1), hash(2), hash(3)], [Some(side[0]), Some(side[1]), Some(side[2])]);
    let head = consensus.head();
    assert_eq!(consensus.grow(&head, 1, 3).len(), 1, "and the chain goes on");
    let consensus = consensus.restart();
    assert_eq!(consensus.choose(&json!(trunk[1])), "VALID", "back to what was canonical before");
    assert_eq!(consensus.head(), trunk[1]);
}

#[test]
fn blobs_travel_beside_their_transaction() {
    let osaka = &Fork::ALL[4];
    let consensus = Consensus::at(osaka.since);
    let (raw, versioned_hash) = blob_transaction(0);
    consensus.ok("eth_sendRawTransaction", json!([raw]));
    let other = B256::with_last_byte(1);
    let zero_blob = json!(Bytes::from(vec![0; 131_072]));
    let answer = consensus.ok("engine_getBlobsV2", json!([[versioned_hash]]));
    assert_eq!(answer[0]["blob"], zero_blob);
    assert_eq!(answer[0]["proofs"].as_array().map(Vec::len), Some(128));
    assert_eq!(consensus.ok("engine_getBlobsV2", json!([[versioned_hash, other]])), Value::Null);
    let partial = consensus.ok("engine_getBlobsV3", json!([[other, versioned_hash]]));
    assert_eq!((&partial[0], &partial[1]), (&Value::Null, &answer[0]));
    assert_eq!(code(consensus.call("engine_getBlobsV1", json!([[versioned_hash]]))), UNSUPPORTED_FORK);
    assert_eq!(code(consensus.call("engine_getBlobsV2", json!([vec![other; 129]]))), TOO_LARGE);
    let cells =
        consensus.ok("engine_getBlobsV4", json!([[other, versioned_hash], "0x01000000000000000000000000000080"]));
    let zero_cell = Bytes::from(vec![0; 2_048]);
    assert_eq!(cells[0], Value::Null);
    assert_eq!(cells[1]["blob_cells"], json!([zero_cell, zero_cell]), "the first and the last of the blob of zeros");
    let proofs = answer[0]["proofs"].as_array().expect("proofs").clone();
    assert_eq!(cells[1]["proofs"], json!([proofs[0], proofs[127]]));
    let short = json!([[versioned_hash], "0x01"]);
    assert_eq!(code(consensus.call("engine_getBlobsV4", short)), INVALID_PARAMS);

    let head = consensus.head();
    let (payload, answer) = consensus.built(&head, osaka, osaka.since + 12);
    let bundle = &answer["blobsBundle"];
    assert_eq!(bundle["blobs"], json!([zero_blob]));
    assert_eq!(bundle["commitments"].as_array().map(Vec::len), Some(1));
    assert_eq!(bundle["proofs"].as_array().map(Vec::len), Some(128));
    assert_ne!(answer["blockValue"], json!("0x0"));
    let mut params = osaka.new_payload_params(&payload, &answer);
    let status = consensus.ok(&osaka.new_payload_method(), params.clone());
    assert_eq!(status["status"], "INVALID", "no blob expected: {status}");
    params[1] = json!([versioned_hash]);
    let status = consensus.ok(&osaka.new_payload_method(), params);
    assert_eq!(status["status"], "VALID", "{status}");
    assert_eq!(consensus.choose(&payload["blockHash"]), "VALID");
    let receipts = consensus.ok("eth_getBlockReceipts", json!(["latest"]));
    assert_eq!(receipts[0]["blobGasUsed"], json!("0x20000"), "{receipts}");
}

#[test]
fn requests_without_a_fresh_token_are_refused() {
    let consensus = Consensus::new();
    let now = consensus.now();
    let secret = &consensus.secret;
    let rows = [
        ("none", None, 401, "missing token"),
        ("another secret", Some(JwtSecret::new([9; 32]).token(now)), 401, "wrong token"),
        ("stale", Some(secret.token(now - 120)), 401, "stale token"),
        ("of the future", Some(secret.token(now + 120)), 401, "stale token"),
        ("no token", Some("abc".to_string()), 401, "malformed token"),
        ("good", Some(secret.token(now)), 200, "result"),
    ];
    for (name, token, status, text) in rows {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
        let (found, answer) = consensus.post(token.as_deref(), &body);
        assert_eq!(found, status, "{name}: {answer}");
        assert!(answer.contains(text), "{name}: {answer}");
        // The upgrade of a WebSocket connection is guarded by the same check.
        let expected = if status == 200 { 101 } else { status };
        assert_eq!(consensus.upgrade(token.as_deref()), expected, "{name}: WebSocket");
    }
}

#[test]
fn the_node_says_who_it_is_and_what_it_can() {
    let consensus = Consensus::new();
    let methods = consensus.ok("engine_exchangeCapabilities", json!([["engine_newPayloadV4"]]));
    let methods: Vec<&str> = methods.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for method in ["engine_newPayloadV5", "engine_forkchoiceUpdatedV4", "engine_getPayloadV6", "engine_getBlobsV3"] {
        assert!(methods.contains(&method), "{method} in {methods:?}");
    }
    assert!(!methods.contains(&"engine_exchangeCapabilities"));
    let client = json!({"code": "LH", "name": "Lighthouse", "version": "v1", "commit": "0xfa4ff922"});
    let versions = consensus.ok("engine_getClientVersionV1", json!([client]));
    assert_eq!(versions[0]["name"], "rialto", "{versions}");
    assert_eq!(versions.as_array().map(Vec::len), Some(1));
    let theirs =
        json!({"terminalTotalDifficulty": "0x0", "terminalBlockHash": ZERO_HASH, "terminalBlockNumber": "0x0"});
    let ours = consensus.ok("engine_exchangeTransitionConfigurationV1", json!([theirs]));
    assert_eq!(ours, theirs);
    // The chain can be read by the same connection.
    let sender = address_of_secret_key(&SENDER_KEY).expect("a key");
    let balance = consensus.ok("eth_getBalance", json!([sender, "latest"]));
    assert_ne!(balance, json!(U256::ZERO));
    assert!(genesis(0)["alloc"].get(Address::ZERO.to_string()).is_none());
}

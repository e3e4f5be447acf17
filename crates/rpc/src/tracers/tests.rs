//! Tables of small programs and what each tracer has to say of them, written by hand from geth's rules.

use super::{Bounds, Shared, TraceConfig, TracedTransaction};
use crate::RpcError;
use crate::json::FromJson;
use alloy_primitives::{Address, B256, U256, address, hex};
use rialto_state::MemoryState;
use rialto_stf::{BlockExecutor, ChainSpec, Checks, Header, Transaction, TxType};
use rialto_vm::Fork;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SENDER: Address = address!("00000000000000000000000000000000000000aa");
const TARGET: Address = address!("00000000000000000000000000000000000000c0");
const OTHER: Address = address!("00000000000000000000000000000000000000d0");
const MINER: Address = address!("00000000000000000000000000000000000000ee");

/// A world of a sender, two contracts and a call of the first of them.
struct Case {
    target: Vec<u8>,
    other: Vec<u8>,
    gas_limit: u64,
    value: u64,
    to: Option<Address>,
    input: Vec<u8>,
}

impl Case {
    fn new(target: &str) -> Self {
        let target = hex::decode(target).expect("hex");
        Self { target, other: Vec::new(), gas_limit: 100_000, value: 0, to: Some(TARGET), input: Vec::new() }
    }

    fn other(self, code: &str) -> Self {
        Self { other: hex::decode(code).expect("hex"), ..self }
    }

    fn gas(self, gas_limit: u64) -> Self {
        Self { gas_limit, ..self }
    }

    fn value(self, value: u64) -> Self {
        Self { value, ..self }
    }

    fn create(initcode: &str) -> Self {
        Self { to: None, input: hex::decode(initcode).expect("hex"), ..Self::new("") }
    }

    fn trace(&self, config: Value) -> Result<Value, RpcError> {
        self.trace_within(config, 1 << 24, Duration::from_secs(60))
    }

    fn trace_within(&self, config: Value, max_bytes: usize, time: Duration) -> Result<Value, RpcError> {
        let raw = self.trace_raw(config, max_bytes, time)?;
        Ok(serde_json::from_str(&raw).expect("a tracer's answer is JSON"))
    }

    fn trace_raw(&self, config: Value, max_bytes: usize, time: Duration) -> Result<String, RpcError> {
        let spec = ChainSpec::of_fork(Fork::Osaka, 1);
        let mut state = MemoryState::default();
        state.insert_account(SENDER, 7, U256::from(1_000_000_000u64), Default::default(), []);
        state.insert_account(TARGET, 1, U256::from(50), self.target.clone().into(), [(U256::from(5), U256::from(6))]);
        state.insert_account(OTHER, 1, U256::ZERO, self.other.clone().into(), []);
        let header = Header {
            number: 9,
            timestamp: 1,
            gas_limit: 30_000_000,
            base_fee_per_gas: Some(0),
            excess_blob_gas: Some(0),
            beneficiary: MINER,
            ..Header::default()
        };
        let transaction = Transaction {
            tx_type: TxType::DynamicFee,
            chain_id: Some(1),
            nonce: 7,
            gas_limit: self.gas_limit,
            to: self.to,
            value: U256::from(self.value),
            input: self.input.clone().into(),
            ..Transaction::default()
        };
        let config = TraceConfig::from_json(&config).expect("a configuration");
        let shared = Shared::default();
        shared.set(config.collector()?, Bounds { deadline: Instant::now() + time, max_bytes });
        let mut tracer = shared.clone();
        let mut executor = BlockExecutor::new(&spec, &header, &state).with_checks(Checks::CALL);
        executor.set_tracer(Some(&mut tracer));
        let traced = TracedTransaction {
            transaction: &transaction,
            sender: SENDER,
            rules: executor.rules(),
            beneficiary: MINER,
            block_number: 9,
            block_hash: Some(B256::repeat_byte(1)),
            hash: Some(B256::repeat_byte(2)),
            index: 3,
            logs_before: 4,
        };
        shared.begin(&traced, executor.state())?;
        match executor.transaction(&transaction, SENDER) {
            Ok(outcome) => shared.end(&outcome, executor.state())?,
            Err(error) => return Err(shared.stopped().unwrap_or_else(|| RpcError::server(error.to_string()))),
        }
        Ok(shared.finish()?.get().to_string())
    }
}

/// Calls `to` with all gas and this value, and drops the result.
fn call(to: Address, value: u8) -> String {
    format!("6000600060006000{}73{}5af150", format_args!("60{value:02x}"), hex::encode(to))
}

/// An entry of the struct logger.
fn step(pc: u64, op: &str, gas: u64, cost: u64, stack: &[&str]) -> Value {
    json!({ "pc": pc, "op": op, "gas": gas, "gasCost": cost, "depth": 1, "stack": stack })
}

fn with(mut entry: Value, field: &str, value: Value) -> Value {
    entry[field] = value;
    entry
}

/// A case's name, the case, the tracer's settings and the answer.
type StructLogRow<'a> = (&'a str, Case, Value, Value);

fn check_struct_logs<const N: usize>(rows: [StructLogRow<'_>; N]) {
    for (name, case, config, expected) in rows {
        assert_eq!(case.trace(config).expect(name), expected, "{name}");
    }
}

fn hex_word(value: u64) -> String {
    format!("0x{value:064x}")
}

#[test]
fn struct_logs_of_storage_and_faults() {
    let slot_0 = json!({ hex_word(0): hex_word(1) });
    check_struct_logs([
        (
            "storage that was set is shown, and what was read",
            Case::new("600160005560005400"),
            json!({}),
            json!({ "gas": 43_209, "failed": false, "returnValue": "0x", "structLogs": [
                step(0, "PUSH1", 79_000, 3, &[]),
                step(2, "PUSH1", 78_997, 3, &["0x1"]),
                with(step(4, "SSTORE", 78_994, 22_100, &["0x1", "0x0"]), "storage", slot_0.clone()),
                step(5, "PUSH1", 56_894, 3, &[]),
                with(step(7, "SLOAD", 56_891, 100, &["0x0"]), "storage", slot_0),
                step(8, "STOP", 56_791, 0, &["0x1"]),
            ] }),
        ),
        (
            "SSTORE without the stipend",
            Case::new("6001600055").gas(21_010),
            json!({ "disableStorage": true }),
            json!({ "gas": 21_010, "failed": true, "returnValue": "0x", "structLogs": [
                step(0, "PUSH1", 10, 3, &[]),
                step(2, "PUSH1", 7, 3, &["0x1"]),
                with(
                    step(4, "SSTORE", 4, 0, &["0x1", "0x0"]),
                    "error",
                    "out of gas: not enough gas for reentrancy sentry".into(),
                ),
            ] }),
        ),
        (
            "too few words",
            Case::new("01"),
            json!({}),
            json!({ "gas": 100_000, "failed": true, "returnValue": "0x", "structLogs": [
                with(step(0, "ADD", 79_000, 3, &[]), "error", "stack underflow (0 <=> 2)".into()),
            ] }),
        ),
        (
            "a byte that is no opcode is no fault of its step",
            Case::new("0c"),
            json!({}),
            json!({ "gas": 100_000, "failed": true, "returnValue": "0x", "structLogs": [
                step(0, "opcode 0xc not defined", 79_000, 0, &[]),
            ] }),
        ),
    ]);
}

#[test]
fn struct_logs_of_memory_calls_and_limits() {
    check_struct_logs([
        (
            "memory that can't be paid",
            Case::new("600062ffffff52"),
            json!({ "disableStack": true }),
            json!({ "gas": 100_000, "failed": true, "returnValue": "0x", "structLogs": [
                { "pc": 0, "op": "PUSH1", "gas": 79_000, "gasCost": 3, "depth": 1 },
                { "pc": 2, "op": "PUSH3", "gas": 78_997, "gasCost": 3, "depth": 1 },
                { "pc": 6, "op": "MSTORE", "gas": 78_994, "gasCost": 538_445_830u64, "depth": 1, "error": "out of gas" },
            ] }),
        ),
        (
            "memory before each opcode; a revert is no error of its step, and its output is the answer's",
            Case::new("60ff60005260206000fd"),
            json!({ "enableMemory": true, "disableStack": true }),
            json!({ "gas": 21_018, "failed": true, "returnValue": hex_word(255), "structLogs": [
                { "pc": 0, "op": "PUSH1", "gas": 79_000, "gasCost": 3, "depth": 1 },
                { "pc": 2, "op": "PUSH1", "gas": 78_997, "gasCost": 3, "depth": 1 },
                { "pc": 4, "op": "MSTORE", "gas": 78_994, "gasCost": 6, "depth": 1 },
                { "pc": 5, "op": "PUSH1", "gas": 78_988, "gasCost": 3, "depth": 1, "memory": [hex_word(255)] },
                { "pc": 7, "op": "PUSH1", "gas": 78_985, "gasCost": 3, "depth": 1, "memory": [hex_word(255)] },
                { "pc": 9, "op": "REVERT", "gas": 78_982, "gasCost": 0, "depth": 1, "memory": [hex_word(255)] },
            ] }),
        ),
        (
            "what a call passes on is part of its cost; randomness has its old name",
            Case::new(&format!("60006000600060006000{}610100f144", format_args!("73{}", hex::encode(OTHER))))
                .other("00"),
            json!({ "disableStack": true }),
            json!({ "gas": 21_000 + 5 * 3 + 2 * 3 + 2_600 + 2, "failed": false, "returnValue": "0x", "structLogs": [
                { "pc": 0, "op": "PUSH1", "gas": 79_000, "gasCost": 3, "depth": 1 },
                { "pc": 2, "op": "PUSH1", "gas": 78_997, "gasCost": 3, "depth": 1 },
                { "pc": 4, "op": "PUSH1", "gas": 78_994, "gasCost": 3, "depth": 1 },
                { "pc": 6, "op": "PUSH1", "gas": 78_991, "gasCost": 3, "depth": 1 },
                { "pc": 8, "op": "PUSH1", "gas": 78_988, "gasCost": 3, "depth": 1 },
                { "pc": 10, "op": "PUSH20", "gas": 78_985, "gasCost": 3, "depth": 1 },
                { "pc": 31, "op": "PUSH2", "gas": 78_982, "gasCost": 3, "depth": 1 },
                { "pc": 34, "op": "CALL", "gas": 78_979, "gasCost": 2_856, "depth": 1 },
                { "pc": 0, "op": "STOP", "gas": 256, "gasCost": 0, "depth": 2 },
                { "pc": 35, "op": "DIFFICULTY", "gas": 76_379, "gasCost": 2, "depth": 1 },
                { "pc": 36, "op": "STOP", "gas": 76_377, "gasCost": 0, "depth": 1 },
            ] }),
        ),
        (
            "entries end at the limit",
            Case::new("5b5b5b00"),
            json!({ "limit": 1 }),
            json!({ "gas": 21_003, "failed": false, "returnValue": "0x", "structLogs": [
                step(0, "JUMPDEST", 79_000, 1, &[]),
            ] }),
        ),
    ]);
}

#[test]
fn call_trees() {
    let (sender, target, other) = (json!(SENDER), json!(TARGET), json!(OTHER));
    let reason = "08c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000026e6f000000000000000000000000000000000000000000000000000000000000";
    // Copies the reason from the end of its own code and reverts with it.
    let reverts = format!("6064600c60003960646000fd{reason}");
    let top = |gas_used: &str, extra: Value| {
        let mut frame = json!({
            "type": "CALL", "from": sender, "to": target, "gas": "0x186a0", "gasUsed": gas_used, "input": "0x",
            "value": "0x0",
        });
        for (key, value) in extra.as_object().expect("an object") {
            frame[key] = value.clone();
        }
        frame
    };
    let log = json!([{ "address": target, "topics": [], "data": "0x", "index": "0x4", "position": "0x0" }]);
    let rows: [(&str, Case, Value, Value); 6] = [
        ("no code", Case::new("").value(3), json!({}), top("0x5208", json!({ "value": "0x3" }))),
        (
            "logs, if they are asked for",
            Case::new("60006000a000"),
            json!({ "tracerConfig": { "withLog": true } }),
            // 21000 + 3 + 3 + 375
            top("0x5385", json!({ "logs": log })),
        ),
        ("no logs otherwise", Case::new("60006000a000"), json!({}), top("0x5385", json!({}))),
        (
            "the outermost call alone",
            Case::new(&call(OTHER, 0)),
            json!({ "tracerConfig": { "onlyTopCall": true } }),
            // 21000 + 6 * 3 + 2 + 2600 + 2
            top("0x5c46", json!({})),
        ),
        (
            "a reason that can be read",
            Case::new(&reverts),
            json!({}),
            // 21000 + 3 * 3 + (3 + 12 + 12) + 2 * 3
            top(
                "0x5232",
                json!({
                    "error": "execution reverted", "revertReason": "no", "output": format!("0x{reason}"),
                }),
            ),
        ),
        (
            // 179000 - 6 * 3 - 2 - 2600 - 9000 are left, of which a 64th stays; the stipend comes on top and comes back.
            "more ether than there is",
            Case::new(&call(OTHER, 51)).gas(200_000),
            json!({}),
            top(
                "0x7672",
                json!({ "gas": "0x30d40", "calls": [{
                "type": "CALL", "from": target, "to": other, "value": "0x33", "input": "0x",
                "gas": "0x28c99", "gasUsed": "0x0", "error": "insufficient balance for transfer",
            }] }),
            ),
        ),
    ];
    for (name, case, mut config, expected) in rows {
        config["tracer"] = "callTracer".into();
        let found = case.trace(config).expect(name);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn frames_of_creations_and_ends() {
    // Deploys a single zero byte.
    let created = Case::create("60016000f3").trace(json!({ "tracer": "callTracer" })).expect("a trace");
    assert_eq!(created["type"], "CREATE");
    assert_eq!(created["to"], json!(SENDER.create(7)));
    assert_eq!(created["output"], "0x00");
    let failed = Case::create("fe").trace(json!({ "tracer": "callTracer" })).expect("a trace");
    assert_eq!(failed["error"], "invalid opcode: INVALID");
    assert!(failed.get("to").is_none(), "a creation that failed has no address: {failed}");

    let ends =
        Case::new(&format!("73{}ff", hex::encode(OTHER))).trace(json!({ "tracer": "callTracer" })).expect("a trace");
    let expected = json!([{
        "type": "SELFDESTRUCT", "from": TARGET, "to": OTHER, "value": "0x32", "gas": "0x0", "gasUsed": "0x0", "input": "0x",
    }]);
    assert_eq!(ends["calls"], expected);
}

#[test]
fn states_before_and_after() {
    // Reads slot 5, sets slot 1, sends 2 wei.
    let case = Case::new(&format!("600554506007600155{}", call(OTHER, 2)));
    let slot = |number: u64| format!("0x{number:064x}");
    let code = |code: &[u8]| json!(format!("0x{}", hex::encode(code)));
    let code_hash = json!(alloy_primitives::keccak256(&case.target));
    let sender = json!({ "balance": "0x3b9aca00", "nonce": 7 });
    let other = json!({ "balance": "0x0", "nonce": 1 });

    let before = case.trace(json!({ "tracer": "prestateTracer" })).expect("a trace");
    assert_eq!(
        before,
        json!({
            SENDER.to_string().to_lowercase(): sender,
            TARGET.to_string().to_lowercase(): {
                "balance": "0x32", "nonce": 1, "code": code(&case.target), "codeHash": code_hash,
                "storage": { slot(5): slot(6), slot(1): slot(0) },
            },
            OTHER.to_string().to_lowercase(): other,
        })
    );

    let config = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true, "disableCode": true } });
    let diff = case.trace(config).expect("a trace");
    assert_eq!(
        diff,
        json!({
            "pre": {
                SENDER.to_string().to_lowercase(): sender,
                TARGET.to_string().to_lowercase(): { "balance": "0x32", "nonce": 1, "codeHash": code_hash },
                OTHER.to_string().to_lowercase(): other,
            },
            "post": {
                SENDER.to_string().to_lowercase(): { "nonce": 8 },
                TARGET.to_string().to_lowercase(): { "balance": "0x30", "storage": { slot(1): slot(7) } },
                OTHER.to_string().to_lowercase(): { "balance": "0x2" },
            },
        })
    );
}

#[test]
fn small_tracers() {
    let case = Case { input: vec![1, 2, 3, 4, 5, 6], ..Case::new(&call(OTHER, 1)) };
    let rows = [("4byteTracer", json!({ "0x01020304-2": 1 })), ("noopTracer", json!({}))];
    for (tracer, expected) in rows {
        assert_eq!(case.trace(json!({ "tracer": tracer })).expect(tracer), expected, "{tracer}");
    }
    let both = json!({ "tracer": "muxTracer", "tracerConfig": { "4byteTracer": {}, "noopTracer": null } });
    assert_eq!(case.trace(both).expect("a trace"), json!({ "4byteTracer": { "0x01020304-2": 1 }, "noopTracer": {} }));

    let flat = case.trace(json!({ "tracer": "flatCallTracer" })).expect("a trace");
    let place = |entry: &Value| (entry["type"].clone(), entry["traceAddress"].clone(), entry["subtraces"].clone());
    let places: Vec<_> = flat.as_array().expect("a list").iter().map(place).collect();
    assert_eq!(places, [(json!("call"), json!([]), json!(1)), (json!("call"), json!([0]), json!(0))]);
    assert_eq!(flat[1]["action"]["callType"], "call");
    assert_eq!(flat[1]["transactionPosition"], 3);

    let unknown = case.trace(json!({ "tracer": "function() {}" })).expect_err("scripts are not run");
    assert_eq!(unknown.code, -32000);
}

#[test]
fn hostile_programs_end_within_the_bounds() {
    const FOREVER: &str = "5b600056";
    // Grows memory to a megabyte, then goes on for ever.
    const MEMORY: &str = "6000620fffe0525b600756";
    let minute = Duration::from_secs(60);
    let rows = [
        ("steps for ever", FOREVER, json!({}), 1 << 20, minute, "bytes of the trace"),
        ("a megabyte of memory a step", MEMORY, json!({ "enableMemory": true }), 1 << 24, minute, "bytes of the trace"),
        ("no time", FOREVER, json!({ "tracer": "noopTracer" }), 1 << 20, Duration::ZERO, "execution timeout"),
        ("no time, own wish", FOREVER, json!({ "tracer": "callTracer" }), 1 << 20, Duration::ZERO, "execution timeout"),
    ];
    for (name, code, config, max_bytes, time, expected) in rows {
        let case = Case::new(code).gas(1_000_000_000);
        let error = case.trace_within(config, max_bytes, time).expect_err(name);
        assert!(error.message.starts_with(expected), "{name}: {error}");
    }
}

#[test]
fn the_deepest_tree_is_told() {
    // Calls itself until no more frames may be opened.
    let case = Case::new(&call(TARGET, 0)).gas(4_000_000_000_000);
    for tracer in ["callTracer", "flatCallTracer"] {
        let text = case.trace_raw(json!({ "tracer": tracer }), 1 << 26, Duration::from_secs(60)).expect(tracer);
        assert!(text.contains("max call depth exceeded"), "{tracer}: {}", &text[..200]);
    }
}

//! Genesis documents: a published one with the chain that grew on it, and what is refused and why.

mod support;

use alloy_primitives::{Address, B256, U256};
use proptest::prelude::*;
use rialto_state::Diff;
use rialto_stf::json::{JsonCursor, parse};
use rialto_stf::*;
use rialto_trie::StateTrie;
use rialto_vm::Fork;
use serde_json::{Value, json};
use support::visit_archive;

/// A chain on which everything up to Prague holds from the start.
fn document() -> Value {
    json!({
        "config": {
            "chainId": 7, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
            "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
            "blobSchedule": {
                "cancun": {"target": 1, "max": 2, "baseFeeUpdateFraction": 3},
                "prague": {"target": 4, "max": 5, "baseFeeUpdateFraction": 6}
            }
        },
        "gasLimit": "0x1c9c380", "difficulty": "0",
        "alloc": {"00000000000000000000000000000000000000aa": {"balance": "1000", "nonce": "2"}}
    })
}

/// A field and its value.
type Change = (&'static str, Value);

/// Sets the fields at these dotted paths; null removes one.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut document = document();
    for (path, value) in changes {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let steps = parent.split('.').filter(|step| !step.is_empty());
        let object = steps.fold(&mut document, |value, step| &mut value[step]);
        let object = object.as_object_mut().unwrap_or_else(|| panic!("{path}: no object"));
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.to_string(), value.clone());
        }
    }
    document
}

fn read(document: &Value) -> Result<Genesis, GenesisError> {
    Genesis::from_json(&JsonCursor::new(document, ""))
}

#[test]
fn schedules() {
    type At = (u64, u64, Fork);
    let rows: [(&str, &[Change], &[At]); 6] = [
        ("all at genesis", &[], &[(0, 0, Fork::Prague), (9, 9, Fork::Prague)]),
        (
            "times",
            &[("config.cancunTime", json!(5)), ("config.pragueTime", json!(5))],
            &[(1, 4, Fork::Shanghai), (1, 5, Fork::Prague)],
        ),
        (
            "merge by block",
            &[
                ("config.terminalTotalDifficulty", json!(1)),
                ("config.grayGlacierBlock", json!(2)),
                ("config.mergeNetsplitBlock", json!(3)),
                ("config.shanghaiTime", json!(10)),
                ("config.cancunTime", json!(null)),
                ("config.pragueTime", json!(null)),
            ],
            &[(1, 0, Fork::London), (2, 0, Fork::GrayGlacier), (3, 0, Fork::Paris), (4, 10, Fork::Shanghai)],
        ),
        (
            "a total difficulty beyond 64 bits, and forks that ended with Constantinople",
            &[
                ("config.terminalTotalDifficulty", parse(b"58750000000000000000000").expect("JSON")),
                ("config.petersburgBlock", json!(null)),
                ("config.istanbulBlock", json!(null)),
                ("config.berlinBlock", json!(null)),
                ("config.londonBlock", json!(null)),
                ("config.shanghaiTime", json!(null)),
                ("config.cancunTime", json!(null)),
                ("config.pragueTime", json!(null)),
            ],
            &[(0, 0, Fork::Petersburg), (9, 9, Fork::Petersburg)],
        ),
        (
            "blob parameters only",
            &[
                ("config.osakaTime", json!(1)),
                ("config.bpo1Time", json!(2)),
                ("config.blobSchedule.bpo1", json!({"target": 7, "max": 8, "baseFeeUpdateFraction": 9})),
                ("config.amsterdamTime", json!("3")),
            ],
            &[(1, 1, Fork::Osaka), (1, 2, Fork::Bpo1), (1, 3, Fork::Amsterdam)],
        ),
        ("nulls and unknown fields", &[("config.clique", json!({})), ("config.x", json!(1))], &[(0, 0, Fork::Prague)]),
    ];
    for (name, changes, expected) in rows {
        let genesis = read(&with(changes)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for &(number, timestamp, fork) in expected {
            assert_eq!(genesis.chain.fork_at(number, timestamp), fork, "{name}: block {number} at {timestamp}");
        }
    }
}

#[test]
fn blob_parameters() {
    let bpo = json!({"target": 7, "max": 8, "baseFeeUpdateFraction": 9});
    let genesis = read(&with(&[
        ("config.osakaTime", json!(1)),
        ("config.bpo1Time", json!(2)),
        ("config.blobSchedule.bpo1", bpo),
        ("config.amsterdamTime", json!(3)),
    ]));
    let chain = genesis.expect("valid").chain;
    let rows = [
        (Fork::Shanghai, None),
        (Fork::Cancun, Some((1, 2, 3))),
        (Fork::Prague, Some((4, 5, 6))),
        (Fork::Osaka, Some((4, 5, 6))),
        (Fork::Bpo1, Some((7, 8, 9))),
        (Fork::Amsterdam, Some((7, 8, 9))),
    ];
    for (fork, expected) in rows {
        let params = chain.blob_params(fork);
        let found = params.map(|params| (params.target, params.max, params.base_fee_update_fraction));
        assert_eq!(found, expected, "{fork}");
    }
}

#[test]
fn headers_have_the_fields_of_their_fork() {
    type Fields = (Option<u64>, bool, Option<u64>, Option<u64>, bool, bool, bool, Option<u64>);
    let osaka = |extra: &[Change]| {
        let mut changes = vec![("config.osakaTime", json!(0)), ("config.amsterdamTime", json!(0))];
        changes.extend_from_slice(extra);
        changes
    };
    let rows: [(&str, Vec<Change>, Fields); 4] = [
        ("Prague", vec![], (Some(1_000_000_000), true, Some(0), Some(0), true, true, false, None)),
        (
            "given",
            vec![("baseFeePerGas", json!("0x7")), ("excessBlobGas", json!("0x20000")), ("blobGasUsed", json!(0))],
            (Some(7), true, Some(0), Some(0x20000), true, true, false, None),
        ),
        ("Amsterdam", osaka(&[]), (Some(1_000_000_000), true, Some(0), Some(0), true, true, true, Some(0))),
        (
            "slot given",
            osaka(&[("slotNumber", json!("5"))]),
            (Some(1_000_000_000), true, Some(0), Some(0), true, true, true, Some(5)),
        ),
    ];
    for (name, changes, expected) in rows {
        let header = read(&with(&changes)).unwrap_or_else(|error| panic!("{name}: {error}")).header;
        let found = (
            header.base_fee_per_gas,
            header.withdrawals_root.is_some(),
            header.blob_gas_used,
            header.excess_blob_gas,
            header.parent_beacon_block_root == Some(B256::ZERO),
            header.requests_hash.is_some(),
            header.block_access_list_hash.is_some(),
            header.slot_number,
        );
        assert_eq!(found, expected, "{name}");
        assert_eq!(Header::decode(&header.encode()).as_ref(), Ok(&header), "{name}");
    }
}

#[test]
fn fields_of_the_document() {
    let document = with(&[
        ("nonce", json!("0x42")),
        ("timestamp", json!("10")),
        ("extraData", json!("0x0102")),
        ("gasLimit", json!("0")),
        ("mixHash", json!(B256::repeat_byte(3).to_string())),
        ("coinbase", json!("0x0000000000000000000000000000000000000004")),
        ("parentHash", json!(B256::repeat_byte(5).to_string())),
        ("gasUsed", json!("0x6")),
        ("number", json!("0x7")),
        ("config.depositContractAddress", json!("0x0000000000000000000000000000000000000008")),
        ("config.daoForkBlock", json!(0)),
        ("config.daoForkSupport", json!(true)),
    ]);
    let genesis = read(&document).expect("valid");
    let header = &genesis.header;
    assert_eq!(header.nonce.as_slice(), [0, 0, 0, 0, 0, 0, 0, 0x42]);
    assert_eq!((header.timestamp, header.gas_used, header.number), (10, 6, 7));
    assert_eq!(header.extra_data.as_ref(), [1, 2]);
    assert_eq!(header.gas_limit, 4_712_388, "zero stands for the first chain's");
    assert_eq!((header.mix_hash, header.parent_hash), (B256::repeat_byte(3), B256::repeat_byte(5)));
    assert_eq!(header.beneficiary, Address::with_last_byte(4));
    assert_eq!(genesis.chain.chain_id, 7);
    assert_eq!(genesis.chain.deposit_contract, Address::with_last_byte(8));
    assert!(genesis.chain.drains_dao);
    let account = genesis.state().get(&Address::with_last_byte(0xaa)).expect("in alloc").info;
    assert_eq!((account.nonce, account.balance), (2, U256::from(1_000)));
    let root = StateTrie::from_memory(&genesis.state()).expect("whole").root();
    assert_eq!(header.state_root, root);
}

#[test]
fn refusals_say_where_and_why() {
    let params =
        |target: u64, max: u64, fraction: u64| json!({"target": target, "max": max, "baseFeeUpdateFraction": fraction});
    let rows: [(&[Change], &str); 18] = [
        (&[("alloc", json!(null))], "alloc: expected a value, found nothing"),
        (&[("gasLimit", json!(null))], "gasLimit: expected a value, found nothing"),
        (&[("difficulty", json!("-1"))], "difficulty: expected a number of at least 0, found \"-1\""),
        (&[("config", json!(null))], "config: expected a value, found nothing"),
        (&[("config.chainId", json!(null))], "config.chainId: expected a value, found nothing"),
        (&[("config.chainId", json!(-1))], "config.chainId: expected a number of at least 0, found -1"),
        (&[("timestamp", json!("0x10000000000000000"))], "timestamp: expected an integer of at most 64 bits"),
        (&[("config.cancunTime", json!("soon"))], "config.cancunTime: expected hex digits after 0x, found \"soon\""),
        (&[("config.futureTime", json!(9))], "config.futureTime: expected a fork that is known"),
        (&[("config.blobSchedule.later", params(1, 2, 3))], "config.blobSchedule.later: expected a fork that is known"),
        (
            &[("config.cancunTime", json!(6)), ("config.pragueTime", json!(5))],
            "config.pragueTime: expected timestamp 6 or later, where config.cancunTime is, found timestamp 5",
        ),
        (
            &[("config.cancunTime", json!(null))],
            "config.cancunTime: expected one, since config.pragueTime is timestamp 0, found nothing",
        ),
        (
            &[("config.berlinBlock", json!(4))],
            "config.londonBlock: expected block 4 or later, where config.berlinBlock is, found block 0",
        ),
        (
            &[("config.londonBlock", json!(4))],
            "config.terminalTotalDifficulty: expected block 4 or later, where config.londonBlock is, found block 0",
        ),
        (
            &[("config.londonBlock", json!(4)), ("config.terminalTotalDifficulty", json!(1))],
            "config.shanghaiTime: expected block 4 or later, where config.londonBlock is, found timestamp 0",
        ),
        (&[("config.blobSchedule.prague", json!(null))], "config.blobSchedule.prague: expected a value, found nothing"),
        (
            &[("config.blobSchedule.prague", params(3, 2, 1))],
            "config.blobSchedule.prague.max: expected at least 3, found 2",
        ),
        (
            &[("config.blobSchedule.prague", params(0, 1, 0))],
            "config.blobSchedule.prague.baseFeeUpdateFraction: expected at least 1, found 0",
        ),
    ];
    for (changes, expected) in rows {
        let error = read(&with(changes)).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{changes:?}: expected {expected}, found {error}");
    }
}

#[test]
fn refusals_of_single_rules() {
    let apart = with(&[
        ("config.eip158Block", json!(1)),
        ("config.byzantiumBlock", json!(null)),
        ("config.constantinopleBlock", json!(null)),
        ("config.petersburgBlock", json!(null)),
        ("config.istanbulBlock", json!(null)),
        ("config.berlinBlock", json!(null)),
        ("config.londonBlock", json!(null)),
        ("config.terminalTotalDifficulty", json!(null)),
        ("config.shanghaiTime", json!(null)),
        ("config.cancunTime", json!(null)),
        ("config.pragueTime", json!(null)),
    ]);
    let before_cancun =
        with(&[("config.cancunTime", json!(9)), ("config.pragueTime", json!(9)), ("excessBlobGas", json!("0x0"))]);
    let rows = [
        (apart, "config.eip158Block: expected block 0, as config.eip155Block, found block 1"),
        (before_cancun, "excessBlobGas: expected none under Shanghai, found one"),
        (with(&[("slotNumber", json!(1))]), "slotNumber: expected none under Prague, found one"),
    ];
    for (document, expected) in rows {
        assert_eq!(read(&document).expect_err(expected).to_string(), expected);
    }
}

/// Paths to fields that documents have or may have.
const FIELDS: [&str; 24] = [
    "nonce",
    "timestamp",
    "extraData",
    "gasLimit",
    "difficulty",
    "mixHash",
    "coinbase",
    "alloc",
    "number",
    "baseFeePerGas",
    "excessBlobGas",
    "config",
    "config.chainId",
    "config.daoForkBlock",
    "config.petersburgBlock",
    "config.londonBlock",
    "config.mergeNetsplitBlock",
    "config.terminalTotalDifficulty",
    "config.shanghaiTime",
    "config.pragueTime",
    "config.osakaTime",
    "config.bpo2Time",
    "config.blobSchedule",
    "config.blobSchedule.prague",
];

fn any_value() -> impl Strategy<Value = Value> {
    let params = (any::<u64>(), any::<u64>(), 0..3_u64).prop_map(|(target, max, fraction)| {
        json!({"target": target % 9, "max": max >> (max % 64), "baseFeeUpdateFraction": fraction})
    });
    prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!([1])),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1.5)),
        (0..40_u64).prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(format!("{value:#x}"))),
        "(0x)?[0-9a-f]{0,70}".prop_map(|text| json!(text)),
        params,
    ]
}

proptest! {
    /// Whatever a document says, it is refused, or the chain has rules that can be asked.
    #[test]
    fn nothing_panics(changes in proptest::collection::vec((0..FIELDS.len(), any_value()), 1..4), excess in any::<u64>()) {
        let mut document = document();
        for (field, value) in changes {
            let (parent, name) = FIELDS[field].rsplit_once('.').unwrap_or(("", FIELDS[field]));
            let pointer = if parent.is_empty() { String::new() } else { format!("/{}", parent.replace('.', "/")) };
            if let Some(object) = document.pointer_mut(&pointer).and_then(Value::as_object_mut) {
                object.insert(name.to_string(), value);
            }
        }
        if let Ok(genesis) = read(&document) {
            let header = &genesis.header;
            prop_assert_eq!(header.missing_optional_field(), None);
            let fork = genesis.chain.fork_at(header.number, header.timestamp);
            if let Some(params) = genesis.chain.blob_params(fork) {
                blob_base_fee(excess, &params);
                next_excess_blob_gas(&Header { excess_blob_gas: Some(excess), ..header.clone() }, &params, true);
            }
        }
    }
}

/// A chain while it is being executed.
struct Chain {
    genesis: Genesis,
    state: rialto_state::MemoryState,
    trie: StateTrie,
    blocks: Vec<Block>,
}

impl Chain {
    fn new(genesis: Genesis) -> Self {
        let mut state = genesis.state();
        state.insert_block_hash(genesis.header.number, genesis.header.hash());
        let trie = StateTrie::from_memory(&state).expect("whole");
        let blocks = vec![Block { header: genesis.header.clone(), ..Block::default() }];
        Self { genesis, state, trie, blocks }
    }

    fn import(&mut self, block: Block) {
        let chain = &self.genesis.chain;
        let place =
            format!("block {} ({})", block.header.number, chain.fork_at(block.header.number, block.header.timestamp));
        let parent = self.blocks.last().expect("at least genesis");
        validate_header(chain, &block.header, &parent.header).unwrap_or_else(|error| panic!("{place}: {error}"));
        let ancestors: Vec<Block> = self.blocks.iter().rev().take(8).cloned().collect();
        validate_ommers(chain, &block, &ancestors).unwrap_or_else(|error| panic!("{place}: {error}"));
        let root_after = |diff: &Diff| self.trie.clone().apply(diff).map_err(|error| error.to_string());
        let outcome = execute(chain, &block, None, &self.state, Some(&root_after));
        let outcome = outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
        verify_outcome(&block.header, &outcome).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(outcome.has_receipt_roots, "{place}");
        let root = self.trie.apply(&outcome.diff).expect("whole");
        assert_eq!(root, block.header.state_root, "{place}: state root");
        self.state.apply(&outcome.diff);
        self.state.insert_block_hash(block.header.number, block.hash());
        self.blocks.push(block);
    }
}

/// A chain across all forks: the hash of its genesis, and all roots of its blocks.
#[test]
fn chain_across_all_forks() {
    let (mut genesis, mut encoded) = (None, Vec::new());
    let select = |name: &str, _| name.ends_with("genesis.json") || name.ends_with("chain.rlp");
    let found = visit_archive("execution-apis.tar.zst", select, |name, contents| {
        if name.ends_with("chain.rlp") {
            encoded = contents.to_vec();
        } else {
            let document = parse(contents).unwrap_or_else(|error| panic!("{name}: {error}"));
            genesis = Some(read(&document).unwrap_or_else(|error| panic!("{name}: {error}")));
        }
    });
    if !found {
        return;
    }
    let mut chain = Chain::new(genesis.expect("the archive has one"));
    let mut reader = RlpReader::new(&encoded);
    while !reader.is_empty() {
        chain.import(Block::read(&mut reader).expect("a block"));
    }
    assert_eq!(chain.blocks[1].header.parent_hash, chain.genesis.header.hash());
    assert_eq!(chain.blocks.len(), 1 + 54);
}

const DOLLAR: &str = "0x00000000000000000000000000000000000000d0";

/// A market with a perpetual.
fn market() -> Value {
    json!({
        "activationTime": 5,
        "operator": "0x0000000000000000000000000000000000000001",
        "signers": ["0x0000000000000000000000000000000000000002"],
        "quorum": 1, "timelockSeconds": 60,
        "quoteAsset": {"token": DOLLAR, "decimals": 6, "settings": {"borrowCap": "1000000000000000"}},
        "feeds": [{"decimals": 8, "stalenessSeconds": 60, "deviationPpm": 250_000, "price": "300000000000"}],
        "instruments": [{"kind": "perpetual", "feed": 1, "tickValue": 100, "lotSize": "1000000000000000"}],
    })
}

#[test]
fn a_market() {
    let read_with = |market: Value| read(&with(&[("config.rialto", json!({ "market": market }))]));
    let genesis = read_with(market()).expect("a genesis");
    assert_eq!(genesis.chain.modules, [ChainModule::market(5)]);
    let modules = |time| genesis.chain.modules_at(time).iter().map(|module| module.address()).collect::<Vec<_>>();
    assert_eq!((modules(4), modules(5)), (vec![], vec![rialto_market::MARKET_ADDRESS]));
    let account = &genesis.alloc[&rialto_market::MARKET_ADDRESS];
    assert_eq!((account.nonce, account.code.len()), (1, 1));
    assert!(account.storage.len() > 10 && account.storage.values().all(|word| !word.is_zero()));
    let without = read(&document()).expect("a genesis");
    assert_ne!(genesis.header.state_root, without.header.state_root);
    assert!(without.chain.modules.is_empty());
    // Nothing but the operator has to be there but the quote asset.
    let mut least = market();
    for field in ["activationTime", "feeds", "instruments"] {
        least.as_object_mut().expect("an object").remove(field);
    }
    assert_eq!(read_with(least).expect("a genesis").chain.modules, [ChainModule::market(0)]);
    // field, value, what is said of it
    let rows = [
        ("operater", json!(1), "config.rialto.market.operater: expected one of activationTime, operator, "),
        ("operator", json!(null), "config.rialto.market.operator: expected"),
        (
            "operator",
            json!("0x0000000000000000000000000000000000000000"),
            "config.rialto.market.operator: operator is 0",
        ),
        ("quorum", json!(2), "config.rialto.market.signers: quorum is 2, expected 1 to 1"),
        ("timelockSeconds", json!(-1), "config.rialto.market.timelockSeconds: expected"),
        ("quoteAsset", json!({"token": DOLLAR}), "config.rialto.market.quoteAsset.decimals: expected"),
        (
            "quoteAsset",
            json!({"token": DOLLAR, "decimals": 6, "feed": 1}),
            "config.rialto.market.quoteAsset.feed: expected",
        ),
        (
            "feeds",
            json!([{"decimals": 8, "stalenessSeconds": 0, "deviationPpm": 5_000}]),
            "config.rialto.market.feeds[0]: stalenessSeconds is 0",
        ),
        ("instruments", json!([{"kind": "future"}]), "config.rialto.market.instruments[0].kind: expected one of spot"),
        (
            "assets",
            json!([{"token": DOLLAR, "decimals": 6, "settings": {"haircut": 1.5}}]),
            "config.rialto.market.assets[0].settings.haircut: expected a whole number",
        ),
    ];
    for (field, value, text) in rows {
        let mut changed = market();
        changed[field] = value;
        let error = read_with(changed).map(|_| ()).expect_err(field).to_string();
        assert!(error.starts_with(text), "{field}: {error}");
    }
    let taken = with(&[
        ("config.rialto", json!({ "market": market() })),
        ("alloc.5254000000000000000000000000000000000001", json!({"balance": "1"})),
    ]);
    let address = rialto_market::MARKET_ADDRESS;
    assert_eq!(read(&taken).map(|_| ()), Err(GenesisError::AddressTaken { address }));
}

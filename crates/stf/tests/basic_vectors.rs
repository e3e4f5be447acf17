//! The basic vectors of ethereum/tests: difficulty, the validity of transactions fork by fork, keys, genesis, hex-prefix.
//!
//! Every file of the archive is either checked here, or by the tests of another file, or left out by name and reason; a
//! file that is none of these fails.

mod support;

use alloy_primitives::{Address, B256, U256};
use rialto_state::{MemoryState, StateReader};
use rialto_stf::*;
use rialto_trie::{EmptySource, Trie};
use rialto_vm::Fork;
use serde_json::Value;
use support::{unhex, visit_archive, visit_json};

const ARCHIVE: &str = "ethereum-tests-basic.tar.zst";

/// What becomes of the files whose path begins so.
const FILES: [(&str, Check); 11] = [
    ("DifficultyTests/", Check::Here),
    ("BasicTests/difficulty", Check::Here),
    ("TransactionTests/", Check::Here),
    ("BasicTests/genesishashestest.json", Check::Here),
    ("BasicTests/keyaddrtest.json", Check::Here),
    ("BasicTests/txtest.json", Check::Here),
    ("BasicTests/hexencodetest.json", Check::Here),
    ("RLPTests/", Check::Elsewhere("the tests of RLP")),
    ("TrieTests/", Check::Elsewhere("the tests of the tries")),
    ("BasicTests/crypto.json", Check::LeftOut("ciphers of the transport between peers, which is no part of this")),
    ("BasicTests/blockgenesistest.json", Check::LeftOut("headers of a format from before Frontier")),
];

#[derive(Clone, Copy)]
enum Check {
    Here,
    Elsewhere(&'static str),
    LeftOut(&'static str),
}

#[test]
fn every_file_is_accounted_for() {
    let mut used = [false; FILES.len()];
    let found = visit_archive(
        ARCHIVE,
        |name, _| name.ends_with(".json"),
        |name, _| {
            let row = FILES.iter().position(|(path, _)| name.contains(path));
            let row = row.unwrap_or_else(|| panic!("{name}: no test knows it"));
            used[row] = true;
            match FILES[row].1 {
                Check::Here => {}
                Check::Elsewhere(place) => println!("{name}: checked by {place}"),
                Check::LeftOut(reason) => println!("left out: {name} ({reason})"),
            }
        },
    );
    assert!(!found || used == [true; FILES.len()], "rows without files: {used:?}");
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: expected a string, found {}", value[name]))
}

/// A number in hexadecimal or decimal digits.
fn number(value: &Value, name: &str) -> U256 {
    let digits = text(value, name);
    digits.parse().unwrap_or_else(|error| panic!("{name}: {digits}: {error}"))
}

fn number64(value: &Value, name: &str) -> u64 {
    u64::try_from(number(value, name)).unwrap_or_else(|_| panic!("{name}: {}", value[name]))
}

/// Ropsten while it was mined.
fn ropsten() -> ChainSpec {
    use Activation::Block;
    let schedule = vec![
        (Block(0), Fork::Homestead),
        (Block(1_700_000), Fork::Byzantium),
        (Block(4_230_000), Fork::Constantinople),
    ];
    ChainSpec { schedule, ..ChainSpec::of_fork(Fork::Homestead, 3) }
}

fn check_difficulty(place: &str, rules: &BlockRules, row: &Value) {
    // Whether there are ommers, or their hash. One file has no such field, since its fork does not ask.
    let has_ommers = match row["parentUncles"].as_str() {
        Some(hash) if hash.len() == 66 => hash.parse() != Ok(ommers_hash(&[])),
        Some(_) => !number(row, "parentUncles").is_zero(),
        None => false,
    };
    let difficulty = difficulty_after(
        rules,
        number64(row, "currentBlockNumber") - 1,
        number(row, "parentDifficulty"),
        number64(row, "parentTimestamp"),
        has_ommers,
        number64(row, "currentTimestamp"),
    );
    assert_eq!(difficulty, number(row, "currentDifficulty"), "{place}");
}

#[test]
fn difficulty() {
    let mut rows = 0;
    let select = |name: &str, _| name.contains("BasicTests/difficulty") || name.contains("DifficultyTests/");
    let found = visit_json(ARCHIVE, select, |file, vectors| {
        let chain = match file.rsplit('/').next().unwrap_or_default() {
            "difficulty.json" | "difficultyMainNetwork.json" | "difficultyCustomMainNetwork.json" => {
                Some(ChainSpec::mainnet())
            }
            "difficultyCustomHomestead.json" => Some(ChainSpec::of_fork(Fork::Homestead, 1)),
            "difficultyRopsten.json" => Some(ropsten()),
            _ => None,
        };
        for (name, vector) in vectors.as_object().expect("an object") {
            if let Some(chain) = &chain {
                let rules = chain.rules_at(number64(vector, "currentBlockNumber"), 0);
                check_difficulty(&format!("{file}, {name}"), rules, vector);
                rows += 1;
                continue;
            }
            for (network, cases) in vector.as_object().expect("cases by network") {
                if network == "_info" {
                    continue;
                }
                let fork = Fork::from_name(network).unwrap_or_else(|| panic!("{file}: no such fork: {network}"));
                for (case, row) in cases.as_object().expect("an object of cases") {
                    check_difficulty(&format!("{file}, {name}, {network}, {case}"), BlockRules::of(fork), row);
                    rows += 1;
                }
            }
        }
    });
    assert!(!found || rows == 23_600, "{rows} rows found");
}

/// Why a transaction was not accepted.
#[derive(Debug)]
enum Refusal {
    Decode(DecodeError),
    Tx(TxError),
}

/// Decodes, recovers and executes a transaction with all the ether there is, on a chain with the id 1.
fn process(encoded: &[u8], fork: Fork) -> Result<(Transaction, Address), Refusal> {
    let chain = ChainSpec::of_fork(fork, 1);
    let rules = BlockRules::of(fork);
    let transaction = Transaction::decode(encoded).map_err(Refusal::Decode)?;
    let sender = recover_sender(&transaction, rules, 1).map_err(Refusal::Tx)?;
    let mut state = MemoryState::default();
    state.insert_account(sender, transaction.nonce, U256::MAX, Default::default(), []);
    let header = Header {
        gas_limit: u64::MAX,
        base_fee_per_gas: rules.has_base_fee.then_some(0),
        excess_blob_gas: rules.has_blobs.then_some(0),
        ..Header::default()
    };
    let mut executor = BlockExecutor::new(&chain, &header, &state as &dyn StateReader);
    match executor.transaction(&transaction, sender) {
        // Gas can be paid, but on top of it the value can't: that says nothing about the transaction.
        Err(TxError::CostOverflow) if gas_cost(&transaction).is_some() => {}
        result => drop(result.map_err(Refusal::Tx)?),
    }
    Ok((transaction, sender))
}

fn gas_cost(transaction: &Transaction) -> Option<U256> {
    transaction.gas_price.checked_mul(U256::from(transaction.gas_limit))
}

/// Whether `refusal` is for the reason that a vector names.
fn is_expected(exception: &str, refusal: &Refusal) -> bool {
    let name = exception.strip_prefix("TransactionException.").unwrap_or(exception);
    match refusal {
        Refusal::Decode(error) => match name {
            // What is not a legacy transaction can't be decoded as one, nor as of a type that does not exist.
            "TYPE_NOT_SUPPORTED" => true,
            "INVALID_SIGNATURE_VRS" => [".v", ".r", ".s"].iter().any(|field| error.path().ends_with(field)),
            "INVALID_CHAINID" => error.path().ends_with(".v"),
            "NONCE_TOO_BIG" => matches!(error.kind(), DecodeErrorKind::NonceIsMax),
            _ => {
                let fields = ["NONCE", "GASLIMIT", "GASPRICE", "VALUE", "PRIORITY"];
                let is_overflow = name.strip_suffix("_OVERFLOW").is_some_and(|field| fields.contains(&field));
                is_overflow || name.starts_with("RLP_") || name.starts_with("ADDRESS_")
            }
        },
        Refusal::Tx(error) => match name {
            "TYPE_NOT_SUPPORTED" => matches!(error, TxError::TypeNotSupported { .. }),
            "EC_RECOVERY_FAIL" => matches!(error, TxError::Signature(_)),
            // A `v` that names a chain is no signature before EIP-155.
            "INVALID_SIGNATURE_VRS" => {
                matches!(error, TxError::Signature(_) | TxError::ChainId { expected: None, .. })
            }
            "INVALID_CHAINID" => matches!(error, TxError::ChainId { .. }),
            "INTRINSIC_GAS_TOO_LOW" => matches!(error, TxError::IntrinsicGas { .. }),
            "INITCODE_SIZE_EXCEEDED" => matches!(error, TxError::InitcodeTooLong { .. }),
            "GASLIMIT_PRICE_PRODUCT_OVERFLOW" => matches!(error, TxError::CostOverflow),
            "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2" => matches!(error, TxError::PriorityFeeAboveMaxFee { .. }),
            _ => false,
        },
    }
}

fn check_transaction(place: &str, encoded: &[u8], fork: Fork, expected: &Value) {
    match (process(encoded, fork), expected["exception"].as_str()) {
        (Ok((transaction, sender)), None) => {
            assert_eq!(transaction.hash().to_string(), text(expected, "hash"), "{place}");
            assert_eq!(sender.as_slice(), unhex(text(expected, "sender")), "{place}");
            let gas = IntrinsicGas::of(&transaction, BlockRules::of(fork), 0);
            assert_eq!(gas.total(), number64(expected, "intrinsicGas"), "{place}: intrinsic gas");
            assert_eq!(validate_form(&transaction, BlockRules::of(fork), &gas), Ok(()), "{place}");
        }
        (Err(refusal), Some(exception)) => {
            assert!(is_expected(exception, &refusal), "{place}: expected {exception}, found {refusal:?}");
        }
        (Ok(_), Some(exception)) => panic!("{place}: expected {exception}, accepted"),
        (Err(refusal), None) => panic!("{place}: expected acceptance, found {refusal:?}"),
    }
}

#[test]
fn transactions() {
    let mut rows = 0;
    let select = |name: &str, _| name.contains("TransactionTests/");
    let found = visit_json(ARCHIVE, select, |file, vectors| {
        for (name, vector) in vectors.as_object().expect("an object of vectors") {
            let encoded = unhex(text(vector, "txbytes"));
            check_decode(&encoded);
            for (network, expected) in vector["result"].as_object().expect("results by fork") {
                let fork = Fork::from_name(network).unwrap_or_else(|| panic!("{file}: no such fork: {network}"));
                check_transaction(&format!("{file}, {name}, {network}"), &encoded, fork, expected);
                rows += 1;
            }
        }
    });
    assert!(!found || rows == 2_665, "{rows} rows found");
}

#[test]
fn genesis_hashes() {
    let select = |name: &str, _| name.ends_with("genesishashestest.json");
    visit_json(ARCHIVE, select, |_, vector| {
        let block = Block::decode(&unhex(text(vector, "genesis_rlp_hex"))).expect("a block");
        assert_eq!(block.hash().as_slice(), unhex(text(vector, "genesis_hash")));
        assert_eq!(block.header.state_root.as_slice(), unhex(text(vector, "genesis_state_root")));
    });
}

/// Keys and their addresses. The signatures beside them are of a digest that the vectors don't state: those of the empty
/// string don't have them.
#[test]
fn keys() {
    let select = |name: &str, _| name.ends_with("keyaddrtest.json");
    visit_json(ARCHIVE, select, |_, vectors| {
        for vector in vectors.as_array().expect("an array") {
            let key = B256::from_slice(&unhex(text(vector, "key")));
            let expected = Address::from_slice(&unhex(text(vector, "addr")));
            assert_eq!(address_of_secret_key(&key), Ok(expected), "{}", vector["seed"]);
        }
    });
}

#[test]
fn signed_transactions() {
    let select = |name: &str, _| name.ends_with("txtest.json");
    visit_json(ARCHIVE, select, |_, vectors| {
        for (index, vector) in vectors.as_array().expect("an array").iter().enumerate() {
            let integer = |name: &str| vector[name].as_u64().unwrap_or_else(|| panic!("{name}: {}", vector[name]));
            let mut transaction = Transaction {
                nonce: integer("nonce"),
                gas_price: U256::from(integer("gasprice")),
                gas_limit: integer("startgas"),
                to: Some(unhex(text(vector, "to"))).filter(|to| !to.is_empty()).map(|to| Address::from_slice(&to)),
                value: U256::from(integer("value")),
                input: unhex(text(vector, "data")).into(),
                ..Transaction::default()
            };
            // The same form with nothing where the signature goes.
            let mut unsigned = RlpWriter::new();
            unsigned.list(|list| {
                list.u64(transaction.nonce);
                list.u256(&transaction.gas_price);
                list.u64(transaction.gas_limit);
                list.string(transaction.to.as_ref().map_or(&[], |to| to.as_slice()));
                list.u256(&transaction.value);
                list.string(&transaction.input);
                (0..3).for_each(|_| list.string(&[]));
            });
            assert_eq!(unsigned.into_bytes(), unhex(text(vector, "unsigned")), "{index}");

            let key = B256::from_slice(&unhex(text(vector, "key")));
            let signed = Transaction::decode(&unhex(text(vector, "signed"))).expect("a transaction");
            assert_eq!(signed.sender(SRange::Any), address_of_secret_key(&key), "{index}");
            // Whoever signed it may have chosen another signature than we would; the rest is the same.
            transaction.signature = signed.signature;
            assert_eq!(transaction, signed, "{index}");
        }
    });
}

/// The path of a leaf or extension as its node has it.
fn path_of(node: &[u8]) -> Vec<u8> {
    RlpReader::new(node).list().expect("a list").string().expect("a path").to_vec()
}

/// Bytes from nibbles, of which there is an even number.
fn pack(nibbles: &[u8]) -> Vec<u8> {
    nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The hex-prefix encoding of a path, as it stands in a trie that has a node with this path.
fn hex_prefix(path: &[u8], is_leaf: bool) -> Vec<u8> {
    let join = |parts: &[&[u8]]| pack(&parts.concat());
    let is_odd = path.len() % 2 == 1;
    // Keys such that the wanted node is the first or the second on the way to the first key.
    let (keys, depth) = match (is_leaf, is_odd) {
        (true, false) => (vec![pack(path)], 0),
        (true, true) => (vec![join(&[&[0], path]), join(&[&[1], path])], 1),
        (false, true) => (vec![join(&[path, &[0]]), join(&[path, &[1]])], 0),
        (false, false) => (vec![join(&[path, &[0, 0]]), join(&[path, &[1, 0]])], 0),
    };
    let mut trie = Trie::new();
    for key in &keys {
        // Long values, so that no node is embedded in another.
        trie.insert(key, &[1; 40], &EmptySource).expect("the trie is in memory");
    }
    trie.root();
    path_of(&trie.prove(&keys[0], &EmptySource).expect("the trie is in memory")[depth])
}

#[test]
fn hex_prefixes() {
    let select = |name: &str, _| name.ends_with("hexencodetest.json");
    visit_json(ARCHIVE, select, |_, vectors| {
        for (name, vector) in vectors.as_object().expect("an object of vectors") {
            let nibbles = vector["seq"].as_array().expect("an array").iter();
            let path: Vec<u8> = nibbles.map(|nibble| nibble.as_u64().expect("a nibble") as u8).collect();
            let is_leaf = vector["term"].as_bool().expect("a boolean");
            assert_eq!(hex_prefix(&path, is_leaf), unhex(text(vector, "out")), "{name}");
        }
    });
}

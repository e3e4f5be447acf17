//! The `genesis.json` of a blockchain test, which has a network's name, a header and accounts instead.
//!
//! A node begins from a document, so a test that runs through a node needs one. A network is a fork that holds from the first
//! block, and perhaps another that follows: everything up to the former is scheduled at zero, the latter where the name says.
//! Forks that a chain may go without are scheduled only where the network is theirs.

use alloy_primitives::U256;
use rialto_stf::{Activation, BlockRules, ChainSpec, Header};
use rialto_vm::Fork;
use serde_json::{Map, Value, json};

/// The fields of `config`, with the fork that each begins and whether a chain may go without it.
const FIELDS: [(&str, Fork, bool); 26] = [
    ("homesteadBlock", Fork::Homestead, false),
    ("daoForkBlock", Fork::DaoFork, true),
    ("eip150Block", Fork::TangerineWhistle, false),
    ("eip155Block", Fork::SpuriousDragon, false),
    ("eip158Block", Fork::SpuriousDragon, false),
    ("byzantiumBlock", Fork::Byzantium, false),
    ("constantinopleBlock", Fork::Constantinople, false),
    ("petersburgBlock", Fork::Petersburg, false),
    ("istanbulBlock", Fork::Istanbul, false),
    ("muirGlacierBlock", Fork::MuirGlacier, true),
    ("berlinBlock", Fork::Berlin, false),
    ("londonBlock", Fork::London, false),
    ("arrowGlacierBlock", Fork::ArrowGlacier, true),
    ("grayGlacierBlock", Fork::GrayGlacier, true),
    ("mergeNetsplitBlock", Fork::Paris, false),
    ("shanghaiTime", Fork::Shanghai, false),
    ("cancunTime", Fork::Cancun, false),
    ("pragueTime", Fork::Prague, false),
    ("osakaTime", Fork::Osaka, false),
    ("bpo1Time", Fork::Bpo1, true),
    ("bpo2Time", Fork::Bpo2, true),
    ("bpo3Time", Fork::Bpo3, true),
    ("bpo4Time", Fork::Bpo4, true),
    ("bpo5Time", Fork::Bpo5, true),
    ("amsterdamDraftTime", Fork::AmsterdamDraft, true),
    ("amsterdamTime", Fork::Amsterdam, true),
];
/// A block that no chain reaches: what is not scheduled by absence alone.
const NEVER: u64 = 1 << 52;

/// The document of a chain with these rules, this first header and these accounts (`pre`, as the test has them).
pub fn genesis_document(chain: &ChainSpec, header: &Header, pre: &Value) -> Value {
    let mut document = json!({
        "config": config(chain),
        "alloc": pre,
        "parentHash": header.parent_hash,
        "coinbase": header.beneficiary,
        "difficulty": header.difficulty,
        "number": quantity(header.number),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "extraData": header.extra_data,
        "mixHash": header.mix_hash,
        "nonce": format!("{:#x}", U256::from_be_slice(header.nonce.as_slice())),
    });
    let optional = [
        ("baseFeePerGas", header.base_fee_per_gas),
        ("blobGasUsed", header.blob_gas_used),
        ("excessBlobGas", header.excess_blob_gas),
        ("slotNumber", header.slot_number),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            document[name] = json!(quantity(value));
        }
    }
    document
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

fn config(chain: &ChainSpec) -> Value {
    let mut config = Map::new();
    config.insert("chainId".into(), json!(chain.chain_id));
    config.insert("depositContractAddress".into(), json!(chain.deposit_contract));
    config.insert("daoForkSupport".into(), json!(chain.drains_dao));
    let first = chain.schedule[0].1;
    let mut blobs = Map::new();
    for (field, fork, is_optional) in FIELDS {
        let scheduled = chain.schedule[1..].iter().find(|(_, later)| *later == fork).map(|(at, _)| *at);
        let since_genesis = if is_optional { first == fork } else { first >= fork };
        let at = match scheduled {
            Some(Activation::Block(number)) => Some(number),
            Some(Activation::Timestamp(seconds)) => Some(seconds),
            None if since_genesis => Some(0),
            // Where this field is absent, Petersburg comes with Constantinople.
            None if field == "petersburgBlock" && first == Fork::Constantinople => Some(NEVER),
            None => None,
        };
        let Some(at) = at else { continue };
        config.insert(field.into(), json!(at));
        if fork == Fork::Paris && at == 0 {
            config.insert("terminalTotalDifficulty".into(), json!(0));
        }
        if let Some(params) = chain.blob_params(fork).filter(|_| BlockRules::of(fork).has_blobs)
            && let Some(name) = field.strip_suffix("Time")
        {
            let (target, max) = (params.target, params.max);
            let fraction = params.base_fee_update_fraction;
            let params = json!({ "target": target, "max": max, "baseFeeUpdateFraction": fraction });
            blobs.insert(name.into(), params);
        }
    }
    if !blobs.is_empty() {
        config.insert("blobSchedule".into(), Value::Object(blobs));
    }
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B64;
    use rialto_stf::Genesis;
    use rialto_stf::json::JsonCursor;

    #[test]
    fn a_document_has_the_rules_of_its_network() {
        let networks = [
            "Frontier",
            "Homestead",
            "HomesteadToDaoForkAt5",
            "DAOFork",
            "EIP150",
            "EIP158",
            "Byzantium",
            "Constantinople",
            "ConstantinopleFix",
            "Istanbul",
            "MuirGlacier",
            "BerlinToLondonAt5",
            "ArrowGlacier",
            "Paris",
            "ParisToShanghaiAtTime15k",
            "Shanghai",
            "Cancun",
            "CancunToPragueAtTime15k",
            "Osaka",
            "BPO2ToBPO3AtTime15k",
            "AmsterdamDraft",
            "Amsterdam",
        ];
        for network in networks {
            let Some(chain) = ChainSpec::from_network(network, 7) else { continue };
            let rules = chain.rules_at(0, 0);
            let header = Header {
                gas_limit: 5_000_000,
                nonce: B64::with_last_byte(0x42),
                base_fee_per_gas: rules.has_base_fee.then_some(7),
                blob_gas_used: rules.has_blobs.then_some(0),
                excess_blob_gas: rules.has_blobs.then_some(0x20000),
                slot_number: rules.has_access_lists.then_some(3),
                ..Header::default()
            };
            let document = genesis_document(&chain, &header, &json!({}));
            let genesis = Genesis::from_json(&JsonCursor::new(&document, ""));
            let genesis = genesis.unwrap_or_else(|error| panic!("{network}: {error}"));
            assert_eq!(genesis.chain.chain_id, 7, "{network}");
            for (number, timestamp) in [(0, 0), (4, 14_999), (5, 14_999), (5, 15_000)] {
                let (expected, found) = (chain.fork_at(number, timestamp), genesis.chain.fork_at(number, timestamp));
                assert_eq!(found, expected, "{network}, block {number}, timestamp {timestamp}");
                assert_eq!(genesis.chain.blob_params(found), chain.blob_params(expected), "{network}");
            }
            assert_eq!(genesis.header.nonce, header.nonce, "{network}");
            assert_eq!(genesis.header.excess_blob_gas, header.excess_blob_gas, "{network}");
            assert_eq!(genesis.header.slot_number, header.slot_number, "{network}");
        }
    }
}

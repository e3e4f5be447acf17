//! The codecs, hashes and signatures against published vectors: the blocks of the execution-spec-tests, real mainnet
//! blocks, and a chain across all forks with its JSON-RPC answers.

mod support;

use alloy_primitives::hex;
use rialto_stf::json::{self, JsonCursor, JsonErrorKind};
use rialto_stf::*;
use serde_json::Value;
use support::{unhex, visit_archive, visit_json};

/// The first mainnet block with Homestead's rules.
const HOMESTEAD_BLOCK: u64 = 1_150_000;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: expected a string, found {}", value[name]))
}

/// What the encoding of a block must be refused with, where the vector says that it can't be decoded.
fn is_codec_exception(exception: &str, error: &DecodeError) -> bool {
    let names = |name: &str| exception.contains(name);
    match error.kind() {
        DecodeErrorKind::BlobSidecar => names("TYPE_3_TX_WITH_FULL_BLOBS"),
        DecodeErrorKind::ContractCreation { type_byte: 3 } => names("TYPE_3_TX_CONTRACT_CREATION"),
        DecodeErrorKind::ContractCreation { type_byte: 4 } => names("TYPE_4_TX_CONTRACT_CREATION"),
        DecodeErrorKind::NonceIsMax => names("NONCE_IS_MAX"),
        _ => names("INCORRECT_BLOCK_FORMAT") || names("RLP_STRUCTURES_ENCODING"),
    }
}

/// Rejections that must happen while decoding.
const REJECTED_BY_DECODING: [&str; 4] =
    ["TYPE_3_TX_WITH_FULL_BLOBS", "TYPE_3_TX_CONTRACT_CREATION", "TYPE_4_TX_CONTRACT_CREATION", "NONCE_IS_MAX"];

/// Checks a block of a blockchain test: the encoding against itself and against the JSON beside it.
fn check_block(place: &str, vector: &Value) {
    let encoded = unhex(text(vector, "rlp"));
    let exception = vector["expectException"].as_str();
    let block = match (Block::decode(&encoded), exception) {
        (Ok(block), _) => block,
        (Err(error), Some(exception)) => {
            assert!(is_codec_exception(exception, &error), "{place}: expected {exception}, found {error}");
            return;
        }
        (Err(error), None) => panic!("{place}: {error}"),
    };
    assert!(block.encode() == encoded, "{place}: re-encodes differently");
    let Some(exception) = exception else { return check_valid_block(place, vector, &block) };
    let undecodable = REJECTED_BY_DECODING.iter().any(|name| exception.contains(name));
    assert!(!undecodable, "{place}: expected {exception}, decoded");
    if let Some(form) = vector.get("rlp_decoded")
        && form.get("blockHeader").is_some()
    {
        match json::block(&JsonCursor::new(form, place)) {
            Ok(read) => assert_eq!(read.block, block, "{place}"),
            // The encoding of a header with a gap is that of another header, without one.
            Err(error) => assert_eq!(*error.kind(), JsonErrorKind::Missing, "{error}"),
        }
    }
}

fn check_valid_block(place: &str, vector: &Value, block: &Block) {
    let read = json::block(&JsonCursor::new(vector, place)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.block, *block, "{place}");
    assert_eq!(read.hash, Some(block.hash()), "{place}");
    assert_eq!(ommers_hash(&block.ommers), block.header.ommers_hash, "{place}");
    for (transaction, sender) in block.transactions.iter().zip(&read.senders) {
        assert_eq!(transaction.sender(SRange::Low).ok(), *sender, "{place}");
    }
    check_authorities(place, vector, block);
    if let Some(list) = &read.block_access_list {
        assert_eq!(Some(list.hash()), block.header.block_access_list_hash, "{place}");
        assert_eq!(BlockAccessList::decode(&list.encode()).as_ref(), Ok(list), "{place}");
        let last_index = block.transactions.len() as u32 + 1;
        assert_eq!(list.validate(last_index), Ok(()), "{place}");
    }
    for (receipt, form) in read.receipts.iter().flatten().zip(vector["receipts"].as_array().into_iter().flatten()) {
        let encoded = unhex(text(form, "rlp"));
        assert_eq!(Receipt::decode(&encoded).as_ref(), Ok(receipt), "{place}");
        assert!(receipt.encode() == encoded, "{place}: a receipt re-encodes differently");
        assert_eq!(logs_bloom(&receipt.logs), receipt.logs_bloom, "{place}");
    }
}

/// Authorizations are by their stated signers (EIP-7702), except in the vectors about invalid signatures.
fn check_authorities(place: &str, vector: &Value, block: &Block) {
    let is_about_signatures = place.contains("invalid_auth_signature") || place.contains("signature_s_out_of_range");
    for (transaction, form) in block.transactions.iter().zip(vector["transactions"].as_array().into_iter().flatten()) {
        let forms = form["authorizationList"].as_array().into_iter().flatten();
        for (authorization, form) in transaction.authorization_list.iter().zip(forms) {
            let Some(signer) = form["signer"].as_str() else { continue };
            match authorization.authority() {
                Ok(authority) => assert_eq!(authority.as_slice(), unhex(signer), "{place}"),
                Err(error) => assert!(is_about_signatures, "{place}: {error}"),
            }
        }
    }
}

/// Checks every `step`th file of an archive of blockchain tests, and those about what can't be decoded or recovered.
fn check_blockchain_tests(archive: &str, step: usize) {
    let mut blocks = 0;
    let select = |name: &str, position: usize| {
        let marked = [
            "full_blob",
            "contract_creation",
            "contract_create",
            "without_blob_fields",
            "CreateTransactionHighNonce",
            "auth_signature",
            "s_out_of_range",
        ];
        position.is_multiple_of(step) || marked.iter().any(|mark| name.contains(mark))
    };
    let found = visit_json(archive, select, |file, vectors| {
        for (name, vector) in vectors.as_object().expect("an object of vectors") {
            let place = format!("{file}, {name}");
            let genesis = unhex(text(vector, "genesisRLP"));
            let decoded = Block::decode(&genesis).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(decoded.encode() == genesis, "{place}: the genesis block re-encodes differently");
            let header = json::header(&JsonCursor::new(&vector["genesisBlockHeader"], &place));
            assert_eq!(header.as_ref(), Ok(&decoded.header), "{place}");
            for state in ["pre", "postState"] {
                json::alloc(&JsonCursor::new(&vector[state], state)).unwrap_or_else(|error| panic!("{place}: {error}"));
            }
            for (position, block) in vector["blocks"].as_array().expect("an array of blocks").iter().enumerate() {
                check_block(&format!("{place}, blocks[{position}]"), block);
                blocks += 1;
            }
        }
    });
    assert!(!found || blocks > 500, "only {blocks} blocks found");
}

#[test]
fn blocks_to_osaka() {
    check_blockchain_tests("eest-blockchain.tar.zst", 10);
}

#[test]
fn blocks_of_amsterdam() {
    check_blockchain_tests("eest-amsterdam.tar.zst", 10);
}

fn check_mainnet_block(place: &str, value: &Value) {
    let read = json::block(&JsonCursor::new(value, place)).unwrap_or_else(|error| panic!("{error}"));
    let header = &read.block.header;
    assert_eq!(read.hash, Some(header.hash()), "{place}");
    assert_eq!(Header::decode(&header.encode()).as_ref(), Ok(header), "{place}");
    let s_range = if header.number < HOMESTEAD_BLOCK { SRange::Any } else { SRange::Low };
    for (index, transaction) in read.block.transactions.iter().enumerate() {
        assert_eq!(read.transaction_hashes[index], Some(transaction.hash()), "{place}, transaction {index}");
        assert_eq!(read.senders[index], transaction.sender(s_range).ok(), "{place}, transaction {index}");
    }
    assert_eq!(Block::decode(&read.block.encode()).as_ref(), Ok(&read.block), "{place}");
}

#[test]
fn mainnet_blocks() {
    let mut blocks = 0;
    let found = visit_json(
        "mainnet-blocks.tar.zst",
        |_, _| true,
        |file, value| {
            let cursor = JsonCursor::new(value, file);
            if file.ends_with("/block.json") {
                check_mainnet_block(file, value);
                blocks += 1;
            } else if file.ends_with("/pre_state.json") {
                let accounts = json::alloc(&cursor).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(json::memory_state(&accounts).len(), accounts.len(), "{file}");
            } else {
                json::block_hashes(&cursor).unwrap_or_else(|error| panic!("{error}"));
            }
        },
    );
    assert!(!found || blocks > 40, "only {blocks} blocks found");
}

/// `chain.rlp` is blocks one after the other.
#[test]
fn chain_across_all_forks() {
    visit_archive(
        "execution-apis.tar.zst",
        |name, _| name.ends_with("chain.rlp"),
        |_, contents| {
            let mut reader = RlpReader::new(contents);
            let mut parent_hash = None;
            let mut blocks = 0;
            while !reader.is_empty() {
                let encoded = reader.clone().raw_item().unwrap_or_else(|error| panic!("block {blocks}: {error}"));
                let block = Block::read(&mut reader).unwrap_or_else(|error| panic!("block {blocks}: {error}"));
                assert!(block.encode() == encoded, "block {blocks} re-encodes differently");
                assert!(parent_hash.is_none_or(|hash| hash == block.header.parent_hash), "block {blocks}");
                parent_hash = Some(block.hash());
                blocks += 1;
            }
            assert!(blocks > 50, "only {blocks} blocks found");
        },
    );
}

/// The result of a request in a file of requests (`>>`) and responses (`<<`).
fn rpc_result(contents: &[u8]) -> Value {
    let text = core::str::from_utf8(contents).expect("text");
    let response = text.lines().find_map(|line| line.strip_prefix("<< ")).expect("a response");
    json::parse(response.as_bytes()).expect("JSON")["result"].take()
}

/// The JSON-RPC forms of transactions and receipts say the same as their encodings.
#[test]
fn rpc_answers() {
    let mut transactions = 0;
    let mut receipts = 0;
    let select = |name: &str, _| {
        name.contains("eth_getTransactionByHash/")
            || name.contains("eth_getBlockReceipts/")
            || name.contains("debug_getRawReceipts/")
    };
    let found = visit_archive("execution-apis.tar.zst", select, |file, contents| {
        let result = rpc_result(contents);
        if file.contains("eth_getTransactionByHash/") && result.is_object() {
            let transaction =
                json::transaction(&JsonCursor::new(&result, file)).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(transaction.hash().to_string(), text(&result, "hash"), "{file}");
            let sender = transaction.sender(SRange::Low).map(hex::encode_prefixed);
            assert_eq!(sender.as_deref(), Ok(text(&result, "from")), "{file}");
            transactions += 1;
        }
        for item in result.as_array().into_iter().flatten() {
            let receipt = match item.as_str() {
                Some(encoded) => {
                    let encoded = unhex(encoded);
                    check_decode(&encoded);
                    Receipt::decode(&encoded).unwrap_or_else(|error| panic!("{file}: {error}"))
                }
                None => json::receipt(&JsonCursor::new(item, file)).unwrap_or_else(|error| panic!("{error}")),
            };
            assert_eq!(logs_bloom(&receipt.logs), receipt.logs_bloom, "{file}");
            assert_eq!(Receipt::decode(&receipt.encode()).as_ref(), Ok(&receipt), "{file}");
            receipts += 1;
        }
    });
    assert!(
        !found || (transactions > 6 && receipts > 4),
        "only {transactions} transactions, {receipts} receipts found"
    );
}

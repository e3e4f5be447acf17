//! The example chain in the repository is what its generator makes, and holds what its description promises.

use rialto_bench::{RevmCase, RialtoCase, compare, compare_post_states, example_chain};
use rialto_stf::{Block, ReceiptStatus, json};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn committed_files_are_what_the_generator_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chain");
    let generated = example_chain::files();
    for (name, contents) in &generated {
        let committed = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(committed == *contents, "{name} differs: run `cargo run -p rialto-bench --bin generate-example-chain`");
    }
    let committed = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in committed {
        let name = entry.unwrap_or_else(|error| panic!("{error}")).file_name().to_string_lossy().into_owned();
        assert!(generated.contains_key(&name) || name == "README.md", "{name} is not made by the generator");
    }
}

#[test]
fn both_forms_of_a_block_are_the_same_block() {
    let (_, chain) = example_chain::chain();
    let files = example_chain::files();
    for example in chain {
        let number = example.block.header.number;
        let rlp = Block::decode(&files[&format!("block_{number}.rlp")]).unwrap_or_else(|error| panic!("{error}"));
        let document = json::parse(&files[&format!("block_{number}.json")]).unwrap_or_else(|error| panic!("{error}"));
        let read = json::block(&json::JsonCursor::new(&document, "")).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rlp, example.block, "block {number}");
        assert_eq!(read.block, example.block, "block {number}");
        assert_eq!(read.hash, Some(example.block.hash()), "block {number}");
        let senders: Vec<_> = read.senders.into_iter().flatten().collect();
        assert_eq!(senders, example.senders, "block {number}");
    }
}

#[test]
fn the_chain_has_a_bit_of_everything() {
    let (_, chain) = example_chain::chain();
    let mut count = BTreeMap::new();
    let mut transactions = 0;
    for example in &chain {
        for (transaction, receipt) in example.block.transactions.iter().zip(&example.outcome.receipts) {
            transactions += 1;
            *count.entry(format!("type {}", transaction.tx_type as u8)).or_insert(0) += 1;
            if transaction.to.is_none() {
                *count.entry("deployment".to_string()).or_insert(0) += 1;
            }
            if receipt.status == ReceiptStatus::Status(false) {
                *count.entry("failure".to_string()).or_insert(0) += 1;
            }
        }
    }
    let expected =
        [("deployment", 6), ("failure", 26), ("type 0", 238), ("type 1", 30), ("type 2", 414), ("type 4", 2)];
    let expected: BTreeMap<_, _> = expected.iter().map(|(name, count)| (name.to_string(), *count)).collect();
    assert_eq!((chain.len(), transactions, count), (6, 684, expected));
}

/// The chain was made by Rialto; that another engine agrees says that it is right.
#[test]
fn revm_agrees_with_the_chain() {
    let (genesis, chain) = example_chain::chain();
    for example in &chain {
        let case = example.case(&genesis.chain);
        compare(&case, &RialtoCase::new(&case), &RevmCase::new(&case)).unwrap_or_else(|error| panic!("{error}"));
        compare_post_states(&case).unwrap_or_else(|error| panic!("{error}"));
    }
}

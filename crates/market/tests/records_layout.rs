//! `docs/market-records.md` shows where every field of every record lies, exactly as the code has it.

use rialto_market::records::layouts;
use std::fmt::Write;
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/market-records.md");

const REWRITE: &str = "RIALTO_REWRITE_DOCS";

fn document() -> String {
    let mut text = String::from(
        "# Records of the market\n\n\
         Every record of the market lies in storage slots of its account, `0x5254000000000000000000000000000000000001`. Word `w` of the record with \
         key `k` of the table with tag `t` is slot `t·2^248 + k·2^8 + w`. A key of several parts is their bits one after the other, the first part \
         uppermost. Fields are big-endian, signed ones in two's complement; bytes are counted from the left, and bytes that are not listed are \
         zero. A record that is all zeros takes no slot.\n\n\
         Widths of key parts in bits: account 32, asset 16, feed 16, instrument 16, side 8 (0 buys, 1 sells), price 32, handle 32, address 160; \
         other parts by their type in the code.\n\n\
         This page is written from the code; a test compares them.\n",
    );
    let mut tables = layouts();
    tables.sort_by_key(|(tag, ..)| *tag);
    for (tag, name, key, fields) in tables {
        writeln!(text, "\n## {name}\n\nTag {tag} (`0x{tag:02x}`), key: {key}.\n").unwrap();
        text.push_str("| word | bytes | field | type | what it is |\n|---|---|---|---|---|\n");
        for field in fields {
            let last = field.byte + field.bytes - 1;
            let kind = field.kind.replace(' ', "");
            let about = field.about.trim().replace('|', "\\|");
            writeln!(text, "| {} | {}–{last} | `{}` | `{kind}` | {about} |", field.word, field.byte, field.name)
                .unwrap();
        }
    }
    text
}

#[test]
fn the_page_is_that_of_the_code() {
    let expected = document();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(FILE, &expected).unwrap();
    }
    let found = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    let differ = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "docs/market-records.md differs from the code from line {} on; `{REWRITE}=1 cargo test -p rialto-market --test records_layout` rewrites it",
        differ.unwrap_or_else(|| found.lines().count().min(expected.lines().count())) + 1,
    );
}

#[test]
fn tags_and_fields_are_unique() {
    let mut tags = std::collections::BTreeMap::new();
    for (tag, name, _, fields) in layouts() {
        assert_eq!(tags.insert(tag, name), None, "tag {tag} of {name} is taken");
        let mut taken = std::collections::BTreeSet::new();
        for field in fields {
            assert!(!field.name.is_empty() && field.bytes > 0 && field.byte + field.bytes <= 32, "{name}: {field:?}");
            for byte in field.byte..field.byte + field.bytes {
                assert!(taken.insert((field.word, byte)), "{name}: byte {byte} of word {} is taken twice", field.word);
            }
        }
    }
}

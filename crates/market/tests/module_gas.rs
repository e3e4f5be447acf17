//! The table of gas is what `docs/market-gas.md` shows. `RIALTO_WRITE_DOCS=1` writes the document's table anew.

use rialto_market::gas::TABLE;
use std::fmt::Write;

const BEGIN: &str = "<!-- table: from crates/market/src/gas.rs -->\n";
const END: &str = "<!-- end of table -->\n";

fn table() -> String {
    let mut table = String::from("| name | gas | what it covers |\n|---|---:|---|\n");
    for row in TABLE {
        writeln!(table, "| `{}` | {} | {} |", row.name, row.gas, row.covers.trim()).unwrap();
    }
    table
}

#[test]
fn the_document_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/market-gas.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the table's beginning is marked");
    let (shown, after) = rest.split_once(END).expect("the table's end is marked");
    if std::env::var_os("RIALTO_WRITE_DOCS").is_some() {
        std::fs::write(path, [before, BEGIN, &table(), END, after].concat()).unwrap();
        return;
    }
    for (shown, expected) in shown.lines().zip(table().lines()) {
        assert_eq!(shown, expected, "docs/market-gas.md");
    }
    assert_eq!(shown, table(), "docs/market-gas.md");
}

#[test]
fn rows_are_complete() {
    for row in TABLE {
        assert!(row.gas > 0, "{} costs nothing", row.name);
        assert!(row.covers.trim().ends_with(['.', ':']), "{}: {:?} is a sentence", row.name, row.covers);
        assert!(TABLE.iter().filter(|other| other.name == row.name).count() == 1, "{} is there once", row.name);
    }
}

//! The shape of what a run gives: scripts read the JSON, people the table.

use rialto_bench::{BenchError, Effort, Plan, run, run_vectors};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const QUICK: Effort = Effort { case_time: Duration::ZERO, min_rounds: 3, max_rounds: 3, warm_up_rounds: 1 };

fn case_file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    // Counts down from 200 to 0.
    let text =
        format!(r#"{{"name": "{name}", "code": "0x60c85b600190038060025700", "input": "0x", "gas_limit": 100000}}"#);
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
    path
}

#[test]
fn json_and_table_have_every_case_and_the_means() {
    let case_files = vec![case_file("first"), case_file("second")];
    let plan = Plan { case_files, effort: QUICK, ..Plan::default() };
    let mut heard = Vec::new();
    let report = run(&plan, &mut |name, _| heard.push(name.to_string())).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(heard, ["first", "second"]);

    let json: Value = serde_json::to_value(&report).unwrap_or_else(|error| panic!("{error}"));
    for (case, name) in json["cases"].as_array().expect("an array").iter().zip(["first", "second"]) {
        assert_eq!((case["name"].as_str(), case["group"].as_str()), (Some(name), Some("synthetic")));
        let (rialto, revm) =
            (case["rialto_ns"].as_f64().expect("a number"), case["revm_ns"].as_f64().expect("a number"));
        let ratio = case["ratio"].as_f64().expect("a number");
        assert!(rialto > 0.0 && (ratio - revm / rialto).abs() < 1e-9, "{case}");
    }
    assert!(json["geomean"]["synthetic"].is_f64() && json["geomean"]["mainnet"].is_null(), "{json}");

    let table = report.to_string();
    assert!(["first", "second", "geometric mean"].iter().all(|text| table.contains(text)), "{table}");
}

#[test]
fn filters_choose_by_name_and_missing_files_are_errors() {
    let plan = Plan { synthetic: true, filter: Some("no such case".into()), effort: QUICK, ..Plan::default() };
    assert!(run(&plan, &mut |_, _| ()).unwrap_or_else(|error| panic!("{error}")).cases.is_empty());

    let missing = PathBuf::from("/nonexistent/blocks");
    let plan = Plan { mainnet: Some(missing.clone()), effort: QUICK, ..Plan::default() };
    let is_file_error =
        |error: BenchError| matches!(error, BenchError::File { path, .. } if path == "/nonexistent/blocks");
    assert!(run(&plan, &mut |_, _| ()).is_err_and(is_file_error));
    let empty = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&empty).unwrap_or_else(|error| panic!("{error}"));
    assert!(run_vectors(&missing, None, &QUICK, &mut |_, _| ()).is_err_and(is_file_error));
    assert!(run_vectors(&empty, None, &QUICK, &mut |_, _| ()).is_err());
}

//! The blocks of the main network use the gas that their headers say, on revm.

use rialto_bench::{RevmCase, load_mainnet};
use std::path::PathBuf;

#[test]
fn revm_uses_the_gas_of_the_headers() {
    let path = PathBuf::from("/work/fx/mainnet-blocks");
    let mut failed = 0;
    for case in load_mainnet(&path).unwrap() {
        match RevmCase::new(&case).results() {
            Ok(results) => {
                let gas: u64 = results.iter().map(|result| result.gas_used).sum();
                if gas != case.header.gas_used {
                    println!("{} {gas} {}", case.name, case.header.gas_used);
                    failed += 1;
                }
            }
            Err(error) => {
                println!("{error}");
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0);
}

use rialto_bench::{RevmCase, synthetic_cases};

#[test]
fn cases_succeed() {
    for case in synthetic_cases() {
        let revm = RevmCase::new(&case);
        let results = revm.results().unwrap();
        let gas: u64 = results.iter().map(|result| result.gas_used).sum();
        let times: Vec<_> = (0..5).map(|_| revm.time().unwrap()).collect();
        println!(
            "{} gas {gas} {:?} {:?}",
            case.name,
            times.iter().min(),
            results.iter().map(|r| (r.success, r.gas_used)).rev().take(6).collect::<Vec<_>>()
        );
    }
}

//! The tables of a report.

use crate::compiled::{CompileTimes, CompiledCase};
use crate::harness::CaseReport;
use crate::parallel::ParallelReport;
use crate::report::Report;
use crate::simulated::SimulatedReport;
use crate::sweep::SweepPoint;
use crate::table::{Table, microseconds, milliseconds, times};

/// All tables, those that sum up before those that list.
pub(crate) fn tables(report: &Report) -> Vec<Table> {
    let mut tables = vec![cases(report)];
    if let Some(parallel) = &report.parallel {
        tables.extend([parallel_summary(parallel), parallel_blocks(parallel)]);
    }
    tables.extend(report.compiled.as_ref().map(|cases| compiled(cases)));
    tables.extend(report.compile_times.as_ref().map(compile_times));
    if let Some(sweeps) = &report.sweeps {
        tables.extend(sweeps.conflicts.as_ref().map(|points| sweep("Conflicts", points)));
        tables.extend(sweeps.threads.as_ref().map(|points| sweep("Threads", points)));
    }
    if let Some(simulated) = &report.simulated {
        tables.extend([simulated_summary(simulated), simulated_blocks(simulated)]);
    }
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn cases(report: &Report) -> Table {
    let mut table = Table::new("Rialto and revm, one thread", &["case", "group", "rialto µs", "revm µs", "ratio"]);
    for CaseReport { name, group, rialto_ns, revm_ns, ratio, .. } in &report.cases {
        let (rialto, revm) = (microseconds(*rialto_ns), microseconds(*revm_ns));
        table.rows.push(vec![name.clone(), group.to_string(), rialto, revm, times(Some(*ratio))]);
    }
    for (group, mean) in [("synthetic", report.geomean.synthetic), ("mainnet", report.geomean.mainnet)] {
        if mean.is_some() {
            let empty = String::new;
            table.rows.push(vec!["geometric mean".into(), group.into(), empty(), empty(), times(mean)]);
        }
    }
    table
}

fn parallel_summary(report: &ParallelReport) -> Table {
    let mut table = Table::new(
        "Large main network blocks on several threads",
        &["way", "over one thread, median", "lowest", "over revm, median"],
    );
    let threads = report.threads;
    let mut row = |way: String, median: Option<f64>, worst: Option<f64>, revm: Option<f64>| {
        if revm.is_some() {
            table.rows.push(vec![way, times(median), times(worst), times(revm)]);
        }
    };
    let (median, worst) = (report.over_sequential_median, report.over_sequential_worst);
    row(format!("{threads} threads"), median, worst, report.over_revm_median);
    let (median, worst) = (report.over_sequential_access_list_median, report.over_sequential_access_list_worst);
    row(format!("{threads} threads, access list"), median, worst, report.over_revm_access_list_median);
    row(format!("{threads} threads, compiled"), None, None, report.over_revm_compiled_parallel_median);
    row(format!("{threads} threads, access list, compiled"), None, None, report.over_revm_compiled_access_list_median);
    table
}

fn parallel_blocks(report: &ParallelReport) -> Table {
    let columns = [
        "block",
        "transactions",
        "run again",
        "one thread",
        "threads",
        "access list",
        "compiled",
        "compiled, threads",
        "compiled, list",
        "revm",
        "threads / one",
        "list / one",
    ];
    let mut table = Table::new("Large main network blocks, µs", &columns);
    for block in &report.blocks {
        let some = |time: Option<u64>| time.map_or("-".into(), microseconds);
        let over = |time: Option<u64>| times(time.map(|time| crate::turns::ratio(block.sequential_ns, time)));
        table.rows.push(vec![
            block.block.to_string(),
            block.transactions.to_string(),
            block.run_again.to_string(),
            microseconds(block.sequential_ns),
            microseconds(block.parallel_ns),
            some(block.access_list_ns),
            some(block.compiled_ns),
            some(block.compiled_parallel_ns),
            some(block.compiled_access_list_ns),
            microseconds(block.revm_ns),
            over(Some(block.parallel_ns)),
            over(block.access_list_ns),
        ]);
    }
    table
}

fn compiled(cases: &[CompiledCase]) -> Table {
    let columns = [
        "case",
        "interpreted µs",
        "compiled µs",
        "revm µs",
        "over interpreter",
        "over revm",
        "compiling ms",
        "bytecode bytes",
        "native bytes",
        "compiling and 1,000 runs ms",
    ];
    let mut table = Table::new("Compiled code, one thread", &columns);
    for case in cases {
        table.rows.push(vec![
            case.name.clone(),
            microseconds(case.interpreter_ns),
            microseconds(case.compiled_ns),
            microseconds(case.revm_ns),
            times(Some(case.over_interpreter)),
            times(Some(case.over_revm)),
            milliseconds(case.compile_ns),
            case.bytecode_bytes.to_string(),
            case.native_bytes.to_string(),
            milliseconds(case.compile_ns + 1_000 * case.compiled_ns),
        ]);
    }
    table
}

fn compile_times(compile: &CompileTimes) -> Table {
    let columns = [
        "contracts",
        "refused",
        "median bytes",
        "median ms",
        "95 % below ms",
        "longest ms",
        "ms per kilobyte",
        "native / bytecode",
    ];
    let mut table = Table::new("Compiling the contracts of main network blocks", &columns);
    if compile.contracts > 0 {
        table.rows.push(vec![
            compile.contracts.to_string(),
            compile.refused.to_string(),
            compile.median_bytecode_bytes.to_string(),
            milliseconds(compile.median_compile_ns),
            milliseconds(compile.p95_compile_ns),
            milliseconds(compile.max_compile_ns),
            milliseconds(compile.compile_ns_per_kilobyte),
            times(Some(compile.native_bytes as f64 / compile.bytecode_bytes.max(1) as f64)),
        ]);
    }
    table
}

fn sweep(title: &'static str, points: &[SweepPoint]) -> Table {
    let columns = [
        "case",
        "conflicting %",
        "threads",
        "run again",
        "one thread µs",
        "threads µs",
        "access list µs",
        "threads / one",
        "list / one",
    ];
    let mut table = Table::new(title, &columns);
    for point in points {
        table.rows.push(vec![
            point.case.into(),
            point.conflicting_percent.to_string(),
            point.threads.to_string(),
            point.run_again.to_string(),
            microseconds(point.sequential_ns),
            microseconds(point.parallel_ns),
            point.access_list_ns.map_or("-".into(), microseconds),
            times(Some(point.over_sequential)),
            times(point.over_sequential_access_list),
        ]);
    }
    table
}

fn simulated_summary(report: &SimulatedReport) -> Table {
    let columns = ["cores", "finding out", "limit: critical path", "access list", "limit: longest transaction"];
    let mut table = Table::new("Simulated cores: times one thread, median of large main network blocks", &columns);
    for median in &report.medians {
        table.rows.push(vec![
            median.cores.to_string(),
            times(Some(median.over_sequential)),
            times(report.critical_path_limit_median),
            times(Some(median.over_sequential_access_list)),
            times(report.longest_transaction_limit_median),
        ]);
    }
    table
}

fn simulated_blocks(report: &SimulatedReport) -> Table {
    let mut columns: Vec<String> =
        ["block", "one thread µs", "critical path µs", "longest transaction µs"].map(String::from).to_vec();
    let counts: Vec<usize> = report.medians.iter().map(|median| median.cores).collect();
    columns.extend(counts.iter().map(|cores| format!("{cores}")));
    columns.extend(counts.iter().map(|cores| format!("{cores}, list")));
    let title = "Simulated cores: times one thread, by block and cores";
    let mut table = Table { title, columns, rows: Vec::new() };
    for block in &report.blocks {
        let mut row = vec![
            block.block.to_string(),
            microseconds(block.sequential_ns),
            microseconds(block.critical_path_ns),
            microseconds(block.longest_transaction_ns),
        ];
        row.extend(block.cores.iter().map(|point| times(Some(point.over_sequential))));
        row.extend(block.cores.iter().map(|point| times(Some(point.over_sequential_access_list))));
        table.rows.push(row);
    }
    table
}

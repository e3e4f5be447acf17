//! The charts of a report, one file each.

use crate::chart::{Chart, Series};
use crate::report::Report;
use crate::simulated::SimulatedReport;
use crate::sweep::SweepPoint;

/// Name and contents of each file.
pub(crate) fn files(report: &Report) -> Vec<(&'static str, String)> {
    let sweeps = report.sweeps.as_ref();
    let conflicts =
        sweeps.and_then(|sweeps| sweeps.conflicts.as_ref()).map(|points| ("conflicts.svg", conflicts(points)));
    let threads = sweeps.and_then(|sweeps| sweeps.threads.as_ref()).map(|points| ("threads.svg", threads(points)));
    let cores = report.simulated.as_ref().map(|simulated| ("simulated-cores.svg", cores(simulated)));
    [conflicts, threads, cores].into_iter().flatten().map(|(name, chart)| (name, chart.svg())).collect()
}

/// The different values of something, in the order in which they first appear.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    values.for_each(|value| {
        if !found.contains(&value) {
            found.push(value)
        }
    });
    found
}

/// Two series for each kind of block: finding out, and told by an access list where that was measured.
fn series<C: PartialEq>(
    points: &[SweepPoint],
    name: impl Fn(&SweepPoint) -> String,
    column: impl Fn(&SweepPoint) -> C,
    columns: &[C],
) -> Vec<Series> {
    let mut all = Vec::new();
    for kind in distinct(points.iter().map(&name)) {
        let at = |wanted: &C| points.iter().find(|point| name(point) == kind && column(point) == *wanted);
        let values = columns.iter().map(|column| at(column).map(|point| point.over_sequential)).collect();
        all.push(Series { name: kind.clone(), values, is_dashed: false });
        let listed: Vec<Option<f64>> = columns.iter().map(|column| at(column)?.over_sequential_access_list).collect();
        if listed.iter().any(Option::is_some) {
            all.push(Series { name: format!("{kind}, list"), values: listed, is_dashed: true });
        }
    }
    all
}

fn conflicts(points: &[SweepPoint]) -> Chart {
    let columns = distinct(points.iter().map(|point| point.conflicting_percent));
    let threads = points.first().map_or(0, |point| point.threads);
    Chart {
        title: format!("Speed on {threads} threads, one thread = 1 (list: by access list)"),
        x_name: "transactions that want the same, percent".into(),
        y_name: "times one thread".into(),
        series: series(points, |point| point.case.into(), |point| point.conflicting_percent, &columns),
        columns: columns.iter().map(u64::to_string).collect(),
    }
}

fn threads(points: &[SweepPoint]) -> Chart {
    let columns = distinct(points.iter().map(|point| point.threads));
    let name = |point: &SweepPoint| format!("{}, {} %", point.case, point.conflicting_percent);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    Chart {
        title: format!("Speed by threads on {cores} cores, one thread = 1 (list: by access list)"),
        x_name: "threads".into(),
        y_name: "times one thread".into(),
        series: series(points, name, |point| point.threads, &columns),
        columns: columns.iter().map(usize::to_string).collect(),
    }
}

fn cores(simulated: &SimulatedReport) -> Chart {
    let medians = &simulated.medians;
    let line = |name: &str, value: &dyn Fn(&crate::simulated::SimulatedMedian) -> Option<f64>, is_dashed| Series {
        name: name.into(),
        values: medians.iter().map(value).collect(),
        is_dashed,
    };
    Chart {
        title: "Simulated cores: median speed of large main network blocks, one thread = 1".into(),
        x_name: "cores".into(),
        y_name: "times one thread".into(),
        columns: medians.iter().map(|median| median.cores.to_string()).collect(),
        series: vec![
            line("finding out", &|median| Some(median.over_sequential), false),
            line("access list", &|median| Some(median.over_sequential_access_list), false),
            line("limit: critical path", &|_| simulated.critical_path_limit_median, true),
            line("limit: longest transaction", &|_| simulated.longest_transaction_limit_median, true),
        ],
    }
}

//! What a node counts, in the form that Prometheus reads.
//!
//! Most figures are read from the node when somebody asks for them. What happens between two such moments is counted: requests
//! by method, with the time until they were answered, connections, blocks, and changes of the head that took blocks away. The
//! table [`METRICS`] has every metric's name, kind and meaning; the dashboard in `ops` is tested against it.

use rialto_node::{BlockId, Node, TIME_BUCKETS_SECONDS as BUCKETS_SECONDS};
use rialto_rpc::RpcObserver;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A metric: its name, whether it is a `gauge`, a `counter` or a `histogram`, and what it means.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind, as Prometheus names it.
    pub kind: &'static str,
    /// What it means.
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: &'static str, help: &'static str) -> Metric {
    Metric { name, kind, help }
}

/// All metrics, in the order in which they are written.
pub const METRICS: [Metric; 19] = [
    metric("rialto_build_info", "gauge", "1, with the version as a label"),
    metric("rialto_ready", "gauge", "1 while requests are served"),
    metric("rialto_head_block", "gauge", "Number of the head"),
    metric("rialto_head_timestamp_seconds", "gauge", "Unix time of the head"),
    metric("rialto_head_gas_used", "gauge", "Gas used by the head"),
    metric("rialto_head_gas_limit", "gauge", "Gas limit of the head"),
    metric("rialto_head_base_fee_wei", "gauge", "Base fee of the head, wei per gas"),
    metric("rialto_safe_block", "gauge", "Number of the safe block"),
    metric("rialto_finalized_block", "gauge", "Number of the finalized block"),
    metric("rialto_oldest_state_block", "gauge", "Oldest block whose state can be read"),
    metric("rialto_pool_pending", "gauge", "Transactions that could go into the next block"),
    metric("rialto_pool_queued", "gauge", "Transactions that wait for something"),
    metric("rialto_block_import_seconds", "histogram", "Time to execute a block and compute its state root"),
    metric("rialto_reorgs_total", "counter", "Changes of the head that took blocks off the chain"),
    metric("rialto_rpc_connections", "gauge", "Open connections"),
    metric("rialto_rpc_requests_total", "counter", "Requests answered, by method"),
    metric("rialto_rpc_errors_total", "counter", "Requests answered with an error, by method and code"),
    metric("rialto_rpc_request_seconds", "histogram", "Time until a request was answered, by method"),
    metric("rialto_db_bytes", "gauge", "Size of the database's file"),
];

/// Most methods that are counted by name, and most pairs of method and error code.
const SERIES_MAX: usize = 1_024;

/// How often something took how long.
#[derive(Clone, Debug, Default)]
struct Histogram {
    /// By bucket; the last is for what took longer than all bounds.
    counts: [u64; BUCKETS_SECONDS.len() + 1],
    sum_seconds: f64,
}

impl Histogram {
    fn observe(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        self.counts[BUCKETS_SECONDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum_seconds += seconds;
    }

    fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn write(&self, name: &str, labels: &str, text: &mut String) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (index, count) in self.counts.iter().enumerate() {
            total += count;
            let bound = BUCKETS_SECONDS.get(index).map_or("+Inf".to_string(), f64::to_string);
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}");
        }
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "{name}_sum{braces} {}", self.sum_seconds);
        let _ = writeln!(text, "{name}_count{braces} {total}");
    }
}

/// What was counted.
#[derive(Default)]
struct Counted {
    methods: BTreeMap<String, Histogram>,
    errors: BTreeMap<(String, i32), u64>,
}

/// The metrics of a node.
pub struct Metrics {
    node: Arc<Node>,
    datadir: Option<PathBuf>,
    is_ready: AtomicBool,
    connections: AtomicI64,
    counted: Mutex<Counted>,
}

impl Metrics {
    /// Metrics that begin with nothing counted.
    pub fn new(node: Arc<Node>) -> Arc<Self> {
        let datadir = node.config().datadir.clone();
        let (is_ready, connections) = (AtomicBool::new(false), AtomicI64::new(0));
        Arc::new(Self { node, datadir, is_ready, connections, counted: Mutex::default() })
    }

    /// Says whether requests are served.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Relaxed);
    }

    /// Whether requests are served.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Number of the head, or why it can't be read.
    pub fn head(&self) -> Result<u64, String> {
        let view = self.node.view().map_err(|error| error.to_string())?;
        Ok(view.head().block.header.number)
    }

    /// All metrics as text.
    pub fn render(&self) -> String {
        let gauges = self.gauges();
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::with_capacity(16 << 10);
        for Metric { name, kind, help } in &METRICS {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            match *name {
                "rialto_build_info" => {
                    let _ = writeln!(text, "{name}{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
                }
                "rialto_rpc_requests_total" => {
                    for (method, histogram) in &counted.methods {
                        let _ = writeln!(text, "{name}{{method=\"{method}\"}} {}", histogram.count());
                    }
                }
                "rialto_rpc_errors_total" => {
                    for ((method, code), count) in &counted.errors {
                        let _ = writeln!(text, "{name}{{method=\"{method}\",code=\"{code}\"}} {count}");
                    }
                }
                "rialto_rpc_request_seconds" => {
                    for (method, histogram) in &counted.methods {
                        histogram.write(name, &format!("method=\"{method}\""), &mut text);
                    }
                }
                "rialto_block_import_seconds" => self.write_import_times(name, &mut text),
                _ => {
                    if let Some(value) = gauges.get(name) {
                        let _ = writeln!(text, "{name} {value}");
                    }
                }
            }
        }
        text
    }

    fn write_import_times(&self, name: &str, text: &mut String) {
        let times = &self.node.stats().block_times;
        Histogram { counts: times.counts(), sum_seconds: times.sum_seconds() }.write(name, "", text);
    }

    /// What is read from the node. A figure that can't be read is left out, as Prometheus wants it.
    fn gauges(&self) -> BTreeMap<&'static str, u64> {
        let mut gauges = BTreeMap::new();
        gauges.insert("rialto_ready", u64::from(self.is_ready()));
        gauges.insert("rialto_rpc_connections", self.connections.load(Ordering::Relaxed).max(0).unsigned_abs());
        let (pending, queued) = self.node.pool().status();
        gauges.insert("rialto_reorgs_total", self.node.stats().reorgs.load(Ordering::Relaxed));
        gauges.insert("rialto_pool_pending", pending as u64);
        gauges.insert("rialto_pool_queued", queued as u64);
        if let Some(bytes) = self.datadir.as_deref().and_then(folder_bytes) {
            gauges.insert("rialto_db_bytes", bytes);
        }
        let Ok(view) = self.node.view() else { return gauges };
        let head = &view.head().block.header;
        gauges.insert("rialto_head_block", head.number);
        gauges.insert("rialto_head_timestamp_seconds", head.timestamp);
        gauges.insert("rialto_head_gas_used", head.gas_used);
        gauges.insert("rialto_head_gas_limit", head.gas_limit);
        gauges.insert("rialto_head_base_fee_wei", head.base_fee_per_gas.unwrap_or(0));
        gauges.insert("rialto_oldest_state_block", view.oldest_state());
        for (name, id) in [("rialto_safe_block", BlockId::Safe), ("rialto_finalized_block", BlockId::Finalized)] {
            if let Ok(Some(header)) = view.header(id) {
                gauges.insert(name, header.number);
            }
        }
        gauges
    }
}

/// Bytes of the files in a folder.
fn folder_bytes(folder: &std::path::Path) -> Option<u64> {
    let files = std::fs::read_dir(folder).ok()?;
    Some(files.filter_map(|file| file.ok()?.metadata().ok()).filter(|file| file.is_file()).map(|file| file.len()).sum())
}

impl RpcObserver for Metrics {
    fn answered(&self, method: &str, elapsed: Duration, error_code: Option<i32>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { methods, errors } = &mut *counted;
        if let Some(histogram) = methods.get_mut(method) {
            histogram.observe(elapsed);
        } else if methods.len() < SERIES_MAX {
            methods.entry(method.to_string()).or_default().observe(elapsed);
        }
        if let Some(code) = error_code {
            let key = (method.to_string(), code);
            if errors.len() < SERIES_MAX || errors.contains_key(&key) {
                *errors.entry(key).or_default() += 1;
            }
        }
    }

    fn connections_changed(&self, by: i64) {
        self.connections.fetch_add(by, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_count_what_is_at_most_the_bound() {
        let mut histogram = Histogram::default();
        for micros in [100, 101, 250, 40_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.write("x", "", &mut text);
        let rows = [
            "x_bucket{le=\"0.0001\"} 1",
            "x_bucket{le=\"0.00025\"} 3",
            "x_bucket{le=\"30\"} 3",
            "x_bucket{le=\"+Inf\"} 4",
            "x_count 4",
        ];
        for row in rows {
            assert!(text.lines().any(|line| line == row), "{row}:\n{text}");
        }
    }
}

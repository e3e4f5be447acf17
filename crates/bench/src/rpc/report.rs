//! The figures of two nodes, and how they are shown.

use super::load::Sample;
use core::fmt;
use serde::Serialize;

/// A node that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// Where it was.
    pub url: String,
    /// What it calls itself.
    pub client: String,
}

/// A node's figures in one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerFigures {
    /// Median of the rounds' speeds.
    pub per_second: f64,
    /// Median of the rounds' median latencies, microseconds.
    pub p50_us: u32,
    /// Median of the rounds' latencies that one answer in a hundred exceeds, microseconds.
    pub p99_us: u32,
    /// Speed of each round in their order.
    pub rounds: Vec<f64>,
}

impl ServerFigures {
    fn new(samples: &[Sample]) -> Self {
        let rounds: Vec<f64> = samples.iter().map(Sample::per_second).collect();
        let latency = |percent| {
            let mut latencies: Vec<u32> = samples.iter().map(|sample| sample.percentile_us(percent)).collect();
            latencies.sort_unstable();
            latencies.get(latencies.len() / 2).copied().unwrap_or_default()
        };
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let per_second = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Self { per_second, p50_us: latency(50), p99_us: latency(99), rounds }
    }
}

/// A case's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RpcCaseReport {
    /// Its name.
    pub name: &'static str,
    /// What `per_second` counts.
    pub unit: &'static str,
    /// Figures of the node that is measured.
    pub rialto: ServerFigures,
    /// Figures of the node that it is compared with.
    pub peer: ServerFigures,
    /// Rialto's speed divided by the peer's: above 1 where Rialto is faster.
    pub ratio: f64,
}

impl RpcCaseReport {
    /// Medians of rounds: first ours, then the peer's.
    pub(super) fn new(name: &'static str, unit: &'static str, samples: [Vec<Sample>; 2]) -> Self {
        let [rialto, peer] = samples.map(|samples| ServerFigures::new(&samples));
        let ratio = rialto.per_second / peer.per_second.max(f64::MIN_POSITIVE);
        Self { name, unit, rialto, peer, ratio }
    }
}

/// The figures of a run. Its display is a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RpcReport {
    /// Connections that sent requests at the same time.
    pub connections: usize,
    /// Time of a round of the cases that read, seconds.
    pub duration_seconds: f64,
    /// Rounds of a case on each node.
    pub rounds: usize,
    /// Blocks that the requests for logs looked through.
    pub blocks: u64,
    /// The node that is measured.
    pub rialto: ServerReport,
    /// The node that it is compared with.
    pub peer: ServerReport,
    /// Each case in the order of measuring.
    pub cases: Vec<RpcCaseReport>,
}

impl fmt::Display for RpcReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rialto: {} at {}", self.rialto.client, self.rialto.url)?;
        writeln!(f, "peer:   {} at {}", self.peer.client, self.peer.url)?;
        writeln!(f, "{} connections, {} rounds, logs of {} blocks", self.connections, self.rounds, self.blocks)?;
        let width = self.cases.iter().map(|case| case.name.len()).max().unwrap_or_default().max("case".len());
        writeln!(
            f,
            "{:width$}  {:>11}  {:>11}  {:>6}  {:>13}  {:>13}",
            "case", "rialto /s", "peer /s", "ratio", "rialto p99 µs", "peer p99 µs"
        )?;
        for RpcCaseReport { name, rialto, peer, ratio, .. } in &self.cases {
            let (ours, theirs) = (rialto.per_second, peer.per_second);
            let (our_p99, their_p99) = (rialto.p99_us, peer.p99_us);
            writeln!(f, "{name:width$}  {ours:11.0}  {theirs:11.0}  {ratio:6.2}  {our_p99:13}  {their_p99:13}")?;
        }
        Ok(())
    }
}

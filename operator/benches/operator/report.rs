//! What was measured, as a table for people and as JSON with flat keys for programs.

use std::{fs, time::Duration};

use serde_json::{Map, Value, json};

use crate::{bare::Cost, requests::Requests};

/// What was measured with one count.
pub(crate) struct Figures {
    pub(crate) count: usize,
    pub(crate) objects: usize,
    pub(crate) time: Duration,
    pub(crate) requests: Requests,
    /// Of the operator, from its start until all are ready.
    pub(crate) operator_cpu: Duration,
    /// Of the API server and its etcd meanwhile, and of everybody.
    pub(crate) servers_cpu: Duration,
    pub(crate) cpu: Duration,
    pub(crate) bare: Cost,
    /// Of a client that creates the objects.
    pub(crate) creating: Cost,
    pub(crate) writes_at_rest: usize,
    /// Share of a processor.
    pub(crate) cpu_at_rest: f64,
    pub(crate) rss_mib: f64,
    pub(crate) peak_rss_mib: f64,
    pub(crate) restart: Duration,
    pub(crate) writes_after_restart: usize,
    /// Median and 99th percentile.
    pub(crate) change: (Duration, Duration),
}

/// The names without a count; they are those of the most ChatApps.
const HEADLINES: [&str; 4] = [
    "time_vs_bare_client",
    "writes_vs_bare_client",
    "writes_at_rest",
    "change_p99_ms",
];

impl Figures {
    /// Name, value, and how many decimals a reader wants.
    fn named(&self) -> Vec<(&'static str, f64, usize)> {
        let requests = &self.requests;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        let Self { bare, creating, .. } = self;
        vec![
            ("objects", number(self.objects), 0),
            ("ready_s", self.time.as_secs_f64(), 1),
            ("bare_client_s", bare.time.as_secs_f64(), 1),
            ("time_vs_bare_client", ratio(self.time, bare.time), 2),
            ("creating_client_s", creating.time.as_secs_f64(), 1),
            (
                "time_vs_creating_client",
                ratio(self.time, creating.time),
                2,
            ),
            ("object_writes", number(requests.objects), 0),
            ("status_writes", number(requests.statuses), 0),
            ("bare_client_writes", number(bare.writes), 0),
            (
                "writes_vs_bare_client",
                number(requests.writes()) / number(bare.writes.max(1)),
                2,
            ),
            ("events", number(requests.events), 0),
            ("reads", number(requests.reads), 0),
            ("cpu_s", self.operator_cpu.as_secs_f64(), 1),
            ("servers_cpu_s", self.servers_cpu.as_secs_f64(), 1),
            (
                "bare_client_servers_cpu_s",
                bare.servers_cpu.as_secs_f64(),
                1,
            ),
            ("all_cpu_vs_bare_client", ratio(self.cpu, bare.cpu), 2),
            (
                "all_cpu_vs_creating_client",
                ratio(self.cpu, creating.cpu),
                2,
            ),
            ("writes_at_rest", number(self.writes_at_rest), 0),
            ("cpu_percent_at_rest", self.cpu_at_rest * 100.0, 2),
            ("rss_mib", self.rss_mib, 1),
            ("peak_rss_mib", self.peak_rss_mib, 1),
            ("restart_s", self.restart.as_secs_f64(), 1),
            ("writes_after_restart", number(self.writes_after_restart), 0),
            ("change_p50_ms", milliseconds(self.change.0), 0),
            ("change_p99_ms", milliseconds(self.change.1), 0),
        ]
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures are small")]
fn number(count: usize) -> f64 {
    count as f64
}

/// A column for each count.
pub(crate) fn print(all: &[Figures]) {
    println!("{}", machine());
    let row = |name: &str, cells: Vec<String>| println!("| {name} | {} |", cells.join(" | "));
    row(
        "ChatApps",
        all.iter()
            .map(|figures| figures.count.to_string())
            .collect(),
    );
    row("---", all.iter().map(|_| "---".to_owned()).collect());
    let columns: Vec<_> = all.iter().map(Figures::named).collect();
    let names = columns.first().into_iter().flatten();
    for (place, (name, _, decimals)) in names.enumerate() {
        let cells = columns.iter().filter_map(|column| column.get(place));
        row(
            name,
            cells
                .map(|(_, value, _)| format!("{value:.decimals$}"))
                .collect(),
        );
    }
}

/// Every figure under its name and the count.
pub(crate) fn write(all: &[Figures]) -> anyhow::Result<()> {
    let rounded = |value: f64| json!((value * 1000.0).round() / 1000.0);
    let mut json = Map::new();
    for figures in all {
        for (name, value, _) in figures.named() {
            json.insert(format!("{name}_{}", figures.count), rounded(value));
        }
    }
    if let Some(most) = all.iter().max_by_key(|figures| figures.count) {
        let named = most.named().into_iter();
        for (name, value, _) in named.filter(|(name, ..)| HEADLINES.contains(name)) {
            json.insert(name.to_owned(), rounded(value));
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
    fs::create_dir_all(folder)?;
    let text = serde_json::to_string_pretty(&Value::Object(json))? + "\n";
    fs::write(format!("{folder}/operator.json"), text)?;
    Ok(())
}

/// The machine that the figures are of.
fn machine() -> String {
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let line = |file: &str, name: &str| {
        let text = text(file);
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim() == name);
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{cores} x {}, {} of memory, Linux {}\n",
        line("/proc/cpuinfo", "model name"),
        line("/proc/meminfo", "MemTotal"),
        text("/proc/sys/kernel/osrelease").trim(),
    )
}

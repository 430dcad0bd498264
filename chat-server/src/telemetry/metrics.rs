//! The numbers behind `/metrics`, for the whole process: what is counted, under which names and labels. Labels have few
//! values, all of them our own: nothing that a caller sends becomes one. Names follow Prometheus' conventions; a unit is
//! part of the name where OpenMetrics wants one.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{Answered, Asked, Route, Status};
use crate::reply::ReplyKind;
use crate::storage::{PoolStatus, StorageError};

/// From a lookup in memory to the limit of an operation in the database.
const SECONDS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    replies: Replies,
    database_errors: Family<ErrorClass, Counter>,
    pool: Pool,
    resident_memory: Gauge,
    log_lines_lost: Counter,
}

struct Replies {
    greeting: Counter,
    dialogue: Counter,
    fallback: Counter,
}

struct Pool {
    idle: Gauge,
    used: Gauge,
    max: Gauge,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ErrorClass {
    class: &'static str,
}

/// Begin the process' time, and have all metrics that need no event.
pub(super) fn start() {
    LazyLock::force(&METRICS);
}

pub(crate) fn request_begins() {
    METRICS.in_flight.inc();
}

pub(crate) fn request_ends(
    method: &'static str,
    route: Route,
    status: Option<StatusCode>,
    took: Duration,
) {
    METRICS.in_flight.dec();
    let asked = Asked { method, route };
    METRICS
        .durations
        .get_or_create(&asked)
        .observe(took.as_secs_f64());
    let Asked { method, route } = asked;
    let answered = Answered {
        method,
        route,
        status: Status(status),
    };
    METRICS.requests.get_or_create(&answered).inc();
}

/// Called when the reply is recorded, not when it is thought of.
pub(crate) fn reply_recorded(kind: ReplyKind) {
    let replies = &METRICS.replies;
    match kind {
        ReplyKind::Greeting => &replies.greeting,
        ReplyKind::Dialogue => &replies.dialogue,
        ReplyKind::Fallback => &replies.fallback,
    }
    .inc();
}

pub(crate) fn database_failed(error: &StorageError) {
    let class = error.class();
    METRICS
        .database_errors
        .get_or_create(&ErrorClass { class })
        .inc();
}

pub(super) fn log_line_lost() {
    METRICS.log_lines_lost.inc();
}

/// All of it in OpenMetrics' text form.
pub(crate) fn text(pool: PoolStatus) -> Result<String, fmt::Error> {
    METRICS.pool.idle.set(pool.idle.into());
    METRICS.pool.used.set(pool.used.into());
    METRICS.pool.max.set(pool.max.into());
    METRICS.resident_memory.set(resident_memory());
    let mut text = String::new();
    text::encode(&mut text, &METRICS.registry)?;
    Ok(text)
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::default();
        registry.register(
            "build",
            "The program that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let started: Gauge<f64, AtomicU64> = Gauge::default();
        started.set(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
        );
        registry.register_with_unit(
            "process_start_time",
            "When the process started, since 1970",
            Unit::Seconds,
            started,
        );
        let resident_memory = Gauge::default();
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the process that is in RAM",
            Unit::Bytes,
            resident_memory.clone(),
        );
        let log_lines_lost = Counter::default();
        registry.register(
            "log_lines_lost",
            "Log lines dropped because standard error wasn't read",
            log_lines_lost.clone(),
        );
        let (requests, durations, in_flight) = register_requests(&mut registry);
        Self {
            requests,
            durations,
            in_flight,
            replies: register_replies(&mut registry),
            database_errors: register_database_errors(&mut registry),
            pool: register_pool(&mut registry),
            resident_memory,
            log_lines_lost,
            registry,
        }
    }
}

type Requests = (
    Family<Answered, Counter>,
    Family<Asked, Histogram, fn() -> Histogram>,
    Gauge,
);

fn register_requests(registry: &mut Registry) -> Requests {
    let requests = Family::default();
    registry.register_with_unit(
        "http",
        "Requests answered, status none where the client left before the answer",
        Unit::Other("requests".to_owned()),
        requests.clone(),
    );
    let durations = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
    registry.register_with_unit(
        "http_request_duration",
        "From a request's head to the answer's head",
        Unit::Seconds,
        durations.clone(),
    );
    let in_flight = Gauge::default();
    registry.register(
        "http_requests_in_flight",
        "Requests without an answer yet",
        in_flight.clone(),
    );
    (requests, durations, in_flight)
}

fn register_replies(registry: &mut Registry) -> Replies {
    let replies: Family<[(&str, &str); 1], Counter> = Family::default();
    registry.register(
        "replies",
        "Replies of the bot that were recorded, by kind",
        replies.clone(),
    );
    let of_kind = |kind| replies.get_or_create_owned(&[("kind", kind)]);
    Replies {
        greeting: of_kind("greeting"),
        dialogue: of_kind("dialogue"),
        fallback: of_kind("fallback"),
    }
}

fn register_database_errors(registry: &mut Registry) -> Family<ErrorClass, Counter> {
    let errors: Family<ErrorClass, Counter> = Family::default();
    registry.register(
        "database_errors",
        "Operations that the database failed, by class",
        errors.clone(),
    );
    for class in StorageError::CLASSES {
        drop(errors.get_or_create(&ErrorClass { class }));
    }
    errors
}

fn register_pool(registry: &mut Registry) -> Pool {
    let connections: Family<[(&str, &str); 1], Gauge> = Family::default();
    registry.register_with_unit(
        "db_pool",
        "Connections to the database, by state",
        Unit::Other("connections".to_owned()),
        connections.clone(),
    );
    let max = Gauge::default();
    registry.register(
        "db_pool_connections_max",
        "The most connections to the database there may be",
        max.clone(),
    );
    let in_state = |state| connections.get_or_create_owned(&[("state", state)]);
    Pool {
        idle: in_state("idle"),
        used: in_state("used"),
        max,
    }
}

/// In bytes; 0 where the system doesn't say.
fn resident_memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|kibibytes| kibibytes.parse::<i64>().ok())
        .map_or(0, |kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_known() {
        assert!(resident_memory() > 1024 * 1024);
    }
}

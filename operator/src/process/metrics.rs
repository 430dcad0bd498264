//! The numbers behind `/metrics`. Labels have few values, but for the gauges of a ChatApp's conditions: those are read from the
//! watch cache whenever somebody asks, so that they go with the ChatApp.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use chatapp_crds::ChatApp;
use kube::ResourceExt;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{
        MetricType, counter::Counter, family::Family, gauge::ConstGauge, gauge::Gauge,
        histogram::Histogram, info::Info,
    },
    registry::{Registry, Unit},
};

use super::pulse::Pulse;

/// From a pass that has nothing to do to one that is given up.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0,
];

/// Gives the ChatApps that are known.
pub(crate) type Apps = dyn Fn() -> Vec<Told> + Send + Sync;

/// What is told of a ChatApp.
pub(crate) struct Told {
    namespace: String,
    name: String,
    /// Type, and whether it is true.
    conditions: Vec<(String, bool)>,
}

impl Told {
    pub(crate) fn of(app: &ChatApp) -> Self {
        let conditions = app.status.iter().flat_map(|status| &status.conditions);
        Self {
            namespace: app.namespace().unwrap_or_default(),
            name: app.name_any(),
            conditions: conditions
                .map(|condition| (condition.type_.clone(), condition.status == "True"))
                .collect(),
        }
    }
}

/// Counts and answers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    errors: Family<ErrorClass, Counter>,
    durations: Histogram,
    requests: Family<Request, Counter>,
    leads: Gauge,
    apps: Sources,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ErrorClass {
    class: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    /// `none`: there was no answer.
    code: String,
}

impl Metrics {
    pub(crate) fn new(pulse: Pulse) -> Self {
        let mut registry = Registry::default();
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register(
            "chatapp_operator_build",
            "What is running",
            Info::new(build),
        );
        let reconciles = Family::default();
        registry.register(
            "chatapp_operator_reconciles",
            "Passes over a ChatApp that have ended",
            reconciles.clone(),
        );
        let errors = Family::default();
        registry.register(
            "chatapp_operator_reconcile_errors",
            "Passes that have failed, by the class of their error",
            errors.clone(),
        );
        let durations = Histogram::new(SECONDS);
        registry.register_with_unit(
            "chatapp_operator_reconcile_duration",
            "How long passes took",
            Unit::Seconds,
            durations.clone(),
        );
        let requests = Family::default();
        registry.register(
            "chatapp_operator_api_requests",
            "Requests to the API server",
            requests.clone(),
        );
        let leads = Gauge::default();
        registry.register(
            "chatapp_operator_leader",
            "Whether this one works",
            leads.clone(),
        );
        let apps = Sources::default();
        registry.register_collector(Box::new(apps.clone()));
        registry.register_collector(Box::new(Pulses(pulse)));
        Self(Arc::new(Inner {
            registry,
            reconciles,
            errors,
            durations,
            requests,
            leads,
            apps,
        }))
    }

    /// A pass has ended; `error` is the class of what went wrong.
    pub(crate) fn passed(&self, took: Duration, error: Option<&'static str>) {
        let outcome = if error.is_none() { "success" } else { "error" };
        self.0.reconciles.get_or_create(&Outcome { outcome }).inc();
        self.0.durations.observe(took.as_secs_f64());
        if let Some(class) = error {
            self.0.errors.get_or_create(&ErrorClass { class }).inc();
        }
    }

    /// The API server has answered, or hasn't.
    pub(crate) fn requested(&self, verb: &'static str, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.0.requests.get_or_create(&Request { verb, code }).inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.0.leads.set(leads.into());
    }

    /// Conditions of these ChatApps are told for as long as the caller keeps `apps`.
    pub(crate) fn tell_of(&self, apps: &Arc<Apps>) {
        let mut sources = self.0.apps.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| source.strong_count() > 0);
        sources.push(Arc::downgrade(apps));
    }

    /// As Prometheus reads it.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

/// Where ChatApps are known.
#[derive(Clone, Default)]
struct Sources(Arc<Mutex<Vec<Weak<Apps>>>>);

impl fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sources")
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sources = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let apps = sources
            .iter()
            .filter_map(Weak::upgrade)
            .flat_map(|source| source());
        let help = "Conditions of the ChatApps, 1 if true";
        let mut family =
            encoder.encode_descriptor("chatapp_condition", help, None, MetricType::Gauge)?;
        for app in apps {
            for (r#type, is_true) in &app.conditions {
                let labels = [
                    ("namespace", app.namespace.as_str()),
                    ("name", app.name.as_str()),
                    ("type", r#type.as_str()),
                ];
                ConstGauge::new(i64::from(*is_true)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// What [`Pulse`] knows.
#[derive(Debug)]
struct Pulses(Pulse);

impl Collector for Pulses {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let queue = self.0.queue();
        let depth = ConstGauge::new(i64::try_from(queue.depth).unwrap_or(i64::MAX));
        let help = "ChatApps that wait for a pass";
        depth.encode(encoder.encode_descriptor(
            "chatapp_operator_queue_depth",
            help,
            None,
            MetricType::Gauge,
        )?)?;
        let help = "How long the first of them has been waiting";
        let unit = Some(&Unit::Seconds);
        ConstGauge::new(queue.oldest.as_secs_f64()).encode(encoder.encode_descriptor(
            "chatapp_operator_queue_age",
            help,
            unit,
            MetricType::Gauge,
        )?)?;
        let help = "How long ago a watch was last heard of";
        let mut family = encoder.encode_descriptor(
            "chatapp_operator_watch_age",
            help,
            unit,
            MetricType::Gauge,
        )?;
        for (kind, age) in self.0.ages() {
            ConstGauge::new(age.as_secs_f64())
                .encode(family.encode_family(&[("kind", kind.as_str())])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app() -> Told {
        let app = json!({
            "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": "demo", "namespace": "n"},
            "spec": {"server": {"image": "s"}, "frontend": {"image": "f"}, "database": {}},
            "status": {"conditions": [
                {"type": "Ready", "status": "False", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Migrated", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        Told::of(&serde_json::from_value(app).expect("a ChatApp"))
    }

    #[test]
    fn conditions_are_told_for_as_long_as_the_app_is_known() {
        let metrics = Metrics::new(Pulse::default());
        let known: Arc<Apps> = Arc::new(|| vec![app()]);
        metrics.tell_of(&known);
        let text = metrics.text().expect("metrics");
        for line in [
            "chatapp_condition{namespace=\"n\",name=\"demo\",type=\"Ready\"} 0",
            "chatapp_condition{namespace=\"n\",name=\"demo\",type=\"Migrated\"} 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
        drop(known);
        assert!(!metrics.text().expect("metrics").contains("demo"));
    }

    #[test]
    fn what_failed_is_counted_by_class() {
        let metrics = Metrics::new(Pulse::default());
        metrics.passed(Duration::from_millis(2), None);
        metrics.passed(Duration::from_millis(2), Some("refused"));
        metrics.requested("patch", Some(422));
        let text = metrics.text().expect("metrics");
        for line in [
            "chatapp_operator_reconciles_total{outcome=\"success\"} 1",
            "chatapp_operator_reconcile_errors_total{class=\"refused\"} 1",
            "chatapp_operator_reconcile_duration_seconds_count 2",
            "chatapp_operator_api_requests_total{verb=\"patch\",code=\"422\"} 1",
            "chatapp_operator_build_info{version=",
            "chatapp_operator_queue_depth 0",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}

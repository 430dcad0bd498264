//! Where spans go: to the OpenTelemetry collector that the environment names, by HTTP and protobuf, without TLS and compression. Spans
//! wait in a queue of a fixed length, a thread of its own sends them, and those that find the queue full are dropped. What a span is,
//! each program says itself.

use std::env;
use std::time::Duration;

use http::Uri;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData};
use tokio::runtime::{self, Runtime};

const SERVICE_NAME: Key = Key::from_static_str("service.name");
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const COMPRESSIONS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
];

/// Why no traces are sent although a collector is named. Values aren't repeated: a URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It isn't a URL, or not one that can be sent to.
    #[error("{0} must be a URL like http://collector:4318, https isn't supported")]
    Endpoint(&'static str),
    /// Another protocol is asked for.
    #[error("{0} must be http/protobuf, which is the only protocol supported")]
    Protocol(&'static str),
    /// Compression is asked for.
    #[error("{0} must be none, compression isn't supported")]
    Compression(&'static str),
    /// Something else of what the environment says.
    #[error("the exporter can't be set up: are the variables OTEL_EXPORTER_OTLP_* right?")]
    Exporter,
    /// The system has none left.
    #[error("a thread for sending can't be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A program that spans are about.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name, unless the environment has another.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// Traces as the OpenTelemetry variables say, none if they name no collector.
pub fn from_environment(service: Service) -> Result<Option<SdkTracerProvider>, Refused> {
    let set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let off = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let Some(name) = [TRACES_ENDPOINT, ENDPOINT]
        .into_iter()
        .find(set)
        .filter(|_| !off)
    else {
        return Ok(None);
    };
    check_endpoint(&env::var(name).unwrap_or_default()).ok_or(Refused::Endpoint(name))?;
    let other_than = |value: &str, names: [&'static str; 2]| {
        let name = names.into_iter().find(set)?;
        (env::var(name).ok().as_deref() != Some(value)).then_some(name)
    };
    if let Some(name) = other_than("http/protobuf", PROTOCOLS) {
        return Err(Refused::Protocol(name));
    }
    if let Some(name) = other_than("none", COMPRESSIONS) {
        return Err(Refused::Compression(name));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()
        .map_err(|_| Refused::Exporter)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let processor = BatchSpanProcessor::builder(OnItsThread { exporter, runtime }).build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(service))
        .with_span_processor(processor)
        .build();
    Ok(Some(provider))
}

/// A URL that can be sent to: there is no TLS in this program's HTTP client, collectors are in the same cluster.
fn check_endpoint(url: &str) -> Option<()> {
    let url: Uri = url.parse().ok()?;
    (url.scheme_str() == Some("http") && url.host().is_some_and(|host| !host.is_empty()))
        .then_some(())
}

/// What is described: the program, unless the environment says otherwise.
fn resource(service: Service) -> Resource {
    let from_environment = Resource::builder().build();
    let unnamed = from_environment
        .get(&SERVICE_NAME)
        .is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", service.version));
    if unnamed {
        resource.with_service_name(service.name).build()
    } else {
        resource.build()
    }
}

/// The exporter with a runtime of its own, so that it needs nothing of the one that serves requests. Each export runs to
/// its end on the thread of the processor, which is made for that.
#[derive(Debug)]
struct OnItsThread {
    exporter: SpanExporter,
    runtime: Runtime,
}

impl opentelemetry_sdk::trace::SpanExporter for OnItsThread {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.runtime.block_on(self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

//! An OpenTelemetry collector for one test: takes `POST /v1/traces` and keeps what was sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;

use crate::database::Database;
use crate::program::chat_server;
use crate::server::Server;
use crate::wait;

pub(crate) struct Collector {
    pub(crate) url: String,
    sent: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let taken = sent.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            taken.lock().expect("no panic").push(body);
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, sent }
    }

    /// Whether these bytes are anywhere in what was sent.
    pub(crate) fn got(&self, text: &str) -> bool {
        let sent = self.sent.lock().expect("no panic");
        sent.iter().any(|payload| {
            payload
                .windows(text.len())
                .any(|bytes| bytes == text.as_bytes())
        })
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.requests().into_iter();
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|of_resource| of_resource.scope_spans)
            .flat_map(|of_scope| of_scope.spans)
            .collect()
    }

    /// The attribute of the process that sent something.
    pub(crate) fn resource(&self, name: &str) -> Option<String> {
        let requests = self.requests();
        let resource = requests.first()?.resource_spans.first()?.resource.clone()?;
        attribute(&resource.attributes, name)
    }

    /// The first span with this name, once it was sent.
    pub(crate) async fn span(&self, name: &str) -> Span {
        let find = || self.spans().into_iter().find(|span| span.name == name);
        wait::until(&format!("the span {name} is sent"), async || {
            find().is_some()
        })
        .await;
        find().expect("it was there")
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let sent = self.sent.lock().expect("no panic");
        sent.iter()
            .map(|payload| {
                ExportTraceServiceRequest::decode(payload.clone()).expect("OTLP protobuf")
            })
            .collect()
    }
}

/// A server with these variables that logs everything it may, on a database that this migrates.
pub(crate) async fn server_with(database: &Database, variables: &[(&str, &str)]) -> Server {
    database.migrate();
    let mut command = chat_server(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command
        .env("DATABASE_URL", database.url())
        .env("RUST_LOG", "trace")
        .envs(variables.iter().copied());
    Server::spawn(&mut command).await
}

/// An attribute as text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

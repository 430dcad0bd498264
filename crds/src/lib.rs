//! The API of ChatApp, `sillychat.io/v1alpha1`: what a user may write and what the operator reports, with the rules that the
//! API server checks (OpenAPI and CEL). It holds no behaviour: what becomes of a ChatApp is the operator's business.
//!
//! Doc comments become the descriptions that `kubectl explain chatapp` shows.

mod content;
mod database;
mod import;
mod retention;
mod route;
mod scheduling;
mod server;
mod status;

pub use content::{CONTENT_KEY, ConfigMapRef, Content};
pub use database::{
    Cluster, Database, DeletionPolicy, External, PoolMode, Pooler, SecretKeyRef, Storage,
};
pub use import::{ConfigMapKeyRef, FileInVolume, Import, Rejects, SqliteImport};
pub use retention::Retention;
pub use route::{GatewayRoute, IngressRoute, IssuerKind, IssuerRef, ParentRef, Route, Tls};
pub use scheduling::Scheduling;
pub use server::{Autoscaling, Frontend, Server};
pub use status::{ChatAppStatus, ConditionType, ImportResult, Phase, Upgrade};

use k8s_openapi::api::core::v1::LocalObjectReference;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Annotation of a ChatApp: a new value makes the operator run a failed Job again, the migration's or one behind it.
pub const RETRY_MIGRATION_ANNOTATION: &str = "sillychat.io/retry-migration";

/// Finalizer of a ChatApp: the operator decides about the database before the ChatApp is gone.
pub const DATABASE_FINALIZER: &str = "sillychat.io/database";

/// Label of a database that a deleted ChatApp has left behind.
pub const RETAINED_LABEL: &str = "sillychat.io/retained";

/// What a ChatApp consists of: a chat server with its database, and the web page in front of it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "sillychat.io",
    version = "v1alpha1",
    kind = "ChatApp",
    plural = "chatapps",
    shortname = "chat",
    category = "all",
    namespaced,
    status = "ChatAppStatus",
    scale(
        spec_replicas_path = ".spec.server.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    derive = "PartialEq",
    doc = "A chat for the web: chat server, page and PostgreSQL database, kept running and upgraded in order.",
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "Ready, Progressing, Suspended, or Degraded when a human is needed"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", description = "Address of the page"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.ready",
        description = "Server pods that serve, of those wanted"
    ),
    printcolumn(
        name = "Image",
        type_ = "string",
        json_path = ".status.image",
        description = "Image of the chat server that serves"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must have at most 40 characters, start with a letter and consist of a-z, 0-9 and '-': \
            names of Services and pods are made from it; choose a shorter name such as 'chat'")
)]
#[serde(rename_all = "camelCase")]
pub struct ChatAppSpec {
    /// The chat server: answers people and keeps their messages.
    pub server: Server,
    /// The web page; it forwards API calls to the server.
    pub frontend: Frontend,
    /// Where messages are kept: exactly one of `cluster` and `external`.
    pub database: Database,
    /// How people reach the page from outside of the cluster. Absent: not at all, the page has an address in the cluster only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// What the bot says. Absent: the content that is built into the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Chats of another program to take over, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// How long messages are kept. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Where the pods may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Secrets in this namespace to pull the images with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(secret, secret.name != '')")
            .message("each of spec.imagePullSecrets must name a Secret: write its name, or remove the entry")
    )]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Whether to stop everything: no pods of servers and page, and the database hibernates (an external one is left alone).
    /// Nothing is lost; `false` brings it back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_false(value: &bool) -> bool {
    !*value
}

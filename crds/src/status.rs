//! What the operator reports. Only the operator writes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a ChatApp as the operator last saw it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatAppStatus {
    /// The generation of the spec that the rest of the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Address of the page: the route's if there is one (https with `tls`, or with a Gateway's listener on port 443 or named
    /// after https), else the one in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Image of the chat server that serves now; during an upgrade that is the former one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Selects the server's pods; for `kubectl scale` and autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// What an upgrade that is under way leads to. Absent: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// The last migration that the database has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// What `spec.import` has brought into the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportResult>,
    /// Server pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Server pods that are ready to serve.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Server pods that are ready, of those wanted, such as `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// DatabaseReady, Migrated, Imported (if asked for), ContentLoaded, ServerAvailable, FrontendAvailable, RouteReady, and Ready,
    /// which sums them up. Beside them RetentionEnforced (if asked for), which Ready doesn't depend on: people are served all the
    /// same. The message names what is waited for and what to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A change of the server's image that isn't done yet.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// Image of the chat server that serves.
    pub from: String,
    /// Image of the chat server that is to serve.
    pub to: String,
    /// Migrations of the database on the way, as the new image names them before it runs them. Absent: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Vec<String>>,
}

/// What of the imported file is in the database.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportResult {
    /// Messages.
    pub rows: i64,
    /// Chats.
    pub chats: i64,
    /// Rows that can't be taken and were left out.
    pub rejected: i64,
}

/// A ChatApp's state in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// On its way: nothing to do but wait.
    Progressing,
    /// Everything of the present generation serves.
    Ready,
    /// Stopped, as `spec.suspend` wants it.
    Suspended,
    /// It can't go on without a human; what ran before still runs. The Ready condition says why.
    Degraded,
}

/// The types of conditions that a ChatApp has, in the order in which the parts come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// The database accepts connections.
    DatabaseReady,
    /// The schema is the one that `spec.server.image` needs.
    Migrated,
    /// The chats of `spec.import` are in the database. Only there if asked for.
    Imported,
    /// What the bot says is what `spec.content` wants.
    ContentLoaded,
    /// All wanted server pods of the present generation serve.
    ServerAvailable,
    /// All wanted page pods of the present generation serve.
    FrontendAvailable,
    /// The page can be reached from outside, if `spec.route` wants it.
    RouteReady,
    /// Messages beyond the age of `spec.retention` are deleted. Only there if asked for.
    RetentionEnforced,
    /// All of the above but `RetentionEnforced`: a chat that keeps too much serves all the same.
    Ready,
}

impl ConditionType {
    /// All types, `Ready` last.
    pub const ALL: [Self; 9] = [
        Self::DatabaseReady,
        Self::Migrated,
        Self::Imported,
        Self::ContentLoaded,
        Self::ServerAvailable,
        Self::FrontendAvailable,
        Self::RouteReady,
        Self::RetentionEnforced,
        Self::Ready,
    ];

    /// Whether `Ready` depends on it.
    #[must_use]
    pub const fn is_needed(self) -> bool {
        !matches!(self, Self::RetentionEnforced)
    }

    /// The name in `status.conditions[].type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DatabaseReady => "DatabaseReady",
            Self::Migrated => "Migrated",
            Self::Imported => "Imported",
            Self::ContentLoaded => "ContentLoaded",
            Self::ServerAvailable => "ServerAvailable",
            Self::FrontendAvailable => "FrontendAvailable",
            Self::RouteReady => "RouteReady",
            Self::RetentionEnforced => "RetentionEnforced",
            Self::Ready => "Ready",
        }
    }
}

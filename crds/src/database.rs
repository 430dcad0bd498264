//! Where the messages are kept: a CloudNativePG cluster that the operator makes, or a PostgreSQL of somebody else's.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exactly one of `cluster` and `external`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.cluster) != has(self.external)")
        .message("spec.database needs exactly one of 'cluster' (the operator makes a CloudNativePG cluster) and \
            'external' (a Secret with the URL of your PostgreSQL): write one of them and remove the other"),
    validation = Rule::new("has(self.cluster) == has(oldSelf.cluster)")
        .message("spec.database can't change between 'cluster' and 'external', the messages would stay behind: \
            make a second ChatApp with the other kind and move the data"),
    validation = Rule::new("!has(self.external) || self.deletionPolicy == 'Retain'")
        .message("spec.database.deletionPolicy: Delete is for 'cluster'; an external database is not the operator's to delete: \
            remove deletionPolicy")
)]
pub struct Database {
    /// A CloudNativePG cluster made for this ChatApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// A PostgreSQL database that exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// What becomes of the Cluster, and of all messages in it, when the ChatApp is deleted. Retain: it stays, and a new ChatApp of
    /// the same name in this namespace adopts it. Delete: it goes with the ChatApp. With the namespace everything goes, always.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What becomes of the database when the ChatApp is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It is deleted too.
    Delete,
}

/// A CloudNativePG cluster named `<name>-db`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// PostgreSQL instances: one primary, the others standbys that take over when it fails. With three or more, a
    /// message is acknowledged only once a standby has it too; with two, whenever the standby is there.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 20))]
    pub instances: i32,
    /// PostgreSQL image with its version as tag (`name:15`, a digest may follow). Absent: CloudNativePG's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// The volume of each instance.
    pub storage: Storage,
    /// Resources of each instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// PostgreSQL parameters, for example `max_connections: "200"`. CloudNativePG refuses those that it sets itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 200))]
    pub parameters: BTreeMap<String, String>,
    /// A connection pool between the servers and the database, for many servers or few connections. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooler: Option<Pooler>,
}

/// A CloudNativePG Pooler (PgBouncer) named `<name>-pooler`. The servers connect through it, migrations don't.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pooler {
    /// Number of PgBouncer pods.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 20))]
    pub instances: i32,
    /// How long a server keeps a connection to the database: for a `transaction`, or for its whole `session`.
    #[serde(default)]
    pub mode: PoolMode,
}

/// PgBouncer's pool modes that the chat server works with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// A connection of the database serves many of the servers'.
    #[default]
    Transaction,
    /// A connection of the database for each of the servers'.
    Session,
}

/// The volume of a database instance.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
// A rule of the field itself has nothing to say where the field comes or goes.
#[x_kube(
    validation = Rule::new("has(self.storageClass) == has(oldSelf.storageClass)")
        .message("the storage class of existing volumes can't change: write the former one, or none if there was none")
)]
pub struct Storage {
    /// Size, for example `10Gi`. It may grow, where the storage class allows it, but not shrink.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("isQuantity(self)")
            .message("must be a quantity such as '10Gi' (units: Mi, Gi, Ti)"),
        validation = Rule::new("!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0")
            .message("the volumes of a database can't shrink: write the present size or a larger one")
    )]
    pub size: String,
    /// Storage class. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("the storage class of existing volumes can't change: write the former one")
    )]
    pub storage_class: Option<String>,
}

/// A PostgreSQL database of somebody else's; its server, its backups and its failover are theirs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// The Secret key in this namespace that holds `postgresql://user:password@host:port/database`.
    pub url_secret_ref: SecretKeyRef,
}

/// Names a key of a Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

const fn two() -> i32 {
    2
}

const fn three() -> i32 {
    3
}

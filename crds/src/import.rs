//! Chats that another program has kept, to be taken over once.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the chats are.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The prototype's SQLite file. It is only read, and taken over once for each database; the servers serve meanwhile.
    pub sqlite: SqliteImport,
}

/// The prototype's SQLite file: in exactly one of `persistentVolumeClaim` and `configMapRef`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.persistentVolumeClaim) != has(self.configMapRef)")
        .message("spec.import.sqlite needs exactly one of 'persistentVolumeClaim' (a volume with the file) and 'configMapRef' (a \
            small file as binaryData): write one of them and remove the other")
)]
pub struct SqliteImport {
    /// A volume that holds the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<FileInVolume>,
    /// A ConfigMap that holds the file in its `binaryData`, for files of less than 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapKeyRef>,
    /// What becomes of rows that can't be taken, such as those without a text.
    #[serde(default)]
    pub rejects: Rejects,
}

/// A file in the volume of a PersistentVolumeClaim.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileInVolume {
    /// Name of the PersistentVolumeClaim in this namespace. Its volume is mounted for reading only.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub claim_name: String,
    /// Path of the file in the volume, for example `data/chat.db`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(
        validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '..')")
            .message("must be the file's path inside the volume, such as 'data/chat.db': write it without a leading '/' and without '..'")
    )]
    pub path: String,
}

/// Names a key of a ConfigMap in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Key in its `binaryData`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// What becomes of rows that can't be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rejects {
    /// Nothing is imported as long as there are such rows; the condition Imported names them.
    #[default]
    Refuse,
    /// They are counted and left out.
    Skip,
}

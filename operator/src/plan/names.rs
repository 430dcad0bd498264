//! What the children of a ChatApp are called and how they are labelled. Every name fits in 63 characters because the API
//! allows 40 for the ChatApp's own.

use std::collections::BTreeMap;

use chatapp_crds::ChatApp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use sha2::{Digest, Sha256};

/// Label of every child and pod: the name of the ChatApp that it belongs to. Watches select by it.
pub(crate) const APP_LABEL: &str = "sillychat.io/chatapp";
/// Label of every child: which part of the ChatApp it is.
pub(crate) const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// Label of every child: who made it.
pub(crate) const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of that label.
pub(crate) const MANAGER: &str = "chatapp-operator";

/// A part of a ChatApp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Component {
    /// What all parts share.
    Shared,
    /// The database.
    Database,
    /// The connection pool in front of the database.
    Pooler,
    /// The migration Jobs.
    Migration,
    /// The Jobs that take over what another program has kept.
    Import,
    /// The Jobs that put the content in force.
    Content,
    /// The Jobs that delete what is old.
    Retention,
    /// The chat server.
    Server,
    /// The page.
    Frontend,
}

impl Component {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Database => "database",
            Self::Pooler => "pooler",
            Self::Migration => "migration",
            Self::Import => "import",
            Self::Content => "content",
            Self::Retention => "retention",
            Self::Server => "server",
            Self::Frontend => "frontend",
        }
    }
}

/// CloudNativePG calls its account as the Cluster: with a suffix of its own ours can't be that of a ChatApp called `<name>-db`.
pub(crate) fn service_account(app: &ChatApp) -> String {
    format!("{}-pods", app.name_any())
}

pub(crate) fn database(app: &impl ResourceExt) -> String {
    format!("{}-db", app.name_any())
}

pub(crate) fn server(app: &ChatApp) -> String {
    format!("{}-server", app.name_any())
}

pub(crate) fn frontend(app: &ChatApp) -> String {
    format!("{}-frontend", app.name_any())
}

pub(crate) fn pooler(app: &ChatApp) -> String {
    format!("{}-pooler", app.name_any())
}

/// What Jobs have in common. With the app's bare name it would meet a child of the app whose server or database is called so.
pub(crate) fn jobs(app: &ChatApp) -> String {
    format!("{}-jobs", app.name_any())
}

pub(crate) fn route(app: &ChatApp) -> String {
    app.name_any()
}

/// The Secret with the certificate that cert-manager makes.
pub(crate) fn certificate(app: &ChatApp) -> String {
    format!("{}-tls", app.name_any())
}

/// A Job of a part, or what belongs to it, by the hash of what it depends on.
pub(crate) fn job(app: &ChatApp, component: Component, hash: &str) -> String {
    let part = match component {
        Component::Migration => "migrate",
        other => other.as_str(),
    };
    format!("{}-{part}-{hash}", app.name_any())
}

pub(crate) fn retention(app: &impl ResourceExt) -> String {
    format!("{}-purge", app.name_any())
}

/// Whether an object is labelled as of a part.
pub(crate) fn is_of(object: &impl ResourceExt, component: Component) -> bool {
    let label = object.labels().get(COMPONENT_LABEL);
    label.is_some_and(|label| label == component.as_str())
}

/// The recommended labels, and ours. None is taken from the ChatApp: a tracking label of Argo CD's on a child would make
/// Argo CD prune it.
pub(crate) fn labels(app: &ChatApp, component: Component) -> BTreeMap<String, String> {
    let mut labels = selector_labels(app, component);
    labels.extend(
        [
            ("app.kubernetes.io/name", "chatapp"),
            ("app.kubernetes.io/instance", &app.name_any()),
            ("app.kubernetes.io/part-of", "chatapp"),
            (MANAGED_BY_LABEL, MANAGER),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    labels
}

/// Labels of pods that CloudNativePG makes: it has the recommended ones for itself.
pub(crate) fn inherited_labels(app: &ChatApp, component: Component) -> BTreeMap<String, String> {
    selector_labels(app, component)
}

/// Selects the pods of a part, in one line.
pub(crate) fn selector_text(app: &ChatApp, component: Component) -> String {
    let labels = selector_labels(app, component);
    let terms = labels.iter().map(|(key, value)| format!("{key}={value}"));
    terms.collect::<Vec<_>>().join(",")
}

fn selector_labels(app: &ChatApp, component: Component) -> BTreeMap<String, String> {
    [
        (APP_LABEL, app.name_any()),
        (COMPONENT_LABEL, component.as_str().to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Whether the labels are all of ours: what CloudNativePG makes inherits but two of them.
pub(crate) fn is_made_by_us(object: &impl ResourceExt) -> bool {
    object
        .labels()
        .get(MANAGED_BY_LABEL)
        .is_some_and(|label| label == MANAGER)
}

/// Selects the pods of a part.
pub(crate) fn selector(app: &ChatApp, component: Component) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector_labels(app, component)),
        ..LabelSelector::default()
    }
}

/// Metadata of a child: name, labels and the ChatApp as its controller.
pub(crate) fn metadata(app: &ChatApp, component: Component, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: app.namespace(),
        labels: Some(labels(app, component)),
        owner_references: owner(app).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn owner(app: &ChatApp) -> Option<OwnerReference> {
    app.controller_owner_ref(&())
}

/// The first 10 hexadecimal digits of the SHA-256 of the parts; parts can't run into each other.
pub(crate) fn short_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize()[..5]
        .iter()
        .fold(String::new(), |digits, byte| {
            digits + &format!("{byte:02x}")
        })
}

//! Why a ChatApp isn't ready, in one line that names the object in the way and the field of the spec that decides about it. It reads
//! what the operator has reported; that the report is old is a reason, too.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use crate::kinds::Kind;

/// Kinds that messages name besides those of children.
const OTHER_KINDS: [&str; 4] = ["Secret", "PersistentVolumeClaim", "Gateway", "pod"];

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) is_ready: bool,
    pub(crate) line: String,
}

impl Answer {
    fn not_ready(line: &str) -> Self {
        Self {
            is_ready: false,
            line: line.lines().map(str::trim).collect::<Vec<_>>().join("; "),
        }
    }
}

/// Why `app` isn't ready, or that it is.
pub(crate) fn why(app: &ChatApp) -> Answer {
    let name = app.name_any();
    let status = app.status.clone().unwrap_or_default();
    let conditions = &status.conditions;
    let Some(ready) = find(conditions, ConditionType::Ready) else {
        return Answer::not_ready(&format!(
            "{name} is not ready: the operator has not seen it yet; does it run, and watch this namespace?"
        ));
    };
    let generation = app.metadata.generation;
    if ready.observed_generation != generation {
        return Answer::not_ready(&format!(
            "{name} is not ready: the operator has not seen generation {} of it yet; does it run, and watch this namespace?",
            generation.unwrap_or_default()
        ));
    }
    if ready.status == "True" {
        let url = status.url.unwrap_or_default();
        return Answer {
            is_ready: true,
            line: format!("{name} is ready: {}, {url}", ready.message),
        };
    }
    let blocking = blocking(conditions).unwrap_or(ready);
    let Condition {
        type_,
        reason,
        message,
        ..
    } = blocking;
    let object = object(message).unwrap_or_else(|| format!("chatapp/{name}"));
    let field = field(app, blocking);
    Answer::not_ready(&format!(
        "{name} is not ready: {object} ({field}): {type_} is False, {reason}: {message}"
    ))
}

pub(crate) fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// The condition that `Ready` has its reason from. A ChatApp that is being deleted has none.
pub(crate) fn blocking(conditions: &[Condition]) -> Option<&Condition> {
    let ready = find(conditions, ConditionType::Ready)?;
    conditions.iter().find(|condition| {
        condition.type_ != ready.type_
            && condition.status == "False"
            && (&condition.reason, &condition.message) == (&ready.reason, &ready.message)
    })
}

/// The first object that a message names, as `kubectl get` takes it.
fn object(message: &str) -> Option<String> {
    let words: Vec<&str> = message.split([' ', '\n']).collect();
    words.windows(2).find_map(|pair| {
        let [kind, name] = pair else { return None };
        let kind = kind.trim_start_matches(['(', '\'', '"']);
        let name = name.trim_matches(|character: char| !character.is_ascii_alphanumeric());
        let known = Kind::named(kind);
        let is_name = name.chars().all(|character| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "-.".contains(character)
        });
        if name.is_empty() || !is_name || (known.is_none() && !OTHER_KINDS.contains(&kind)) {
            return None;
        }
        let group = known.filter(|kind| kind.is_optional());
        let group = group.map_or_else(String::new, |kind| format!(".{}", kind.group()));
        Some(format!("{}{group}/{name}", kind.to_lowercase()))
    })
}

/// The field of the spec that decides about what a condition is about.
fn field(app: &ChatApp, condition: &Condition) -> &'static str {
    let spec = &app.spec;
    let type_ = ConditionType::ALL
        .into_iter()
        .find(|type_| type_.as_str() == condition.type_)
        .unwrap_or(ConditionType::Ready);
    let is_own_database = spec.database.cluster.is_some();
    let external = spec.database.external.as_ref();
    if external.is_some_and(|external| {
        condition
            .message
            .contains(&format!("Secret {}", external.url_secret_ref.name))
    }) {
        return "spec.database.external.urlSecretRef";
    }
    let part = match type_ {
        ConditionType::DatabaseReady => "database",
        ConditionType::FrontendAvailable => "frontend",
        _ => "server",
    };
    match (condition.reason.as_str(), part) {
        ("Suspended" | "Suspending", _) => "spec.suspend",
        ("StorageWouldShrink", _) => "spec.database.cluster.storage.size",
        ("PoolerMissing" | "PoolerNotReady", _) => "spec.database.cluster.pooler",
        ("Deleting", _) => "metadata.finalizers",
        (
            "ErrImageNeverPull" | "ImageInspectError" | "ImagePullBackOff" | "InvalidImageName",
            part,
        ) => match part {
            "database" => "spec.database.cluster.image",
            "frontend" => "spec.frontend.image",
            _ => "spec.server.image",
        },
        ("Unschedulable", _) if spec.scheduling.is_some() => "spec.scheduling",
        ("Unschedulable", "database") => "spec.database.cluster.resources",
        ("Unschedulable", "frontend") => "spec.frontend.resources",
        ("Unschedulable", _) => "spec.server.resources",
        ("ScaledToZero", "frontend") => "spec.frontend.replicas",
        ("ScaledToZero", _) => "spec.server.replicas",
        ("CreateContainerConfigError" | "RunContainerError", "server") => "spec.server.env",
        _ => match type_ {
            ConditionType::DatabaseReady if is_own_database => "spec.database.cluster",
            ConditionType::DatabaseReady => "spec.database",
            ConditionType::Migrated => "spec.server.image",
            ConditionType::Imported => "spec.import.sqlite",
            ConditionType::ContentLoaded => "spec.content.configMapRef.name",
            ConditionType::ServerAvailable => "spec.server",
            ConditionType::FrontendAvailable => "spec.frontend",
            ConditionType::RouteReady => "spec.route",
            ConditionType::Ready => "spec",
        },
    }
}

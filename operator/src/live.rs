//! A ChatApp and its children as the API server has them right now, for programs that look once. It only reads, and no Secret.

use chatapp_crds::ChatApp;
use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    apply,
    kinds::Kind,
    pass::{self, PassError},
    plan::Observed,
};

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    #[error("{0}")]
    NotFound(String),
    #[error(
        "the cluster doesn't know ChatApps: is the operator installed there, and is this the right context?"
    )]
    NoCrd,
    #[error("ChatApp {name}: {source}")]
    ChatApp {
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("ChatApp {name} can't be read: {source}")]
    Unreadable {
        name: String,
        #[source]
        source: serde_json::Error,
    },
    #[error(transparent)]
    Children(#[from] PassError),
    #[error("{kind} {name}: {source}")]
    Object {
        kind: String,
        name: String,
        #[source]
        source: kube::Error,
    },
}

/// The children of a ChatApp.
pub(crate) struct Children {
    pub(crate) observed: Observed,
    /// Kinds that whoever asks has no right to list.
    pub(crate) hidden: Vec<&'static str>,
}

/// The ChatApp as it is stored.
pub(crate) async fn object(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, LiveError> {
    let found = apps(client, namespace).get_opt(name).await;
    let found = found.map_err(|source| LiveError::ChatApp {
        name: name.to_owned(),
        source,
    })?;
    Ok(found.map(|found| json!(found)))
}

/// The ChatApp; if there is none of this name, the error says which there are.
pub(crate) async fn app(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<ChatApp, LiveError> {
    let Some(object) = object(client, namespace, name).await? else {
        return Err(not_found(client, namespace, name).await);
    };
    ChatApp::deserialize(&object).map_err(|source| LiveError::Unreadable {
        name: name.to_owned(),
        source,
    })
}

/// Reads the children of all kinds, and the content.
pub(crate) async fn children(client: &Client, app: &ChatApp) -> Result<Children, LiveError> {
    let namespace = app.namespace().unwrap_or_default();
    let mut children = Children {
        observed: Observed::of(app),
        hidden: Vec::new(),
    };
    let lists = Kind::ALL
        .iter()
        .map(|kind| async { (*kind, pass::list(app, client, &namespace, *kind).await) });
    for (kind, list) in join_all(lists).await {
        match list {
            Ok(objects) => {
                for mut object in objects {
                    // A list doesn't repeat them with every object.
                    object["apiVersion"] = json!(kind.api_version());
                    object["kind"] = json!(kind.name());
                    children.observed.put(kind, object);
                }
            }
            Err(error) if code(&error) == Some(404) && kind.is_optional() => {
                children.observed.set_unknown(kind);
            }
            Err(error) if code(&error) == Some(403) => children.hidden.push(kind.plural()),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(content) = &app.spec.content {
        let name = &content.config_map_ref.name;
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let found = config_maps.get_opt(name).await;
        children.observed.content = found.map_err(|source| LiveError::Object {
            kind: "ConfigMap".to_owned(),
            name: name.clone(),
            source,
        })?;
    }
    Ok(children)
}

/// What the API server answered, if it did.
fn code(error: &PassError) -> Option<u16> {
    match error {
        PassError::Read {
            source: kube::Error::Api(status),
            ..
        } => Some(status.code),
        _ => None,
    }
}

/// An object that may not have the label of a ChatApp.
pub(crate) async fn by_name(
    client: &Client,
    namespace: &str,
    kind: Kind,
    name: &str,
) -> Result<Option<Value>, LiveError> {
    let api = apply::api(client, namespace, kind.api_version(), kind.name());
    let found = api
        .get_opt(name)
        .await
        .map_err(|source| LiveError::Object {
            kind: kind.name().to_owned(),
            name: name.to_owned(),
            source,
        })?;
    Ok(found.map(|found| json!(found)))
}

/// Of any shape: one that doesn't fit its type can be talked about, too.
fn apps(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        client.clone(),
        namespace,
        &ApiResource::erase::<ChatApp>(&()),
    )
}

/// Tells which ChatApps there are instead, as far as they may be seen.
async fn not_found(client: &Client, namespace: &str, name: &str) -> LiveError {
    let resource = ApiResource::erase::<ChatApp>(&());
    let everywhere: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let (here, all) = (apps(client, namespace), ListParams::default());
    let found = match everywhere.list(&all).await {
        Ok(found) => found,
        Err(_) => match here.list(&all).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 404 => return LiveError::NoCrd,
            Err(source) => {
                let name = name.to_owned();
                return LiveError::ChatApp { name, source };
            }
        },
    };
    let found: Vec<(String, String)> = found
        .iter()
        .map(|app| (app.namespace().unwrap_or_default(), app.name_any()))
        .collect();
    LiveError::NotFound(which_instead(namespace, name, &found))
}

/// `found`: namespaces and names.
fn which_instead(namespace: &str, name: &str, found: &[(String, String)]) -> String {
    let missing = format!("there is no ChatApp {name} in namespace {namespace}");
    let namesakes = found.iter().filter(|(_, found)| found == name);
    let namesakes: Vec<String> = namesakes
        .map(|(namespace, _)| format!("--namespace {namespace}"))
        .collect();
    if !namesakes.is_empty() {
        return format!("{missing}, but with {}", namesakes.join(" or "));
    }
    let here = found.iter().filter(|(found, _)| found == namespace);
    let here: Vec<&str> = here.map(|(_, name)| name.as_str()).collect();
    if !here.is_empty() {
        return format!("{missing}; there are {}", here.join(", "));
    }
    let others: Vec<String> = found
        .iter()
        .map(|(namespace, name)| format!("{namespace}/{name}"))
        .collect();
    if others.is_empty() {
        format!("{missing}, nor any other")
    } else {
        format!(
            "{missing}, nor any other; elsewhere there are {}",
            others.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_chat_app_is_told_with_those_that_there_are() {
        let found = [("dev", "demo"), ("dev", "silly"), ("prod", "chat")]
            .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        assert_eq!(
            which_instead("dev", "dmeo", &found),
            "there is no ChatApp dmeo in namespace dev; there are demo, silly"
        );
        assert_eq!(
            which_instead("default", "demo", &found),
            "there is no ChatApp demo in namespace default, but with --namespace dev"
        );
        assert_eq!(
            which_instead("default", "x", &found),
            "there is no ChatApp x in namespace default, nor any other; elsewhere there are dev/demo, dev/silly, prod/chat"
        );
        assert_eq!(
            which_instead("default", "x", &[]),
            "there is no ChatApp x in namespace default, nor any other"
        );
    }
}

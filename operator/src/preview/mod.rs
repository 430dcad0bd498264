//! `chatapp-operator plan`: what would come of a ChatApp that is written in a file. Without a cluster it prints all objects; with
//! `--diff` it compares them with the live ones, which it only reads.

mod difference;
mod manifests;
mod merge;
mod rehearsal;
mod stream;
mod yaml;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Context as _;
use chatapp_crds::{CONTENT_KEY, ChatApp};
use clap::Args;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::{
    connection::Connection,
    kinds::Kind,
    live, offline, output,
    plan::{Observed, ownership::Owner},
};
use difference::Present;
use manifests::{Manifests, Place};
use rehearsal::Rehearsal;

/// Namespace of a ChatApp that names none, without a cluster to ask.
const DEFAULT_NAMESPACE: &str = "default";

/// What is to be planned.
#[derive(Args, Debug)]
pub struct Settings {
    /// YAML or JSON with a ChatApp, and with the ConfigMap of its content if there is one; - is standard input.
    #[arg(long = "filename", short = 'f', required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Say what would change in the cluster, changing nothing. Exit code 0: nothing would, 1: something would, 2: an error.
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What the files are wrong about, one line for each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
struct Invalid(Vec<String>);

/// Plans, and prints what comes of it.
pub async fn run(settings: Settings) -> ExitCode {
    let planned = if settings.diff {
        diff(&settings).await
    } else {
        print_objects(&settings).map(|()| false)
    };
    match planned {
        Ok(has_differences) => ExitCode::from(u8::from(has_differences)),
        Err(error) => {
            for line in format!("{error:#}").lines() {
                eprintln!("error: {line}");
            }
            // As of `diff`, whose 1 is no error.
            ExitCode::from(if settings.diff { 2 } else { 1 })
        }
    }
}

/// Prints the objects.
fn print_objects(settings: &Settings) -> anyhow::Result<()> {
    let manifests = Manifests::read(&settings.files)?;
    let mut invalid = Vec::new();
    let mut texts = Vec::new();
    for (place, object) in &manifests.apps {
        let namespace = match namespace(settings, object, DEFAULT_NAMESPACE) {
            Ok(namespace) => namespace,
            Err(wrong) => {
                invalid.push(format!("{place}: {wrong}"));
                continue;
            }
        };
        let Some(mut app) = checked(place, object, None, &mut invalid) else {
            continue;
        };
        app.metadata.namespace = Some(namespace.clone());
        app.metadata.uid = Some(stream::UNKNOWN_UID.to_owned());
        let mut observed = Observed::of(&app);
        observed.content = content(place, &app, &manifests, &mut invalid);
        if let (None, Some(content)) = (&observed.content, &app.spec.content) {
            let name = &content.config_map_ref.name;
            eprintln!(
                "note: ConfigMap {name} is not in the files, so its content is left open: add it with --filename"
            );
            observed.content = Some(unknown_content(name));
        }
        texts.push(stream::stream(
            &app,
            &rehearsal::rehearse(&app, &mut observed),
        )?);
    }
    if !invalid.is_empty() {
        return Err(Invalid(invalid).into());
    }
    Ok(output::print(&texts.join("---\n"))?)
}

/// Prints what would change. Returns whether anything would.
async fn diff(settings: &Settings) -> anyhow::Result<bool> {
    let manifests = Manifests::read(&settings.files)?;
    let (client, of_context) = settings.connection.open().await?;
    let mut invalid = Vec::new();
    let mut text = String::new();
    for (place, object) in &manifests.apps {
        let namespace = match namespace(settings, object, &of_context) {
            Ok(namespace) => namespace,
            Err(wrong) => {
                invalid.push(format!("{place}: {wrong}"));
                continue;
            }
        };
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let former = match name {
            Some(name) => live::object(&client, &namespace, name).await?,
            None => None,
        };
        let Some(app) = checked(place, object, former.as_ref(), &mut invalid) else {
            continue;
        };
        let app = as_stored(app, &namespace, former.as_ref())?;
        let children = live::children(&client, &app).await?;
        if !children.hidden.is_empty() {
            anyhow::bail!(
                "you have no right to list {} in namespace {namespace}: without them there is nothing to compare with",
                children.hidden.join(", ")
            );
        }
        let mut observed = children.observed;
        if let Some(content) = content(place, &app, &manifests, &mut invalid) {
            observed.content = Some(content);
        }
        let rehearsal = rehearsal::rehearse(&app, &mut observed.clone());
        if let Some((step, verdict)) = &rehearsal.stuck {
            let step = step.as_str();
            eprintln!(
                "note: {place}: it goes no further than {step}: {}",
                verdict.reason().message
            );
        }
        let live = LiveObjects::read(&client, &namespace, observed, &rehearsal).await?;
        text += &difference::differences(&rehearsal, &Owner::of(&app), &live)
            .with_context(|| place.to_string())?;
    }
    if !invalid.is_empty() {
        return Err(Invalid(invalid).into());
    }
    output::print(&text)?;
    Ok(!text.is_empty())
}

/// The namespace that a ChatApp is for.
fn namespace(settings: &Settings, object: &Value, default: &str) -> Result<String, String> {
    let own = object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str);
    match (
        own.filter(|own| !own.is_empty()),
        &settings.connection.namespace,
    ) {
        (Some(own), Some(asked)) if own != asked => Err(format!(
            "metadata.namespace is {own}, but --namespace is {asked}: leave one of them out"
        )),
        (Some(own), _) => Ok(own.to_owned()),
        (None, asked) => Ok(asked.clone().unwrap_or_else(|| default.to_owned())),
    }
}

/// The ChatApp as the API server would take it; else what it would say.
fn checked(
    place: &Place,
    object: &Value,
    former: Option<&Value>,
    invalid: &mut Vec<String>,
) -> Option<ChatApp> {
    match offline::check(object, former) {
        Ok(app) => Some(app),
        Err(problems) => {
            invalid.extend(problems.iter().map(|problem| format!("{place}: {problem}")));
            None
        }
    }
}

/// What the ChatApp has from the cluster: what it is, and the annotations that somebody else has set.
fn as_stored(mut app: ChatApp, namespace: &str, former: Option<&Value>) -> anyhow::Result<ChatApp> {
    app.metadata.namespace = Some(namespace.to_owned());
    app.metadata.uid = Some(stream::UNKNOWN_UID.to_owned());
    if let Some(former) = former {
        let former: kube::api::ObjectMeta = serde_json::from_value(former["metadata"].clone())?;
        app.metadata.uid = former.uid;
        app.metadata.creation_timestamp = former.creation_timestamp;
        let mut annotations = former.annotations.unwrap_or_default();
        annotations.extend(app.metadata.annotations.take().unwrap_or_default());
        app.metadata.annotations = Some(annotations);
    }
    Ok(app)
}

/// The content that the files hold.
fn content(
    place: &Place,
    app: &ChatApp,
    manifests: &Manifests,
    invalid: &mut Vec<String>,
) -> Option<ConfigMap> {
    let name = &app.spec.content.as_ref()?.config_map_ref.name;
    let namespace = app.namespace().unwrap_or_default();
    let found = manifests.config_map(&namespace, name)?;
    let data = found.data.as_ref();
    if data.is_none_or(|data| !data.contains_key(CONTENT_KEY)) {
        invalid.push(format!(
            "{place}: spec.content.configMapRef.name: ConfigMap {name} has no key {CONTENT_KEY}: put the content there"
        ));
    }
    Some(found.clone())
}

/// Stands for a ConfigMap that nobody has shown.
fn unknown_content(name: &str) -> ConfigMap {
    let text = format!("# what ConfigMap {name} holds\n");
    ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some(name.to_owned()),
            ..kube::api::ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(CONTENT_KEY.to_owned(), text)])),
        ..ConfigMap::default()
    }
}

/// The children, and objects that only have the name of one.
struct LiveObjects {
    observed: Observed,
    namesakes: BTreeMap<(Kind, String), Value>,
}

impl LiveObjects {
    async fn read(
        client: &Client,
        namespace: &str,
        observed: Observed,
        rehearsal: &Rehearsal,
    ) -> Result<Self, live::LiveError> {
        let mut namesakes = BTreeMap::new();
        for object in &rehearsal.objects {
            let (name, kind) = (object.child.name(), Kind::named(object.child.kind()));
            let Some(kind) = kind.filter(|kind| observed.value(*kind, name).is_none()) else {
                continue;
            };
            if let Some(found) = live::by_name(client, namespace, kind, name).await? {
                namesakes.insert((kind, name.to_owned()), json!(found));
            }
        }
        Ok(Self {
            observed,
            namesakes,
        })
    }
}

impl Present for LiveObjects {
    fn present(&self, kind: Kind, name: &str) -> Option<&Value> {
        let namesake = || self.namesakes.get(&(kind, name.to_owned()));
        self.observed.value(kind, name).or_else(namesake)
    }
}

//! Somebody edits and deletes what the operator has made. All of it is back within seconds. As long as pods and Services are left
//! alone, no request fails meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{
    chat::Chat,
    chatapp,
    forward::Proxy,
    kubectl,
    load::Load,
    wait::{self, Seen},
};
use serde_json::{Value, json};

use crate::{World, example};

const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(1);
/// Within which a child has to be as before.
const SECONDS: Duration = Duration::from_secs(5);

/// What is done with kubectl: to which child, and how.
type Deed = (&'static str, &'static [&'static str]);

const HARMLESS: [Deed; 10] = [
    ("deployment/demo-server", &["scale", "--replicas=1"]),
    ("deployment/demo-server", &["scale", "--replicas=4"]),
    (
        "deployment/demo-server",
        &[
            "set",
            "image",
            "chat-server=ghcr.io/sillychat/chat-server:no-such-tag",
        ],
    ),
    (
        "deployment/demo-server",
        &["set", "env", "LOG_FORMAT=pretty"],
    ),
    ("deployment/demo-frontend", &["rollout", "pause"]),
    (
        "service/demo-server",
        &[
            "patch",
            "--type=merge",
            r#"--patch={"metadata":{"labels":{"app.kubernetes.io/component":"other"}}}"#,
        ],
    ),
    ("deployment/demo-server", &["delete", "--cascade=orphan"]),
    ("networkpolicy/demo-server", &["delete"]),
    ("poddisruptionbudget/demo-server", &["delete"]),
    ("serviceaccount/demo-pods", &["delete"]),
];

const HARMFUL: [Deed; 3] = [
    ("service/demo-server", &["delete"]),
    ("deployment/demo-frontend", &["delete"]),
    (
        "service/demo-server",
        &[
            "patch",
            "--type=merge",
            r#"--patch={"spec":{"selector":{"app.kubernetes.io/component":"other"}}}"#,
        ],
    ),
];

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let proxy = Proxy::open().await?;
    let chat = Chat::at(&proxy.url(example::NAMESPACE, "demo-frontend"))?;
    let load = Load::start(&chat, CLIENTS, PACE).await?;
    for deed in HARMLESS {
        undone(deed).await?;
    }
    chatapp::ready(&world.client, example::NAMESPACE, "demo", example::PATIENCE).await?;
    load.goes_on(PATIENCE).await?;
    say!("{}", load.no_request_failed().await?);

    let load = Load::start(&chat, CLIENTS, PACE).await?;
    for deed in HARMFUL {
        undone(deed).await?;
        load.goes_on(PATIENCE).await?;
    }
    say!("{}", load.nothing_is_lost().await?);
    chatapp::ready(&world.client, example::NAMESPACE, "demo", example::PATIENCE).await?;
    Ok(())
}

/// Does it, and waits until the child is as before.
async fn undone((child, deed): Deed) -> Result<()> {
    let before = wanted(child).await?.context("it isn't there")?;
    let uid = uid(child).await?;
    let (verb, rest) = deed.split_first().context("no verb")?;
    // kubectl wants the object after `set image` and the like, and before what it sets.
    let (second, rest) = match rest.split_first() {
        Some((word, rest)) if !word.starts_with("--") => (Some(word), rest),
        _ => (None, rest),
    };
    let mut arguments = vec!["--namespace", example::NAMESPACE, verb];
    arguments.extend(second);
    arguments.push(child);
    arguments.extend(rest);
    kubectl::run(&arguments).await?;
    let began = Instant::now();
    wait::until(&format!("{child} to be as before"), SECONDS, async || {
        let now = wanted(child).await?;
        Ok(Seen::when(now.as_ref() == Some(&before), || {
            format!("{now:?}")
        }))
    })
    .await
    .with_context(|| format!("{deed:?}"))?;
    if *verb == "delete" {
        ensure!(self::uid(child).await? != uid, "{child} was not deleted");
    }
    say!(
        "{child} {}: undone {:.1} s after kubectl",
        deed.join(" "),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What the operator decides of a child: labels and spec. The addresses of a Service are Kubernetes' to choose.
async fn wanted(child: &str) -> Result<Option<Value>> {
    let Some(object) = get(child).await? else {
        return Ok(None);
    };
    let mut spec = object["spec"].clone();
    if let Value::Object(spec) = &mut spec {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    Ok(Some(
        json!({"labels": object["metadata"]["labels"], "spec": spec}),
    ))
}

async fn uid(child: &str) -> Result<Option<Value>> {
    let object = get(child).await?;
    Ok(object.map(|object| object["metadata"]["uid"].clone()))
}

async fn get(child: &str) -> Result<Option<Value>> {
    let arguments = [
        "--namespace",
        example::NAMESPACE,
        "get",
        child,
        "--ignore-not-found",
        "--output=json",
    ];
    let object = kubectl::run(&arguments).await?;
    if object.is_empty() {
        return Ok(None);
    }
    let object = serde_json::from_str(&object).context("kubectl's JSON")?;
    Ok(Some(object))
}

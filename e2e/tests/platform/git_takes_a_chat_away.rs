//! Somebody removes a ChatApp from Git, and somebody else the whole application: Argo CD asks first, and whatever it removes then, the
//! conversations stay and come back with the ChatApp.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chatapp_crds::RETAINED_LABEL;
use e2e::{
    argocd, chatapp,
    conversation::Conversation,
    database::Database,
    git::Branch,
    kubectl, namespace, repository,
    wait::{self, Seen},
};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::{World, example};

/// Of the application, its project, its branch and its namespace.
const NAME: &str = "chatapp-e2e-git";
const APP: &str = "demo";
const DATABASE: Database = Database {
    namespace: NAME,
    cluster: "demo-db",
};
const PATIENCE: Duration = Duration::from_mins(2);
const BASE: &str = "manifests/chatapp/base";
const WITH_APP: &str = "resources: [../base]\npatches: [{path: settings.yaml}]\n";

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    remove_application(client).await?;
    namespace::make(client, NAME).await?;
    let branch = Branch::new(NAME).await?;
    let told = tell(client, &branch).await;
    // They would be in the way of the next `up` and of the next run.
    remove_application(client).await?;
    branch.delete().await?;
    told?;
    namespace::remove(client, NAME).await
}

async fn tell(client: &Client, branch: &Branch) -> Result<()> {
    write_environment(branch)?;
    let commit = branch.push("A chat").await?;
    create_application(&branch.url).await?;
    until_synced(client, &commit).await?;
    chatapp::ready(client, NAME, APP, example::PATIENCE).await?;
    let conversation = Conversation::hold(NAME, APP).await?;
    let messages = DATABASE.messages(client).await?;
    let uid = DATABASE
        .find(client)
        .await?
        .and_then(|cluster| cluster.uid());

    set_resources(branch, "")?;
    branch.push("No chat").await?;
    argocd::refresh(client, NAME).await?;
    until_asked(client).await?;
    conversation
        .goes_on()
        .await
        .context("before the removal is confirmed")?;
    let messages_then = DATABASE.messages(client).await?;
    ensure!(
        messages != messages_then,
        "the checksum doesn't notice a message"
    );
    let began = Instant::now();
    approve(client).await?;
    until_left_behind(client, &messages_then, uid.as_deref()).await?;
    say!(
        "pruned {:.1} s after the confirmation; {messages_then}",
        began.elapsed().as_secs_f64()
    );

    set_resources(branch, WITH_APP)?;
    let commit = branch.push("The chat again").await?;
    argocd::refresh(client, NAME).await?;
    until_synced(client, &commit).await?;
    chatapp::ready(client, NAME, APP, example::PATIENCE).await?;
    conversation.goes_on().await.context("after it came back")?;

    let messages = DATABASE.messages(client).await?;
    let began = Instant::now();
    let delete = [
        "--namespace",
        argocd::NAMESPACE,
        "delete",
        "application",
        NAME,
        "--wait=false",
    ];
    kubectl::run(&delete).await?;
    approve(client).await?;
    until_left_behind(client, &messages, uid.as_deref()).await?;
    wait::until("the application to be gone", PATIENCE, async || {
        let application = argocd::find(client, NAME).await?;
        Ok(Seen::when(application.is_none(), || {
            format!("{application:?}")
        }))
    })
    .await?;
    say!(
        "the application was gone after {:.1} s; {messages}",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The repository's own base, in an environment as small as it gets.
fn write_environment(branch: &Branch) -> Result<()> {
    for entry in fs::read_dir(repository::root().join(BASE)).context(BASE)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        branch.write(&format!("base/{name}"), &fs::read_to_string(&path)?)?;
    }
    branch.write("env/settings.yaml", &example::small(APP)?.to_string())?;
    branch.write("env/content.yaml", &content())?;
    set_resources(branch, WITH_APP)
}

fn content() -> String {
    let dialogue = json!({"text": "hello", "replies": ["Git says hello."]});
    json!({"greetings": ["Hi."], "fallbacks": ["Go on."], "dialogues": [dialogue]}).to_string()
}

/// The content stays: an application without anything is never synced by itself.
fn set_resources(branch: &Branch, resources: &str) -> Result<()> {
    let kustomization = format!(
        "namespace: {NAME}\n{resources}configMapGenerator: [{{name: demo-content, files: [content.yaml]}}]\n\
         generatorOptions: {{disableNameSuffixHash: true}}\n"
    );
    branch.write("env/kustomization.yaml", &kustomization)
}

async fn create_application(url: &str) -> Result<()> {
    let destination = json!({"server": "https://kubernetes.default.svc", "namespace": NAME});
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": NAME},
        "spec": {
            "sourceRepos": [url], "destinations": [destination],
            "namespaceResourceWhitelist": [{"group": "", "kind": "ConfigMap"}, {"group": "sillychat.io", "kind": "ChatApp"}],
        },
    });
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {
            "name": NAME,
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            "annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
        },
        "spec": {
            "project": NAME, "destination": destination,
            "source": {"repoURL": url, "targetRevision": NAME, "path": "env"},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["ServerSideApply=true"]},
        },
    });
    kubectl::apply(argocd::NAMESPACE, &project).await?;
    kubectl::apply(argocd::NAMESPACE, &application).await
}

async fn remove_application(client: &Client) -> Result<()> {
    let delete = |kind, more| {
        [
            "--namespace",
            argocd::NAMESPACE,
            "delete",
            kind,
            NAME,
            "--ignore-not-found",
            more,
        ]
    };
    if argocd::find(client, NAME).await?.is_some() {
        kubectl::run(&delete("application", "--wait=false")).await?;
        // Nothing that it has made is left to Argo CD: the namespace goes as a whole.
        let patch = r#"--patch={"metadata":{"finalizers":null}}"#;
        let release = [
            "--namespace",
            argocd::NAMESPACE,
            "patch",
            "application",
            NAME,
            "--type=merge",
            patch,
        ];
        kubectl::attempt(&release, None).await?;
    }
    kubectl::run(&delete("appproject", "--wait=true"))
        .await
        .map(drop)
}

async fn until_synced(client: &Client, commit: &str) -> Result<()> {
    let mut looks = 0_usize;
    wait::until(
        &format!("the application to be at {commit}"),
        example::PATIENCE,
        async || {
            let application = argocd::find(client, NAME)
                .await?
                .context("no application")?;
            // Argo CD may miss that something has become healthy right after it was applied.
            looks += 1;
            if looks.is_multiple_of(40) {
                argocd::refresh(client, NAME).await?;
            }
            Ok(Seen::when(application.is_at(commit), || {
                format!("{application:?}")
            }))
        },
    )
    .await
}

/// Waits until Argo CD waits for somebody to confirm the removal.
async fn until_asked(client: &Client) -> Result<()> {
    let told = wait::until("Argo CD to ask", PATIENCE, async || {
        let application = argocd::find(client, NAME)
            .await?
            .context("no application")?;
        let message = application.message().to_owned();
        Ok(if message.contains("confirm") {
            Seen::Done(message)
        } else {
            Seen::NotYet(message)
        })
    })
    .await?;
    say!("Argo CD: {told}");
    Ok(())
}

async fn approve(client: &Client) -> Result<()> {
    let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
    argocd::approve_deletion(client, NAME, &now).await
}

/// Waits until the ChatApp is gone. Its database isn't.
async fn until_left_behind(client: &Client, messages: &str, uid: Option<&str>) -> Result<()> {
    wait::until("the ChatApp to be gone", PATIENCE, async || {
        let app = chatapp::find(client, NAME, APP).await?;
        Ok(Seen::when(app.is_none(), || "it is still there".to_owned()))
    })
    .await?;
    let cluster = DATABASE
        .find(client)
        .await?
        .context("the Cluster is gone")?;
    ensure!(cluster.uid().as_deref() == uid, "it is another Cluster");
    ensure!(
        cluster.metadata.deletion_timestamp.is_none()
            && cluster.labels().contains_key(RETAINED_LABEL),
        "the Cluster isn't labelled as left behind: {:?}",
        cluster.metadata
    );
    let now = DATABASE.messages(client).await?;
    ensure!(now == messages, "before: {messages}; after: {now}");
    Ok(())
}

//! An application of a story's own: the repository's base, in a namespace, a project and a branch that nothing else uses.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use e2e::{
    argocd,
    git::Branch,
    kubectl, namespace, repository,
    wait::{self, Seen},
};
use kube::Client;
use serde_json::json;

use crate::example;

const PATIENCE: Duration = Duration::from_mins(2);
/// What its environment may use of the repository.
const SHARED: [&str; 2] = ["base", "components/autoscaling"];

/// It has no application until `create`.
pub(crate) struct OwnApplication {
    /// Of the application, its project, its branch and its namespace.
    name: &'static str,
    branch: Branch,
}

impl OwnApplication {
    /// An empty namespace, and a branch with what the repository shares and some content.
    pub(crate) async fn prepare(client: &Client, name: &'static str) -> Result<Self> {
        remove_application(client, name).await?;
        namespace::make(client, name).await?;
        let branch = Branch::new(name).await?;
        for folder in SHARED {
            let source = repository::root().join("manifests/chatapp").join(folder);
            for entry in fs::read_dir(&source).with_context(|| source.display().to_string())? {
                let path = entry?.path();
                let file = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                branch.write(&format!("{folder}/{file}"), &fs::read_to_string(&path)?)?;
            }
        }
        branch.write("env/content.yaml", &content())?;
        Ok(Self { name, branch })
    }

    /// Writes the environment's settings.
    pub(crate) fn set_settings(&self, settings: &serde_json::Value) -> Result<()> {
        self.branch
            .write("env/settings.yaml", &settings.to_string())
    }

    /// Writes what the environment consists of. The content stays: an application without anything is never synced by itself.
    pub(crate) fn set_resources(&self, resources: &str) -> Result<()> {
        let name = self.name;
        let kustomization = format!(
            "namespace: {name}\n{resources}configMapGenerator: [{{name: demo-content, files: [content.yaml]}}]\n\
             generatorOptions: {{disableNameSuffixHash: true}}\n"
        );
        self.branch.write("env/kustomization.yaml", &kustomization)
    }

    /// Commits and pushes; the answer is the commit.
    pub(crate) async fn push(&self, message: &str) -> Result<String> {
        self.branch.push(message).await
    }

    /// Has Argo CD sync it from now on.
    pub(crate) async fn create(&self) -> Result<()> {
        let (name, url) = (self.name, &self.branch.url);
        let destination = json!({"server": "https://kubernetes.default.svc", "namespace": name});
        let project = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": name},
            "spec": {
                "sourceRepos": [url], "destinations": [destination],
                "namespaceResourceWhitelist": [{"group": "", "kind": "ConfigMap"}, {"group": "sillychat.io", "kind": "ChatApp"}],
            },
        });
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {
                "name": name,
                "finalizers": ["resources-finalizer.argocd.argoproj.io"],
                "annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
            },
            "spec": {
                "project": name, "destination": destination,
                "source": {"repoURL": url, "targetRevision": name, "path": "env"},
                "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["ServerSideApply=true"]},
            },
        });
        kubectl::apply(argocd::NAMESPACE, &project).await?;
        kubectl::apply(argocd::NAMESPACE, &application).await
    }

    /// What Argo CD says of it.
    pub(crate) async fn read(&self, client: &Client) -> Result<argocd::Application> {
        let application = argocd::find(client, self.name).await?;
        application.with_context(|| format!("there is no application {}", self.name))
    }

    /// Waits until the cluster is what a commit says.
    pub(crate) async fn until_synced(&self, client: &Client, commit: &str) -> Result<()> {
        argocd::until_at(client, self.name, commit, example::PATIENCE).await
    }

    /// Removes all of it but the namespace: the rest would be in the way of the next `up` and of the next run.
    pub(crate) async fn remove(self, client: &Client) -> Result<()> {
        remove_application(client, self.name).await?;
        self.branch.delete().await
    }

    /// Waits until there is no such application.
    pub(crate) async fn until_gone(&self, client: &Client) -> Result<()> {
        wait::until("the application to be gone", PATIENCE, async || {
            let application = argocd::find(client, self.name).await?;
            Ok(Seen::when(application.is_none(), || {
                format!("{application:?}")
            }))
        })
        .await
    }
}

fn content() -> String {
    let dialogue = json!({"text": "hello", "replies": ["Git says hello."]});
    json!({"greetings": ["Hi."], "fallbacks": ["Go on."], "dialogues": [dialogue]}).to_string()
}

async fn remove_application(client: &Client, name: &str) -> Result<()> {
    let delete = |kind, more| {
        [
            "--namespace",
            argocd::NAMESPACE,
            "delete",
            kind,
            name,
            "--ignore-not-found",
            more,
        ]
    };
    if argocd::find(client, name).await?.is_some() {
        kubectl::run(&delete("application", "--wait=false")).await?;
        // Nothing that it has made is left to Argo CD: the namespace goes as a whole.
        let patch = r#"--patch={"metadata":{"finalizers":null}}"#;
        let release = [
            "--namespace",
            argocd::NAMESPACE,
            "patch",
            "application",
            name,
            "--type=merge",
            patch,
        ];
        kubectl::attempt(&release, None).await?;
    }
    kubectl::run(&delete("appproject", "--wait=true"))
        .await
        .map(drop)
}

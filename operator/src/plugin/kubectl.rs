//! What `kubectl` itself does best, with the arguments that a ChatApp asks for: logs of many pods, and a terminal in one. The program
//! becomes `kubectl`, so that signals, the terminal and the exit code are its own.

use std::{
    ffi::OsString, io::IsTerminal as _, os::unix::process::CommandExt as _, process::Command,
};

use chatapp_crds::ChatApp;
use clap::{Args, ValueEnum};
use kube::ResourceExt;
use serde_json::Value;

use crate::{
    connection::Connection,
    plan::{APP_LABEL, COMPONENT_LABEL, Component, database_name, is_hibernating},
};

/// Pods whose logs are followed at once; `kubectl`'s own limit is 5.
const MOST_PODS: &str = "50";
/// CloudNativePG's container of an instance.
const POSTGRES: &str = "postgres";
/// The database in a Cluster that the operator makes.
const DATABASE: &str = "app";

/// A part of a ChatApp that has logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The chat servers.
    Server,
    /// The page.
    Page,
    /// The migration's Jobs.
    Migration,
    /// The Jobs that check and load the content.
    Content,
    /// The import's Jobs.
    Import,
    /// The Jobs that delete what is old.
    Retention,
    /// PostgreSQL.
    Database,
    /// `PgBouncer`.
    Pooler,
}

impl Part {
    const fn component(self) -> Component {
        match self {
            Self::Server => Component::Server,
            Self::Page => Component::Frontend,
            Self::Migration => Component::Migration,
            Self::Content => Component::Content,
            Self::Import => Component::Import,
            Self::Retention => Component::Retention,
            Self::Database => Component::Database,
            Self::Pooler => Component::Pooler,
        }
    }
}

/// Which log lines.
#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// Name of the ChatApp.
    pub(crate) name: String,
    /// The part whose pods are meant.
    #[arg(long, short, value_enum, default_value = "server")]
    pub(crate) component: Part,
    /// Go on with lines as they come. Pods that are made later are not among them.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only so many of the last lines of each container; -1 is all.
    #[arg(long, default_value_t = 100, allow_negative_numbers = true)]
    pub(crate) tail: i64,
    /// Lines of the containers before their last restart.
    #[arg(long, short)]
    pub(crate) previous: bool,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PsqlError {
    #[error(
        "{app} uses somebody else's PostgreSQL, whose URL is in Secret {secret}, key {key}. Where it can be reached:\n  \
         psql \"$(kubectl --namespace {namespace} get secret {secret} --output go-template='{{{{index .data \"{key}\" | base64decode}}}}')\""
    )]
    External {
        app: String,
        namespace: String,
        secret: String,
        key: String,
    },
    #[error("{0} is suspended, its database hibernates: write suspend: false first")]
    Hibernates(String),
    #[error("Cluster {0} has no primary yet: kubectl chatapp status tells how far it is")]
    NoPrimary(String),
    #[error("there is no Cluster {0} yet: kubectl chatapp status tells what it waits for")]
    NoCluster(String),
}

/// Arguments of `kubectl` for logs.
pub(crate) fn logs(connection: &Connection, namespace: &str, logs: &Logs) -> Vec<OsString> {
    let mut arguments = common(connection, namespace);
    let labels = [
        (APP_LABEL, logs.name.as_str()),
        (COMPONENT_LABEL, logs.component.component().as_str()),
    ];
    let selector: Vec<String> = labels
        .map(|(label, value)| format!("{label}={value}"))
        .into();
    arguments.extend(
        [
            "logs".to_owned(),
            format!("--selector={}", selector.join(",")),
            "--all-containers".to_owned(),
            "--prefix".to_owned(),
            // A container that hasn't started keeps nobody from reading the others.
            "--ignore-errors".to_owned(),
            format!("--max-log-requests={MOST_PODS}"),
            format!("--tail={}", logs.tail),
        ]
        .map(OsString::from),
    );
    for (is_wanted, flag) in [(logs.follow, "--follow"), (logs.previous, "--previous")] {
        if is_wanted {
            arguments.push(flag.into());
        }
    }
    arguments
}

/// Arguments of `kubectl` for `psql` in the primary of the ChatApp's own Cluster.
pub(crate) fn psql(
    connection: &Connection,
    app: &ChatApp,
    cluster: Option<&Value>,
    has_terminal: bool,
    arguments: &[String],
) -> Result<Vec<OsString>, PsqlError> {
    let (name, namespace) = (app.name_any(), app.namespace().unwrap_or_default());
    if let Some(external) = &app.spec.database.external {
        return Err(PsqlError::External {
            app: name,
            namespace,
            secret: external.url_secret_ref.name.clone(),
            key: external.url_secret_ref.key.clone(),
        });
    }
    let cluster = cluster.ok_or_else(|| PsqlError::NoCluster(database_name(app)))?;
    if is_hibernating(cluster) {
        return Err(PsqlError::Hibernates(name));
    }
    let primary = cluster
        .pointer("/status/currentPrimary")
        .and_then(Value::as_str);
    let primary = primary.filter(|primary| !primary.is_empty());
    let primary = primary.ok_or_else(|| PsqlError::NoPrimary(database_name(app)))?;
    let mut all = common(connection, &namespace);
    let terminal = if has_terminal { "--tty" } else { "--tty=false" };
    let command = [
        "exec",
        "--stdin",
        terminal,
        primary,
        "--container",
        POSTGRES,
        "--",
        "psql",
        "--dbname",
        DATABASE,
    ];
    all.extend(command.map(OsString::from));
    all.extend(arguments.iter().map(OsString::from));
    Ok(all)
}

/// The cluster and the namespace that are meant.
fn common(connection: &Connection, namespace: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--namespace".into(), namespace.into()];
    if let Some(context) = &connection.context {
        arguments.extend(["--context".into(), context.into()]);
    }
    if let Some(kubeconfig) = &connection.kubeconfig {
        arguments.extend(["--kubeconfig".into(), kubeconfig.into()]);
    }
    arguments
}

/// Whether a person sits at both ends.
pub(crate) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Becomes `kubectl`. Comes back only if that fails.
pub(crate) fn become_kubectl(arguments: &[OsString]) -> anyhow::Error {
    let error = Command::new("kubectl").args(arguments).exec();
    anyhow::Error::new(error).context("kubectl can't be started: is it on PATH?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(database: &Value) -> ChatApp {
        let app = json!({
            "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": "demo", "namespace": "dev"},
            "spec": {"server": {"image": "s"}, "frontend": {"image": "f"}, "database": database},
        });
        serde_json::from_value(app).expect("a ChatApp")
    }

    fn own() -> ChatApp {
        app(&json!({"cluster": {"storage": {"size": "1Gi"}}}))
    }

    fn words(arguments: &[OsString]) -> String {
        let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
        words.join(" ")
    }

    fn connection() -> Connection {
        Connection {
            context: Some("kind".to_owned()),
            ..Connection::default()
        }
    }

    #[test]
    fn logs_are_those_of_the_part_s_pods() {
        let wanted = Logs {
            name: "demo".to_owned(),
            component: Part::Page,
            follow: true,
            tail: 5,
            previous: false,
        };
        assert_eq!(
            words(&logs(&connection(), "dev", &wanted)),
            "--namespace dev --context kind logs --selector=sillychat.io/chatapp=demo,app.kubernetes.io/component=frontend \
             --all-containers --prefix --ignore-errors --max-log-requests=50 --tail=5 --follow"
        );
    }

    #[test]
    fn psql_runs_in_the_primary() {
        let cluster = json!({"status": {"currentPrimary": "demo-db-2"}});
        let more = ["--command".to_owned(), "select 1".to_owned()];
        let arguments = psql(&Connection::default(), &own(), Some(&cluster), true, &more);
        assert_eq!(
            words(&arguments.expect("arguments")),
            "--namespace dev exec --stdin --tty demo-db-2 --container postgres -- psql --dbname app --command select 1"
        );
        let piped = psql(&Connection::default(), &own(), Some(&cluster), false, &[]);
        assert!(words(&piped.expect("arguments")).contains("--tty=false"));
    }

    #[test]
    fn without_a_primary_there_is_no_psql() {
        let said = |app: &ChatApp, cluster: Option<&Value>| {
            let arguments = psql(&Connection::default(), app, cluster, true, &[]);
            arguments.expect_err("an error").to_string()
        };
        assert!(said(&own(), None).starts_with("there is no Cluster demo-db yet"));
        assert!(
            said(&own(), Some(&json!({"status": {}})))
                .starts_with("Cluster demo-db has no primary yet")
        );
        let asleep = json!({"status": {"currentPrimary": "demo-db-1", "conditions": [{"type": "cnpg.io/hibernation", "status": "True"}]}});
        assert!(said(&own(), Some(&asleep)).starts_with("demo is suspended"));
        let external =
            app(&json!({"external": {"urlSecretRef": {"name": "database", "key": "url"}}}));
        assert_eq!(
            said(&external, None),
            "demo uses somebody else's PostgreSQL, whose URL is in Secret database, key url. Where it can be reached:\n  \
             psql \"$(kubectl --namespace dev get secret database --output go-template='{{index .data \"url\" | base64decode}}')\""
        );
    }
}

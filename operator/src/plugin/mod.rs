//! `kubectl chatapp`: what a person wants to know of a ChatApp, and the few things to do to it by hand. It asks the API server and
//! reads what the operator has reported; it is no second operator.

mod kubectl;
mod retry;
mod status;
mod why;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Context as _;
use chatapp_crds::{ChatApp, ConditionType};
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use kube::{
    Api,
    api::{Patch, PatchParams},
};

use crate::{connection::Connection, kinds::Kind, live, output::print, plan::database_name};

/// Field manager of what a person changes with this program.
const FIELD_MANAGER: &str = "kubectl-chatapp";

/// Looks after ChatApps
#[derive(Parser)]
#[command(name = "kubectl chatapp", bin_name = "kubectl chatapp", version)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a ChatApp and its parts as a tree
    Status {
        /// Name of the ChatApp
        name: String,
    },
    /// Say in one line why a ChatApp isn't ready; the exit code is 0 if it is
    Why {
        /// Name of the ChatApp
        name: String,
    },
    /// Show the logs of a part
    Logs(kubectl::Logs),
    /// What has to do with migrations
    #[command(subcommand)]
    Migrate(Migrate),
    /// Run psql in the database's primary
    Psql {
        /// Name of the ChatApp
        name: String,
        /// For psql, after --
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Migrate {
    /// Run a failed Job again: the migration's, or the content's or the import's behind it
    Retry {
        /// Name of the ChatApp
        name: String,
        /// Also if none has failed; one that runs is stopped and begun again
        #[arg(long)]
        force: bool,
    },
}

/// Does what is asked. Exit code 1: it isn't so, or it didn't work.
pub async fn run(arguments: Arguments) -> ExitCode {
    match arguments.run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let Self {
            connection,
            command,
        } = self;
        let (client, namespace) = connection.open().await?;
        let app = async |name: &str| live::app(&client, &namespace, name).await;
        match command {
            Command::Status { name } => {
                let app = app(&name).await?;
                let children = live::children(&client, &app).await?;
                print(&status::status(&app, &children, Timestamp::now()))?;
            }
            Command::Why { name } => {
                let answer = why::why(&app(&name).await?);
                print(&format!("{}\n", answer.line))?;
                if !answer.is_ready {
                    return Ok(ExitCode::FAILURE);
                }
            }
            Command::Logs(logs) => {
                app(&logs.name).await?;
                let arguments = kubectl::logs(&connection, &namespace, &logs);
                return Err(kubectl::become_kubectl(&arguments));
            }
            Command::Migrate(Migrate::Retry { name, force }) => {
                let app = app(&name).await?;
                let failed = retry::failed(&app);
                if failed.is_empty() && !force {
                    anyhow::bail!(
                        "no Job of {name} has failed, there is nothing to run again (--force does it all the same)"
                    );
                }
                let apps: Api<ChatApp> = Api::namespaced(client.clone(), &namespace);
                let params = PatchParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let patch = Patch::Merge(retry::patch(&app, Timestamp::now()));
                let patched = apps.patch_metadata(&name, &params, &patch).await;
                patched.with_context(|| format!("ChatApp {name}"))?;
                let what: Vec<&str> = failed.iter().copied().map(ConditionType::as_str).collect();
                let what = if what.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", what.join(", "))
                };
                print(&format!(
                    "{name}: asked the operator to run the Job again{what}; kubectl chatapp status {name} tells how it goes\n"
                ))?;
            }
            Command::Psql { name, arguments } => {
                let app = app(&name).await?;
                let cluster = if app.spec.database.cluster.is_some() {
                    live::by_name(&client, &namespace, Kind::Cluster, &database_name(&app)).await?
                } else {
                    None
                };
                let has_terminal = kubectl::has_terminal();
                let arguments = kubectl::psql(
                    &connection,
                    &app,
                    cluster.as_ref(),
                    has_terminal,
                    &arguments,
                )?;
                return Err(kubectl::become_kubectl(&arguments));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

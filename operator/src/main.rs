//! The operator's command line.

use std::process::ExitCode;

use chatapp_operator::{
    preview,
    process::{
        self,
        telemetry::{self, LogFormat},
    },
};
use clap::{Parser, Subcommand};

/// Keeps ChatApps as their specs want them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How log lines look.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_enum,
        default_value = "pretty",
        global = true
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch and reconcile, with the cluster of KUBECONFIG or of the pod.
    Run(process::Settings),
    /// Check ChatApps in files and print the objects that would come of them; no cluster is needed.
    Plan(preview::Settings),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run(settings) => {
            let telemetry = telemetry::start(arguments.log_format);
            let done = process::run(settings).await;
            telemetry.stop().await;
            done.map(|()| ExitCode::SUCCESS)
        }
        Command::Plan(settings) => Ok(preview::run(settings).await),
    }
}

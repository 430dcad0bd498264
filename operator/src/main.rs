//! The operator's command line.

use chatapp_operator::process::{
    self,
    telemetry::{self, LogFormat},
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let telemetry = telemetry::start(arguments.log_format)?;
    let done = match arguments.command {
        Command::Run(settings) => process::run(settings).await,
    };
    telemetry.stop().await;
    done
}

//! The command line of `kubectl chatapp`: `kubectl` runs the program of this name that it finds on PATH.

use std::process::ExitCode;

use chatapp_operator::plugin::{self, Arguments};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    plugin::run(Arguments::parse()).await
}

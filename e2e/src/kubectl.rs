//! The real kubectl, for what a person does with it: apply a file, run a command in a pod. Reading and watching go
//! through the API client instead.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// What a kubectl command came to.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it ended with exit code 0.
    pub succeeded: bool,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// The kubectl on `PATH`, otherwise the one in the cache of `./just up`.
#[must_use]
pub fn program() -> PathBuf {
    let on_path = env::var_os("PATH").and_then(|path| {
        env::split_paths(&path)
            .map(|folder| folder.join("kubectl"))
            .find(|file| file.is_file())
    });
    let cache = env::var_os("CHATAPP_CACHE")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache/chatapp")));
    on_path
        .or_else(|| cache.map(|cache| cache.join("bin/kubectl")))
        .unwrap_or_else(|| "kubectl".into())
}

/// Runs kubectl and gives back what came of it, whatever that is.
pub async fn attempt(arguments: &[&str], stdin: Option<&Value>) -> Result<Outcome> {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", program().display()))?;
    if let Some(mut pipe) = child.stdin.take()
        && let Some(object) = stdin
    {
        pipe.write_all(object.to_string().as_bytes())
            .await
            .context("write to kubectl")?;
    }
    let output = child.wait_with_output().await.context("wait for kubectl")?;
    Ok(Outcome {
        succeeded: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Runs kubectl and gives back what it printed; an exit code other than 0 is an error with its complaint.
pub async fn run(arguments: &[&str]) -> Result<String> {
    let outcome = attempt(arguments, None).await?;
    ensure!(
        outcome.succeeded,
        "kubectl {}: {}",
        arguments.join(" "),
        outcome.stderr
    );
    Ok(outcome.stdout)
}

/// Applies a file of the repository, as its readers are told to.
pub async fn apply_file(namespace: &str, file: &Path) -> Result<()> {
    let file = file.to_str().context("the file's name is not UTF-8")?;
    run(&[
        "--namespace",
        namespace,
        "apply",
        "--server-side",
        "--filename",
        file,
    ])
    .await
    .map(drop)
}

/// Applies an object: the same as a file with that object.
pub async fn apply(namespace: &str, object: &Value) -> Result<()> {
    let outcome = attempt(
        &[
            "--namespace",
            namespace,
            "apply",
            "--server-side",
            "--filename",
            "-",
        ],
        Some(object),
    )
    .await?;
    ensure!(outcome.succeeded, "kubectl apply: {}", outcome.stderr);
    Ok(())
}

/// What the API server would say to an object; nothing is changed.
pub async fn dry_run(namespace: &str, object: &Value) -> Result<Outcome> {
    let arguments = [
        "--namespace",
        namespace,
        "apply",
        "--server-side",
        "--dry-run=server",
        "--filename",
        "-",
    ];
    attempt(&arguments, Some(object)).await
}

/// A kubectl that listens on a port of 127.0.0.1 for as long as this value lives.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub url: String,
    _process: Child,
    // Kept open: kubectl prints a line for each connection and must not find a closed pipe.
    _output: Lines<BufReader<ChildStdout>>,
}

/// Starts a kubectl that says in its first line where it listens.
pub async fn listen(arguments: &[&str]) -> Result<Listener> {
    let mut process = Command::new(program())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", program().display()))?;
    let mut output = BufReader::new(process.stdout.take().context("kubectl's output")?).lines();
    let Some(line) = output.next_line().await.context("read kubectl's output")? else {
        let failed = process
            .wait_with_output()
            .await
            .context("wait for kubectl")?;
        bail!(
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&failed.stderr).trim()
        );
    };
    let address = line
        .split_whitespace()
        .find(|word| word.starts_with("127.0.0.1:"))
        .with_context(|| format!("no address in kubectl's line: {line}"))?;
    Ok(Listener {
        url: format!("http://{address}"),
        _process: process,
        _output: output,
    })
}

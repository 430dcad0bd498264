//! The program itself: `chat-server` with given arguments and nothing from the environment of the tests.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

/// `chat-server`, with no setting from outside.
pub(crate) fn chat_server(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Run to the end.
pub(crate) fn run(arguments: &[&str]) -> Finished {
    Finished::from(chat_server(arguments).output().expect("chat-server runs"))
}

/// Run to the end, with this as standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &[u8]) -> Finished {
    let mut child = chat_server(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("chat-server runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may have read enough before the end.
    let _ = stdin.write_all(input);
    drop(stdin);
    Finished::from(child.wait_with_output().expect("it ends"))
}

pub(crate) fn migrate(url: &str) -> Finished {
    run(&["migrate", "--database-url", url])
}

/// Start a `migrate` and don't wait for it.
pub(crate) fn begin_migrate(url: &str) -> Child {
    chat_server(&["migrate", "--database-url", url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("chat-server runs")
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The run failed with this code and says this on standard error.
    #[track_caller]
    pub(crate) fn expect_failure(self, code: i32, reason: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(reason), "{reason:?} isn't in {self:?}");
        self
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

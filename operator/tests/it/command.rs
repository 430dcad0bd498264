//! The programs that a person runs, as they are: what they print, and how they end.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::api_server::{ADMINISTRATOR, ApiServer};

/// What a program had to say.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().expect("an exit code"),
            out: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }
}

/// `chatapp-operator plan --filename -` with these arguments more.
pub(crate) fn plan(manifests: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatapp-operator"));
    command.args(["plan", "--filename", "-"]).args(arguments);
    let mut child = command
        .env_remove("KUBECONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("standard input");
    input
        .write_all(manifests.as_bytes())
        .expect("standard input");
    drop(input);
    child.wait_with_output().expect("its end").into()
}

/// A kubeconfig for a person with all rights, in this directory.
pub(crate) fn kubeconfig(server: &ApiServer, directory: &Path) -> String {
    let file = directory.join("person.kubeconfig");
    let content = server.kubeconfig(ADMINISTRATOR, None).to_string();
    std::fs::write(&file, content).expect("a kubeconfig");
    file.display().to_string()
}

/// `kubectl chatapp` with these arguments: the real `kubectl` has to find the program.
pub(crate) fn kubectl_chatapp(kubeconfig: &str, arguments: &[&str]) -> Said {
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-chatapp"));
    let path = std::env::var("PATH").expect("PATH");
    let folder = plugin.parent().expect("a folder").display();
    let output = Command::new(crate::api_server::programs().join("kubectl"))
        .arg("chatapp")
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env("PATH", format!("{folder}:{path}"))
        .output();
    output.expect("kubectl").into()
}

//! A program that runs for as long as this process holds it, and no longer, however this process ends: a shell in between
//! stops it as soon as the pipe from here is closed.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use std::os::unix::process::CommandExt;

/// Stops the program with the signal; if that takes too long by force, and says so by its exit code. Removes a directory, if
/// it is given one, afterwards.
const SUPERVISOR: &str = r#"
signal=$1 directory=$2
shift 2
"$@" &
program=$!
exec 2>/dev/null
read -r _
kill -s "$signal" $program
for _ in {1..300}; do
  kill -0 $program || break
  sleep 0.1
done
kill -s KILL $program && killed=1
[ -z "$directory" ] || rm -rf "$directory"
exit ${killed:-0}
"#;

/// A running program.
pub(crate) struct Process(Child);

impl Process {
    /// Starts the program. What it prints goes to `log`; `signal` is what ends it.
    pub(crate) fn start(
        command: &[String],
        environment: &[(&str, &str)],
        log: &Path,
        signal: &str,
        directory_to_remove: &str,
    ) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log");
        let supervisor = Command::new("bash")
            .args(["-c", SUPERVISOR, "supervisor", signal, directory_to_remove])
            .args(command)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // An interrupt at the terminal is for the tests, which then close the pipe.
            .process_group(0)
            .spawn()
            .expect("bash");
        Self(supervisor)
    }

    /// Ends the program and waits for it. The status says whether it had to be forced.
    pub(crate) fn stop(&mut self) -> std::io::Result<ExitStatus> {
        drop(self.0.stdin.take());
        self.0.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

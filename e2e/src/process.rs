//! The processes of the local node's containers, as the node's host sees them: the tests run there, as root.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Kills the program of a pod, as the kernel does when memory runs out: no signal that could be heeded, no goodbye. Its kubelet starts
/// it again.
pub fn kill_in_pod(program: &str, pod: &str) -> Result<()> {
    let processes = fs::read_dir("/proc").context("read /proc")?;
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let host_name = format!("HOSTNAME={pod}");
    let found: Vec<i32> = ids
        .filter(|id| is_program(*id, program) && has_variable(*id, &host_name))
        .collect();
    ensure!(
        found.len() == 1,
        "{} processes {program} of pod {pod} on this machine: is its node the local one?",
        found.len()
    );
    let id = Pid::from_raw(found[0]).context("a process id")?;
    kill_process(id, Signal::KILL).context("kill")
}

fn is_program(id: i32, program: &str) -> bool {
    fs::read_link(format!("/proc/{id}/exe"))
        .is_ok_and(|file| file.file_name().is_some_and(|name| name == program))
}

/// Kubernetes names a pod's host after the pod.
fn has_variable(id: i32, variable: &str) -> bool {
    fs::read(format!("/proc/{id}/environ")).is_ok_and(|variables| {
        variables
            .split(|byte| *byte == 0)
            .any(|one| one == variable.as_bytes())
    })
}

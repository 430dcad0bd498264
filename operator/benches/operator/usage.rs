//! What a process uses, as the kernel says.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

/// The kernel counts in these.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) rss_mib: f64,
    pub(crate) peak_rss_mib: f64,
}

impl Usage {
    /// Of the operator that runs now; there is one of this build.
    pub(crate) fn of_operator() -> anyhow::Result<Self> {
        let program =
            std::path::Path::new(env!("CARGO_BIN_EXE_chatapp-operator")).canonicalize()?;
        let process = processes()?
            .find(|process| {
                process
                    .join("exe")
                    .read_link()
                    .is_ok_and(|exe| exe == program)
            })
            .context("the operator does not run")?;
        let status = fs::read_to_string(process.join("status"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            anyhow::Ok(kib.context("memory")?.parse::<f64>()? / 1024.0)
        };
        Ok(Self {
            cpu: cpu(&process)?,
            rss_mib: mib("VmRSS:")?,
            peak_rss_mib: mib("VmHWM:")?,
        })
    }
}

/// Processor time of the API server and its etcd: whoever was started with something in the directory.
pub(crate) fn of_servers(directory: &Path) -> anyhow::Result<Duration> {
    let directory = directory.display().to_string();
    let mut sum = Duration::ZERO;
    for process in processes()? {
        // It may be gone by now.
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&directory) {
            sum += cpu(&process).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// Processor time of this process: the stand-ins, and whoever waits or applies here.
pub(crate) fn of_this() -> anyhow::Result<Duration> {
    cpu(Path::new("/proc/self"))
}

fn processes() -> anyhow::Result<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
    Ok(entries.map(|process| process.path()))
}

fn cpu(process: &Path) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(process.join("stat"))?;
    // After the name, which may hold anything: user and system time are the 12th and 13th field.
    let (_, fields) = stat.rsplit_once(')').context("stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    Ok(Duration::from_secs_f64(
        ticks.sum::<f64>() / TICKS_PER_SECOND,
    ))
}

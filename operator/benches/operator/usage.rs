//! What a process uses, as the kernel says.

use std::time::Duration;

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
        let processes = std::fs::read_dir("/proc")?.filter_map(Result::ok);
        let mut processes = processes.map(|process| process.path());
        let process = processes
            .find(|process| {
                process
                    .join("exe")
                    .read_link()
                    .is_ok_and(|exe| exe == program)
            })
            .context("the operator does not run")?;
        let process = process.display();
        let status = std::fs::read_to_string(format!("{process}/status"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            anyhow::Ok(kib.context("memory")?.parse::<f64>()? / 1024.0)
        };
        let stat = std::fs::read_to_string(format!("{process}/stat"))?;
        // After the name, which may hold anything: user and system time are the 12th and 13th field.
        let (_, fields) = stat.rsplit_once(')').context("stat")?;
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<f64>().ok());
        Ok(Self {
            cpu: Duration::from_secs_f64(ticks.sum::<f64>() / TICKS_PER_SECOND),
            rss_mib: mib("VmRSS:")?,
            peak_rss_mib: mib("VmHWM:")?,
        })
    }
}

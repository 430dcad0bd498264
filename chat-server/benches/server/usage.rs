//! What processes used, from /proc: processor time and memory.

use std::fs;

use crate::postgres::Postgres;
use crate::server::Server;

/// The unit of the kernel's processor times, on every Linux that PostgreSQL's Debian package runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processor {
    pub(crate) load: f64,
    pub(crate) server: f64,
    pub(crate) postgres: f64,
    all: f64,
}

impl Processor {
    /// Of this process with pgbench, of the server, and of PostgreSQL with all its processes. Those that have ended
    /// count for their parents.
    pub(crate) fn now(server: &Server, postgres: &Postgres) -> Self {
        let times = |pid: &str| Times::of(pid).unwrap_or_default();
        let postmaster = postgres.main_process();
        let children: f64 = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Times::of(entry.file_name().to_str()?))
            .filter(|times| times.parent == postmaster)
            .map(|times| times.own)
            .sum();
        let load = times("self");
        let main = times(&postmaster.to_string());
        Self {
            load: load.own + load.ended_children,
            server: times(&server.pid().to_string()).own,
            postgres: main.own + main.ended_children + children,
            all: busy().unwrap_or_default(),
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            load: self.load - before.load,
            server: self.server - before.server,
            postgres: self.postgres - before.postgres,
            all: self.all - before.all,
        }
    }

    /// What everything else on the machine used: with much of it, the figures say little.
    pub(crate) fn others(self) -> f64 {
        (self.all - self.load - self.server - self.postgres).max(0.0)
    }
}

/// Processor seconds of the whole machine: user, nice, system, interrupts, and what a host took away.
fn busy() -> Option<f64> {
    const IDLE: [usize; 2] = [3, 4];
    const ALL: usize = 8;
    let text = fs::read_to_string("/proc/stat").ok()?;
    let (line, _) = text.split_once('\n')?;
    let times = line.strip_prefix("cpu ")?.split_whitespace().take(ALL);
    let ticks: f64 = times
        .enumerate()
        .filter(|(at, _)| !IDLE.contains(at))
        .filter_map(|(_, ticks)| ticks.parse::<f64>().ok())
        .sum();
    Some(ticks / TICKS_PER_SECOND)
}

/// Resident memory of a process.
pub(crate) fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

#[derive(Default)]
struct Times {
    parent: i32,
    own: f64,
    ended_children: f64,
}

impl Times {
    fn of(pid: &str) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in parentheses, may hold anything.
        let (_, fields) = line.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            ended_children: seconds(13)? + seconds(14)?,
        })
    }
}

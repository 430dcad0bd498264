//! The machine that the figures are of.

use std::fs;

pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    vec![
        (
            "processor",
            format!("{cores} x {}", line_of("/proc/cpuinfo", "model name")),
        ),
        ("memory", line_of("/proc/meminfo", "MemTotal")),
        ("kernel", text("/proc/sys/kernel/osrelease")),
        ("load before", text("/proc/loadavg")),
        ("disk of the database", mount_of("/tmp")),
    ]
}

/// What stands behind `name :` in a file of such lines.
fn line_of(file: &str, name: &str) -> String {
    text(file)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// The device and kind of the file system that a path is on.
fn mount_of(path: &str) -> String {
    text("/proc/mounts")
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?, words.next()?))
        })
        .filter(|(_, directory, _)| std::path::Path::new(path).starts_with(directory))
        .max_by_key(|(_, directory, _)| directory.len())
        .map_or_else(String::new, |(device, _, kind)| format!("{device} {kind}"))
}

fn text(file: &str) -> String {
    fs::read_to_string(file)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

//! What was measured, as a table for people and as JSON with flat keys for programs.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value};

/// What is wanted of the figures that count.
const TARGETS: &[(&str, Target)] = &[
    ("message_vs_pgbench_64", Target::AtLeast(1.5)),
    ("message_vs_pgbench_256", Target::AtLeast(2.0)),
    ("p99_ms_half_load", Target::Under(10.0)),
    ("rss_mib_1000_idle", Target::Under(30.0)),
    ("transcript_vs_pgbench", Target::AtLeast(0.6)),
    ("import_rows_per_s", Target::AtLeast(150_000.0)),
    ("start_ms", Target::Under(100.0)),
];

#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    Under(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::Under(limit) => value < limit,
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::Under(limit) => write!(f, "under {limit}"),
        }
    }
}

/// The same thing measured several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let middle = self.0.len() / 2;
        let upper = *self.0.get(middle)?;
        if self.0.len() % 2 == 1 {
            return Some(upper);
        }
        Some(f64::midpoint(*self.0.get(middle - 1)?, upper))
    }
}

/// One line of the table.
pub(crate) struct Figure {
    key: String,
    unit: &'static str,
    series: Series,
}

impl Figure {
    pub(crate) fn of(key: impl Into<String>, unit: &'static str, series: &Series) -> Self {
        Self {
            key: key.into(),
            unit,
            series: series.clone(),
        }
    }

    pub(crate) fn one(key: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self::of(key, unit, &Series(vec![value]))
    }
}

pub(crate) struct Report {
    facts: Vec<(&'static str, String)>,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(facts: Vec<(&'static str, String)>) -> Self {
        Self {
            facts,
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn describe(&mut self, more: impl IntoIterator<Item = (&'static str, String)>) {
        self.facts.extend(more);
    }

    pub(crate) fn add(&mut self, figures: impl IntoIterator<Item = Figure>) {
        self.figures.extend(figures);
    }

    /// Why there is no figure.
    pub(crate) fn note(&mut self, note: &str) {
        self.notes.push(note.trim().to_owned());
    }

    /// Write the JSON; a figure that counts and wasn't had is null.
    pub(crate) fn write(&self) -> anyhow::Result<PathBuf> {
        let mut flat = Map::new();
        for (key, _) in TARGETS {
            flat.insert((*key).to_owned(), Value::Null);
        }
        for figure in &self.figures {
            let value = figure.series.median().map(rounded);
            flat.insert(figure.key.clone(), value.into());
        }
        for (name, text) in &self.facts {
            flat.insert(name.replace(' ', "_"), text.as_str().into());
        }
        flat.insert("notes".to_owned(), self.notes.join("; ").into());
        let file = target_directory().join("bench/server.json");
        let text = serde_json::to_string_pretty(&Value::Object(flat))? + "\n";
        file.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&file, text))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f)?;
        for (name, text) in &self.facts {
            writeln!(f, "{name:<22} {text}")?;
        }
        writeln!(f, "{:<22} default level, to /dev/null\n", "server's log")?;
        writeln!(
            f,
            "{:<32} {:>10} {:<6} {:<20} target",
            "figure", "median", "", "min .. max"
        )?;
        let is_wanted = |key: &str| TARGETS.iter().any(|(wanted, _)| *wanted == key);
        for (key, target) in TARGETS {
            match self.figures.iter().find(|figure| figure.key == *key) {
                Some(figure) => line(f, figure, Some(*target))?,
                None => writeln!(f, "{key:<32} {:>10} {:<6} {:<20} {target}", "-", "", "")?,
            }
        }
        writeln!(f)?;
        for figure in self.figures.iter().filter(|figure| !is_wanted(&figure.key)) {
            line(f, figure, None)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

fn line(f: &mut Formatter, figure: &Figure, target: Option<Target>) -> fmt::Result {
    let text = |value: Option<&f64>| value.map_or("-".to_owned(), |it| rounded(*it).to_string());
    let median = figure.series.median();
    let values = &figure.series.0;
    let spread = match values.len() {
        0 | 1 => String::new(),
        _ => format!("{} .. {}", text(values.first()), text(values.last())),
    };
    let verdict = target
        .zip(median)
        .map(|(target, median)| {
            let verdict = if target.is_met(median) {
                "met"
            } else {
                "missed"
            };
            format!("{target}: {verdict}")
        })
        .unwrap_or_default();
    let shown = format!(
        "{:<32} {:>10} {:<6} {spread:<20} {verdict}",
        figure.key,
        text(median.as_ref()),
        figure.unit
    );
    writeln!(f, "{}", shown.trim_end())
}

/// As many digits as mean something.
fn rounded(value: f64) -> f64 {
    let factor = if value.abs() < 100.0 { 100.0 } else { 1.0 };
    (value * factor).round() / factor
}

/// Cargo's target directory, from where this program lies in it: target/release/deps.
fn target_directory() -> PathBuf {
    std::env::current_exe()
        .ok()
        .as_deref()
        .and_then(|program| program.ancestors().nth(3))
        .unwrap_or(Path::new("target"))
        .to_owned()
}

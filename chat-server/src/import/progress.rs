//! How far a pass over the rows is: a bar for whoever watches, otherwise a log line every few seconds.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const PAUSE: Duration = Duration::from_secs(5);
/// Rows between two looks at the clock.
const STEP: u64 = 4096;

pub(crate) struct Progress {
    doing: &'static str,
    done: u64,
    total: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    /// The total may be a guess.
    pub(crate) fn new(doing: &'static str, total: i64) -> Self {
        let total = u64::try_from(total).unwrap_or(0);
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{prefix} {wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left",
            );
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_prefix(doing)
        });
        Self {
            doing,
            done: 0,
            total,
            bar,
            last_line: Instant::now(),
        }
    }

    /// One row more.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        if !self.done.is_multiple_of(STEP) {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.last_line.elapsed() >= PAUSE {
            self.last_line = Instant::now();
            tracing::info!(rows = self.done, of = self.total, "{}", self.doing);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

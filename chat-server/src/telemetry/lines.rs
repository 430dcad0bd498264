//! Log lines on their way out. A request only puts its line into memory; one thread writes what has gathered, many lines
//! at a time. So neither the cost of writing nor a reader that has stopped reading is a request's business: when
//! [`CAPACITY`] is full, lines are counted and dropped. At an orderly end, everything is written, see [`Lines::flush`].

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most that waits to be written: some 4,000 lines.
const CAPACITY: usize = 1024 * 1024;
/// How long lines gather: a wake of the thread for each line would cost more than the line.
const GATHERING: Duration = Duration::from_millis(5);

/// Where lines are put.
pub(crate) struct Lines {
    state: Mutex<State>,
    /// For the thread: there are lines, or somebody flushes.
    wanted: Condvar,
    /// For those who flush: something was written.
    progress: Condvar,
    count_loss: fn(),
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// Bytes taken and bytes written since the start.
    taken: u64,
    written: u64,
    thread_waits: bool,
    flushes: usize,
}

impl Lines {
    /// Lines to this output, and a call for each that is dropped.
    pub(crate) fn to(
        output: impl Write + Send + 'static,
        count_loss: fn(),
    ) -> io::Result<Arc<Self>> {
        let lines = Arc::new(Self {
            state: Mutex::default(),
            wanted: Condvar::new(),
            progress: Condvar::new(),
            count_loss,
        });
        let of_thread = lines.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || of_thread.write_for_ever(output))?;
        Ok(lines)
    }

    /// Wait until everything so far is written, or for so long.
    pub(crate) fn flush(&self, limit: Duration) {
        let mut state = self.lock();
        let target = state.taken;
        state.flushes += 1;
        self.wanted.notify_one();
        let (mut state, _) = self
            .progress
            .wait_timeout_while(state, limit, |state| state.written < target)
            .unwrap_or_else(PoisonError::into_inner);
        state.flushes -= 1;
    }

    fn write_for_ever(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        loop {
            self.take(&mut batch);
            // Nobody is left to be told that standard error is closed.
            let _ = output.write_all(&batch).and_then(|()| output.flush());
            self.lock().written += batch.len() as u64;
            self.progress.notify_all();
            batch.clear();
        }
    }

    /// Exchange the empty batch for what has gathered, once there is something.
    fn take(&self, batch: &mut Vec<u8>) {
        let mut state = self.lock();
        state.thread_waits = true;
        let mut state = self
            .wanted
            .wait_while(state, |state| state.pending.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.thread_waits = false;
        let (mut state, _) = self
            .wanted
            .wait_timeout_while(state, GATHERING, |state| state.flushes == 0)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.pending, batch);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole lines: the formatter writes each at once.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.pending.len() + line.len() > CAPACITY {
            drop(state);
            (self.count_loss)();
            return Ok(line.len());
        }
        state.pending.extend_from_slice(line);
        state.taken += line.len() as u64;
        let wake = state.thread_waits;
        state.thread_waits = false;
        drop(state);
        if wake {
            self.wanted.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Standard error with a reader: each write waits until it is taken.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .send(bytes.to_vec())
                .map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(lines: &Lines, line: &str) {
        let mut writer = lines;
        writer.write_all(line.as_bytes()).expect("it never fails");
    }

    #[test]
    fn lines_come_out_whole_and_in_order_and_flush_waits_for_them() {
        let (sender, written) = mpsc::sync_channel(1000);
        let lines = Lines::to(Pipe(sender), || {}).expect("a thread");
        let mut expected = String::new();
        for number in 0..1000 {
            let line = format!("line {number}\n");
            log(&lines, &line);
            expected += &line;
        }
        lines.flush(LONG);
        let written: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).expect("text"), expected);
    }

    #[test]
    fn a_line_is_written_without_a_flush() {
        let (sender, written) = mpsc::sync_channel(0);
        let lines = Lines::to(Pipe(sender), || {}).expect("a thread");
        for line in ["first\n", "second\n"] {
            log(&lines, line);
            assert_eq!(written.recv_timeout(LONG).expect("a line"), line.as_bytes());
        }
    }

    #[test]
    fn a_reader_that_stopped_costs_lines_but_nobody_waits() {
        static LOST: AtomicUsize = AtomicUsize::new(0);
        let (sender, written) = mpsc::sync_channel(0);
        let count = || {
            LOST.fetch_add(1, Ordering::Relaxed);
        };
        let lines = Lines::to(Pipe(sender), count).expect("a thread");
        let line = format!("{}\n", "x".repeat(1023));
        // What is being written, what waits, and 100 for which there is no place.
        for _ in 0..2 * 1024 + 100 {
            log(&lines, &line);
        }
        lines.flush(Duration::from_millis(50));
        let lost = LOST.load(Ordering::Relaxed);
        assert!(lost >= 100, "{lost} lines were lost");
        drop(written);
        lines.flush(LONG);
        log(&lines, "nobody reads this\n");
        assert_eq!(LOST.load(Ordering::Relaxed), lost);
    }
}

//! `--verify`: the file and the database side by side, row by row in the order of the file. Both are streams, so it needs
//! no more memory for more messages.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};

use tokio::runtime::Handle;

use super::check::{Message, check};
use super::progress::Progress;
use super::source::{Source, SourceError};
use super::target::{Kept, KeptChunks, Lane, Range, Target, TargetError, lane_of};

/// How many missing messages are looked into at once.
const MISSING: usize = 4096;

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) file: Side,
    pub(crate) database: Side,
    /// Messages that were imported, and deleted since together with all before them in their chat.
    pub(crate) deleted: u64,
    /// Messages that differ, or are missing on one side.
    pub(crate) differing: u64,
    /// Messages of the file that were not imported yet.
    pub(crate) not_imported: u64,
}

/// Messages of one side, without those that were deleted since.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Side {
    pub(crate) messages: u64,
    pub(crate) checksum: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Compare all that was imported, and list the rows that differ. Blocks.
pub(crate) fn compare(
    source: &Source,
    target: &Target,
    lanes: &[Lane],
) -> Result<Comparison, VerifyError> {
    let mut comparing = Comparing {
        target,
        found: Comparison::default(),
        missing: Vec::new(),
    };
    let mut kept: Vec<Stream> = lanes
        .iter()
        .map(|&lane| Stream::new(target.kept(lane, Range::All)))
        .collect();
    let mut progress = Progress::new("comparing", source.last_row()?);
    source.rows_after(0, |row| {
        progress.advance();
        let Ok(message) = check(row) else {
            return Ok(());
        };
        let lane = lane_of(message.chat, lanes.len());
        match lanes.get(lane).zip(kept.get_mut(lane)) {
            Some((lane, kept)) if message.row <= lane.last_row => {
                comparing.row(&message, kept)?;
            }
            _ => comparing.found.not_imported += 1,
        }
        Ok::<_, VerifyError>(())
    })?;
    for mut rest in kept {
        while let Some(extra) = rest.next_before(i64::MAX)? {
            comparing.extra(&extra);
        }
    }
    comparing.look_into_missing()?;
    Ok(comparing.found)
}

struct Comparing<'a> {
    target: &'a Target,
    found: Comparison,
    missing: Vec<Kept>,
}

impl Comparing<'_> {
    fn row(&mut self, message: &Message<'_>, kept: &mut Stream) -> Result<(), VerifyError> {
        while let Some(extra) = kept.next_before(message.row)? {
            self.extra(&extra);
        }
        let Some(kept) = kept.next_before(message.row + 1)? else {
            self.missing.push(Kept::of(message));
            if self.missing.len() >= MISSING {
                self.look_into_missing()?;
            }
            return Ok(());
        };
        self.found.file.add(&Kept::of(message));
        self.found.database.add(&kept);
        if let Some(column) = difference(message, &kept) {
            self.differs(message.row, &format!("{column} differs"));
        }
        Ok(())
    }

    fn extra(&mut self, kept: &Kept) {
        self.found.database.add(kept);
        self.differs(kept.row, "is in the database, but not in the file");
    }

    fn look_into_missing(&mut self) -> Result<(), VerifyError> {
        let missing = std::mem::take(&mut self.missing);
        let outlived = Handle::current().block_on(self.target.outlived(&missing))?;
        for message in &missing {
            if outlived.binary_search(&message.row).is_ok() {
                self.found.file.add(message);
                self.differs(
                    message.row,
                    "is missing in the database, though older ones of its chat are there",
                );
            } else {
                self.found.deleted += 1;
            }
        }
        Ok(())
    }

    fn differs(&mut self, row: i64, how: &str) {
        self.found.differing += 1;
        // Nobody may be reading; the exit code tells all the same.
        let _ = writeln!(io::stdout(), "row {row}: {how}");
    }
}

/// The first column that differs.
fn difference(message: &Message<'_>, kept: &Kept) -> Option<&'static str> {
    [
        ("chat_id", message.chat == kept.chat),
        ("time", message.sent_at == kept.sent_at),
        ("sender", message.sender.as_str() == kept.sender),
        ("text", message.body == kept.body),
    ]
    .into_iter()
    .find_map(|(column, same)| (!same).then_some(column))
}

impl Side {
    /// The sum doesn't depend on the order, which differs between lanes.
    fn add(&mut self, kept: &Kept) {
        let mut hasher = DefaultHasher::new();
        (kept.row, kept.chat, kept.sent_at, &kept.sender, &kept.body).hash(&mut hasher);
        self.messages += 1;
        self.checksum = self.checksum.wrapping_add(hasher.finish());
    }
}

/// Kept messages one by one.
struct Stream {
    chunks: KeptChunks,
    chunk: std::iter::Peekable<std::vec::IntoIter<Kept>>,
}

impl Stream {
    fn new(chunks: KeptChunks) -> Self {
        Self {
            chunks,
            chunk: Vec::new().into_iter().peekable(),
        }
    }

    /// The next message, if its row is before this one. Blocks.
    fn next_before(&mut self, row: i64) -> Result<Option<Kept>, TargetError> {
        while self.chunk.peek().is_none() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk?.into_iter().peekable(),
                None => return Ok(None),
            }
        }
        Ok(self.chunk.next_if(|kept| kept.row < row))
    }
}

//! Standard output of the programs that a person runs.

use std::io::{self, ErrorKind, Write as _};

/// Writes to standard output; whoever reads it may have seen enough.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

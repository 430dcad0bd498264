//! How an SQLite file from elsewhere is opened: for reading only, wherever it lies, trusting nothing in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// A connection that reads, with the transaction begun.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match begin(Connection::open_with_flags(path, flags)?) {
        // Write-ahead logging needs files beside this one. Where none can be made, nobody writes either, and what was
        // written is all in this one.
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ) && !log_of(path).exists() =>
        {
            begin(Connection::open_with_flags(
                immutable(path),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )?)
        }
        outcome => outcome,
    }
}

fn begin(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(LOCK_LIMIT)?;
    // A file from elsewhere may call functions in its schema, and may be damaged in places.
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON; BEGIN",
    )?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// The file as a URI that says that nobody writes to it.
fn immutable(path: &Path) -> String {
    let path = path.to_string_lossy();
    let escaped = path
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

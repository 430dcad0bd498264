//! A connection borrowed from SQLite's pool, and whether it goes back. Only one whose work was brought to an end, and whose
//! error (if any) says nothing bad about the connection itself, is used again. Work that was abandoned half-way
//! (a timeout, a client that left) closes its connection, so the pool heals by itself.

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use super::StorageError;

pub(super) struct Lease {
    connection: PoolConnection<Sqlite>,
    fit: bool,
}

impl Lease {
    pub(super) async fn take(pool: &SqlitePool) -> Result<Self, StorageError> {
        Ok(Self {
            connection: pool.acquire().await?,
            fit: false,
        })
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// End the lease with the outcome of its work, which decides whether the connection is used again.
    pub(super) fn end<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, StorageError> {
        self.fit = outcome.as_ref().map_or_else(is_fit_after, |_| true);
        Ok(outcome?)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.fit {
            self.connection.close_on_drop();
        }
    }
}

/// Whether a connection can be used after this error: only if the database itself answered with it.
pub(super) fn is_fit_after(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => !error.code().is_some_and(|code| condemns(&code)),
        _ => false,
    }
}

/// Whether a SQLSTATE means that the connection is on a server that won't do: it became read-only (it was demoted in a
/// switchover), shuts down, crashed or starts, or the connection itself failed.
fn condemns(sqlstate: &str) -> bool {
    matches!(sqlstate, "25006" | "57P01" | "57P02" | "57P03") || sqlstate.starts_with("08")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_was_demoted_or_stops_costs_the_connection() {
        for sqlstate in ["25006", "57P01", "57P02", "57P03", "08006"] {
            assert!(condemns(sqlstate), "{sqlstate}");
        }
    }

    #[test]
    fn a_statement_that_failed_does_not() {
        for sqlstate in ["57014", "55P03", "23503", "40001", "53100"] {
            assert!(!condemns(sqlstate), "{sqlstate}");
        }
    }

    #[test]
    fn broken_connections_are_not_used_again() {
        assert!(!is_fit_after(&sqlx::Error::Io(
            std::io::ErrorKind::BrokenPipe.into()
        )));
        assert!(!is_fit_after(&sqlx::Error::Protocol("nonsense".to_owned())));
    }
}

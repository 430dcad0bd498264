//! The few kinds of trouble that a database can be in, for those who watch it: a label of a metric, an attribute of a span.

use super::StorageError;

const READ_ONLY: &str = "read_only";
const TOO_SLOW: &str = "too_slow";
const NO_CONNECTION: &str = "no_connection";
const BUSY: &str = "busy";
const OTHER: &str = "other";

impl StorageError {
    pub(crate) const CLASSES: [&str; 5] = [READ_ONLY, TOO_SLOW, NO_CONNECTION, BUSY, OTHER];

    /// One of [`Self::CLASSES`].
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::ReadOnly => READ_ONLY,
            Self::TooSlow => TOO_SLOW,
            Self::TooMany => BUSY,
            Self::UnknownChat => OTHER,
            Self::Database(error) => of_sqlx(error),
        }
    }
}

fn of_sqlx(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Database(error) => error.code().map_or(OTHER, |code| of_code(&code)),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => NO_CONNECTION,
        _ => OTHER,
    }
}

/// PostgreSQL's SQLSTATE, or SQLite's (extended) result code.
fn of_code(code: &str) -> &'static str {
    match code {
        "25006" => READ_ONLY,
        "57014" => TOO_SLOW,
        // Shut down, crashed, starting; too many connections.
        "57P01" | "57P02" | "57P03" | "53300" => NO_CONNECTION,
        // Waits for a lock, deadlocks, conflicts; SQLite: busy, busy after a snapshot, locked.
        "55P03" | "40P01" | "40001" | "5" | "517" | "6" => BUSY,
        _ if code.len() == 5 && code.starts_with("08") => NO_CONNECTION,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_class() {
        for (code, class) in [
            ("25006", READ_ONLY),
            ("57014", TOO_SLOW),
            ("57P01", NO_CONNECTION),
            ("08006", NO_CONNECTION),
            ("53300", NO_CONNECTION),
            ("40001", BUSY),
            ("5", BUSY),
            ("42P01", OTHER),
            ("1", OTHER),
        ] {
            assert_eq!(of_code(code), class, "{code}");
        }
        let no_connection = StorageError::from(sqlx::Error::PoolTimedOut);
        assert_eq!(no_connection.class(), NO_CONNECTION);
    }

    #[test]
    fn a_class_is_one_of_the_known_ones() {
        for error in [
            StorageError::UnknownChat,
            StorageError::ReadOnly,
            StorageError::TooSlow,
            StorageError::from(sqlx::Error::RowNotFound),
        ] {
            assert!(StorageError::CLASSES.contains(&error.class()), "{error}");
        }
    }
}

//! The database URL: which storage it picks, and what of it may be shown. It is secret as a whole; only
//! [`DatabaseUrl`]'s `Display` goes to logs and messages, and that has no password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// Where the database is.
#[derive(Clone)]
pub(crate) enum DatabaseUrl {
    Postgres(Box<PgConnectOptions>),
    Sqlite(PathBuf),
}

/// Where to connect to instead of the URL's host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    name: String,
    port: Option<u16>,
}

/// Why a host isn't understood.
#[derive(Debug, thiserror::Error)]
#[error("write HOST or HOST:PORT, an IPv6 address in []")]
pub(crate) struct HostError;

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !text.ends_with(']') => {
                (name, Some(port.parse().map_err(|_| HostError)?))
            }
            _ => (text, None),
        };
        let is_bracketed = name.starts_with('[') && name.ends_with(']');
        if name.is_empty()
            || name.contains(['/', '@', ' '])
            || (name.contains(':') && !is_bracketed)
        {
            return Err(HostError);
        }
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl DatabaseUrl {
    /// The same database, user and password, by way of another host.
    pub(crate) fn through(self, host: Option<&Host>) -> Result<Self, UrlError> {
        match (self, host) {
            (url, None) => Ok(url),
            (Self::Sqlite(_), Some(_)) => Err(UrlError::HostOfFile),
            (Self::Postgres(options), Some(host)) => {
                let port = host.port.unwrap_or(options.get_port());
                Ok(Self::Postgres(Box::new(
                    options.host(&host.name).port(port),
                )))
            }
        }
    }
}

/// Why a database URL isn't understood. The URL itself is never repeated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("the database URL must start with postgres://, postgresql:// or sqlite://")]
    Scheme,
    #[error("the database URL has no file: write sqlite://path or sqlite:///absolute/path")]
    NoFile,
    #[error("a sqlite:// database URL takes no parameters")]
    Parameters,
    #[error("a sqlite:// database has no host: leave DATABASE_HOST (--database-host) out")]
    HostOfFile,
    #[error(
        "the database URL isn't valid: are special characters in the password percent-encoded?"
    )]
    Invalid,
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let url = url.trim();
        if let Some(rest) = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
        {
            // A password with a bare /, ? or # ends the authority early: its rest would pass as the database's name.
            if rest
                .split_once(['/', '?', '#'])
                .is_some_and(|(_, after)| after.contains('@'))
            {
                return Err(UrlError::Invalid);
            }
            return url
                .parse()
                .map(|options| Self::Postgres(Box::new(options)))
                .map_err(|_| UrlError::Invalid);
        }
        let path = url.strip_prefix("sqlite://").ok_or(UrlError::Scheme)?;
        if path.is_empty() || path == ":memory:" {
            return Err(UrlError::NoFile);
        }
        if path.contains('?') {
            return Err(UrlError::Parameters);
        }
        // sqlx's parser knows the percent-encoding; of its result only the file is wanted.
        let options = SqliteConnectOptions::from_str(url).map_err(|_| UrlError::Invalid)?;
        Ok(Self::Sqlite(options.get_filename().to_owned()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => write!(
                formatter,
                "postgres://{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
            Self::Sqlite(path) => write!(formatter, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        url.parse::<DatabaseUrl>()
            .map_or_else(|error| error.to_string(), |url| url.to_string())
    }

    #[test]
    fn both_spellings_of_postgresql_are_understood() {
        assert_eq!(
            shown("postgresql://app:pw@demo-db-rw.ns:5432/app"),
            "postgres://demo-db-rw.ns:5432/app"
        );
        assert_eq!(
            shown("postgres://app:pw@[::1]/app"),
            "postgres://[::1]:5432/app"
        );
    }

    #[test]
    fn sqlite_paths_are_relative_or_absolute() {
        assert_eq!(shown("sqlite://chat.db"), "sqlite://chat.db");
        assert_eq!(
            shown(" sqlite:///var/lib/a%20chat.db\n"),
            "sqlite:///var/lib/a chat.db"
        );
    }

    #[test]
    fn what_is_not_a_database_is_refused() {
        assert_eq!(
            shown("mysql://app:hunter2@db/app"),
            UrlError::Scheme.to_string()
        );
        assert_eq!(shown(""), UrlError::Scheme.to_string());
        assert_eq!(shown("sqlite://"), UrlError::NoFile.to_string());
        assert_eq!(shown("sqlite://:memory:"), UrlError::NoFile.to_string());
        assert_eq!(
            shown("sqlite://chat.db?mode=memory"),
            UrlError::Parameters.to_string()
        );
        assert_eq!(
            shown("postgres://app:hunter2@db:port/app"),
            UrlError::Invalid.to_string()
        );
    }

    #[test]
    fn another_host_leaves_the_rest_as_it_is() {
        let through = |host: &str| -> String {
            let url: DatabaseUrl =
                "postgresql://app:hunter2@demo-db-rw.ns:5433/app?sslmode=require"
                    .parse()
                    .expect("a URL");
            let host: Host = host.parse().expect("a host");
            let through = url.through(Some(&host)).expect("it has a host");
            let DatabaseUrl::Postgres(options) = &through else {
                panic!("PostgreSQL")
            };
            assert_eq!(options.get_username(), "app");
            through.to_string()
        };
        assert_eq!(through("demo-pooler"), "postgres://demo-pooler:5433/app");
        assert_eq!(through("pool.ns:6432"), "postgres://pool.ns:6432/app");
        assert_eq!(through("[::1]:6432"), "postgres://[::1]:6432/app");
        assert_eq!(through("[::1]"), "postgres://[::1]:5433/app");
        for wrong in [
            "",
            ":5432",
            "host:port",
            "::1",
            "user@host",
            "postgres://host",
        ] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_has_no_host() {
        let url: DatabaseUrl = "sqlite://chat.db".parse().expect("a URL");
        let host: Host = "demo-pooler".parse().expect("a host");
        assert!(matches!(
            url.through(Some(&host)),
            Err(UrlError::HostOfFile)
        ));
    }

    #[test]
    fn the_password_is_never_shown() {
        for url in [
            "postgres://app:hunter2@db/app",
            "postgres://db/app?password=hunter2",
            "postgres://app:hunter2@/app",
            "postgres://app:hunter2/app",
            "postgres://app:12/hunter2@db/app",
            "postgres://app:12?hunter2@db/app",
            "postgres://app:12#hunter2@db/app",
            "mysql://app:hunter2@db/app",
        ] {
            assert!(
                !shown(url).contains("hunter2"),
                "{url} is shown as {}",
                shown(url)
            );
        }
    }
}

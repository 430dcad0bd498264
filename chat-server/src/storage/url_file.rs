//! The file that holds the database URL: read at start, and looked at again and again, because a password is changed by
//! changing it (Kubernetes writes a mounted Secret anew). A URL that can't be used is told and changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::url::{DatabaseUrl, Host, UrlError};
use super::{ReplaceError, Storage};

const PAUSE: Duration = Duration::from_secs(1);

/// A file and the text in it that is in use.
pub(crate) struct UrlFile {
    path: PathBuf,
    text: String,
    /// Where to connect to instead.
    host: Option<Host>,
}

/// Why the text of the file isn't used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot read the database URL from {0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("cannot use the new database URL from {0}: {1}")]
    Url(PathBuf, UrlError),
    #[error("cannot go over to the new database URL from {0}: {1}")]
    Replace(PathBuf, ReplaceError),
}

impl UrlFile {
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            text: std::fs::read_to_string(path)?,
            host: None,
        })
    }

    /// The same file, whose URLs are used by way of another host.
    pub(crate) fn through(self, host: Option<Host>) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn url(&self) -> Result<DatabaseUrl, UrlError> {
        self.read_as_url(&self.text)
    }

    fn read_as_url(&self, text: &str) -> Result<DatabaseUrl, UrlError> {
        text.parse::<DatabaseUrl>()?.through(self.host.as_ref())
    }

    /// Have the storage go over to each new URL, for as long as the process lives.
    pub(crate) async fn follow(mut self, storage: &Storage) {
        let mut told = String::new();
        loop {
            sleep(PAUSE).await;
            match self.look(storage).await {
                Ok(()) => told.clear(),
                Err(error) => {
                    let reason = error.to_string();
                    if reason != told {
                        tracing::warn!("{reason}; the one from before stays in use");
                        told = reason;
                    }
                }
            }
        }
    }

    async fn look(&mut self, storage: &Storage) -> Result<(), FileError> {
        let text = tokio::fs::read_to_string(&self.path)
            .await
            .map_err(|error| FileError::Read(self.path.clone(), error))?;
        if text == self.text {
            return Ok(());
        }
        let url = self
            .read_as_url(&text)
            .map_err(|error| FileError::Url(self.path.clone(), error))?;
        storage
            .replace(&url)
            .await
            .map_err(|error| FileError::Replace(self.path.clone(), error))?;
        self.text = text;
        tracing::info!(database = %url, "went over to the new database URL");
        Ok(())
    }
}

//! Which content is in force while a server runs that was given no file: the last that was applied to the database, or
//! the built-in one where there is none. Content that this release can't read changes nothing. How changes are heard
//! of is [`crate::storage::content`]'s business.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Content;
use crate::storage::content::{AppliedContent, ContentChanges};
use crate::storage::{Storage, StorageError};

pub(crate) struct ContentWatch<'a> {
    storage: &'a Storage,
    in_force: &'a ArcSwap<Content>,
    built_in: Arc<Content>,
    seen: Option<AppliedContent>,
}

impl<'a> ContentWatch<'a> {
    /// A watch that decides what is in force; until it looks, that is the built-in content.
    pub(crate) fn new(
        storage: &'a Storage,
        in_force: &'a ArcSwap<Content>,
        built_in: Arc<Content>,
    ) -> Self {
        Self {
            storage,
            in_force,
            built_in,
            seen: None,
        }
    }

    /// Look once.
    pub(crate) async fn load(&mut self) -> Result<(), StorageError> {
        let content = self.storage.content().await?;
        self.consider(content);
        Ok(())
    }

    /// Follow the database for good.
    pub(crate) async fn run(mut self) -> ! {
        let mut changes = ContentChanges::of(self.storage);
        let mut reachable = true;
        loop {
            match changes.next().await {
                Ok(content) => {
                    reachable = true;
                    self.consider(content);
                }
                Err(error) if reachable => {
                    reachable = false;
                    tracing::warn!(%error, "the content can't be read, the last one stays in force");
                }
                Err(_) => {}
            }
        }
    }

    fn consider(&mut self, found: Option<AppliedContent>) {
        if found == self.seen {
            return;
        }
        match &found {
            None => {
                tracing::info!("the built-in content is in force");
                self.in_force.store(self.built_in.clone());
            }
            Some(AppliedContent { version, yaml }) => match Content::parse(yaml) {
                Ok(content) => {
                    tracing::info!(version, "the database's content is in force");
                    self.in_force.store(Arc::new(content));
                }
                Err(error) => tracing::error!(
                    version,
                    %error,
                    "the database's content is refused, the one before stays in force"
                ),
            },
        }
        self.seen = found;
    }
}

//! The repository that Argo CD reads, as someone has it who changes what runs: a clone, commits, pushes, reverts. After a push Argo CD
//! is told to look, as a webhook would.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use kube::Client;
use tempfile::TempDir;

use crate::{argocd, git};

/// A clone of `main`.
#[derive(Debug)]
pub struct Deployed {
    clone: TempDir,
}

impl Deployed {
    /// A clone of the repository at `CHATAPP_GIT_PUSH_URL`.
    pub async fn clone() -> Result<Self> {
        let url = git::variable("CHATAPP_GIT_PUSH_URL")?;
        let deployed = Self {
            clone: TempDir::new().context("make a folder")?,
        };
        deployed
            .git(&["clone", "--quiet", "--branch", "main", &url, "."])
            .await?;
        Ok(deployed)
    }

    /// A file as it is on `main` now.
    pub async fn read(&self, path: &str) -> Result<String> {
        self.git(&["pull", "--quiet", "--ff-only"]).await?;
        fs::read_to_string(self.file(path)).with_context(|| format!("read {path}"))
    }

    /// Commits and pushes a file with a new text. The answer is the commit.
    pub async fn commit(
        &self,
        client: &Client,
        path: &str,
        text: &str,
        message: &str,
    ) -> Result<String> {
        fs::write(self.file(path), text).with_context(|| format!("write {path}"))?;
        self.git(&["commit", "--quiet", "--message", message, "--", path])
            .await?;
        self.push(client).await
    }

    /// Sees to it that a file is as it was, whatever has been committed meanwhile.
    pub async fn put_back(&self, client: &Client, path: &str, text: &str) -> Result<()> {
        if self.read(path).await? != text {
            let message = format!("{path} as it was");
            self.commit(client, path, text, &message).await?;
        }
        Ok(())
    }

    /// Takes a commit back, by another one.
    pub async fn revert(&self, client: &Client, commit: &str) -> Result<String> {
        self.git(&["pull", "--quiet", "--ff-only"]).await?;
        self.git(&["revert", "--no-edit", commit]).await?;
        self.push(client).await
    }

    /// The newest commit of `main`.
    pub async fn head(&self) -> Result<String> {
        self.git(&["pull", "--quiet", "--ff-only"]).await?;
        self.git(&["rev-parse", "HEAD"]).await
    }

    async fn push(&self, client: &Client) -> Result<String> {
        self.git(&["push", "--quiet", "origin", "HEAD:main"])
            .await?;
        for application in argocd::applications(client).await? {
            argocd::refresh(client, application.name()).await?;
        }
        self.git(&["rev-parse", "HEAD"]).await
    }

    fn file(&self, path: &str) -> PathBuf {
        self.clone.path().join(path)
    }

    async fn git(&self, arguments: &[&str]) -> Result<String> {
        git::run(self.clone.path(), arguments).await
    }
}

//! A branch of the repository that Argo CD reads, for what only a test wants to have there.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

/// A branch and a folder with its files.
#[derive(Debug)]
pub struct Branch {
    name: String,
    folder: TempDir,
    push_url: String,
    /// Where Argo CD reads it.
    pub url: String,
}

impl Branch {
    /// A branch without a history; one of the name is overwritten by the first commit.
    pub async fn new(name: &str) -> Result<Self> {
        let branch = Self {
            name: name.to_owned(),
            folder: TempDir::with_prefix("chatapp-git-").context("make a folder for Git")?,
            push_url: variable("CHATAPP_GIT_PUSH_URL")?,
            url: variable("CHATAPP_GIT_URL")?,
        };
        branch.git(&["init", "--quiet"]).await?;
        Ok(branch)
    }

    /// The folder whose content is committed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the folder.
    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        let file = self.folder().join(path);
        let parent = file.parent().unwrap_or(self.folder());
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        fs::write(&file, content).with_context(|| format!("write {}", file.display()))
    }

    /// Commits and pushes what is in the folder; gives back the commit.
    pub async fn push(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", message])
            .await?;
        let target = format!("HEAD:refs/heads/{}", self.name);
        self.git(&["push", "--quiet", "--force", &self.push_url, &target])
            .await?;
        self.git(&["rev-parse", "HEAD"]).await
    }

    /// Deletes the branch.
    pub async fn delete(self) -> Result<()> {
        let target = format!(":refs/heads/{}", self.name);
        self.git(&["push", "--quiet", &self.push_url, &target])
            .await
            .map(drop)
    }

    async fn git(&self, arguments: &[&str]) -> Result<String> {
        run(self.folder(), arguments).await
    }
}

/// An address that `./just test-e2e` tells.
pub(crate) fn variable(name: &str) -> Result<String> {
    let value = env::var(name).unwrap_or_default();
    ensure!(
        !value.is_empty(),
        "{name} is not set: run `./just test-e2e`"
    );
    Ok(value)
}

/// Runs git in a folder, as somebody, and gives back what it printed.
pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=e2e", "-c", "user.email=e2e@localhost"])
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .context("start git")?;
    // Not the arguments: a URL may have a password.
    ensure!(
        output.status.success(),
        "git {}: {}",
        arguments.first().unwrap_or(&""),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! `content check`, `apply`, `clear` and `export`: results on standard output, each problem of a file on a line of its own on
//! standard error, in the form that editors jump to.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::check::MAX_BYTES;
use super::difference::Difference;
use super::problem::{Problem, Refused};
use super::{BUILT_IN, Content};
use crate::cli::ContentFile;
use crate::outcome::Outcome;
use crate::storage::content::{Application, AppliedContent};
use crate::storage::url::DatabaseUrl;
use crate::storage::{PoolLimits, Storage};

/// A file that was refused; what is wrong with it has been told line by line.
#[derive(Debug, thiserror::Error)]
#[error("{name} is refused, problems: {}", refused.problems().len())]
pub(crate) struct FileRefused {
    name: String,
    refused: Refused,
}

impl FileRefused {
    /// What is wrong, in one line.
    pub(crate) fn problems(&self) -> String {
        self.refused.to_string()
    }
}

pub(crate) fn check(file: &ContentFile) -> anyhow::Result<()> {
    let (_, content) = read(file)?;
    println!("{}: valid: {}", file.path.display(), content.counts());
    Ok(())
}

pub(crate) async fn apply(file: &ContentFile, url: &DatabaseUrl) -> anyhow::Result<Outcome> {
    let (yaml, content) = read(file)?;
    let storage = migrated(url).await?;
    let application = storage
        .apply_content(&yaml)
        .await
        .with_context(|| format!("cannot apply the content to {url}"));
    storage.close().await;
    let version = match application? {
        Application::Unchanged { version } => {
            println!("{url}: nothing changed, version {version} is the same");
            version
        }
        Application::Replaced { version, former } => {
            print!("{}", difference(former.as_ref(), &content));
            println!("{url}: version {version} is in force");
            version
        }
    };
    let told = format!("version {version} is in force: {}", content.counts());
    Ok(Outcome::told(&told))
}

pub(crate) async fn clear(url: &DatabaseUrl) -> anyhow::Result<Outcome> {
    let storage = migrated(url).await?;
    let cleared = storage
        .clear_content()
        .await
        .with_context(|| format!("cannot remove the content of {url}"));
    storage.close().await;
    let told = match cleared? {
        Some(version) => format!("version {version} is removed, the built-in content is in force"),
        None => "nothing was applied, the built-in content is in force".to_owned(),
    };
    println!("{url}: {told}");
    Ok(Outcome::told(&told))
}

pub(crate) async fn export(url: &DatabaseUrl) -> anyhow::Result<()> {
    let storage = migrated(url).await?;
    let content = storage
        .content()
        .await
        .with_context(|| format!("cannot read the content of {url}"));
    storage.close().await;
    let content = content?;
    if content.is_none() {
        eprintln!("{url}: nothing was applied, this is the built-in content");
    }
    let yaml = content
        .as_ref()
        .map_or(BUILT_IN, |content| content.yaml.as_str());
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(yaml.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// The content of a file that a command was given beside its own business.
pub(crate) async fn given(file: &Path) -> anyhow::Result<Content> {
    let bytes = tokio::fs::read(file)
        .await
        .with_context(|| format!("cannot read the content {}", file.display()))?;
    Content::read(&bytes).with_context(|| format!("the content {} is refused", file.display()))
}

/// Read a file, or say everything that is wrong with it.
fn read(file: &ContentFile) -> anyhow::Result<(String, Content)> {
    let name = file.path.display();
    let bytes = if file.path.as_os_str() == "-" {
        start_of(io::stdin())
    } else {
        File::open(&file.path).and_then(start_of)
    }
    .with_context(|| format!("cannot read {name}"))?;
    match Content::read(&bytes) {
        Ok(content) => Ok((String::from_utf8(bytes)?, content)),
        Err(refused) => {
            for Problem { line, reason } in refused.problems() {
                eprintln!("{name}:{line}: {reason}");
            }
            let name = name.to_string();
            Err(FileRefused { name, refused }.into())
        }
    }
}

/// As much as is needed to see that a file is too large.
fn start_of(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The storage, if its schema has a place for content.
async fn migrated(url: &DatabaseUrl) -> anyhow::Result<Storage> {
    let storage = Storage::new(url, PoolLimits::COMMAND);
    let state = storage.schema_state().await;
    match state.with_context(|| format!("cannot reach {url}"))? {
        state if state.fits() => Ok(storage),
        state => bail!("{url}: {state}"),
    }
}

/// What becomes different, in people's words.
fn difference(former: Option<&AppliedContent>, content: &Content) -> String {
    let before = former.map_or_else(Content::built_in, |former| Content::parse(&former.yaml));
    match before {
        Ok(before) => Difference::between(&before, content).to_string(),
        Err(_) => "all: what was in force before can't be read by this release\n".to_owned(),
    }
}

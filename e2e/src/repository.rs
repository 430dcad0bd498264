//! Where things are in the repository: the files that the stories read, and the folder that they write to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// The repository's root folder.
#[must_use]
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// A YAML file of the repository.
pub fn yaml<T: DeserializeOwned>(path: &str) -> Result<T> {
    let text = fs::read_to_string(root().join(path)).with_context(|| format!("read {path}"))?;
    serde_saphyr::from_str(&text).with_context(|| format!("parse {path}"))
}

/// The path of a file for people to look at after a run.
pub fn artifact(name: &str) -> Result<PathBuf> {
    let folder = root().join("target/e2e");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder.join(name))
}

//! The release of the chat server that comes after this one: the same source with a higher version and one migration more, built and
//! made an image of. Two releases that differ in what they know of the schema can't be had otherwise without an old toolchain.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{git, registry::Registry, repository};

/// What of the repository its build needs.
const SOURCE: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "chat-server",
    "crds",
    "e2e",
    "operator",
    "traces",
];
/// The file of it that the next release has otherwise.
const MANIFEST: &str = "chat-server/Cargo.toml";
/// A name of its own: the build shares the target folder with this release's.
const PROGRAM: &str = "chat-server-of-the-next-release";
/// What the name of its migration's file ends with.
const MIGRATION: &str = "_next_release.sql";
/// Where the program is in the image.
const PLACE: &str = "usr/bin/chat-server";

/// The next release.
#[derive(Clone, Debug)]
pub struct NextRelease {
    /// Its version.
    pub version: String,
    /// The version of this one.
    pub former: String,
    /// The number of the migration that it brings.
    pub migration: u32,
}

impl NextRelease {
    /// What comes after the release of this repository.
    pub fn of_this() -> Result<Self> {
        let text = read(&repository::root().join("Cargo.toml"))?;
        let mut lines = text.lines();
        let former = lines
            .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
            .context("Cargo.toml has no version")?;
        let mut parts = former.split('.');
        let major = parts.next().unwrap_or_default();
        let minor: u32 = parts
            .next()
            .and_then(|part| part.parse().ok())
            .with_context(|| format!("{former} is no version"))?;
        let migrations = repository::root().join("chat-server/migrations/postgres");
        let names = fs::read_dir(&migrations).context("read the migrations")?;
        let last = names
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                name.to_str()?.split_once('_')?.0.parse::<u32>().ok()
            })
            .max();
        Ok(Self {
            version: format!("{major}.{}.0", minor + 1),
            former: former.to_owned(),
            migration: last.unwrap_or_default() + 1,
        })
    }

    /// Its migration, as `status.upgrade` names it.
    #[must_use]
    pub fn migration_name(&self) -> String {
        format!("{} next release", self.migration)
    }

    /// The first half of a change of the schema: this release works on it, too.
    fn sql(&self) -> String {
        let Self {
            former, migration, ..
        } = self;
        format!(
            "ALTER TABLE messages ADD COLUMN next_release text;\n\
             INSERT INTO schema_contract VALUES ({migration}, '{former}');\n"
        )
    }

    /// Undoes the migration, for those who use the database afterwards.
    #[must_use]
    pub fn undo(&self) -> String {
        let migration = self.migration;
        format!(
            "ALTER TABLE messages DROP COLUMN next_release; DELETE FROM schema_contract WHERE migration = {migration}; \
             DELETE FROM _sqlx_migrations WHERE version = {migration}"
        )
    }

    /// An image like `image`, with the next release in the place of this one.
    pub async fn image(&self, registry: &Registry, image: &str) -> Result<String> {
        let program = self.build().await?;
        let folder = tempfile::tempdir().context("make a folder")?;
        let place = folder.path().join(PLACE);
        fs::create_dir_all(place.parent().unwrap_or(&place)).context("make a folder")?;
        // What it knows for debuggers is the largest part of it.
        let mut strip = repository::command("strip");
        run(strip.arg("-o").arg(&place).arg(&program)).await?;
        let layer = folder.path().join("layer.tar");
        let mut tar = repository::command("tar");
        tar.args(["--create", "--owner=0", "--group=0", "--mode=0755"])
            .arg("--file")
            .arg(&layer)
            .arg("--directory")
            .arg(folder.path())
            .arg(PLACE);
        run(&mut tar).await?;
        let layer = fs::read(&layer).context("read the layer")?;
        registry.add_layer(image, layer).await
    }

    async fn build(&self) -> Result<PathBuf> {
        let target = repository::root().join("target");
        let folder = target.join("next-release");
        copy_source(&folder).await?;
        self.change(&folder)?;
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = repository::command(cargo);
        build
            .args(["build", "--quiet", "--workspace", "--bin", PROGRAM])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(&folder);
        run(&mut build).await?;
        Ok(target.join("debug").join(PROGRAM))
    }

    fn change(&self, folder: &Path) -> Result<()> {
        let manifest = read(&repository::root().join(MANIFEST))?;
        let inherited = "version.workspace = true";
        ensure!(
            manifest.contains(inherited),
            "the chat server has a version of its own"
        );
        let version = format!("version = \"{}\"\nautobins = false", self.version);
        let program = format!("\n[[bin]]\nname = \"{PROGRAM}\"\npath = \"src/main.rs\"\n");
        let manifest = format!("{}{program}", manifest.replacen(inherited, &version, 1));
        write_if_new(&folder.join(MANIFEST), manifest.as_bytes())?;
        let folder = folder.join("chat-server/migrations/postgres");
        let name = format!("{:04}{MIGRATION}", self.migration);
        // Of an earlier run, when this release had fewer migrations.
        for entry in fs::read_dir(&folder).context("read the migrations")? {
            let file = entry.context("read the migrations")?.path();
            let found = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if found.ends_with(MIGRATION) && found != name {
                fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
            }
        }
        write_if_new(&folder.join(name), self.sql().as_bytes())
    }
}

/// The source as it is in the working tree. What is the same is left alone, and with it what cargo has built of it.
async fn copy_source(folder: &Path) -> Result<()> {
    let root = repository::root();
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let arguments = [&list[..], &["--"], &SOURCE].concat();
    let files = git::run(root, &arguments).await?;
    for file in files.lines() {
        // One that was removed and not committed yet is among them.
        if let Ok(content) = fs::read(root.join(file))
            && file != MANIFEST
        {
            write_if_new(&folder.join(file), &content)?;
        }
    }
    Ok(())
}

fn write_if_new(file: &Path, content: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let parent = file.parent().unwrap_or(file);
    fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    fs::write(file, content).with_context(|| format!("write {}", file.display()))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

async fn run(command: &mut Command) -> Result<()> {
    let program = command.as_std().get_program().to_owned();
    let output = command
        .output()
        .await
        .with_context(|| format!("start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

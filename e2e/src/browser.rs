//! A real browser: Chromium, led by the chromedriver of the same package. Both end with the visit, also when it fails
//! or panics. What is on the page is the story's business.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver, WebDriverRunError};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::repository;

/// A browser takes a second to start; on a machine under load several.
const START: Duration = Duration::from_mins(1);

/// No network but the page's own, no graphics card, and nothing that asks a question.
const CHROMIUM_ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The size of what a person looks at.
#[derive(Clone, Copy, Debug)]
pub enum Screen {
    /// 1280x800.
    Desktop,
    /// 390x844, with touch.
    Phone,
    /// 320x640, with touch: the narrowest that must work.
    SmallPhone,
}

/// An open page. It is the `WebDriver` with what the stories need on top.
#[derive(Debug)]
pub struct Page(pub WebDriver);

impl Page {
    /// Changes the size of the page's screen.
    pub async fn set_screen(&self, screen: Screen) -> Result<()> {
        let (width, height, mobile) = match screen {
            Screen::Desktop => (1280, 800, false),
            Screen::Phone => (390, 844, true),
            Screen::SmallPhone => (320, 640, true),
        };
        // Not the window's size: Chromium's windows are never narrower than 500 pixels.
        let metrics = serde_json::json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.0
            .cdp()
            .send_raw("Emulation.setDeviceMetricsOverride", metrics)
            .await
            .context("change the screen's size")?;
        Ok(())
    }

    /// Writes what is to be seen into a PNG file under `target/e2e`.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let path = repository::artifact(name)?;
        self.0
            .screenshot(&path)
            .await
            .with_context(|| format!("take the screenshot {}", path.display()))?;
        Ok(path)
    }
}

/// Opens a browser with a fresh profile, pays the visit, and closes the browser whatever came of it.
pub async fn visit<T>(visit: impl AsyncFnOnce(Page) -> Result<T>) -> Result<T> {
    visit_with(&[], visit).await
}

/// A visit by a browser that is started with `arguments` besides.
pub async fn visit_with<T>(
    arguments: &[String],
    visit: impl AsyncFnOnce(Page) -> Result<T>,
) -> Result<T> {
    let profile = TempDir::with_prefix("chatapp-chromium-")
        .context("make a folder for the browser's profile")?;
    let chromedriver = Chromedriver::start().await?;
    let mut capabilities = DesiredCapabilities::chrome();
    let arguments = arguments.iter().map(String::as_str);
    for argument in CHROMIUM_ARGUMENTS.into_iter().chain(arguments) {
        capabilities.add_arg(argument)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
    let driver = timeout(
        START,
        WebDriver::new(chromedriver.url.clone(), capabilities),
    )
    .await
    .context("Chromium did not start in time")?
    .context("start Chromium")?;
    let visited = driver.run_and_quit(|driver| visit(Page(driver))).await;
    visited.map_err(|failed| match failed {
        WebDriverRunError::Body(error) | WebDriverRunError::BodyAndCleanup { body: error, .. } => {
            error
        }
        WebDriverRunError::Cleanup(error) => anyhow::Error::new(error).context("close Chromium"),
        other => anyhow::anyhow!("{other}"),
    })
}

/// A running chromedriver, on a port that it chose itself.
struct Chromedriver {
    url: String,
    group: Option<Pid>,
    _process: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl Chromedriver {
    async fn start() -> Result<Self> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            // A group of its own, which Chromium is part of: one signal ends them all.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start chromedriver (apt-get install chromium-driver)")?;
        let group = process
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let mut output =
            BufReader::new(process.stdout.take().context("chromedriver's output")?).lines();
        let port = timeout(START, port(&mut output))
            .await
            .context("chromedriver did not start in time")??;
        Ok(Self {
            url: format!("http://127.0.0.1:{port}"),
            group,
            _process: process,
            _output: output,
        })
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // An error means that they have all ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

// From the line "ChromeDriver was started successfully on port 41235."
async fn port(output: &mut Lines<BufReader<ChildStdout>>) -> Result<u16> {
    while let Some(line) = output
        .next_line()
        .await
        .context("read chromedriver's output")?
    {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port
                .trim_end_matches('.')
                .parse()
                .with_context(|| format!("the port in: {line}"));
        }
    }
    anyhow::bail!("chromedriver ended at once")
}

#[cfg(test)]
mod tests {
    use std::{panic::AssertUnwindSafe, sync::Mutex};

    use futures::FutureExt;

    use super::*;
    use crate::wait::{self, Seen};

    /// The processes whose command line has `text` in it.
    fn processes(text: &str) -> usize {
        let lines = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = lines.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines
            .filter(|line| String::from_utf8_lossy(line).contains(text))
            .count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_process_outlives_a_visit_that_panics() {
        let profile = Mutex::new(String::new());
        let visited = AssertUnwindSafe(visit::<()>(async |page| {
            page.0.goto("data:text/html,<title>here</title>").await?;
            assert_eq!(page.0.title().await?, "here");
            let chromium = page
                .0
                .cdp()
                .send_raw("Browser.getBrowserCommandLine", ())
                .await?;
            let folder = chromium
                .to_string()
                .split("chatapp-chromium-")
                .nth(1)
                .unwrap()[..6]
                .to_owned();
            assert!(processes(&folder) > 0);
            *profile.lock().unwrap() = folder;
            panic!("in the middle of a visit");
        }));
        assert!(visited.catch_unwind().await.is_err());
        let folder = profile.into_inner().unwrap();
        assert_eq!(folder.len(), 6, "the visit failed too early");
        wait::until("the browser to end", Duration::from_secs(20), async || {
            let left = processes(&folder);
            Ok(Seen::when(left == 0, || format!("{left} processes")))
        })
        .await
        .unwrap();
    }
}

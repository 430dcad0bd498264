//! Clients that chat with the example all the time, through its page and with its servers themselves.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{chat::Chat, forward::Proxy, load::Load};

use crate::example;

const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct ConstantLoad {
    parts: Vec<(&'static str, Load)>,
    /// The way to both.
    _proxy: Proxy,
}

impl ConstantLoad {
    pub(crate) async fn start(name: &str) -> Result<Self> {
        let proxy = Proxy::open().await?;
        let mut parts = Vec::new();
        for part in ["server", "frontend"] {
            let url = proxy.url(example::NAMESPACE, &format!("{name}-{part}"));
            parts.push((part, Load::start(&Chat::at(&url)?, CLIENTS, PACE).await?));
        }
        Ok(Self {
            parts,
            _proxy: proxy,
        })
    }

    /// Waits until each client has been answered once more.
    pub(crate) async fn goes_on(&self) -> Result<()> {
        for (part, load) in &self.parts {
            load.goes_on(PATIENCE)
                .await
                .with_context(|| format!("through {part}"))?;
        }
        Ok(())
    }

    /// Ends it; an error if any request has failed.
    pub(crate) async fn no_request_failed(self) -> Result<()> {
        for (part, load) in self.parts {
            let figures = load.no_request_failed().await;
            say!(
                "through {part}: {}",
                figures.with_context(|| format!("through {part}"))?
            );
        }
        Ok(())
    }
}

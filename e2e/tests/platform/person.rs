//! What a person does on the page.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{
    browser::Page,
    wait::{self, Seen},
};
use serde_json::json;
use thirtyfour::{By, extensions::query::ElementQueryable};
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the page, begins a chat and says something. The answer is the chat.
pub(crate) async fn says(page: &Page, url: &str, text: &str) -> Result<Uuid> {
    page.0
        .goto(url)
        .await
        .with_context(|| format!("open {url}"))?;
    click(page, "Begin chat").await?;
    let input = page
        .0
        .query(By::Css("textarea, input[type=text]"))
        .and_displayed()
        .and_enabled()
        .first()
        .await?;
    input.send_keys(text).await.context("type")?;
    click(page, "Send").await?;
    wait::until("the chat's address", PATIENCE, async || {
        chat_id(page).await.map(Seen::Done)
    })
    .await
}

/// Sees what was said, and a reply that the server, asked from the page, has in its transcript.
pub(crate) async fn is_answered(page: &Page, chat_id: Uuid, text: &str) -> Result<()> {
    let script = "const done = arguments[1];
        fetch(`/transcript/${arguments[0]}`).then((answer) => answer.json())
            .then((body) => done(body.messages.map((message) => message.text)), (error) => done([String(error)]))";
    wait::until("the conversation on the page", PATIENCE, async || {
        let seen = page.0.find(By::Css("[role=log]")).await?.text().await?;
        let lines = page
            .0
            .execute_async(script, vec![json!(chat_id)])
            .await
            .context("ask for the transcript")?;
        let lines: Vec<String> = lines.convert()?;
        let is_seen = lines.iter().all(|line| seen.contains(line.as_str()));
        let is_answered = lines.len() == 3 && lines[1] == text;
        Ok(Seen::when(is_seen && is_answered, || {
            format!("{seen:?} on the page, {lines:?} in the transcript")
        }))
    })
    .await
}

/// Opens the host's page by http, is sent on to https, and chats there.
pub(crate) async fn chats_by_https(page: &Page, host: &str) -> Result<()> {
    let chat_id = says(page, &format!("http://{host}/"), "hello").await?;
    let address = page.0.current_url().await.context("the page's address")?;
    ensure!(
        address.scheme() == "https" && address.host_str() == Some(host) && address.port().is_none(),
        "the page is at {address}"
    );
    is_answered(page, chat_id, "hello").await
}

async fn click(page: &Page, label: &str) -> Result<()> {
    let button = By::XPath(format!(
        "//button[normalize-space()='{label}' or @aria-label='{label}']"
    ));
    let button = page
        .0
        .query(button)
        .desc(label)
        .and_clickable()
        .first()
        .await;
    button
        .with_context(|| format!("find {label}"))?
        .click()
        .await
        .with_context(|| format!("click on {label}"))
}

/// The chat that the page's address names.
async fn chat_id(page: &Page) -> Result<Uuid> {
    let address = page.0.current_url().await.context("the page's address")?;
    let id = address
        .fragment()
        .and_then(|place| place.strip_prefix("/chat/"));
    id.and_then(|id| Uuid::try_parse(id).ok())
        .with_context(|| format!("no chat in {address}"))
}

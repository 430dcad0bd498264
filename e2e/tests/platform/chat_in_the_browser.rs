//! From a commit to a conversation: Argo CD has made the cluster what Git says, the ChatApp is ready, a person
//! chats in a browser, comes back after a reload, and PostgreSQL has every line of it.

use anyhow::{Context, Result, ensure};
use e2e::{
    argocd,
    browser::{self, Page, Screen},
    chat::Sender,
    chatapp,
    database::Database,
    repository,
    wait::{self, Seen},
};
use serde::Deserialize;
use thirtyfour::By;
use uuid::Uuid;

use crate::{
    World,
    person::{self, PATIENCE},
};

const CONTENT: &str = "manifests/chatapp/envs/dev/content.yaml";
const DATABASE: Database = Database {
    namespace: "chatapp-dev",
    cluster: "demo-db",
};

pub(crate) async fn story(world: &World) -> Result<()> {
    let revision = wait::until("Argo CD's applications", PATIENCE, async || {
        Ok(argocd::one_healthy_revision(
            &argocd::applications(&world.client).await?,
        ))
    })
    .await?;
    say!("all applications are Synced and Healthy at {revision}");
    let app = chatapp::ready(&world.client, "chatapp-dev", "demo", PATIENCE).await?;
    let url = app
        .status
        .and_then(|status| status.url)
        .context("status.url of chatapp-dev/demo")?;
    say!("chatapp-dev/demo is ready at {url}");

    let replies = replies_to("hello")?;
    let (chat_id, reply) =
        browser::visit(async |page| chat(&page, world.chat.url(), &replies).await).await?;

    let transcript = world
        .chat
        .transcript(chat_id)
        .await
        .context("read the transcript")?;
    let lines: Vec<_> = transcript
        .iter()
        .map(|line| (line.sender, line.text.as_str()))
        .collect();
    let exchange = [(Sender::User, "hello"), (Sender::Bot, reply.as_str())];
    ensure!(
        lines.ends_with(&exchange),
        "the transcript of {chat_id} is {lines:?}"
    );

    let statement = format!(
        "SELECT sender || ' ' || body FROM messages WHERE chat_id = '{chat_id}' ORDER BY id"
    );
    let rows = DATABASE.psql(&world.client, "app", &statement).await?;
    let rows: Vec<_> = rows.lines().collect();
    ensure!(
        rows.len() == lines.len(),
        "PostgreSQL has {rows:?}, the transcript {lines:?}"
    );
    ensure!(
        rows.ends_with(&["USER hello", &format!("BOT {reply}")]),
        "PostgreSQL has {rows:?}"
    );
    Ok(())
}

/// What the bot may answer, as the environment's author wrote it.
fn replies_to(text: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Content {
        dialogues: Vec<Dialogue>,
    }
    #[derive(Deserialize)]
    struct Dialogue {
        text: String,
        replies: Vec<String>,
    }
    let content: Content = repository::yaml(CONTENT)?;
    let dialogue = content
        .dialogues
        .into_iter()
        .find(|dialogue| dialogue.text == text);
    dialogue
        .map(|dialogue| dialogue.replies)
        .with_context(|| format!("{CONTENT} has no reply to {text:?}"))
}

/// Chats, reloads, looks at it on a desktop and on phones; gives back the chat and the reply.
async fn chat(page: &Page, url: &str, replies: &[String]) -> Result<(Uuid, String)> {
    page.set_screen(Screen::Desktop).await?;
    let chat_id = person::says(page, url, "hello").await?;
    let reply = reply_on(page, replies).await?;

    page.0.refresh().await.context("reload")?;
    ensure!(
        reply_on(page, replies).await? == reply,
        "after a reload the reply is another one"
    );
    let mut shots = vec![page.screenshot("chat.png").await?];
    for (screen, name) in [
        (Screen::Phone, "chat-phone.png"),
        (Screen::SmallPhone, "chat-small-phone.png"),
    ] {
        page.set_screen(screen).await?;
        reply_on(page, replies).await?;
        let too_wide = "return document.documentElement.scrollWidth > window.innerWidth";
        let too_wide: bool = page
            .0
            .execute(too_wide, vec![])
            .await
            .context("measure the page")?
            .convert()?;
        ensure!(!too_wide, "the page is wider than the screen: {screen:?}");
        shots.push(page.screenshot(name).await?);
    }
    say!("screenshots: {shots:?}");
    Ok((chat_id, reply))
}

/// Waits until "hello" and one of the replies are to be seen, and says which one.
async fn reply_on(page: &Page, replies: &[String]) -> Result<String> {
    wait::until("the conversation on the page", PATIENCE, async || {
        let text = page.0.find(By::Css("[role=log]")).await?.text().await?;
        let reply = replies.iter().find(|reply| text.contains(reply.as_str()));
        Ok(match reply {
            Some(reply) if text.contains("hello") => Seen::Done(reply.clone()),
            _ => Seen::NotYet(format!("{text:?}")),
        })
    })
    .await
}

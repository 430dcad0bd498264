//! A conversation with a ChatApp that has to be there later, word for word.

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use crate::{
    chat::{Chat, Message},
    forward::Proxy,
};

/// A chat with some messages in it.
#[derive(Debug)]
pub struct Conversation {
    chat: Chat,
    chat_id: Uuid,
    lines: Vec<Message>,
    // The way to the chat.
    _proxy: Proxy,
}

impl Conversation {
    /// Begins a chat with a ChatApp and says something.
    pub async fn hold(namespace: &str, app: &str) -> Result<Self> {
        let proxy = Proxy::open().await?;
        let chat = Chat::at(&proxy.url(namespace, &format!("{app}-server")))?;
        let chat_id = chat.start().await.context("begin a chat")?.chat_id;
        let mut conversation = Self {
            chat,
            chat_id,
            lines: Vec::new(),
            _proxy: proxy,
        };
        for text in ["hello", "are you still there tomorrow?", "goodbye"] {
            conversation
                .chat
                .send(chat_id, text)
                .await
                .context("send a message")?;
        }
        conversation.lines = conversation.chat.transcript(chat_id).await?;
        Ok(conversation)
    }

    /// Finds every line of it, and goes on with it.
    pub async fn goes_on(&self) -> Result<()> {
        let lines = self
            .chat
            .transcript(self.chat_id)
            .await
            .context("read the transcript")?;
        ensure!(
            lines.starts_with(&self.lines),
            "the transcript is {lines:?}, it was {:?}",
            self.lines
        );
        let text = format!("line {}", Uuid::new_v4());
        self.chat
            .send(self.chat_id, &text)
            .await
            .context("send a message")?;
        let lines = self.chat.transcript(self.chat_id).await?;
        let is_there = lines.iter().any(|line| line.text == text);
        ensure!(is_there, "{text:?} isn't in the transcript");
        Ok(())
    }
}

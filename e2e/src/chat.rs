//! The chat's HTTP API as a client sees it. Says exactly what was acknowledged and what was not; tries nothing twice.

use std::{env, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use uuid::Uuid;

/// Longer than any answer takes; a person would have given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no success to report.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The chat answered, and said no.
    #[error("{status}: {body}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// The answer's body, as it is.
        body: String,
    },
    /// No answer that could be understood.
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
}

impl ChatError {
    /// What kind of error it is, for counting.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Refused { status, .. } => status.as_u16().to_string(),
            Self::NoAnswer(error) if error.is_timeout() => "timeout".to_owned(),
            Self::NoAnswer(error) if error.is_connect() => "no connection".to_owned(),
            Self::NoAnswer(_) => "connection lost".to_owned(),
        }
    }
}

/// A chat that has begun.
#[derive(Debug, Deserialize)]
pub struct Started {
    /// Which chat.
    pub chat_id: Uuid,
    /// The greeting.
    pub reply: String,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Sender {
    /// The person.
    User,
    /// The chatbot.
    Bot,
}

/// A line of a transcript.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Message {
    /// Who wrote it.
    pub sender: Sender,
    /// What was written.
    pub text: String,
}

/// A client of one chat service.
#[derive(Clone, Debug)]
pub struct Chat {
    http: Client,
    url: String,
}

impl Chat {
    /// The chat at `CHATAPP_URL`.
    pub fn from_env() -> Result<Self> {
        let url = env::var("CHATAPP_URL").unwrap_or_default();
        ensure!(
            !url.is_empty(),
            "CHATAPP_URL is not set: run `./just test-e2e`, or set it to what `./just url` prints"
        );
        Self::at(&url)
    }

    /// The chat at `url`.
    pub fn at(url: &str) -> Result<Self> {
        // No proxy: the chat is on this machine, whatever the environment says about others.
        let http = Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .context("make an HTTP client")?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Where the chat is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Begins a chat.
    pub async fn start(&self) -> Result<Started, ChatError> {
        answer(self.http.post(format!("{}/start_chat", self.url))).await
    }

    /// Sends a message; success means it was acknowledged, and is the reply.
    pub async fn send(&self, chat_id: Uuid, text: &str) -> Result<String, ChatError> {
        #[derive(Deserialize)]
        struct Reply {
            reply: String,
        }
        let request = self
            .http
            .post(format!("{}/message", self.url))
            .json(&json!({"chat_id": chat_id, "text": text}));
        answer::<Reply>(request).await.map(|answer| answer.reply)
    }

    /// All messages of a chat, in order.
    pub async fn transcript(&self, chat_id: Uuid) -> Result<Vec<Message>, ChatError> {
        #[derive(Deserialize)]
        struct Transcript {
            messages: Vec<Message>,
        }
        let request = self.http.get(format!("{}/transcript/{chat_id}", self.url));
        answer::<Transcript>(request)
            .await
            .map(|answer| answer.messages)
    }

    /// A whole conversation: begins a chat, sends `text`, and finds both it and its reply in the transcript.
    pub async fn round_trip(&self, text: &str) -> Result<()> {
        let started = self.start().await.context("begin a chat")?;
        let reply = self
            .send(started.chat_id, text)
            .await
            .context("send a message")?;
        let transcript = self
            .transcript(started.chat_id)
            .await
            .context("read the transcript")?;
        let texts: Vec<&str> = transcript
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        ensure!(
            texts == [started.reply.as_str(), text, reply.as_str()],
            "the transcript of a new chat is {texts:?}, the greeting was {:?}, the reply {reply:?}",
            started.reply
        );
        Ok(())
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ChatError> {
    let response = request.send().await.map_err(ChatError::NoAnswer)?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(ChatError::NoAnswer);
    }
    let body = response.text().await.map_err(ChatError::NoAnswer)?;
    Err(ChatError::Refused { status, body })
}

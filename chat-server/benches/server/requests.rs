//! The bytes of requests, made before the clock runs. A message's idempotency key is the only part that changes.

use uuid::Builder;

/// Half of them have a dialogue in the built-in content.
const TEXTS: &[&str] = &[
    "hello",
    "How are you?",
    "tell me a joke",
    "Thank you",
    "what is your name?",
    "goodbye",
    "I was wondering whether you could help me to find a good place for lunch around here",
    "what did the weather do today",
    "my train is late again and the coffee machine at the station is broken too",
    "do you know how long a tortoise can go without an argument?",
    "nothing much, just bored",
    "können wir auch auf Deutsch schreiben, oder ist das zu viel verlangt?",
];
const KEY_LENGTH: usize = 36;

/// A request that can be sent again and again.
pub(crate) struct Request {
    bytes: Vec<u8>,
    key_at: Option<usize>,
}

impl Request {
    pub(crate) fn same_each_time(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            key_at: None,
        }
    }

    /// The bytes to send next, with an idempotency key of their own.
    pub(crate) fn next(&mut self) -> &[u8] {
        if let Some(place) = self
            .key_at
            .and_then(|at| self.bytes.get_mut(at..at + KEY_LENGTH))
        {
            Builder::from_random_bytes(rand::random())
                .into_uuid()
                .hyphenated()
                .encode_lower(place);
        }
        &self.bytes
    }
}

/// Messages to one chat.
pub(crate) fn messages(chat: &str) -> Vec<Request> {
    TEXTS.iter().map(|text| message(chat, text)).collect()
}

/// One of the texts, the same for the same number.
pub(crate) fn text(number: usize) -> &'static str {
    TEXTS.get(number % TEXTS.len()).copied().unwrap_or_default()
}

fn message(chat: &str, text: &str) -> Request {
    const BEFORE_KEY: &str = "POST /message HTTP/1.1\r\nhost: bench\r\nidempotency-key: ";
    let body = serde_json::json!({"chat_id": chat, "text": text}).to_string();
    let key = " ".repeat(KEY_LENGTH);
    let bytes = format!(
        "{BEFORE_KEY}{key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Request {
        bytes: bytes.into_bytes(),
        key_at: Some(BEFORE_KEY.len()),
    }
}

pub(crate) fn start_chat() -> Vec<u8> {
    b"POST /start_chat HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n\r\n".to_vec()
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

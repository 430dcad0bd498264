//! The real program as a process: started, ready, and gone with its handle. Its log is at its default level and goes to
//! /dev/null, so that it costs the writing and not the disk that the database uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::load::{Client, Connection};
use crate::requests;

const READY_LIMIT: Duration = Duration::from_secs(20);
const READY_PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

/// `chat-server`, with nothing from the environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

impl Server {
    /// A server on this database that says that it is ready.
    pub(crate) async fn start(url: &str) -> anyhow::Result<Self> {
        // Every client here has the same address.
        let unlimited = ["--rate-limit", "0"];
        let arguments = if has_rate_limit()? {
            &unlimited[..]
        } else {
            &[]
        };
        let mut server = Self::spawn(url, arguments)?;
        server.ready().await?;
        Ok(server)
    }

    /// A process that may not be ready yet.
    pub(crate) fn spawn(url: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = program(&["serve", "--listen", &address.to_string()])
            .args(["--database-url", url])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chat-server doesn't run")?;
        Ok(Self { process, address })
    }

    /// Ask every millisecond until it is ready.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        let request = requests::get("/readyz");
        loop {
            if let Ok(mut connection) = Connection::open(self.address).await
                && let Ok(answer) = connection.ask(&request).await
                && answer.status == 200
            {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("chat-server serve ended ({status})");
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "not ready within {READY_LIMIT:?}"
            );
            tokio::time::sleep(READY_PAUSE).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The ids of new chats.
    pub(crate) async fn new_chats(&self, count: usize) -> anyhow::Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Started {
            chat_id: String,
        }
        let request = requests::start_chat();
        let mut connection = Connection::open(self.address).await?;
        let mut chats = Vec::with_capacity(count);
        for _ in 0..count {
            let answer = connection.ask(&request).await?;
            anyhow::ensure!(answer.status == 200, "/start_chat: {}", answer.status);
            let started: Started = serde_json::from_slice(answer.body)?;
            chats.push(started.chat_id);
        }
        Ok(chats)
    }

    /// Clients that each have a new chat to talk in, and the ids of these chats.
    pub(crate) async fn new_clients(
        &self,
        count: usize,
    ) -> anyhow::Result<(Vec<String>, Vec<Client>)> {
        let chats = self.new_chats(count).await?;
        let mut clients = Vec::with_capacity(count);
        for chat in &chats {
            clients.push(Client::open(self.address, requests::messages(chat)).await?);
        }
        Ok((chats, clients))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn has_rate_limit() -> anyhow::Result<bool> {
    let help = program(&["serve", "--help"])
        .output()
        .context("chat-server doesn't run")?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("--rate-limit"))
}

//! The load generator: keep-alive connections on one thread, with as little work per request as HTTP/1.1 allows,
//! because it takes the cores from what it measures. It reads of an answer the status and the length, no more.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

use crate::requests::Request;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 32 * 1024],
        })
    }

    /// Send a request and read its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let mut rest = request;
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            let read = self.buffer.get(..filled).unwrap_or_default();
            match Head::parse(read)? {
                Some(head) if head.length + head.body_length <= filled => break head,
                _ => {}
            }
        };
        let end = head.length + head.body_length;
        Ok(Answer {
            status: head.status,
            body: self.buffer.get(head.length..end).unwrap_or_default(),
        })
    }

    /// Wait for the next bytes. Of the ways to read, `poll_read` is the one that knows without asking the kernel that
    /// nothing has come yet.
    async fn read(&mut self, from: usize) -> io::Result<usize> {
        let place = self.buffer.get_mut(from..).unwrap_or_default();
        if place.is_empty() {
            return Err(unexpected("an answer longer than the buffer"));
        }
        let mut place = ReadBuf::new(place);
        let stream = &mut self.stream;
        poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut place)).await?;
        match place.filled().len() {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

impl Head {
    /// The head of an answer, once it is there whole.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = bytes.windows(END.len()).position(|it| it == END) else {
            return Ok(None);
        };
        let head = bytes.get(..end).unwrap_or_default();
        let text = std::str::from_utf8(head).map_err(|_| unexpected("a head that is no text"))?;
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        let body_length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok());
        match (status, body_length) {
            (Some(status), Some(body_length)) => Ok(Some(Self {
                status,
                length: end + END.len(),
                body_length,
            })),
            _ => Err(unexpected("a head without status and content-length")),
        }
    }
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// A connection and what it sends, in turn.
pub(crate) struct Client {
    connection: Connection,
    requests: Vec<Request>,
    next: usize,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answered: u32,
    /// Answers other than 200, and connections that broke.
    pub(crate) failed: u32,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr, requests: Vec<Request>) -> io::Result<Self> {
        Ok(Self {
            connection: Connection::open(address).await?,
            next: rand::random_range(0..requests.len().max(1)),
            requests,
            outcome: Outcome::default(),
        })
    }

    /// Whether there is any use in going on.
    pub(crate) async fn ask_next(&mut self) -> bool {
        let place = self.next % self.requests.len().max(1);
        self.next += 1;
        let Some(request) = self.requests.get_mut(place) else {
            return false;
        };
        match self.connection.ask(request.next()).await {
            Ok(answer) if answer.status == 200 => self.outcome.answered += 1,
            Ok(_) => self.outcome.failed += 1,
            Err(_) => {
                self.outcome.failed += 1;
                return false;
            }
        }
        true
    }
}

/// What all clients together did.
pub(crate) struct Run {
    pub(crate) clients: Vec<Client>,
    pub(crate) per_second: f64,
    pub(crate) failed: u32,
}

/// Each client sends its next request when the last is answered.
pub(crate) async fn closed_loop(clients: Vec<Client>, duration: Duration) -> Run {
    let clock = Clock::start(&clients);
    let deadline = clock.started + duration;
    let running = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            while Instant::now() < deadline && client.ask_next().await {}
            client
        })
    });
    let ended = join_all(running.collect::<Vec<_>>()).await;
    clock.stop(ended.into_iter().flatten().collect())
}

/// The clients take turns to send so many requests per second in all, each when it is due. With the run come the times
/// from due to answered.
pub(crate) async fn open_loop(
    clients: Vec<Client>,
    per_second: f64,
    duration: Duration,
) -> (Run, Vec<Duration>) {
    let clock = Clock::start(&clients);
    let step = Duration::from_secs_f64(1.0 / per_second.max(1.0));
    let round = step * u32::try_from(clients.len()).unwrap_or(u32::MAX);
    let deadline = clock.started + duration;
    let mut first_due = clock.started;
    let running = clients.into_iter().map(|mut client| {
        let mut due = first_due;
        first_due += step;
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while due < deadline {
                tokio::time::sleep_until(due.into()).await;
                if !client.ask_next().await {
                    break;
                }
                waits.push(due.elapsed());
                due += round;
            }
            (client, waits)
        })
    });
    let ended = join_all(running.collect::<Vec<_>>()).await;
    let (clients, waits): (_, Vec<_>) = ended.into_iter().flatten().unzip();
    (clock.stop(clients), waits.concat())
}

/// What was when a run began.
struct Clock {
    started: Instant,
    before: Outcome,
}

impl Clock {
    fn start(clients: &[Client]) -> Self {
        Self {
            before: total(clients),
            started: Instant::now(),
        }
    }

    fn stop(self, clients: Vec<Client>) -> Run {
        let seconds = self.started.elapsed().as_secs_f64();
        let after = total(&clients);
        Run {
            per_second: f64::from(after.answered - self.before.answered) / seconds,
            failed: after.failed,
            clients,
        }
    }
}

fn total(clients: &[Client]) -> Outcome {
    Outcome {
        answered: clients.iter().map(|client| client.outcome.answered).sum(),
        failed: clients.iter().map(|client| client.outcome.failed).sum(),
    }
}

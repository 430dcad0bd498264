//! How long a client is waited for. A connection that waits longer for a request than [`IDLE_LIMIT`], for the rest of a
//! request's head than [`HEAD_LIMIT`], or for the client to take some of an answer than [`WRITE_LIMIT`], fails with an
//! error, whereupon hyper closes it. How long a body may take is [`super::json`]'s business, which can still answer.
//!
//! hyper has a limit for the head itself, but counts the idle time before it, and takes a timer for each request. Here one
//! timer for each connection is set forward only when it fires.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_io_timeout::TimeoutWriter;

/// For a whole head, from its first byte; for a connection's first one, from the beginning of the connection.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Between an answer and the next request. As long as the page's nginx keeps its connections.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// For any progress of an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Whether a request is being worked on, as those know who work on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(super) fn set(&self, is_busy: bool) {
        self.0.store(is_busy, Ordering::Relaxed);
    }
}

/// What is expected of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Nothing that isn't limited elsewhere.
    Nothing,
    /// A new request.
    Request,
    /// The rest of a head.
    Head,
}

/// A connection whose client is not waited for without end.
pub(super) struct Patient<S> {
    stream: Pin<Box<TimeoutWriter<S>>>,
    busy: Busy,
    expected: Expected,
    deadline: Instant,
    /// Never later than the deadline.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite> Patient<S> {
    pub(super) fn new(stream: S, busy: Busy) -> Self {
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(WRITE_LIMIT));
        Self {
            stream: Box::pin(stream),
            busy,
            expected: Expected::Head,
            deadline: Instant::now() + HEAD_LIMIT,
            alarm: None,
        }
    }

    fn expect(&mut self, expected: Expected, limit: Duration) {
        if self.expected != expected {
            self.expected = expected;
            self.deadline = Instant::now() + limit;
        }
    }

    fn is_too_late(&mut self, context: &mut Context<'_>) -> bool {
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
        if alarm.deadline() > self.deadline {
            alarm.as_mut().reset(self.deadline);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if alarm.deadline() == self.deadline {
                return true;
            }
            alarm.as_mut().reset(self.deadline);
        }
        false
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.stream.as_mut().poll_read(context, buffer);
        if self.busy.0.load(Ordering::Relaxed) {
            self.expected = Expected::Nothing;
        } else if read.is_ready() {
            self.expect(Expected::Head, HEAD_LIMIT);
        } else {
            if self.expected == Expected::Nothing {
                self.expect(Expected::Request, IDLE_LIMIT);
            }
            if self.is_too_late(context) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.as_mut().poll_write(context, bytes);
        self.not_idle_after(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.as_mut().poll_write_vectored(context, slices);
        self.not_idle_after(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

impl<S> Patient<S> {
    /// The idle time begins when the last of an answer was taken, however long that took.
    fn not_idle_after(&mut self, written: &Poll<io::Result<usize>>) {
        if written.is_ready() && self.expected == Expected::Request {
            self.expected = Expected::Nothing;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn connection() -> (DuplexStream, Patient<DuplexStream>, Busy) {
        let (client, server) = duplex(64);
        let busy = Busy::default();
        (client, Patient::new(server, busy.clone()), busy)
    }

    /// How long a read waits before it fails, in seconds.
    async fn patience(connection: &mut Patient<DuplexStream>) -> u64 {
        let began = Instant::now();
        let error = connection.read_u8().await.expect_err("nothing was sent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_has_its_time_from_the_connection_on() {
        let (mut client, mut server, _busy) = connection();
        sleep(4 * SECOND).await;
        client.write_all(b"G").await.expect("sent");
        server.read_u8().await.expect("received");
        assert_eq!(patience(&mut server).await, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn later_ones_from_their_first_byte_on_and_dribbling_does_not_help() {
        let (mut client, mut server, busy) = connection();
        busy.set(true);
        assert!(timeout(100 * SECOND, server.read_u8()).await.is_err());
        busy.set(false);
        assert!(timeout(70 * SECOND, server.read_u8()).await.is_err());
        for _ in 0..9 {
            client.write_all(b"G").await.expect("sent");
            server.read_u8().await.expect("received");
            sleep(SECOND).await;
        }
        assert_eq!(patience(&mut server).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_it_is_more_patient() {
        let (_client, mut server, busy) = connection();
        busy.set(true);
        assert!(timeout(100 * SECOND, server.read_u8()).await.is_err());
        busy.set(false);
        assert_eq!(patience(&mut server).await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_slowly_is_no_idle_time() {
        let (mut client, mut server, busy) = connection();
        busy.set(true);
        assert!(timeout(SECOND, server.read_u8()).await.is_err());
        busy.set(false);
        assert!(timeout(60 * SECOND, server.read_u8()).await.is_err());
        server.write_all(b"answer").await.expect("sent");
        client.read_exact(&mut [0; 6]).await.expect("received");
        assert_eq!(patience(&mut server).await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_fails() {
        let (_client, mut server, busy) = connection();
        busy.set(true);
        let began = Instant::now();
        let error = server.write_all(&[0; 100]).await.expect_err("not taken");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}

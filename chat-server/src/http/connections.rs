//! From a listening socket to HTTP requests: accepts connections, as many at once as are allowed, and lets hyper speak
//! HTTP/1.1 on each. What doesn't become a request (no HTTP, a head that is too large) hyper answers itself, without a
//! body. How long a client is waited for is [`super::patience`]'s business.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::patience::{Busy, Patient};

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The most of a body or an answer that waits in memory.
const MAX_BUFFER_BYTES: usize = 32 * 1024;
/// The most of an answer that the system keeps for a client; it doubles this for itself.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;
/// The most connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long nothing is accepted when accepting fails for want of something.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Who sent a request: the other end of the TCP connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// A socket that listens here. What it keeps of an answer is little, so that it shows whether a slow client reads at all:
/// the system would keep megabytes.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Connections have it from the socket that accepts them.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serve until asked to stop, then until the requests in flight are answered. Connections that are idle then are closed.
/// Connections beyond the maximum wait in the system's queue.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(max_connections));
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => break,
        };
        let Some((slot, stream, peer)) = accepted else {
            break;
        };
        let router = router.clone();
        tokio::spawn(speak_http(
            stream,
            peer,
            router,
            connections.watcher(),
            slot,
        ));
    }
    drop(listener);
    connections.shutdown().await;
}

/// The next connection, once there is a slot for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    // Only a semaphore that is closed has none; this one never is.
    let slot = slots.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Some((slot, stream, peer)),
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                // Most likely too many open files. It stays an error until some are closed.
                tracing::error!(%error, "cannot accept connections, trying again in {ACCEPT_PAUSE:?}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client has left before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

async fn speak_http(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    _slot: OwnedSemaphorePermit,
) {
    // An answer is one write, which is not to wait for another.
    let _ = stream.set_nodelay(true);
    let busy = Busy::default();
    let io = TokioIo::new(Patient::new(stream, busy.clone()));
    let service = TowerToHyperService::new(router);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        busy.set(true);
        request.extensions_mut().insert(Peer(peer));
        let answered = service.call(request);
        let busy = busy.clone();
        async move {
            let answer = answered.await;
            busy.set(false);
            answer
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(io, answer);
    // An error is that the client has left, was too slow or didn't speak HTTP: nothing that we could mend.
    let _ = watcher.watch(connection).await;
}

//! The network between an operator and the API server, which a test can cut.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::api_server::ApiServer;

/// Passes connections on until it is cut; then there are none, and new ones are closed.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    is_cut: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: &ApiServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let target = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let is_cut = watch::Sender::new(false);
        let state = is_cut.clone();
        let listening = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut state = state.subscribe();
                if *state.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await?;
                    tokio::select! {
                        done = copy_bidirectional(&mut near, &mut far) => done.map(|_| ()),
                        _ = state.wait_for(|is_cut| *is_cut) => Ok(()),
                    }
                });
            }
        });
        Self {
            port,
            is_cut,
            listening,
        }
    }

    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

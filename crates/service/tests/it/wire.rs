//! A server on a port of its own, and a client that speaks in bytes.

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::Router;
use prometheus::Registry;
use service::{
    Exchanges,
    server::{Drain, Drained, Limits, serve},
};
use testbed::{Answer, RawConnection};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

/// Longer than anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough that it never strikes in a test that is about another limit.
const NEVER: Duration = Duration::from_secs(3600);

/// Limits that do not strike; a test shortens the one it is about.
pub(crate) const ROOMY: Limits = Limits {
    max_connections: 1000,
    max_headers: 16 << 10,
    header_timeout: NEVER,
    keep_alive_timeout: NEVER,
    linger: NEVER,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Drained>,
}

impl Server {
    pub(crate) async fn start(routes: Router, limits: Limits) -> Self {
        Self::start_with(
            routes,
            limits,
            Drain {
                delay: Duration::ZERO,
                timeout: PATIENCE,
            },
        )
        .await
    }

    pub(crate) async fn start_with(routes: Router, limits: Limits, drain: Drain) -> Self {
        let app = Exchanges::new(&Registry::new(), limits.max_headers)
            .expect("a fresh registry")
            .around(routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.ok();
        };
        let ended = tokio::spawn(serve(listener, app.into(), limits, drain, shutdown));
        Self {
            address,
            stop: Some(stop),
            ended,
        }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire(
            RawConnection::open(&self.address.to_string())
                .await
                .expect("the server accepts"),
        )
    }

    /// Sends the signal; the drain goes on.
    pub(crate) fn signal(&mut self) {
        self.stop
            .take()
            .expect("signalled once")
            .send(())
            .expect("the server runs");
    }

    pub(crate) async fn ended(self) -> Drained {
        patiently(self.ended)
            .await
            .expect("the server does not panic")
    }
}

/// One connection, in bytes, for which nothing may take too long.
pub(crate) struct Wire(pub(crate) RawConnection);

impl Wire {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        patiently(self.0.send(bytes))
            .await
            .expect("the server reads");
    }

    /// Sends `GET <path>`.
    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
            .await;
    }

    /// The next response.
    pub(crate) async fn response(&mut self) -> Answer {
        self.0.read_answer(PATIENCE).await.expect("a response")
    }

    /// Waits until the server has closed the connection, and returns what it had sent by then.
    pub(crate) async fn closed(&mut self) -> String {
        let rest = self.0.read_to_close(PATIENCE).await.expect("an end");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Whether the server says that this was the last response of the connection.
pub(crate) fn is_last(response: &Answer) -> bool {
    response.header("connection") == Some("close")
}

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("this should have happened by now")
}

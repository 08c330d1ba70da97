//! A server on a port of its own, and a client that speaks in bytes.

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::Router;
use prometheus::Registry;
use service::{
    Exchanges,
    server::{Drain, Drained, Limits, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

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
        let ended = tokio::spawn(serve(listener, app, limits, drain, shutdown));
        Self {
            address,
            stop: Some(stop),
            ended,
        }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire(
            TcpStream::connect(self.address)
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

/// One connection, in bytes.
pub(crate) struct Wire(pub(crate) TcpStream);

/// One response as it came in.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn says_close(&self) -> bool {
        self.header("connection") == Some("close")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Wire {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        patiently(self.0.write_all(bytes.as_ref()))
            .await
            .expect("the server reads");
    }

    /// Sends `GET <path>`.
    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
            .await;
    }

    /// The next response; its body has a `Content-Length`.
    pub(crate) async fn response(&mut self) -> Response {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(patiently(self.0.read_u8()).await.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&bytes))
            }));
        }
        let head = String::from_utf8(bytes).expect("a head of text");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let mut response = Response {
            status,
            head,
            body: String::new(),
        };
        let length = response
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        patiently(self.0.read_exact(&mut body))
            .await
            .expect("a whole body");
        response.body = String::from_utf8(body).expect("a body of text");
        response
    }

    /// Waits until the server has closed the connection, and returns what it had sent by then.
    pub(crate) async fn closed(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end as well: the server need not read what it does not want.
        patiently(self.0.read_to_end(&mut rest)).await.ok();
        String::from_utf8_lossy(&rest).into_owned()
    }
}

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("this should have happened by now")
}

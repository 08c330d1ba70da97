//! Leaving without losing anybody.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use service::server::{Drain, Limits};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::wire::{PATIENCE, ROOMY, Server, is_last, patiently};

/// A route whose handler says that it runs and then waits to be released.
struct Gate {
    running: Arc<Notify>,
    release: Arc<Notify>,
}

impl Gate {
    fn new() -> Self {
        Self {
            running: Arc::default(),
            release: Arc::default(),
        }
    }

    fn routes(&self) -> Router {
        let (running, release) = (Arc::clone(&self.running), Arc::clone(&self.release));
        let wait = move || async move {
            running.notify_one();
            release.notified().await;
            "answered"
        };
        Router::new()
            .route("/wait", get(wait))
            .route("/hello", get(|| async { "hello" }))
    }
}

#[tokio::test]
async fn what_is_in_flight_is_answered_and_told_that_it_was_the_last() {
    let gate = Gate::new();
    let mut server = Server::start(gate.routes(), ROOMY).await;
    let mut wire = server.connect().await;
    wire.get("/wait").await;
    patiently(gate.running.notified()).await;
    server.signal();
    refuses_connections(server.address).await;
    gate.release.notify_one();
    let response = wire.response().await;
    assert_eq!(response.text(), "answered");
    assert!(is_last(&response));
    assert_eq!(wire.closed().await, "");
    assert_eq!(server.ended().await.cut_off, 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits {
        linger: Duration::from_millis(50),
        ..ROOMY
    };
    let mut server = Server::start(Gate::new().routes(), limits).await;
    let mut wire = server.connect().await;
    wire.get("/hello").await;
    assert!(!is_last(&wire.response().await));
    server.signal();
    assert_eq!(wire.closed().await, "");
    assert_eq!(server.ended().await.cut_off, 0);
}

#[tokio::test]
async fn a_request_that_crosses_with_the_signal_on_an_idle_connection_is_answered() {
    let mut server = Server::start(Gate::new().routes(), ROOMY).await;
    let mut wire = server.connect().await;
    wire.get("/hello").await;
    wire.response().await;
    server.signal();
    refuses_connections(server.address).await;
    wire.get("/hello").await;
    let response = wire.response().await;
    assert_eq!(response.text(), "hello");
    assert!(is_last(&response));
    assert_eq!(server.ended().await.cut_off, 0);
}

#[tokio::test]
async fn callers_in_the_backlog_are_answered() {
    let mut server = Server::start(Gate::new().routes(), ROOMY).await;
    // Connected by the kernel; on this thread the server cannot have run in between.
    let sockets: Vec<_> = (0..10)
        .map(|_| std::net::TcpStream::connect(server.address).expect("the kernel accepts"))
        .collect();
    server.signal();
    for socket in sockets {
        socket.set_nonblocking(true).expect("a socket");
        let mut stream = TcpStream::from_std(socket).expect("a socket");
        let mut answer = String::new();
        let request = b"GET /hello HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("a connection");
        patiently(stream.read_to_string(&mut answer))
            .await
            .expect("a whole answer");
        assert!(answer.ends_with("hello"), "{answer}");
    }
    assert_eq!(server.ended().await.cut_off, 0);
}

#[tokio::test]
async fn during_the_delay_new_callers_are_served() {
    let drain = Drain {
        delay: Duration::from_millis(300),
        timeout: PATIENCE,
    };
    let mut server = Server::start_with(Gate::new().routes(), ROOMY, drain).await;
    server.signal();
    tokio::task::yield_now().await;
    let mut wire = server.connect().await;
    wire.get("/hello").await;
    assert_eq!(wire.response().await.text(), "hello");
    drop(wire);
    assert_eq!(server.ended().await.cut_off, 0);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off_and_counted() {
    let gate = Gate::new();
    let drain = Drain {
        delay: Duration::ZERO,
        timeout: Duration::from_millis(50),
    };
    let mut server = Server::start_with(gate.routes(), ROOMY, drain).await;
    let mut wire = server.connect().await;
    wire.get("/wait").await;
    patiently(gate.running.notified()).await;
    server.signal();
    assert_eq!(server.ended().await.cut_off, 1);
    assert_eq!(wire.closed().await, "");
}

async fn refuses_connections(address: std::net::SocketAddr) {
    patiently(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

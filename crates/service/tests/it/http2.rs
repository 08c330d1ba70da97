//! The same service over HTTP/2 without TLS.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use http_body_util::BodyExt;
use hyper::{
    Request,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use service::server::Limits;
use tokio::{net::TcpStream, sync::Notify};

use crate::wire::{ROOMY, Server, patiently};

async fn connect(
    server: &Server,
) -> (
    SendRequest<Body>,
    tokio::task::JoinHandle<hyper::Result<()>>,
) {
    let stream = TcpStream::connect(server.address)
        .await
        .expect("the server accepts");
    let (sender, connection) = patiently(handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .expect("HTTP/2");
    (sender, tokio::spawn(connection))
}

async fn get_body(sender: &mut SendRequest<Body>, path: &str) -> hyper::Result<String> {
    patiently(sender.ready()).await?;
    let request = Request::get(format!("http://test{path}"))
        .body(Body::empty())
        .expect("a request");
    let response = patiently(sender.send_request(request)).await?;
    let body = patiently(response.into_body().collect()).await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn requests_are_served_side_by_side() {
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let meet = move || async move {
        both.wait().await;
        "met"
    };
    let server = Server::start(Router::new().route("/meet", get(meet)), ROOMY).await;
    let (mut one, _connection) = connect(&server).await;
    let mut two = one.clone();
    let (one, two) = tokio::join!(get_body(&mut one, "/meet"), get_body(&mut two, "/meet"));
    assert_eq!((one.unwrap(), two.unwrap()), ("met".into(), "met".into()));
}

#[tokio::test]
async fn problems_carry_no_header_that_http2_forbids() {
    let server = Server::start(
        Router::new(),
        Limits {
            max_headers: 1024,
            ..ROOMY
        },
    )
    .await;
    let (mut sender, _connection) = connect(&server).await;
    let request = Request::get("http://test/")
        .header("x-long", "a".repeat(1024))
        .body(Body::empty())
        .unwrap();
    patiently(sender.ready()).await.unwrap();
    let response = patiently(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 431);
    assert_eq!(response.headers().get("connection"), None);
    assert!(
        get_body(&mut sender, "/")
            .await
            .unwrap()
            .contains("/problems/not-found"),
        "the connection stays"
    );
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_closes() {
    let (running, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = {
        let (running, release) = (Arc::clone(&running), Arc::clone(&release));
        move || async move {
            running.notify_one();
            release.notified().await;
            "answered"
        }
    };
    let mut server = Server::start(Router::new().route("/wait", get(wait)), ROOMY).await;
    let (sender, connection) = connect(&server).await;
    // A second handle keeps the connection open on the client's side: it is the server's to end.
    let mut caller = sender.clone();
    let answer = tokio::spawn(async move { get_body(&mut caller, "/wait").await });
    patiently(running.notified()).await;
    server.signal();
    release.notify_one();
    assert_eq!(patiently(answer).await.unwrap().unwrap(), "answered");
    assert_eq!(server.ended().await.cut_off, 0);
    patiently(connection).await.unwrap().unwrap();
    drop(sender);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keep_alive_timeout() {
    let routes = Router::new().route("/hello", get(|| async { "hello" }));
    let limits = Limits {
        keep_alive_timeout: Duration::from_millis(50),
        ..ROOMY
    };
    let server = Server::start(routes, limits).await;
    let (mut sender, connection) = connect(&server).await;
    assert_eq!(get_body(&mut sender, "/hello").await.unwrap(), "hello");
    patiently(connection).await.unwrap().ok();
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_cut_off() {
    let big = || async { vec![b'x'; 64 << 20] };
    let limits = Limits {
        max_connections: 1,
        keep_alive_timeout: Duration::from_millis(50),
        linger: Duration::from_millis(50),
        ..ROOMY
    };
    let server = Server::start(Router::new().route("/big", get(big)), limits).await;
    let (mut sender, _connection) = connect(&server).await;
    patiently(sender.ready()).await.unwrap();
    let request = Request::get("http://test/big").body(Body::empty()).unwrap();
    // The head is read and the body never: the stream's window fills up while the socket stays writable.
    let response = patiently(sender.send_request(request)).await.unwrap();
    // There is room for one connection, so the second is served when the first is gone.
    let mut second = server.connect().await;
    second.get("/").await;
    assert_eq!(second.response().await.status, 404);
    drop(response);
}

#[tokio::test]
async fn a_stream_that_its_caller_resets_drops_the_handler() {
    let (running, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = {
        let (running, dropped) = (Arc::clone(&running), Arc::clone(&dropped));
        move || async move {
            let _guard = NotifyOnDrop(dropped);
            running.notify_one();
            std::future::pending::<&'static str>().await
        }
    };
    let server = Server::start(Router::new().route("/wait", get(wait)), ROOMY).await;
    let (mut sender, _connection) = connect(&server).await;
    patiently(sender.ready()).await.unwrap();
    let answer = sender.send_request(
        Request::get("http://test/wait")
            .body(Body::empty())
            .unwrap(),
    );
    let answer = tokio::spawn(answer);
    patiently(running.notified()).await;
    answer.abort();
    patiently(dropped.notified()).await;
}

#[tokio::test]
async fn a_caller_that_opens_and_resets_streams_is_sent_away() {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    /// GET http://t/ in HPACK: three entries of the static table and a literal authority.
    const REQUEST: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b't'];
    let never = || async { std::future::pending::<&'static str>().await };
    let server = Server::start(Router::new().route("/", get(never)), ROOMY).await;
    let mut wire = server.connect().await;
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.send(SETTINGS).await;
    let mut flood = Vec::new();
    for stream in (1..20_000_u32).step_by(2) {
        let id = stream.to_be_bytes();
        flood.extend([0, 0, 6, 1, 0x5, id[0], id[1], id[2], id[3]]);
        flood.extend(REQUEST);
        flood.extend([0, 0, 4, 3, 0, id[0], id[1], id[2], id[3], 0, 0, 0, 8]);
    }
    // The server need not read to the end.
    patiently(wire.0.send(&flood)).await.ok();
    let rest = wire.closed().await;
    assert!(
        rest.len() < flood.len() / 10,
        "it was sent away, not served"
    );

    let mut other = server.connect().await;
    other.get("/nothing").await;
    assert_eq!(other.response().await.status, 404, "others are served on");
}

pub(crate) struct NotifyOnDrop(pub(crate) Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

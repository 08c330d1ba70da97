//! Bodies that are too large, too slow or broken.

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use service::{BodyError, read_body};

use crate::wire::{PATIENCE, ROOMY, Server, Wire, is_last, patiently};

const MAX: usize = 1024;

/// Answers with the body it got, or with the status of what was wrong with it.
async fn server(limit: Duration) -> Server {
    let echo = move |request: Request| async move {
        let (head, body) = request.into_parts();
        let answer: Response = match read_body(&head.headers, body, MAX, limit).await {
            Ok(body) => body.into_response(),
            Err(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(BodyError::TooSlow { .. }) => StatusCode::REQUEST_TIMEOUT.into_response(),
            Err(BodyError::Broken) => StatusCode::BAD_REQUEST.into_response(),
        };
        answer
    };
    Server::start(Router::new().route("/echo", post(echo)), ROOMY).await
}

async fn refused(mut wire: Wire, status: u16) {
    let response = wire.response().await;
    assert_eq!(response.status, status);
    assert!(is_last(&response), "{response:?}");
    assert_eq!(wire.closed().await, "");
}

#[tokio::test]
async fn a_body_arrives_whole_however_it_is_cut() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhe")
        .await;
    wire.send("llo").await;
    assert_eq!(wire.response().await.text(), "hello");
    wire.send(
        "POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    )
    .await;
    assert_eq!(wire.response().await.text(), "hello");
}

#[tokio::test]
async fn a_body_of_exactly_the_bound_is_taken() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    let body = "x".repeat(MAX);
    wire.send(format!(
        "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {MAX}\r\n\r\n{body}"
    ))
    .await;
    assert_eq!(wire.response().await.text(), body);
    wire.send(format!(
        "POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n\
         {MAX:x}\r\n{body}\r\n0\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.response().await.text(), body);
}

#[tokio::test]
async fn an_announced_length_over_the_bound_is_refused_before_the_body() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send(format!(
        "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n",
        MAX + 1
    ))
    .await;
    refused(wire, 413).await;
}

#[tokio::test]
async fn a_client_that_sends_before_it_reads_still_sees_the_refusal() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    let length = 512 << 10;
    wire.send(format!(
        "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    for _ in 0..length / 8192 {
        wire.send([b'x'; 8192]).await;
        // The server has its turn: it has answered long before the last byte, and must not reset us.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    refused(wire, 413).await;
}

#[tokio::test]
async fn a_client_that_asks_before_sending_too_much_is_not_told_to_continue() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send(format!(
        "POST /echo HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        MAX + 1
    ))
    .await;
    refused(wire, 413).await;
}

#[tokio::test]
async fn a_client_that_asks_before_sending_is_told_to_continue() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send(
        "POST /echo HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    )
    .await;
    assert_eq!(wire.response().await.status, 100);
    wire.send("hello").await;
    assert_eq!(wire.response().await.text(), "hello");
}

#[tokio::test]
async fn chunks_without_end_are_refused_at_the_bound() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    // Until the server has enough; after that a write fails, which is the point.
    patiently(async { while wire.0.send(&chunk).await.is_ok() {} }).await;
}

#[tokio::test]
async fn chunks_over_the_bound_are_refused() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    wire.send(format!("400\r\n{}\r\n1\r\nx\r\n", "x".repeat(1024)))
        .await;
    refused(wire, 413).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_a_timeout() {
    let server = server(Duration::from_millis(50)).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nfive!")
        .await;
    refused(wire, 408).await;
}

#[tokio::test]
async fn malformed_chunks_are_a_bad_request() {
    let server = server(PATIENCE).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        .await;
    assert_eq!(wire.response().await.status, 400);
    wire.closed().await;
}

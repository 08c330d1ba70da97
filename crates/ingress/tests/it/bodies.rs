//! Bodies and heads that are too large or too slow, byte by byte.

use testbed::Answer;

use crate::support::{Ingress, PATIENCE, problem, question, request_bytes};

const HEAD: &str =
    "POST /WeatherForecast/city HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n";

/// Sends these bytes and reads the answer, after which the connection must end.
async fn last_answer(ingress: &Ingress, bytes: String) -> Answer {
    let mut wire = ingress.raw().await;
    wire.send(bytes).await.unwrap();
    let answer = wire.read_answer(PATIENCE).await.unwrap();
    assert_eq!(
        answer.header("connection"),
        Some("close"),
        "{}",
        answer.text()
    );
    assert_eq!(wire.read_to_close(PATIENCE).await.unwrap(), b"");
    answer
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_with_and_without_a_length() {
    let ingress = Ingress::alone(&["--max-body", "1KiB"]).await;
    let body = "x".repeat(1025);
    for framing in [
        format!("content-length: 1025\r\n\r\n{body}"),
        format!("transfer-encoding: chunked\r\n\r\n401\r\n{body}\r\n0\r\n\r\n"),
        "expect: 100-continue\r\ncontent-length: 1025\r\n\r\n".to_owned(),
    ] {
        let answer = last_answer(&ingress, format!("{HEAD}{framing}")).await;
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (413, "/problems/body-too-large"),
            "{framing}"
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_a_timeout() {
    let ingress = Ingress::alone(&["--body-timeout", "50ms"]).await;
    let answer = last_answer(&ingress, format!("{HEAD}content-length: 100\r\n\r\n{{")).await;
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (408, "/problems/body-timeout")
    );
}

#[tokio::test]
async fn a_head_over_the_bound_is_refused() {
    let ingress = Ingress::alone(&["--max-headers", "1KiB"]).await;
    let answer = last_answer(
        &ingress,
        format!(
            "{HEAD}x-long: {}\r\ncontent-length: 0\r\n\r\n",
            "a".repeat(1024)
        ),
    )
    .await;
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (431, "/problems/headers-too-large")
    );
    let target = format!("GET /{} HTTP/1.1\r\nhost: t\r\n\r\n", "a".repeat(1024));
    assert_eq!(last_answer(&ingress, target).await.status, 431);
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let ingress = Ingress::alone(&["--header-timeout", "50ms"]).await;
    for start in ["", "POST /Weather", HEAD] {
        let mut wire = ingress.raw().await;
        wire.send(start).await.unwrap();
        assert_eq!(
            wire.read_to_close(PATIENCE).await.unwrap(),
            b"",
            "{start:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_goes_on_after_a_problem_with_the_content() {
    let ingress = Ingress::alone(&[]).await;
    let mut wire = ingress.raw().await;
    for _ in 0..3 {
        wire.send(request_bytes("")).await.unwrap();
        assert_eq!(wire.read_answer(PATIENCE).await.unwrap().status, 422);
    }
    let mut late = question("");
    late.push(' ');
    wire.send(format!("{HEAD}content-length: {}\r\n\r\n", late.len()))
        .await
        .unwrap();
    wire.send(late).await.unwrap();
    assert_eq!(wire.read_answer(PATIENCE).await.unwrap().status, 422);
}

#[tokio::test]
async fn broken_chunks_are_a_bad_request() {
    let ingress = Ingress::alone(&[]).await;
    let mut wire = ingress.raw().await;
    wire.send(format!("{HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n"))
        .await
        .unwrap();
    let answer = wire.read_answer(PATIENCE).await.unwrap();
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (400, "/problems/unreadable-body")
    );
}

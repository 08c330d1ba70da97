//! What only a caller who speaks HTTP byte by byte can get wrong: framing, headers, and time.

use std::time::Duration;

use anyhow::Context;
use testbed::RawConnection;

use crate::problem::Documented;
use crate::system::{Allowed, CITY, LONG, System, SystemBuilder};

const BODY: &str = r#"{"city":"Oslo","location":"Centre"}"#;

/// The bounds in time are short here: the tests wait for them.
fn impatient() -> SystemBuilder {
    System::builder()
        .ingress("HEADER_TIMEOUT", "500ms")
        .ingress("BODY_TIMEOUT", "500ms")
        .ingress("KEEP_ALIVE_TIMEOUT", "700ms")
        .ingress("MAX_BODY", "1KiB")
        .ingress("MAX_HEADERS", "2KiB")
}

fn head(fields: &str) -> String {
    format!("POST {CITY} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{fields}\r\n")
}

/// A request that is well is served on this connection.
async fn serves(connection: &mut RawConnection) -> anyhow::Result<()> {
    let length = BODY.len();
    connection
        .send(head(&format!("content-length: {length}\r\n")) + BODY)
        .await?;
    let answer = connection.read_answer(LONG).await?;
    anyhow::ensure!(answer.status == 200, "{}", answer.text());
    Ok(())
}

/// Bodies that are too large, whether they say so or not; the connection ends with the answer.
#[tokio::test]
async fn a_body_too_large_is_413_however_it_is_framed() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let large = "x".repeat(2_000);
    let announced = head("content-length: 2000\r\n") + &large;
    let chunked = head("transfer-encoding: chunked\r\n") + &format!("7d0\r\n{large}\r\n0\r\n\r\n");
    let in_pieces = head("transfer-encoding: chunked\r\n")
        + &format!("100\r\n{}\r\n", "x".repeat(256)).repeat(5);
    // Asked before it sends anything, this caller is not told to go on.
    let asked = head("content-length: 1000000\r\nexpect: 100-continue\r\n");
    for request in [announced, chunked, in_pieces, asked] {
        let mut connection = system.ingress(0).raw().await?;
        connection.send(&request).await?;
        let answer = connection.read_answer(LONG).await?;
        documented
            .check(&answer, 413, "body-too-large")
            .context(request)?;
        assert_eq!(connection.read_to_close(LONG).await?, b"");
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Too many bytes of head, or too many fields.
#[tokio::test]
async fn a_head_too_large_is_431() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let long = format!("x-long: {}\r\n", "x".repeat(3_000));
    let many: String = (0..80).map(|number| format!("x-{number}: 1\r\n")).collect();
    for fields in [long, many] {
        let mut connection = system.ingress(0).raw().await?;
        connection
            .send(head(&format!("{fields}content-length: {}\r\n", BODY.len())) + BODY)
            .await?;
        let answer = connection.read_answer(LONG).await?;
        documented.check(&answer, 431, "headers-too-large")?;
        assert_eq!(connection.read_to_close(LONG).await?, b"");
    }
    // So large that nobody keeps it: an answer without a document, or none at all.
    let mut connection = system.ingress(0).raw().await?;
    let _ = connection
        .send(format!("GET / HTTP/1.1\r\nx: {}\r\n", "x".repeat(1 << 20)))
        .await;
    let answer = connection.read_to_close(LONG).await?;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
        "{answer:?}"
    );
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Slow headers, and none at all: the connection is closed, while others are served.
#[tokio::test]
async fn slow_headers_close_the_connection() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let mut silent = system.ingress(0).raw().await?;
    let mut slow = system.ingress(0).raw().await?;
    let mut stuck = system.ingress(0).raw().await?;
    stuck.send("POST /Weather").await?;
    // It goes on sending for much longer than it may.
    let drips = slow.drip(head(&"x-more: 1\r\n".repeat(20)), Duration::from_millis(20));
    let dripped = tokio::time::timeout(Duration::from_secs(3), drips).await;
    assert_eq!(silent.read_to_close(LONG).await?, b"");
    assert_eq!(stuck.read_to_close(LONG).await?, b"");
    if dripped.is_err() || matches!(dripped, Ok(Ok(()))) {
        assert_eq!(slow.read_to_close(LONG).await?, b"");
    }
    serves(&mut system.ingress(0).raw().await?).await?;
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// A body that stops halfway, and one that drips: 408, and the connection ends.
#[tokio::test]
async fn a_slow_body_is_408() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    for framing in ["content-length: 500\r\n", "transfer-encoding: chunked\r\n"] {
        let mut connection = system.ingress(0).raw().await?;
        connection.send(head(framing) + "1").await?;
        let answer = connection.read_answer(LONG).await?;
        documented
            .check(&answer, 408, "body-timeout")
            .context(framing)?;
        connection.read_to_close(LONG).await?;
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// A body that breaks off costs nobody anything, and neither does malformed framing.
#[tokio::test]
async fn a_broken_body_or_framing_is_400() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let mut connection = system.ingress(0).raw().await?;
    connection
        .send(head("transfer-encoding: chunked\r\n") + "no size\r\n")
        .await?;
    let answer = connection.read_answer(LONG).await?;
    documented.check(&answer, 400, "unreadable-body")?;

    // What two readers could take for different requests is not taken at all.
    let twice = head("content-length: 5\r\ncontent-length: 6\r\n") + "12345";
    let both = head("content-length: 5\r\ntransfer-encoding: chunked\r\n")
        + "0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let folded = "POST / HTTP/1.1\r\nhost: test\r\nx-folded: a\r\n b\r\n\r\n".to_owned();
    let control = "POST / HTTP/1.1\r\nhost: test\r\nx: a\0b\r\n\r\n".to_owned();
    let binary = "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}".to_owned();
    for request in [twice, both, folded, control, binary] {
        let mut connection = system.ingress(0).raw().await?;
        connection.send(&request).await?;
        let answer = connection.read_to_close(LONG).await?;
        let answers = String::from_utf8_lossy(&answer)
            .matches("HTTP/1.1 ")
            .count();
        assert!(
            answers <= 1,
            "{request:?}: {}",
            String::from_utf8_lossy(&answer)
        );
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
        assert!(refused, "{request:?}: {}", String::from_utf8_lossy(&answer));
    }
    // Half a body, then gone.
    let mut connection = system.ingress(0).raw().await?;
    connection
        .send(head("content-length: 500\r\n") + "{")
        .await?;
    drop(connection);
    serves(&mut system.ingress(0).raw().await?).await?;
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Keep-alive: several requests on one connection, one after the other or all at once, until it was idle for too
/// long.
#[tokio::test]
async fn a_connection_serves_on_until_it_is_idle() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let mut connection = system.ingress(0).raw().await?;
    for _ in 0..3 {
        serves(&mut connection).await?;
    }
    let request = head(&format!("content-length: {}\r\n", BODY.len())) + BODY;
    connection.send(request.repeat(20)).await?;
    for _ in 0..20 {
        assert_eq!(connection.read_answer(LONG).await?.status, 200);
    }
    assert_eq!(connection.read_to_close(LONG).await?, b"");
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// HTTP/1.0, and an absolute URI as a forward proxy sends it.
#[tokio::test]
async fn unusual_but_valid_requests_are_served() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let fields = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let old = format!("POST {CITY} HTTP/1.0\r\n{fields}");
    let absolute =
        format!("POST http://weather.example{CITY} HTTP/1.1\r\nhost: weather.example\r\n{fields}");
    for request in [old, absolute] {
        let mut connection = system.ingress(0).raw().await?;
        connection.send(&request).await?;
        let answer = connection.read_answer(LONG).await?;
        assert_eq!(answer.status, 200, "{request}: {}", answer.text());
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

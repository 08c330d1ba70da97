//! Requests inside others: bytes that two readers in a row could take for different requests. This reader must take
//! them for one, or for none.

use anyhow::ensure;

use crate::callers::weather_of;
use crate::system::{Allowed, CITY, LONG, System, SystemBuilder};

/// The city of the request that must not be found.
const HIDDEN: &str = "Smuggled";

fn impatient() -> SystemBuilder {
    System::builder()
        .ingress("BODY_TIMEOUT", "500ms")
        .ingress("HEADER_TIMEOUT", "500ms")
        .ingress("KEEP_ALIVE_TIMEOUT", "500ms")
}

fn hidden() -> String {
    let body = weather_of(HIDDEN);
    let length = body.len();
    format!(
        "POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// A request whose framing is these fields, with `body` behind it and the hidden request behind that.
fn framed(fields: &str, body: &str) -> String {
    let hidden = hidden();
    format!(
        "POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n{fields}\r\n\r\n{body}{hidden}"
    )
}

/// Sends it, and returns all that comes back until the connection is closed.
async fn answers(system: &System, request: &str) -> anyhow::Result<String> {
    let mut connection = system.ingress(0).raw().await?;
    let _ = connection.send(request).await;
    let answers = connection.read_to_close(LONG).await?;
    Ok(String::from_utf8_lossy(&answers).into_owned())
}

fn statuses(answers: &str) -> Vec<&str> {
    answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..answer.len().min(3)])
        .collect()
}

/// Row 20: what the rules call an error, or what readers are known to differ about, is refused and the connection
/// closed, so that nothing behind it is taken for a request.
#[tokio::test]
async fn ambiguous_framing_is_refused() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let length = hidden().len();
    for fields in [
        "content-length: 0\r\ncontent-length: 5",
        "content-length: 0, 5",
        "content-length: +0",
        "content-length: -1",
        "content-length: 0x0",
        "content-length: 0 0",
        "content-length: 0;0",
        "content-length:",
        "content-length: 18446744073709551616",
        "content-length : 0",
        "content-length\t: 0",
        " content-length: 0",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: chunked\u{b}",
        "transfer-encoding : chunked",
        "transfer-encoding:\r\n chunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;q=1",
        "x: y\rtransfer-encoding: chunked",
        "x: y\0transfer-encoding: chunked",
        "x\rtransfer-encoding: chunked",
        "x y: z",
        "x: y\r\n folded: z",
        ": no name",
        "no colon",
        "\u{7f}: x",
        "ü: x",
    ] {
        let answers = answers(&system, &framed(fields, "0\r\n\r\n")).await?;
        system.note(&format!("{fields:?}: {:?}", statuses(&answers)));
        ensure!(statuses(&answers) == ["400"], "{fields:?}: {answers}");
    }
    for chunks in [
        "0x0\r\n\r\n",
        "-1\r\n\r\n",
        "+0\r\n\r\n",
        "\r\n\r\n",
        "g\r\n\r\n",
        "10000000000000000\r\n\r\n",
        "fffffffffffffffff\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "1\n{\n0\n\n",
    ] {
        let answers = answers(&system, &framed("transfer-encoding: chunked", chunks)).await?;
        system.note(&format!("{chunks:?}: {:?}", statuses(&answers)));
        ensure!(statuses(&answers) == ["400"], "{chunks:?}: {answers}");
    }
    for line in [
        "POST  / HTTP/1.1",
        "POST /\tHTTP/1.1",
        "POST / HTTP/1.1 x",
        "POST / HTTP/1.2",
        "POST / HTTP/2.0",
        "POST / http/1.1",
        "POST / HTTP/1.1\0",
        "POST /",
        "POST",
        "/ POST HTTP/1.1",
        "P\u{b}ST / HTTP/1.1",
        "POST /a b HTTP/1.1",
        "POST /\u{1} HTTP/1.1",
    ] {
        let request = format!(
            "{line}\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{}",
            hidden()
        );
        let answers = answers(&system, &request).await?;
        system.note(&format!("{line:?}: {:?}", statuses(&answers)));
        ensure!(
            statuses(&answers).iter().all(|status| *status == "400"),
            "{line:?}: {answers}"
        );
        ensure!(!answers.contains(HIDDEN), "{line:?}: {answers}");
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Row 20: what the rules allow, however unusual, is read as they say: the hidden request stays inside the body that
/// it is in.
#[tokio::test]
async fn unusual_framing_hides_no_request() -> anyhow::Result<()> {
    let system = impatient().start().await?;
    let inside = hidden();
    let (length, hex) = (inside.len(), format!("{:x}", inside.len()));
    let begin = format!("POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n");
    for (what, request) in [
        (
            "zeros before the length",
            format!("{begin}content-length: 000{length}\r\n\r\n{inside}"),
        ),
        (
            "no spaces",
            format!("{begin}content-length:{length}\r\n\r\n{inside}"),
        ),
        (
            "tabs",
            format!("{begin}content-length:\t{length}\t\r\n\r\n{inside}"),
        ),
        (
            "capitals",
            format!("{begin}CONTENT-LENGTH: {length}\r\n\r\n{inside}"),
        ),
        (
            "bare line feeds",
            format!("{begin}content-length: {length}\r\n\r\n{inside}").replacen("\r\n", "\n", 5),
        ),
        (
            "the same length twice",
            format!("{begin}content-length: {length}\r\ncontent-length: {length}\r\n\r\n{inside}"),
        ),
        (
            "chunked in capitals",
            format!("{begin}transfer-encoding: CHUNKED\r\n\r\n{hex}\r\n{inside}\r\n0\r\n\r\n"),
        ),
        (
            "zeros before a chunk's size",
            format!("{begin}transfer-encoding: chunked\r\n\r\n000{hex}\r\n{inside}\r\n000\r\n\r\n"),
        ),
        (
            "an extension",
            format!(
                "{begin}transfer-encoding: chunked\r\n\r\n{hex};a=\"b\"\r\n{inside}\r\n0\r\n\r\n"
            ),
        ),
        (
            "trailers",
            format!(
                "{begin}transfer-encoding: chunked\r\n\r\n{hex}\r\n{inside}\r\n0\r\ncontent-length: 5\r\nx: y\r\n\r\n"
            ),
        ),
        (
            "a length beside chunks",
            format!(
                "{begin}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{hex}\r\n{inside}\r\n0\r\n\r\n"
            ),
        ),
        (
            "a length before chunks",
            format!(
                "{begin}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n{hex}\r\n{inside}\r\n0\r\n\r\n"
            ),
        ),
        (
            "a body of GET",
            format!(
                "GET /health/live HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{inside}"
            ),
        ),
        (
            "empty lines first",
            format!("\r\n\r\n{begin}content-length: {length}\r\n\r\n{inside}"),
        ),
        (
            "a body of an unknown path",
            format!(
                "POST /nowhere HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{inside}"
            ),
        ),
        (
            "an upgrade",
            format!(
                "{begin}connection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                 http2-settings: AAMAAABkAAQAAP__\r\ncontent-length: {length}\r\n\r\n{inside}"
            ),
        ),
    ] {
        let answers = answers(&system, &request).await?;
        system.note(&format!("{what}: {:?}", statuses(&answers)));
        ensure!(statuses(&answers).len() <= 1, "{what}: {answers}");
        ensure!(!answers.contains(HIDDEN), "{what}: {answers}");
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

//! Bodies that are too much: too long, too deep, too large when unpacked.

use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use super::siege::{Bounds, Siege};
use crate::callers::{JSON, weather_of};
use crate::problem::Documented;
use crate::system::{Allowed, CITY, LONG, System};

/// What is sent of a body or head that would never end.
const ENDLESS: usize = 64 << 20;

/// Row 2: the caller is told where its JSON breaks off, and nobody gets to see what it sent.
#[tokio::test]
async fn broken_json_says_where_and_repeats_nothing() -> anyhow::Result<()> {
    let system = System::start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    for (body, place) in [
        (r#"{"city": "hunter2"#, "line 1 column 17"),
        ("{\n  \"city\": hunter2}", "line 2 column 11"),
        (
            r#"{"city": "hunter2", "location": "\x"}"#,
            "line 1 column 35",
        ),
    ] {
        let answer = system.post(0, &[JSON], body).await?;
        documented
            .check(&answer, 400, "invalid-json")
            .context(body)?;
        let detail = answer.json()?["detail"].to_string();
        assert!(detail.contains(place), "{body}: {detail}");
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Row 7: a body in chunks, a chunk's extension, and trailers that never end. The caller is cut off long before it has
/// sent all it has, and it costs no memory.
#[tokio::test]
async fn what_never_ends_is_cut_off_in_bounded_memory() -> anyhow::Result<()> {
    let mut siege = Siege::begin(
        System::builder()
            .ingress("BODY_TIMEOUT", "2s")
            .start()
            .await?,
    )
    .await?;
    let head = format!(
        "POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for (what, begin, more) in [
        ("chunks", "", format!("1000\r\n{}\r\n", " ".repeat(4096))),
        ("small chunks", "", "1\r\n \r\n".repeat(1000)),
        ("an extension", "1;", "x=y;".repeat(1000)),
        ("the size of a chunk", "", "0".repeat(4096)),
        (
            "trailers",
            "2\r\n{}\r\n0\r\n",
            "x-trailer: y\r\n".repeat(300),
        ),
    ] {
        let mut connection = siege.system().ingress(0).raw().await?;
        connection.send(format!("{head}{begin}")).await?;
        let mut sent = 0;
        let cut_off = timeout(LONG, async {
            while connection.send(&more).await.is_ok() {
                sent += more.len();
                assert!(sent < ENDLESS, "{what}: all of it was taken");
            }
        });
        cut_off
            .await
            .with_context(|| format!("{what}: neither read nor cut off after {sent} bytes"))?;
        let answer = connection.read_to_close(LONG).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{what}: {answer}"
        );
        siege.report(format!(
            "{what}: cut off after {sent} bytes with {:?}",
            answer.lines().next()
        ));
    }
    let bounds = Bounds {
        cpu: Duration::from_secs(10),
        rss: 24 << 20,
    };
    siege.end(bounds, Allowed::nothing()).await?;
    Ok(())
}

/// Rows 15 and 16: brackets by the hundred thousand and numbers beyond all bounds end neither in a stack overflow nor
/// in a value, wherever they stand.
#[tokio::test]
async fn bombs_of_brackets_and_digits_are_400() -> anyhow::Result<()> {
    let system = System::builder()
        .ingress("MAX_BODY", "2MiB")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let deep = 100_000;
    let in_a_field =
        |value: &str| format!(r#"{{"city":"Oslo","location":"Centre","more":{value}}}"#);
    let closed = "[".repeat(deep) + &"]".repeat(deep);
    for body in [
        "[".repeat(deep),
        closed.clone(),
        r#"{"a":"#.repeat(deep),
        r#"[{"a":"#.repeat(deep),
        in_a_field(&closed),
        format!(r#"{{"city":{closed},"location":"Centre"}}"#),
        in_a_field("1e999"),
        in_a_field("-1e999"),
        in_a_field(&"9".repeat(100_000)),
        in_a_field("NaN"),
        in_a_field("Infinity"),
        in_a_field("-"),
        in_a_field("+1"),
        in_a_field("01"),
        in_a_field(".5"),
        in_a_field("0x10"),
    ] {
        let answer = system.post(0, &[JSON], &*body).await?;
        let shown = body[..body.len().min(80)].to_owned();
        documented
            .check(&answer, 400, "invalid-json")
            .context(shown)?;
    }
    // At their bounds, these are numbers like others.
    for number in [
        "-0",
        "1e308",
        "1E-999",
        "18446744073709551616",
        "0.1000000000000000055511151231257827",
    ] {
        let answer = system.post(0, &[JSON], in_a_field(number)).await?;
        assert_eq!(answer.status, 200, "{number}: {}", answer.text());
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Row 23: whatever says that it has to be unpacked is refused as it is.
#[tokio::test]
async fn a_compressed_bomb_is_not_unpacked() -> anyhow::Result<()> {
    let siege = Siege::begin(System::start().await?).await?;
    let documented = Documented::read(siege.system().ingress(0)).await?;
    // A stored block of gzip that says that it goes on, again and again.
    let bomb = [
        &b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..],
        &b"\0\xff\xff\0\0".repeat(3000),
    ]
    .concat();
    for coding in [
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "identity, gzip",
        "gzip, gzip",
    ] {
        let answer = siege
            .system()
            .post(0, &[JSON, ("content-encoding", coding)], bomb.clone())
            .await?;
        documented
            .check(&answer, 415, "unsupported-media-type")
            .context(coding)?;
        assert_eq!(
            answer.header("accept-encoding"),
            Some("identity"),
            "{coding}"
        );
    }
    // As a transfer coding too; where the framing is lost with it, below the routes.
    let body = weather_of("Oslo");
    for (codings, kind) in [
        ("gzip, chunked", Some("unsupported-media-type")),
        ("gzip", None),
    ] {
        let mut connection = siege.system().ingress(0).raw().await?;
        let fields = format!("content-type: application/json\r\ntransfer-encoding: {codings}");
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        connection
            .send(format!(
                "POST {CITY} HTTP/1.1\r\nhost: t\r\n{fields}\r\n\r\n{chunks}"
            ))
            .await?;
        let answer = connection.read_answer(LONG).await?;
        match kind {
            Some(kind) => documented.check(&answer, 415, kind).context(codings)?,
            None => assert_eq!(answer.status, 400, "{codings}: {}", answer.text()),
        }
    }
    let bounds = Bounds {
        cpu: Duration::from_secs(5),
        rss: 16 << 20,
    };
    siege.end(bounds, Allowed::nothing()).await?;
    Ok(())
}

//! Floods of HTTP/2 frames: each is cheap to send, and must be cheap to get.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::siege::{Bounds, Siege, exceeded};
use crate::http2::{BODY, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, head};
use crate::system::{Allowed, LONG, System, SystemBuilder};

/// HPACK: indexed fields of the static table.
const METHOD_GET: u8 = 0x80 | 2;
const SCHEME_HTTP: u8 = 0x80 | 6;

/// Frame types of RFC 9113 beside those of a request.
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// One that nobody knows.
const UNKNOWN: u8 = 0xf0;

const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const INITIAL_WINDOW_OF_ZERO: [u8; 6] = [0, 4, 0, 0, 0, 0];
const MAX_STREAMS: f64 = 256.0;

/// How long the peer may take no bytes until it is taken to read no more.
const STALLED: Duration = Duration::from_secs(2);

/// What has to be within bounds, whatever the flood: the binaries under test are not optimised.
const BOUNDS: Bounds = Bounds {
    cpu: Duration::from_secs(20),
    rss: 48 << 20,
};

fn impatient() -> SystemBuilder {
    System::builder()
        .ingress("HEADER_TIMEOUT", "2s")
        .ingress("BODY_TIMEOUT", "2s")
        .ingress("KEEP_ALIVE_TIMEOUT", "2s")
}

/// How a flood ended.
#[derive(Debug)]
struct Flood {
    /// Bytes that the ingress let us send.
    sent: usize,
    /// Whether it took all of them.
    took_all: bool,
    /// The error code with which it said goodbye, if it did.
    goaway: Option<u32>,
}

/// Sends a preface with these settings, then what `more` makes for each of `rounds`, and waits until the connection
/// is closed.
async fn flood(
    base: &str,
    settings: &[u8],
    rounds: u32,
    more: impl Fn(u32) -> Vec<u8>,
) -> anyhow::Result<Flood> {
    let address = base.trim_start_matches("http://");
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let reading = tokio::spawn(async move {
        let (mut goaway, mut head, mut payload) = (None, [0; 9], Vec::new());
        while reader.read_exact(&mut head).await.is_ok() {
            payload.resize(
                u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize,
                0,
            );
            if reader.read_exact(&mut payload).await.is_err() {
                break;
            }
            if head[3] == GOAWAY && payload.len() >= 8 {
                goaway = Some(u32::from_be_bytes([
                    payload[4], payload[5], payload[6], payload[7],
                ]));
            }
        }
        goaway
    });
    let mut flood = Flood {
        sent: 0,
        took_all: true,
        goaway: None,
    };
    let opening = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
    for bytes in std::iter::once(opening).chain((0..rounds).map(more)) {
        match timeout(STALLED, writer.write_all(&bytes)).await {
            Ok(Ok(())) => flood.sent += bytes.len(),
            Ok(Err(_)) | Err(_) => {
                flood.took_all = false;
                break;
            }
        }
    }
    flood.goaway = timeout(LONG, reading)
        .await
        .context("the connection is never closed")??;
    Ok(flood)
}

/// The number of the stream that a client opens as its nth.
fn stream(nth: u32) -> u32 {
    2 * nth + 1
}

/// Row 24, rapid reset: streams by the ten thousand, each given up at once. Who does so is sent away after a few.
#[tokio::test]
async fn streams_opened_and_reset() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    for _ in 0..5 {
        let ended = flood(siege.system().ingress(0).base(), &[], 200, |round| {
            let streams = 100 * round..100 * (round + 1);
            streams
                .flat_map(|nth| {
                    [
                        frame(HEADERS, END_HEADERS, stream(nth), &head()),
                        frame(DATA, END_STREAM, stream(nth), BODY),
                        frame(RST_STREAM, 0, stream(nth), &CANCEL),
                    ]
                    .concat()
                })
                .collect()
        })
        .await?;
        siege.report(format!("{ended:?}"));
        ensure!(
            !ended.took_all && ended.goaway.is_none_or(|code| code == ENHANCE_YOUR_CALM),
            "{ended:?}"
        );
    }
    // One who waits until each is under way cannot be told from an impatient caller: what it had enqueued is taken
    // back.
    let address = siege
        .system()
        .ingress(0)
        .base()
        .trim_start_matches("http://")
        .to_owned();
    let mut connection = TcpStream::connect(address).await?;
    connection
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .await?;
    for nth in 0..300 {
        let request = [
            frame(HEADERS, END_HEADERS, stream(nth), &head()),
            frame(DATA, END_STREAM, stream(nth), BODY),
        ];
        connection.write_all(&request.concat()).await?;
        sleep(Duration::from_millis(2)).await;
        connection
            .write_all(&frame(RST_STREAM, 0, stream(nth), &CANCEL))
            .await?;
    }
    drop(connection);
    let left = [
        "requests_withdrawn_total",
        "replies_late_total",
        "replies_unmatched_total",
        "requests_expired_total",
    ];
    siege
        .end(BOUNDS, Allowed::nothing().counters(&left))
        .await?;
    Ok(())
}

/// Row 24: a connection has 256 requests in flight at most; who opens more is told so, and sent away if it goes on.
#[tokio::test]
async fn ten_thousand_streams() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    let ingress = siege.system().ingress(0);
    let flooding = flood(ingress.base(), &[], 100, |round| {
        let streams = 100 * round..100 * (round + 1);
        streams
            .flat_map(|nth| frame(HEADERS, END_HEADERS, stream(nth), &head()))
            .collect()
    });
    // Its own, and those of the neighbours.
    let ended = tokio::select! {
        ended = flooding => ended?,
        error = exceeded(ingress, "http_requests_in_flight", MAX_STREAMS + 25.0) => return Err(error),
    };
    siege.report(format!("{ended:?}"));
    ensure!(!ended.took_all || ended.goaway.is_some(), "{ended:?}");
    siege.end(BOUNDS, Allowed::nothing()).await?;
    Ok(())
}

/// Row 24: a request head that goes on in frame after frame, with bytes and without.
#[tokio::test]
async fn a_head_without_end() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    // A literal field that is not kept: name of one byte, value of 120.
    let field = [&[0, 1, b'x', 120][..], &[b'y'; 120]].concat();
    let full = frame(CONTINUATION, 0, 1, &field.repeat(100));
    for more in [
        full,
        frame(CONTINUATION, 0, 1, &[]).repeat(100),
        frame(CONTINUATION, 0, 1, &field).repeat(10),
    ] {
        let ended = flood(
            siege.system().ingress(0).base(),
            &[],
            20_000,
            |round| match round {
                0 => frame(HEADERS, 0, 1, &head()),
                _ => more.clone(),
            },
        )
        .await?;
        siege.report(format!("{ended:?}"));
        ensure!(!ended.took_all && ended.sent < 16 << 20, "{ended:?}");
    }
    siege.end(BOUNDS, Allowed::nothing()).await?;
    Ok(())
}

/// Row 24: a field of some kilobytes, said once and then referred to by one byte each time.
#[tokio::test]
async fn a_head_that_unpacks_to_megabytes() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    // A literal field that is kept: "x", and 4,000 bytes; it becomes number 62.
    let mut block = head();
    block.extend([0x40, 1, b'x', 0x7f]);
    block.extend([0xa1, 0x1e]);
    block.extend([b'y'; 4000]);
    block.extend([0x80 | 62].repeat(10_000));
    let ended = flood(siege.system().ingress(0).base(), &[], 200, |nth| {
        frame(HEADERS, END_HEADERS | END_STREAM, stream(nth), &block)
    })
    .await?;
    siege.report(format!("{ended:?}"));
    ensure!(ended.goaway == Some(ENHANCE_YOUR_CALM), "{ended:?}");
    siege.end(BOUNDS, Allowed::nothing()).await?;
    Ok(())
}

/// Row 24: frames that are not part of any request, which the peer may have to answer.
#[tokio::test]
async fn pings_and_settings() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    let floods = [
        ("pings", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        (
            "settings that change",
            [
                frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]),
                frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0]),
            ]
            .concat(),
        ),
        ("priorities", frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 1])),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("frames that nobody knows", frame(UNKNOWN, 0, 0, &[0; 64])),
    ];
    for (what, more) in floods {
        let more = more.repeat(100);
        let ended = flood(siege.system().ingress(0).base(), &[], 200, |_| more.clone()).await?;
        siege.report(format!("{what}: {ended:?}"));
    }
    siege.end(BOUNDS, Allowed::nothing()).await?;
    Ok(())
}

/// Row 10 over HTTP/2: callers that never allow a byte of their answers to be sent, on as many streams as they may
/// have, and ask for what costs most to make.
#[tokio::test]
async fn windows_that_never_open() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    // The report is made anew for each: so many of them that a binary which is not optimised serves others meanwhile.
    for (path, connections) in [
        ("/swagger/swagger-ui-bundle.js", 8),
        ("/swagger/v1/swagger.json", 8),
        ("/metrics", 8),
        ("/health", 2),
    ] {
        let mut callers = JoinSet::new();
        for _ in 0..connections {
            let ingress = siege.system().ingress(0).base().to_owned();
            callers.spawn(async move {
                let head = get(path);
                let request = |nth| frame(HEADERS, END_HEADERS | END_STREAM, stream(nth), &head);
                flood(&ingress, &INITIAL_WINDOW_OF_ZERO, 250, request).await
            });
        }
        while let Some(ended) = callers.join_next().await {
            let ended = ended??;
            ensure!(ended.goaway.is_some(), "{path}: {ended:?}");
        }
        let rss = siege.system().ingress(0).process().peak_rss_bytes()?;
        siege.report(format!("{path}: {} KiB of memory at most", rss >> 10));
    }
    siege.end(BOUNDS, Allowed::nothing()).await?;
    Ok(())
}

/// The fields of a GET request.
fn get(path: &str) -> Vec<u8> {
    let mut head = vec![METHOD_GET, SCHEME_HTTP];
    for (name, value) in [(":path", path), (":authority", "t")] {
        head.push(0);
        for text in [name, value] {
            head.push(text.len() as u8);
            head.extend(text.as_bytes());
        }
    }
    head
}

/// Row 24: a body of frames with nothing in them, which no bound on bytes ends.
#[tokio::test]
async fn empty_data_without_end() -> anyhow::Result<()> {
    let mut siege = Siege::begin(impatient().start().await?).await?;
    let padded = frame(DATA, 8, 1, &[255; 256]);
    for more in [frame(DATA, 0, 1, &[]), padded] {
        let more = more.repeat(100);
        let ended = flood(
            siege.system().ingress(0).base(),
            &[],
            300,
            |round| match round {
                0 => frame(HEADERS, END_HEADERS, 1, &head()),
                _ => more.clone(),
            },
        )
        .await?;
        siege.report(format!("{ended:?}"));
    }
    siege.end(BOUNDS, Allowed::nothing()).await?;
    Ok(())
}

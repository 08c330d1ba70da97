//! HTTP/2 without TLS, as a mesh or gRPC-minded proxy speaks it (h2c with prior knowledge), byte by byte.

use anyhow::{bail, ensure};

use crate::system::{Allowed, CITY, LONG, System};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const BODY: &[u8] = br#"{"city":"Oslo","location":"Centre"}"#;

/// Frame types and flags of RFC 9113.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// HPACK: an indexed field of the static table.
const METHOD_POST: u8 = 0x80 | 3;
const SCHEME_HTTP: u8 = 0x80 | 6;
const STATUS_200: u8 = 0x80 | 8;

#[tokio::test]
async fn a_request_over_http2_is_answered() -> anyhow::Result<()> {
    // It is idle after the last answer, and then closed by the ingress.
    let system = System::builder()
        .ingress("KEEP_ALIVE_TIMEOUT", "500ms")
        .start()
        .await?;
    let mut connection = system.ingress(0).raw().await?;
    let mut request = PREFACE.to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    // Two streams on one connection, under way at the same time.
    for stream in [1, 3] {
        request.extend(frame(HEADERS, END_HEADERS, stream, &head()));
        request.extend(frame(DATA, END_STREAM, stream, BODY));
    }
    connection.send(request).await?;
    let bytes = connection.read_to_close(LONG).await?;
    for stream in [1, 3] {
        let frames = frames(&bytes)?;
        let of_stream = |kind| {
            frames
                .iter()
                .filter(move |frame| frame.kind == kind && frame.stream == stream)
        };
        let [head] = &of_stream(HEADERS).collect::<Vec<_>>()[..] else {
            bail!("no single head on stream {stream}: {frames:?}");
        };
        assert_eq!(head.payload.first(), Some(&STATUS_200), "{head:?}");
        let body: Vec<u8> = of_stream(DATA)
            .flat_map(|frame| frame.payload)
            .copied()
            .collect();
        let weather: serde_json::Value = serde_json::from_slice(&body)?;
        assert_eq!(weather["city"], "Oslo", "{weather}");
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// A frame as it was read.
#[derive(Debug)]
struct Frame<'a> {
    kind: u8,
    stream: u32,
    payload: &'a [u8],
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn frames(mut bytes: &[u8]) -> anyhow::Result<Vec<Frame<'_>>> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        ensure!(rest.len() >= length, "half a frame: {bytes:?}");
        let (payload, rest) = rest.split_at(length);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        frames.push(Frame {
            kind: head[3],
            stream,
            payload,
        });
        bytes = rest;
    }
    Ok(frames)
}

/// The request's fields, those that are not in the static table as literals without Huffman coding.
pub(crate) fn head() -> Vec<u8> {
    let mut head = vec![METHOD_POST, SCHEME_HTTP];
    for (name, value) in [
        (":path", CITY),
        (":authority", "test"),
        ("content-type", "application/json"),
    ] {
        head.push(0);
        for text in [name, value] {
            head.push(text.len() as u8);
            head.extend(text.as_bytes());
        }
    }
    head
}

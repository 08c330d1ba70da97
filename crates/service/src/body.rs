//! Reading a request body, bounded in size and time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use bytes::BytesMut;
use futures_util::{
    FutureExt,
    future::{Either, ready},
};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// How much of a body that is too large is read and thrown away, and for how long, so that a client that
/// sends before it reads gets to see the answer: a socket closed over unread input resets the connection.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed, by its `Content-Length` or by count.
    #[error("the body is larger than {max} bytes")]
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// Not complete in time.
    #[error("the body did not arrive within {limit:?}")]
    TooSlow {
        /// The bound.
        limit: Duration,
    },
    /// Malformed, or the connection broke.
    #[error("the body could not be read")]
    Broken,
}

/// Reads a whole body of at most `max` bytes within `limit`.
///
/// A `Content-Length` over the bound is refused before anything is read, so that a client which sent
/// `Expect: 100-continue` is not asked to go on.
///
/// Nothing of the headers is kept while the body is awaited.
pub fn read_body(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    limit: Duration,
) -> impl Future<Output = Result<Bytes, BodyError>> + Send + use<> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        if !headers.contains_key(header::EXPECT) {
            linger(body);
        }
        return Either::Left(ready(Err(BodyError::TooLarge { max })));
    }
    let body = timeout(limit, collect(body, max));
    Either::Right(body.map(move |body| body.unwrap_or(Err(BodyError::TooSlow { limit }))))
}

async fn collect(mut body: Body, max: usize) -> Result<Bytes, BodyError> {
    let mut whole = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Ok(piece) = frame.into_data() else {
            continue; // Trailers.
        };
        if whole.len() + piece.len() > max {
            linger(body);
            return Err(BodyError::TooLarge { max });
        }
        if whole.is_empty() {
            // Nearly every body comes in one piece, which is then the whole.
            whole = piece;
            continue;
        }
        let mut longer = BytesMut::from(whole);
        longer.extend_from_slice(&piece);
        whole = longer.freeze();
    }
    Ok(whole)
}

fn linger(mut body: Body) {
    tokio::spawn(timeout(LINGER, async move {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let read = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(read) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}

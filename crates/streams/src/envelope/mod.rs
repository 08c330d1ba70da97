//! Requests and replies as bytes on a stream.
//!
//! An entry on the request stream has one field: its name is the request id, its value an envelope. An
//! entry on a reply stream has one field for each reply in it, named likewise. An envelope is one line of
//! JSON, the head, then a line feed, then the body as it is: any bytes, never parsed, and still
//! readable in `redis-cli`:
//!
//! ```text
//! {"v":1,"ttl":29998,"reply_to":"weather-responses:ingress-7f9c","content_type":"text/plain"}
//! Which way to New York?
//! ```
//!
//! What nearly every head would say is left out, since an entry is parsed three times and lies in Redis's memory:
//! replies go to the service's response stream, bodies are `application/json` (a request without a content type has
//! `null` for it), a reply's status is `ok`, and one delivery was enough. So the head of a request is mostly
//! `{"v":1,"ttl":29998}`.
//!
//! Members of the head that a reader does not know are ignored, and so are fields of an entry whose
//! name is no request id, so that newer writers and older readers get along. Another `v` is refused.
//!
//! A head is bounded, so that a reader need not search a foreign megabyte for its end. What goes into
//! one is therefore bounded where it is written, with room for the escapes of JSON; a failure's message,
//! which may be long, travels as the body.

mod reply;
mod request;

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use reply::{Outcome, ReplyEnvelope};
pub(crate) use request::RequestEnvelope;

const VERSION: u32 = 1;

/// A head longer than this was not written by a client of ours.
const MAX_HEAD: usize = 16 << 10;

/// The longest text of a caller or a handler that goes into a head, in bytes; JSON makes six of one at
/// most, and there are two beside the name of the reply stream.
pub(crate) const MAX_HEAD_TEXT: usize = 1 << 10;

/// A request may wait no longer than this, whatever its head says.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Why bytes are not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("no field is named by a request id")]
    NoRequest,
    #[error("the head is missing, too long or not the JSON it should be")]
    Head,
    #[error("the version is unknown")]
    Version,
}

/// The id in a field's name; only the hyphenated form counts.
pub(crate) fn request_id(name: &[u8]) -> Option<Uuid> {
    (name.len() == uuid::fmt::Hyphenated::LENGTH)
        .then(|| Uuid::try_parse_ascii(name).ok())
        .flatten()
}

/// The longest beginning of a text that has no more than `most` bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

fn join(head: &impl Serialize, body: &[u8]) -> BytesMut {
    let mut envelope = BytesMut::with_capacity(192 + body.len()).writer();
    // Neither head can fail to serialise: strings and numbers only, into memory.
    let written = serde_json::to_writer(&mut envelope, head);
    debug_assert!(written.is_ok());
    let mut envelope = envelope.into_inner();
    envelope.put_u8(b'\n');
    envelope.put_slice(body);
    envelope
}

fn split(value: &[u8]) -> Result<(&[u8], &[u8]), EnvelopeError> {
    let end = value
        .iter()
        .take(MAX_HEAD)
        .position(|byte| *byte == b'\n')
        .ok_or(EnvelopeError::Head)?;
    Ok((&value[..end], &value[end + 1..]))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

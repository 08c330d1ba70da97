//! Requests and replies as bytes on a stream.
//!
//! An entry on the request stream has one field: its name is the request id, its value an envelope. An
//! entry on a reply stream has one field for each reply in it, named likewise. An envelope is one line of
//! JSON, the head, then a line feed, then the body as it is: any bytes, never parsed, and still
//! readable in `redis-cli`:
//!
//! ```text
//! {"v":1,"reply_to":"weather-responses","ttl":29998,"content_type":"application/json"}
//! {"city":"New York","location":"Downtown"}
//! ```
//!
//! Members of the head that a reader does not know are ignored, and so are fields of an entry whose
//! name is no request id, so that newer writers and older readers get along. Another `v` is refused.
//!
//! A head is bounded, so that a reader need not search a foreign megabyte for its end. What goes into
//! one is therefore bounded where it is written, with room for the escapes of JSON; a failure's message,
//! which may be long, travels as the body.

use std::{borrow::Cow, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const VERSION: u32 = 1;

/// A head longer than this was not written by a client of ours.
const MAX_HEAD: usize = 16 << 10;

/// The longest text of a caller or a handler that goes into a head, in bytes; JSON makes six of one at
/// most, and there are two beside the name of the reply stream.
pub(crate) const MAX_HEAD_TEXT: usize = 1 << 10;

/// A request may wait no longer than this, whatever its head says.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What a request carries beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestEnvelope {
    /// The stream the reply goes to.
    pub reply_to: String,
    /// The budget left when the entry was written; the deadline is the entry's time plus this.
    pub ttl: Duration,
    pub content_type: Option<String>,
    pub traceparent: Option<String>,
    pub body: Bytes,
}

/// What a reply carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyEnvelope {
    pub outcome: Outcome,
    /// How long the request waited on the stream, on Redis's clock.
    pub queue: Duration,
    /// How long the handler took.
    pub work: Duration,
    pub deliveries: u64,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok(Bytes),
    Failed { code: String, message: String },
    Panicked,
    DeadLettered { cause: String },
}

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

#[derive(Serialize, Deserialize)]
struct RequestHead<'a> {
    v: u32,
    #[serde(borrow)]
    reply_to: Cow<'a, str>,
    ttl: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct ReplyHead<'a> {
    v: u32,
    #[serde(borrow)]
    status: Cow<'a, str>,
    queue_us: u64,
    work_us: u64,
    deliveries: u64,
    /// What a failure is called, or why a request is dead.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
}

impl RequestEnvelope {
    /// The value of a request's field. Written at the moment of sending, when `ttl` is known.
    pub(crate) fn encode(
        reply_to: &str,
        ttl: Duration,
        content_type: Option<&str>,
        traceparent: Option<&str>,
        body: &[u8],
    ) -> BytesMut {
        let head = RequestHead {
            v: VERSION,
            reply_to: reply_to.into(),
            ttl: millis(ttl),
            content_type: content_type.map(Cow::from),
            traceparent: traceparent.map(Cow::from),
        };
        join(&head, body)
    }

    /// Finds the request in an entry's fields.
    pub(crate) fn decode(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(Uuid, Self), EnvelopeError> {
        let (id, value) = fields
            .into_iter()
            .find_map(|(name, value)| Some((request_id(&name)?, value)))
            .ok_or(EnvelopeError::NoRequest)?;
        let (head, body) = split(value)?;
        let head: RequestHead<'_> =
            serde_json::from_slice(&head).map_err(|_| EnvelopeError::Head)?;
        if head.v != VERSION {
            return Err(EnvelopeError::Version);
        }
        let envelope = Self {
            reply_to: head.reply_to.into_owned(),
            ttl: Duration::from_millis(head.ttl).min(MAX_TTL),
            content_type: head.content_type.map(Cow::into_owned),
            traceparent: head.traceparent.map(Cow::into_owned),
            body,
        };
        Ok((id, envelope))
    }
}

impl ReplyEnvelope {
    /// The value of a reply's field.
    pub(crate) fn encode(&self) -> BytesMut {
        let (status, code, body): (_, _, &[u8]) = match &self.outcome {
            Outcome::Ok(body) => ("ok", None, body),
            Outcome::Failed { code, message } => ("failed", Some(code), message.as_bytes()),
            Outcome::Panicked => ("panicked", None, &[]),
            Outcome::DeadLettered { cause } => ("dead-lettered", Some(cause), &[]),
        };
        let head = ReplyHead {
            v: VERSION,
            status: status.into(),
            queue_us: micros(self.queue),
            work_us: micros(self.work),
            deliveries: self.deliveries,
            code: code.map(|code| cut(code, MAX_HEAD_TEXT).into()),
        };
        join(&head, body)
    }

    /// Reads a reply's field.
    pub(crate) fn decode(value: Vec<u8>) -> Result<Self, EnvelopeError> {
        let (head, body) = split(value)?;
        let head: ReplyHead<'_> = serde_json::from_slice(&head).map_err(|_| EnvelopeError::Head)?;
        if head.v != VERSION {
            return Err(EnvelopeError::Version);
        }
        let code = || head.code.clone().unwrap_or_default().into_owned();
        let outcome = match &*head.status {
            "ok" => Outcome::Ok(body),
            "failed" => Outcome::Failed {
                code: code(),
                message: String::from_utf8_lossy(&body).into_owned(),
            },
            "panicked" => Outcome::Panicked,
            "dead-lettered" => Outcome::DeadLettered { cause: code() },
            _ => return Err(EnvelopeError::Head),
        };
        Ok(Self {
            outcome,
            queue: Duration::from_micros(head.queue_us),
            work: Duration::from_micros(head.work_us),
            deliveries: head.deliveries,
        })
    }
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

fn split(value: Vec<u8>) -> Result<(Bytes, Bytes), EnvelopeError> {
    let end = value
        .iter()
        .take(MAX_HEAD)
        .position(|byte| *byte == b'\n')
        .ok_or(EnvelopeError::Head)?;
    let mut head = Bytes::from(value);
    let mut body = head.split_off(end);
    let _line_feed = body.split_to(1);
    Ok((head, body))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};

    use super::*;

    fn fields(id: Uuid, value: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        vec![(id.to_string().into_bytes(), value.to_vec())]
    }

    fn body() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            body().prop_map(Outcome::Ok),
            (".*", ".*").prop_map(|(code, message)| Outcome::Failed { code, message }),
            Just(Outcome::Panicked),
            ".*".prop_map(|cause| Outcome::DeadLettered { cause }),
        ]
    }

    proptest! {
        #[test]
        fn a_request_survives_the_stream(
            id: u128,
            reply_to in "\\PC*",
            ttl in 0..MAX_TTL.as_millis() as u64,
            content_type in option::of(".*"),
            traceparent in option::of(".*"),
            body in body(),
        ) {
            let ttl = Duration::from_millis(ttl);
            let value = RequestEnvelope::encode(&reply_to, ttl, content_type.as_deref(), traceparent.as_deref(), &body);
            let (decoded, envelope) = RequestEnvelope::decode(fields(Uuid::from_u128(id), &value)).expect("own bytes");
            prop_assert_eq!(decoded, Uuid::from_u128(id));
            prop_assert_eq!(envelope, RequestEnvelope { reply_to, ttl, content_type, traceparent, body });
        }

        #[test]
        fn a_reply_survives_the_stream(outcome in outcome(), queue: u32, work: u32, deliveries: u64) {
            let reply = ReplyEnvelope {
                outcome,
                queue: Duration::from_micros(queue.into()),
                work: Duration::from_micros(work.into()),
                deliveries,
            };
            prop_assert_eq!(ReplyEnvelope::decode(reply.encode().to_vec()).expect("own bytes"), reply);
        }

        #[test]
        fn no_bytes_panic_a_decoder(name in prop::collection::vec(any::<u8>(), 0..40), value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ReplyEnvelope::decode(value.clone());
            let _ = RequestEnvelope::decode(vec![(name, value.clone())]);
            let _ = RequestEnvelope::decode(fields(Uuid::nil(), &value));
        }
    }

    #[test]
    fn fields_and_members_nobody_knows_are_ignored() {
        let id = Uuid::now_v7();
        let mut entry = vec![(b"note".to_vec(), b"from tomorrow".to_vec())];
        entry.extend(fields(
            id,
            b"{\"v\":1,\"reply_to\":\"r\",\"ttl\":5,\"priority\":9}\nhello",
        ));
        let (decoded, envelope) = RequestEnvelope::decode(entry).expect("compatible");
        assert_eq!((decoded, &envelope.body[..]), (id, &b"hello"[..]));
    }

    #[test]
    fn what_is_no_request_says_why() {
        let id = Uuid::now_v7();
        for (value, error) in [
            (&b"no head"[..], EnvelopeError::Head),
            (b"{}\n", EnvelopeError::Head),
            (
                b"{\"v\":1,\"reply_to\":\"r\",\"ttl\":-5}\n",
                EnvelopeError::Head,
            ),
            (
                b"{\"v\":2,\"reply_to\":\"r\",\"ttl\":5}\n",
                EnvelopeError::Version,
            ),
        ] {
            assert_eq!(RequestEnvelope::decode(fields(id, value)), Err(error));
        }
        assert_eq!(
            RequestEnvelope::decode(vec![(b"a".to_vec(), b"b".to_vec())]),
            Err(EnvelopeError::NoRequest)
        );
    }

    #[test]
    fn the_longest_texts_that_are_sent_are_read() {
        let text = "\u{1}".repeat(MAX_HEAD_TEXT);
        let value =
            RequestEnvelope::encode(&"\\".repeat(400), MAX_TTL, Some(&text), Some(&text), b"");
        assert!(RequestEnvelope::decode(fields(Uuid::nil(), &value)).is_ok());

        let long = "é\u{1}".repeat(100_000);
        let reply = ReplyEnvelope {
            outcome: Outcome::Failed {
                code: long.clone(),
                message: long.clone(),
            },
            queue: Duration::ZERO,
            work: Duration::ZERO,
            deliveries: 1,
        };
        let decoded = ReplyEnvelope::decode(reply.encode().to_vec()).expect("own bytes");
        let code = cut(&long, MAX_HEAD_TEXT).to_owned();
        assert!((MAX_HEAD_TEXT - 1..=MAX_HEAD_TEXT).contains(&code.len()));
        assert_eq!(
            decoded.outcome,
            Outcome::Failed {
                code,
                message: long
            }
        );
    }

    #[test]
    fn a_ttl_of_centuries_is_cut_to_a_day() {
        let value = format!("{{\"v\":1,\"reply_to\":\"r\",\"ttl\":{}}}\n", u64::MAX);
        let (_, envelope) =
            RequestEnvelope::decode(fields(Uuid::nil(), value.as_bytes())).expect("valid");
        assert_eq!(envelope.ttl, MAX_TTL);
    }
}

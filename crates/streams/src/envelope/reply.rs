//! Replies as bytes.

use std::{borrow::Cow, time::Duration};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{EnvelopeError, MAX_HEAD_TEXT, VERSION, cut, join, micros, split};

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

/// The status that a head need not say.
const OK: &str = "ok";

#[derive(Serialize, Deserialize)]
struct ReplyHead<'a> {
    v: u32,
    #[serde(borrow, default = "ok", skip_serializing_if = "is_ok")]
    status: Cow<'a, str>,
    queue_us: u64,
    work_us: u64,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    deliveries: u64,
    /// What a failure is called, or why a request is dead.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
}

impl ReplyEnvelope {
    /// The value of a reply's field.
    pub(crate) fn encode(&self) -> BytesMut {
        let (status, code, body): (_, _, &[u8]) = match &self.outcome {
            Outcome::Ok(body) => (OK, None, body),
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
    pub(crate) fn decode(value: &[u8]) -> Result<Self, EnvelopeError> {
        let (head, body) = split(value)?;
        let head: ReplyHead<'_> = serde_json::from_slice(head).map_err(|_| EnvelopeError::Head)?;
        if head.v != VERSION {
            return Err(EnvelopeError::Version);
        }
        let code = || head.code.clone().unwrap_or_default().into_owned();
        let outcome = match &*head.status {
            // A copy: the body outlives the answer that it came in with many others.
            OK => Outcome::Ok(Bytes::copy_from_slice(body)),
            "failed" => Outcome::Failed {
                code: code(),
                message: String::from_utf8_lossy(body).into_owned(),
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

fn ok<'a>() -> Cow<'a, str> {
    OK.into()
}

fn is_ok(status: &str) -> bool {
    status == OK
}

fn one() -> u64 {
    1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "this is the shape that serde calls"
)]
fn is_one(deliveries: &u64) -> bool {
    *deliveries == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        fn a_reply_survives_the_stream(outcome in outcome(), queue: u32, work: u32, deliveries: u64) {
            let reply = ReplyEnvelope {
                outcome,
                queue: Duration::from_micros(queue.into()),
                work: Duration::from_micros(work.into()),
                deliveries,
            };
            prop_assert_eq!(ReplyEnvelope::decode(&reply.encode()).expect("own bytes"), reply);
        }

        #[test]
        fn no_bytes_panic_the_decoder(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ReplyEnvelope::decode(&value);
        }
    }

    #[test]
    fn a_usual_head_is_short_and_a_reader_takes_the_long_one() {
        let reply = ReplyEnvelope {
            outcome: Outcome::Ok(Bytes::from_static(b"{}")),
            queue: Duration::from_micros(812),
            work: Duration::from_micros(3),
            deliveries: 1,
        };
        assert_eq!(
            &reply.encode()[..],
            b"{\"v\":1,\"queue_us\":812,\"work_us\":3}\n{}"
        );
        let long =
            b"{\"v\":1,\"status\":\"ok\",\"queue_us\":812,\"work_us\":3,\"deliveries\":1}\n{}";
        assert_eq!(ReplyEnvelope::decode(long), Ok(reply));
    }

    #[test]
    fn a_failure_keeps_its_message_and_the_start_of_a_long_code() {
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
        let decoded = ReplyEnvelope::decode(&reply.encode()).expect("own bytes");
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
}

//! Requests as bytes.

use std::{borrow::Cow, time::Duration};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EnvelopeError, MAX_TTL, VERSION, join, millis, request_id, split};

/// What a request carries beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestEnvelope {
    /// The stream the reply goes to; nothing for the response stream of the service.
    pub reply_to: Option<String>,
    /// The budget left when the entry was written; the deadline is the entry's time plus this.
    pub ttl: Duration,
    pub content_type: Option<Cow<'static, str>>,
    pub traceparent: Option<String>,
    pub body: Bytes,
}

/// What a body is unless its head says something else.
const USUAL_CONTENT_TYPE: &str = "application/json";

#[derive(Serialize, Deserialize)]
struct RequestHead<'a> {
    v: u32,
    ttl: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<Cow<'a, str>>,
    #[serde(
        borrow,
        default = "usual_content_type",
        skip_serializing_if = "is_usual"
    )]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
}

impl RequestEnvelope {
    /// The value of a request's field. Written at the moment of sending, when `ttl` is known.
    pub(crate) fn encode(
        reply_to: Option<&str>,
        ttl: Duration,
        content_type: Option<&str>,
        traceparent: Option<&str>,
        body: &[u8],
    ) -> BytesMut {
        let head = RequestHead {
            v: VERSION,
            ttl: millis(ttl),
            reply_to: reply_to.map(Cow::from),
            content_type: content_type.map(Cow::from),
            traceparent: traceparent.map(Cow::from),
        };
        join(&head, body)
    }

    /// Finds the request in an entry's fields.
    pub(crate) fn decode(fields: &[(Bytes, Bytes)]) -> Result<(Uuid, Self), EnvelopeError> {
        let (id, value) = fields
            .iter()
            .find_map(|(name, value)| Some((request_id(name)?, value)))
            .ok_or(EnvelopeError::NoRequest)?;
        let (head, body) = split(value)?;
        let head: RequestHead<'_> =
            serde_json::from_slice(head).map_err(|_| EnvelopeError::Head)?;
        if head.v != VERSION {
            return Err(EnvelopeError::Version);
        }
        let envelope = Self {
            reply_to: head.reply_to.map(Cow::into_owned),
            ttl: Duration::from_millis(head.ttl).min(MAX_TTL),
            content_type: head.content_type.map(|text| match &*text {
                USUAL_CONTENT_TYPE => USUAL_CONTENT_TYPE.into(),
                _ => text.into_owned().into(),
            }),
            traceparent: head.traceparent.map(Cow::into_owned),
            // A copy: work may take long, and what came with it is to be let go.
            body: Bytes::copy_from_slice(body),
        };
        Ok((id, envelope))
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "this is the shape that serde calls"
)]
fn usual_content_type<'a>() -> Option<Cow<'a, str>> {
    Some(USUAL_CONTENT_TYPE.into())
}

fn is_usual(content_type: &Option<Cow<'_, str>>) -> bool {
    content_type.as_deref() == Some(USUAL_CONTENT_TYPE)
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};

    use super::*;
    use crate::envelope::MAX_HEAD_TEXT;

    fn fields(id: Uuid, value: &[u8]) -> [(Bytes, Bytes); 1] {
        [(id.to_string().into(), Bytes::copy_from_slice(value))]
    }

    proptest! {
        #[test]
        fn a_request_survives_the_stream(
            id: u128,
            reply_to in option::of("\\PC*"),
            ttl in 0..MAX_TTL.as_millis() as u64,
            content_type in option::of(prop_oneof![".*", Just(USUAL_CONTENT_TYPE.to_owned())]),
            traceparent in option::of(".*"),
            body in prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from),
        ) {
            let ttl = Duration::from_millis(ttl);
            let [to, kind, trace] = [&reply_to, &content_type, &traceparent].map(Option::as_deref);
            let value = RequestEnvelope::encode(to, ttl, kind, trace, &body);
            let (decoded, envelope) = RequestEnvelope::decode(&fields(Uuid::from_u128(id), &value)).expect("own bytes");
            prop_assert_eq!(decoded, Uuid::from_u128(id));
            let content_type = content_type.map(Cow::from);
            prop_assert_eq!(envelope, RequestEnvelope { reply_to, ttl, content_type, traceparent, body });
        }

        #[test]
        fn no_bytes_panic_the_decoder(
            name in prop::collection::vec(any::<u8>(), 0..40),
            value in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = RequestEnvelope::decode(&[(name.into(), value.clone().into())]);
            let _ = RequestEnvelope::decode(&fields(Uuid::nil(), &value));
        }
    }

    #[test]
    fn fields_and_members_nobody_knows_are_ignored() {
        let id = Uuid::now_v7();
        let mut entry = vec![("note".into(), "from tomorrow".into())];
        entry.extend(fields(
            id,
            b"{\"v\":1,\"reply_to\":\"r\",\"ttl\":5,\"priority\":9}\nhello",
        ));
        let (decoded, envelope) = RequestEnvelope::decode(&entry).expect("compatible");
        assert_eq!((decoded, &envelope.body[..]), (id, &b"hello"[..]));
    }

    #[test]
    fn a_usual_head_is_short_and_a_reader_takes_the_long_one() {
        let id = Uuid::nil();
        let ttl = Duration::from_millis(29_998);
        let value = RequestEnvelope::encode(None, ttl, Some(USUAL_CONTENT_TYPE), None, b"{}");
        assert_eq!(&value[..], b"{\"v\":1,\"ttl\":29998}\n{}");
        let short = RequestEnvelope::decode(&fields(id, &value));
        let long =
            b"{\"v\":1,\"ttl\":29998,\"reply_to\":null,\"content_type\":\"application/json\"}\n{}";
        assert_eq!(short, RequestEnvelope::decode(&fields(id, long)));
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
            assert_eq!(RequestEnvelope::decode(&fields(id, value)), Err(error));
        }
        assert_eq!(
            RequestEnvelope::decode(&[("a".into(), "b".into())]),
            Err(EnvelopeError::NoRequest)
        );
    }

    #[test]
    fn the_longest_texts_that_are_sent_are_read() {
        let text = "\u{1}".repeat(MAX_HEAD_TEXT);
        let value = RequestEnvelope::encode(
            Some(&"\\".repeat(400)),
            MAX_TTL,
            Some(&text),
            Some(&text),
            b"",
        );
        assert!(RequestEnvelope::decode(&fields(Uuid::nil(), &value)).is_ok());
    }

    #[test]
    fn a_ttl_of_centuries_is_cut_to_a_day() {
        let value = format!("{{\"v\":1,\"reply_to\":\"r\",\"ttl\":{}}}\n", u64::MAX);
        let (_, envelope) =
            RequestEnvelope::decode(&fields(Uuid::nil(), value.as_bytes())).expect("valid");
        assert_eq!(envelope.ttl, MAX_TTL);
    }
}

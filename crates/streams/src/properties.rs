//! What holds for any bytes that come off a stream, whoever wrote them there. The fuzz targets in `fuzz/` look for
//! bytes that break it; the tests below check it for those that are kept.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    ClientConfig, StreamNames,
    clock::RedisClock,
    envelope::{MAX_HEAD_TEXT, MAX_TTL, Outcome, ReplyEnvelope, RequestEnvelope, request_id},
    server_metrics::{FAMILIES, Family},
    wire::{Entry, MAX_WORD, compare_answer, foreign_entries, foreign_figures},
};

const ID: &[u8; 36] = b"01234567-89ab-7cde-8f01-23456789abcd";

/// The value of a request's field: a head line, then a body.
pub fn request_envelope(value: &[u8]) {
    let field = |value: &[u8]| [(ID[..].into(), Bytes::copy_from_slice(value))];
    let Ok((id, envelope)) = RequestEnvelope::decode(&field(value)) else {
        return;
    };
    assert!(envelope.ttl <= MAX_TTL);
    let head_end = value.iter().position(|byte| *byte == b'\n');
    assert_eq!(
        head_end.map(|end| &value[end + 1..]),
        Some(&envelope.body[..])
    );
    let again = RequestEnvelope::encode(
        envelope.reply_to.as_deref(),
        envelope.ttl,
        envelope.content_type.as_deref(),
        envelope.traceparent.as_deref(),
        &envelope.body,
    );
    assert_eq!(RequestEnvelope::decode(&field(&again)), Ok((id, envelope)));
}

/// The value of a reply's field.
pub fn reply_envelope(value: &[u8]) {
    let Ok(envelope) = ReplyEnvelope::decode(value) else {
        return;
    };
    if let Outcome::Ok(body) = &envelope.outcome {
        assert!(value.ends_with(body));
    }
    let again = ReplyEnvelope::decode(&envelope.encode());
    match &envelope.outcome {
        // Written by somebody else: ours are cut to this.
        Outcome::Failed { code, .. } | Outcome::DeadLettered { cause: code }
            if code.len() > MAX_HEAD_TEXT =>
        {
            assert!(again.is_ok());
        }
        _ => assert_eq!(again.as_ref(), Ok(&envelope)),
    }
}

/// What a server answers to a read: entries with any fields, or something else altogether.
pub fn stream_entry(bytes: &[u8]) {
    let names = StreamNames::for_service("s");
    for entry in foreign_entries(bytes) {
        deadline(&entry);
        let Entry { id, fields, .. } = entry;
        assert_eq!(id.to_string().parse(), Ok(id));
        let fields = fields.unwrap_or_default();
        for (name, value) in &fields {
            if let Some(id) = request_id(name) {
                assert!(
                    id.to_string()
                        .eq_ignore_ascii_case(&String::from_utf8_lossy(name))
                );
            }
            reply_envelope(value);
        }
        let named = fields.iter().any(|(name, _)| request_id(name).is_some());
        if let Ok((_, envelope)) = RequestEnvelope::decode(&fields) {
            assert!(named);
            let named = envelope.reply_to.as_deref();
            assert!(
                !names.takes_replies(named) || names.reply_stream(named).starts_with("s-responses")
            );
        }
    }
}

/// What comes over a connection in place of an answer.
pub fn answer(bytes: &[u8]) {
    compare_answer(bytes);
}

/// What a server says of itself: each figure can be shown, or is left out.
pub fn info(bytes: &[u8]) {
    let figures = foreign_figures(bytes);
    for Family { name, read, .. } in FAMILIES {
        if let Some(value) = read(&figures) {
            assert!(value.is_finite() && value >= 0.0, "{name} is {value}");
        }
    }
    for word in [figures.version, figures.mode, figures.role] {
        assert!((1..=MAX_WORD).contains(&word.len()) && !word.contains(char::is_control));
    }
}

/// However wrong an entry's id is, its age is between nothing and the whole time, so that its deadline lies within
/// its ttl.
fn deadline(entry: &Entry) {
    let now = Instant::now();
    let redis_time = Duration::from_secs(1_700_000_000);
    for (samples, redis_time) in [
        (&[][..], redis_time),
        (&[redis_time], redis_time),
        // The server's clock was set back by years, then on to the end of time.
        (&[redis_time, redis_time / 2], redis_time / 2),
        (
            &[redis_time, Duration::from_secs(i64::MAX as u64)],
            redis_time,
        ),
    ] {
        let mut clock = RedisClock::new();
        for sample in samples {
            clock.sample(now, now, *sample);
        }
        let age = clock.age(entry.id, redis_time);
        assert!(age <= redis_time);
        let delivered = clock.local(redis_time);
        if age < MAX_TTL {
            assert!(delivered + (MAX_TTL - age) >= delivered);
        }
    }
}

/// A URL of a Redis, which may hold a password.
pub fn redis_url(bytes: &[u8]) {
    let Ok(url) = std::str::from_utf8(bytes) else {
        return;
    };
    let config = ClientConfig::new(url, StreamNames::for_service("s"));
    if let Err(error) = config.validate() {
        let told = error.to_string();
        assert!(told.len() <= 128 && !told.chars().any(char::is_control));
        assert!(!told.contains('@'), "it repeats the URL");
    }
}

#[cfg(test)]
mod tests {
    use testbed::each_input;

    #[test]
    fn request_envelope() {
        each_input("request_envelope", super::request_envelope).unwrap();
    }

    #[test]
    fn reply_envelope() {
        each_input("reply_envelope", super::reply_envelope).unwrap();
    }

    #[test]
    fn stream_entry() {
        each_input("stream_entry", super::stream_entry).unwrap();
    }

    #[test]
    fn answer() {
        each_input("answer", super::answer).unwrap();
    }

    #[test]
    fn info() {
        each_input("info", super::info).unwrap();
    }

    #[test]
    fn redis_url() {
        each_input("redis_url", super::redis_url).unwrap();
    }
}

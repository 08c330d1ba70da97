//! What holds for any header that a caller sends. The fuzz targets in `fuzz/` look for bytes that break it; the tests
//! below check it for those that are kept.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{media_type, prefer::wait};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The lines of `Prefer`, each a line of the input.
pub fn prefer(input: &[u8]) {
    let Some(headers) = lines(&PREFER, input) else {
        return;
    };
    let Some(found) = wait(&headers) else {
        return;
    };
    let bounds = Duration::from_secs(1)..=Duration::from_secs(u32::MAX.into());
    assert!(bounds.contains(&found.0), "{found:?}");
    let lower = input.to_ascii_lowercase();
    assert!(lower.windows(4).any(|word| word == b"wait"));
    // What is said to have been applied means the same, and the first one counts.
    let applied = found.to_string();
    let again = [applied.as_bytes(), b", wait=1\n", input].concat();
    let again = lines(&PREFER, &again).and_then(|headers| wait(&headers));
    assert_eq!(again, Some(found));
}

/// What a body says that it is: the first line is the `Content-Encoding`, further ones are `Content-Type`.
pub fn content_type(input: &[u8]) {
    let (encoding, types) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&b""[..], input),
    };
    let Some(mut headers) = lines(&header::CONTENT_TYPE, types) else {
        return;
    };
    if !encoding.is_empty() {
        let Ok(encoding) = HeaderValue::from_bytes(encoding) else {
            return;
        };
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    if media_type::check(&headers).is_ok() {
        let declared = types.trim_ascii().to_ascii_lowercase();
        assert!(declared.starts_with(b"application/json"), "{types:?}");
        assert!(!types.contains(&b'\n'), "it is declared twice");
        let identity = encoding.trim_ascii().eq_ignore_ascii_case(b"identity");
        assert!(encoding.is_empty() || identity, "{encoding:?}");
        for word in [&b"utf-16"[..], b"iso-8859"] {
            assert!(!declared.ends_with(&[b";charset=", word].concat()));
        }
    }
}

/// A header with these lines, if all of them can be sent.
fn lines(name: &HeaderName, input: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(8) {
        headers.append(name, HeaderValue::from_bytes(line).ok()?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use testbed::each_input;

    #[test]
    fn prefer() {
        each_input("prefer", super::prefer).unwrap();
    }

    #[test]
    fn content_type() {
        each_input("content_type", super::content_type).unwrap();
    }
}

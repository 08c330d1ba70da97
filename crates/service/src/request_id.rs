//! Who a request is, to us and to its caller.
//!
//! The correlation id is always ours: two callers may send the same `X-Request-Id`. What a caller
//! sends is echoed and logged when it is well formed, and ignored when it is not.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header in which a caller's id comes in and an id goes back.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest id of a caller that is echoed, in bytes.
const LONGEST_ECHO: usize = 128;

/// The id of one request, a UUIDv7 of our own. The exchange layer puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// A new id.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    pub(crate) fn header(self) -> Option<HeaderValue> {
        let mut buffer = Uuid::encode_buffer();
        HeaderValue::from_str(self.0.hyphenated().encode_lower(&mut buffer)).ok()
    }
}

/// The caller's own id, if it sent exactly one of 1 to 128 visible ASCII characters.
pub(crate) fn callers_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let id = only(headers, &X_REQUEST_ID)?;
    let well_formed =
        (1..=LONGEST_ECHO).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    well_formed.then_some(id)
}

/// The W3C trace context of a request, if it sent exactly one that is well formed.
///
/// Version `00` must have its exact length; a later version may say more after a further `-`. Ids of
/// zeros, upper case digits and version `ff` are malformed by the specification.
pub fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = only(headers, &TRACEPARENT)?.to_str().ok()?;
    let (head, rest) = (text.get(..55)?, text.get(55..)?);
    let mut parts = head.split('-');
    let mut hex = |len: usize| {
        parts.next().filter(|part| {
            part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (version, trace, span, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let well_formed = version != "ff"
        && trace.bytes().any(|b| b != b'0')
        && span.bytes().any(|b| b != b'0')
        && (rest.is_empty()
            || (version != "00"
                && rest.starts_with('-')
                && rest.len() <= LONGEST_ECHO
                && rest.bytes().all(|byte| byte.is_ascii_graphic())));
    well_formed.then_some(text)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                (
                    name.clone(),
                    HeaderValue::from_str(value).expect("a header value"),
                )
            })
            .collect()
    }

    #[test]
    fn a_callers_id_is_echoed_only_if_it_is_well_formed() {
        let check = |values: &[&str], echoed: bool| {
            assert_eq!(
                callers_id(&headers(&X_REQUEST_ID, values)).is_some(),
                echoed,
                "{values:?}"
            );
        };
        check(&["order-17"], true);
        check(&[&"a".repeat(128)], true);
        check(&[], false);
        check(&[""], false);
        check(&["a b"], false);
        check(&["tab\tbed"], false);
        check(&["ümlaut"], false);
        check(&[&"a".repeat(129)], false);
        check(&["one", "two"], false);
    }

    #[test]
    fn a_trace_context_is_carried_only_if_it_is_well_formed() {
        const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let check = |values: &[&str], carried: bool| {
            assert_eq!(
                traceparent(&headers(&TRACEPARENT, values)).is_some(),
                carried,
                "{values:?}"
            );
        };
        check(&[GOOD], true);
        check(&[&GOOD.replacen("00", "cc", 1)], true);
        check(&[&format!("{}-more", GOOD.replacen("00", "cc", 1))], true);
        check(&[GOOD, GOOD], false);
        check(&[&format!("{GOOD}-more")], false);
        check(&[&format!("{}-a\tb", GOOD.replacen("00", "cc", 1))], false);
        check(&[&GOOD.to_uppercase()], false);
        check(&[&GOOD.replacen("00", "ff", 1)], false);
        check(
            &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
            false,
        );
        check(
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"],
            false,
        );
        check(
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"],
            false,
        );
        check(&["nonsense"], false);
        check(
            &["ü0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
            false,
        );
        check(&[&"0".repeat(10_000)], false);
        check(&[""], false);
    }
}

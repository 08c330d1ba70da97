//! Who a request is, to us and to its caller.
//!
//! The correlation id is always ours: two callers may send the same `X-Request-Id`. What a caller
//! sends is echoed and logged when it is well formed, and ignored when it is not.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use common::trace::TraceContext;
use uuid::Uuid;

/// The header in which a caller's id comes in and an id goes back.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest id of a caller that is echoed, in bytes.
const LONGEST_ECHO: usize = 128;

/// Who a request is. The exchange layer puts it into the request's extensions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Correlation {
    /// A UUIDv7 of our own.
    pub id: Uuid,
    /// The trace that it belongs to, if any: what is done for it continues this.
    pub trace: Option<TraceContext>,
}

impl Correlation {
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut buffer = Uuid::encode_buffer();
        HeaderValue::from_str(self.id.hyphenated().encode_lower(&mut buffer)).ok()
    }
}

/// The caller's own id, if it sent exactly one of 1 to 128 visible ASCII characters.
pub(crate) fn callers_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let id = only(headers, &X_REQUEST_ID)?;
    let well_formed =
        (1..=LONGEST_ECHO).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    well_formed.then_some(id)
}

/// The caller's trace context, if it sent exactly one that is well formed.
pub(crate) fn callers_trace(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(only(headers, &TRACEPARENT)?.to_str().ok()?)
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
    fn a_trace_context_is_taken_only_if_it_is_the_only_one() {
        const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let taken = |values: &[&str]| callers_trace(&headers(&TRACEPARENT, values));
        let context = taken(&[GOOD]).expect("well formed");
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(taken(&[GOOD, GOOD]), None);
        assert_eq!(taken(&["nonsense"]), None);
        assert_eq!(taken(&[]), None);
    }
}

//! Which trace something belongs to, as W3C Trace Context writes it.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::field::{DisplayValue, display};

/// The longest text of a later version of the specification that is read, in bytes behind what version 00 has.
const LONGEST_REST: usize = 128;

/// A trace, the span in it that comes before, and whether it is sampled.
///
/// `tracestate` is not carried: it is for those who add to it, and nobody here does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

impl TraceContext {
    /// Reads the value of a `traceparent` header. Nothing where it is malformed.
    ///
    /// Version `00` must have its exact length; a later version may say more after a further `-`. Ids of
    /// zeros, upper case digits and version `ff` are malformed by the specification.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, rest) = (text.get(..55)?, text.get(55..)?);
        let mut parts = head.split('-');
        let mut hex = |len: usize| {
            parts.next().filter(|part| {
                part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let later = || {
            version != "00"
                && rest.starts_with('-')
                && rest.len() <= LONGEST_REST
                && rest.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if version == "ff" || !(rest.is_empty() || later()) {
            return None;
        }
        let context = Self {
            trace: TraceId::from_hex(trace).ok()?,
            span: SpanId::from_hex(span).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8() != 0,
        };
        let zeros = context.trace == TraceId::INVALID || context.span == SpanId::INVALID;
        (!zeros).then_some(context)
    }

    /// The trace's id, for logs and answers: 32 lower case hexadecimal digits.
    pub fn trace_id(&self) -> impl fmt::Display + fmt::Debug + use<> {
        self.trace
    }

    /// The same as the field `trace_id` of a log line.
    pub fn log_id(context: Option<Self>) -> Option<DisplayValue<impl fmt::Display + use<>>> {
        context.map(|context| display(context.trace))
    }

    /// Whether what belongs to it is to be recorded.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The same place in the same trace, of which nothing further is recorded.
    #[must_use]
    pub fn unsampled(self) -> Self {
        Self {
            sampled: false,
            ..self
        }
    }

    pub(super) fn of(context: &SpanContext) -> Self {
        Self {
            trace: context.trace_id(),
            span: context.span_id(),
            sampled: context.is_sampled(),
        }
    }

    /// As the parent of a span.
    pub(super) fn remote(self) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(self.sampled);
        SpanContext::new(self.trace, self.span, flags, true, TraceState::NONE)
    }
}

/// The value of a `traceparent` header, in version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_what_is_well_formed_is_read() {
        let check = |text: &str, good: bool| {
            assert_eq!(TraceContext::parse(text).is_some(), good, "{text}");
        };
        let later = GOOD.replacen("00", "cc", 1);
        check(GOOD, true);
        check(&later, true);
        check(&format!("{later}-more"), true);
        check(&format!("{GOOD}-more"), false);
        check(&format!("{later}-a\tb"), false);
        check(&format!("{later}-{}", "a".repeat(LONGEST_REST)), false);
        check(&GOOD.to_uppercase(), false);
        check(&GOOD.replacen("00", "ff", 1), false);
        check(
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            false,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            false,
        );
        check("nonsense", false);
        check(
            "ü0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            false,
        );
        check(&"0".repeat(10_000), false);
        check("", false);
    }

    #[test]
    fn one_bit_says_whether_it_is_sampled() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = format!("{}{flags}", &GOOD[..53]);
            let context = TraceContext::parse(&text).unwrap();
            assert_eq!(context.is_sampled(), sampled, "{flags}");
            assert!(!context.unsampled().is_sampled());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1u128.., span in 1u64.., sampled: bool) {
            let text = format!("00-{trace:032x}-{span:016x}-0{}", u8::from(sampled));
            let context = TraceContext::parse(&text).unwrap();
            prop_assert_eq!(context.to_string(), text);
            prop_assert_eq!(context.trace_id().to_string(), format!("{trace:032x}"));
            prop_assert_eq!(TraceContext::of(&context.remote()), context);
        }

        #[test]
        fn no_text_is_too_odd_to_look_at(text in ".*") {
            let _ = TraceContext::parse(&text);
        }
    }
}

//! Where spans come from.

use std::{fmt, sync::Arc};

use opentelemetry::{
    Context,
    global::BoxedTracer,
    trace::{self, SpanBuilder, TraceContextExt, Tracer as _},
};

use super::{Span, TraceContext};

/// Records spans, or nothing, which is the default. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<BoxedTracer>>);

impl Tracer {
    /// Records by this tracer of OpenTelemetry's.
    pub fn new<T>(tracer: T) -> Self
    where
        T: trace::Tracer + Send + Sync + 'static,
        T::Span: Send + Sync + 'static,
    {
        Self(Some(Arc::new(BoxedTracer::new(Box::new(tracer)))))
    }

    /// Whether anything may be recorded.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a trace, or continues `parent`'s, if the sampler wants it. `describe` is asked only where tracing is on.
    pub fn begin(
        &self,
        parent: Option<TraceContext>,
        describe: impl FnOnce() -> SpanBuilder,
    ) -> Span {
        let Some(tracer) = &self.0 else {
            return Span::none();
        };
        let context = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.remote()),
            None => Context::new(),
        };
        Span::recording(tracer.build_with_context(describe(), &context))
    }

    /// Continues a trace that is sampled; begins none.
    pub fn follow(
        &self,
        parent: Option<TraceContext>,
        describe: impl FnOnce() -> SpanBuilder,
    ) -> Span {
        match parent.filter(TraceContext::is_sampled) {
            Some(parent) => self.begin(Some(parent), describe),
            None => Span::none(),
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_on() { "on" } else { "off" };
        write!(f, "Tracer({state})")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use opentelemetry::{
        KeyValue,
        trace::{SpanKind, Status, TracerProvider},
    };
    use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};

    use super::*;

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// A tracer by this sampler, and what came out of it.
    fn tracer(sampler: Sampler) -> (Tracer, InMemorySpanExporter) {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_simple_exporter(spans.clone())
            .build();
        (Tracer::new(provider.tracer("test")), spans)
    }

    fn work() -> SpanBuilder {
        SpanBuilder::from_name("work").with_kind(SpanKind::Internal)
    }

    #[test]
    fn what_is_off_asks_nothing_and_records_nothing() {
        let tracer = Tracer::default();
        let span = tracer.begin(TraceContext::parse(SAMPLED), || unreachable!("off"));
        assert_eq!(span.context(), None);
    }

    #[test]
    fn a_trace_is_followed_only_where_it_is_sampled() {
        let (tracer, spans) = tracer(Sampler::AlwaysOn);
        let parent = TraceContext::parse(SAMPLED).unwrap();
        let ignored = [
            tracer.follow(None, work),
            tracer.follow(Some(parent.unsampled()), work),
        ];
        assert!(ignored.iter().all(|span| span.context().is_none()));
        let mut span = tracer.follow(Some(parent), work);
        let context = span.context().unwrap();
        span.done();
        assert_eq!(
            context.trace_id().to_string(),
            parent.trace_id().to_string()
        );
        assert_ne!(context, parent, "a span of its own");
        let recorded = spans.get_finished_spans().unwrap();
        assert_eq!(recorded.len(), 1);
        assert_eq!(recorded[0].parent_span_id.to_string(), &SAMPLED[36..52]);
        assert_eq!(recorded[0].status, Status::Unset);
    }

    #[test]
    fn the_sampler_decides_where_a_trace_begins_and_the_caller_before_it() {
        let (off, _) = tracer(Sampler::AlwaysOff);
        assert_eq!(off.begin(None, work).context(), None);
        let callers = off.begin(TraceContext::parse(SAMPLED), work);
        assert!(callers.context().is_some_and(|it| it.is_sampled()));
        let (on, _) = tracer(Sampler::AlwaysOn);
        assert!(on.begin(None, work).context().is_some());
        let unsampled = TraceContext::parse(SAMPLED).unwrap().unsampled();
        assert_eq!(on.begin(Some(unsampled), work).context(), None);
    }

    #[test]
    fn what_is_given_up_before_its_end_was_cancelled() {
        let (tracer, spans) = tracer(Sampler::AlwaysOn);
        drop(tracer.begin(None, work));
        let recorded = spans.get_finished_spans().unwrap().remove(0);
        assert_eq!(recorded.status, Status::error(""));
        let error = KeyValue::new("error.type", "cancelled");
        assert!(recorded.attributes.contains(&error));
    }

    #[test]
    fn a_span_says_what_was_found_out_and_how_long_it_took() {
        let (tracer, spans) = tracer(Sampler::AlwaysOn);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut span = tracer.begin(None, || work().with_start_time(start));
        span.set("answer", 42);
        span.fail("timeout");
        span.done_at(start + Duration::from_secs(3));
        let recorded = spans.get_finished_spans().unwrap().remove(0);
        assert_eq!(recorded.status, Status::error(""));
        assert!(recorded.attributes.contains(&KeyValue::new("answer", 42)));
        let error = KeyValue::new("error.type", "timeout");
        assert!(recorded.attributes.contains(&error));
        let took = recorded.end_time.duration_since(recorded.start_time);
        assert_eq!(took.unwrap(), Duration::from_secs(3));
    }
}

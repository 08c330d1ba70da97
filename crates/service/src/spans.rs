//! The span of one HTTP request, by OpenTelemetry's conventions for servers.

use axum::{
    extract::Request,
    http::{StatusCode, Version},
};
use common::trace::{Span, SpanBuilder, SpanKind, TraceContext, Tracer};
use uuid::Uuid;

use crate::{
    admin::is_admin, correlation::callers_trace, exchange::NO_ROUTE, http_metrics::method_label,
};

/// What a span is called until it is known that it is recorded.
const UNNAMED: &str = "HTTP";

/// Begins traces, or continues those of callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans(Tracer);

impl Spans {
    pub(crate) fn new(tracer: Tracer) -> Self {
        Self(tracer)
    }

    /// The trace that a request belongs to, and its span, where one is recorded. Where tracing is off that is the
    /// caller's trace as it is; where it is on and the sampler does not want it, nothing behind this records it either.
    pub(crate) fn begin(
        &self,
        route: &str,
        request: &Request,
        id: Uuid,
    ) -> (Option<TraceContext>, ServerSpan) {
        let caller = callers_trace(request.headers());
        if !self.0.is_on() || is_admin(route) {
            return (caller, ServerSpan(Span::none()));
        }
        let builder = || SpanBuilder::from_name(UNNAMED).with_kind(SpanKind::Server);
        let mut span = self.0.begin(caller, builder);
        if span.is_recorded() {
            describe(&mut span, route, request, id);
        }
        let unsampled = || caller.map(TraceContext::unsampled);
        (span.context().or_else(unsampled), ServerSpan(span))
    }
}

/// What is recorded of one request. Dropped unanswered it was cancelled: its caller left.
#[derive(Debug)]
pub(crate) struct ServerSpan(Span);

impl ServerSpan {
    /// The answer it gets. Callers' mistakes are no errors of a server.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        let Self(span) = self;
        if !span.is_recorded() {
            return;
        }
        span.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.fail(status.as_str().to_owned());
        }
        span.done();
    }
}

/// Said only of what is recorded: most requests are not where few are sampled. The path of a request that no route
/// takes is whatever its caller likes, and is not said.
fn describe(span: &mut Span, route: &str, request: &Request, id: Uuid) {
    let (method, name) = match method_label(request.method()) {
        "other" => ("_OTHER", UNNAMED),
        known => (known, known),
    };
    let version = match request.version() {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    span.set("http.request.method", method);
    span.set("url.scheme", "http");
    span.set("network.protocol.version", version);
    span.set("messaging.message.conversation_id", id.to_string());
    if route == NO_ROUTE {
        span.rename(name);
        return;
    }
    span.rename(format!("{name} {route}"));
    span.set("http.route", route.to_owned());
    span.set("url.path", request.uri().path().to_owned());
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};

    use super::*;

    const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn spans(sampler: Sampler) -> (Spans, InMemorySpanExporter) {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_simple_exporter(exporter.clone())
            .build();
        (Spans::new(Tracer::new(provider.tracer("test"))), exporter)
    }

    fn request(method: &str) -> Request {
        let request = Request::builder().method(method).uri("/ask/me");
        let request = request.header("traceparent", CALLERS);
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn what_is_off_hands_the_callers_trace_on_as_it_is() {
        let (trace, _span) = Spans::default().begin("/ask", &request("GET"), Uuid::nil());
        assert_eq!(trace.unwrap().to_string(), CALLERS);
    }

    #[test]
    fn what_the_sampler_does_not_want_nobody_behind_it_records() {
        let (spans, recorded) = spans(Sampler::AlwaysOff);
        let (trace, mut span) = spans.begin("/ask", &request("GET"), Uuid::nil());
        span.answered(StatusCode::OK);
        let unsampled = TraceContext::parse(CALLERS).map(TraceContext::unsampled);
        assert_eq!(trace, unsampled);
        assert!(recorded.get_finished_spans().unwrap().is_empty());
    }

    #[test]
    fn probes_and_scrapes_are_not_recorded() {
        let (spans, recorded) = spans(Sampler::AlwaysOn);
        for route in ["/health", "/health/live", "/health/ready", "/metrics"] {
            let (_, mut span) = spans.begin(route, &request("GET"), Uuid::nil());
            span.answered(StatusCode::OK);
        }
        assert!(recorded.get_finished_spans().unwrap().is_empty());
    }

    #[test]
    fn a_span_is_named_by_its_route_and_fails_by_its_answer() {
        let (spans, recorded) = spans(Sampler::AlwaysOn);
        for (method, route, answer) in [
            ("POST", "/ask", Some(StatusCode::OK)),
            ("POST", "/ask", Some(StatusCode::NOT_FOUND)),
            ("POST", "/ask", Some(StatusCode::BAD_GATEWAY)),
            ("GET", NO_ROUTE, Some(StatusCode::NOT_FOUND)),
            ("BREW", "/ask", Some(StatusCode::METHOD_NOT_ALLOWED)),
            // Its caller left.
            ("POST", "/ask", None),
        ] {
            let (_, mut span) = spans.begin(route, &request(method), Uuid::nil());
            if let Some(status) = answer {
                span.answered(status);
            }
        }
        let error = |span: &SpanData| {
            let mut attributes = span.attributes.iter();
            let error = attributes.find(|it| it.key.as_str() == "error.type");
            error.map(|it| it.value.to_string())
        };
        let spans = recorded.get_finished_spans().unwrap();
        let seen: Vec<_> = spans.iter().map(|it| (&*it.name, error(it))).collect();
        let expected = [
            ("POST /ask", None),
            ("POST /ask", None),
            ("POST /ask", Some("502")),
            ("GET", None),
            ("HTTP /ask", None),
            ("POST /ask", Some("cancelled")),
        ]
        .map(|(name, error)| (name, error.map(str::to_owned)));
        assert_eq!(seen, expected);
    }
}

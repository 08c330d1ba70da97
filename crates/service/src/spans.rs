//! The span of one HTTP request, by OpenTelemetry's conventions for servers.

use axum::{
    extract::Request,
    http::{StatusCode, Version},
};
use common::trace::{Span, SpanBuilder, SpanKind, TraceContext, Tracer};
use uuid::Uuid;

use crate::{admin::is_admin, correlation::callers_trace, http_metrics::method_label};

/// What a span is called until it is known that it is recorded.
const UNNAMED: &str = "HTTP";

/// Begins traces, or continues those of callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans(Tracer);

impl Spans {
    pub(crate) fn new(tracer: Tracer) -> Self {
        Self(tracer)
    }

    /// The trace that a request belongs to, and its span, where one is recorded. Where tracing is off that is the caller's
    /// trace as it is; where it is on and the sampler does not want it, nothing behind this records it either.
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

/// What is recorded of one request. Unanswered, its caller has left.
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
    }
}

/// Said only of what is recorded: most requests are not where few are sampled.
fn describe(span: &mut Span, route: &str, request: &Request, id: Uuid) {
    let method = method_label(request.method());
    let version = match request.version() {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    span.rename(format!("{method} {route}"));
    span.set("http.request.method", method);
    span.set("http.route", route.to_owned());
    span.set("url.scheme", "http");
    span.set("network.protocol.version", version);
    span.set("request.id", id.to_string());
}

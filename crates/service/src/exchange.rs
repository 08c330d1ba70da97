//! What every request and response goes through, whatever the route: an id, the bound on the request
//! head, metrics, one log line, the body of a problem, security headers.

use std::{any::Any, future::Future, sync::Arc};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use common::trace::{TraceContext, Tracer};
use prometheus::Registry;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::{
    correlation::{Correlation, X_REQUEST_ID, callers_id},
    http_metrics::HttpMetrics,
    problem::Problem,
    spans::{ServerSpan, Spans},
};

/// Most header fields of a request. hyper itself refuses more than 100, without a body.
pub(crate) const MAX_HEADER_FIELDS: usize = 64;

/// No answer is a page, so a browser that takes one for a page is to run, load and frame nothing. Swagger UI has a
/// policy of its own.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The route label of requests that no route matches.
pub(crate) const NO_ROUTE: &str = "other";

/// The layer around all routes of a service.
#[derive(Debug, Clone)]
pub struct Exchanges {
    metrics: HttpMetrics,
    spans: Spans,
    max_headers: usize,
}

impl Exchanges {
    /// A layer that counts in this registry and refuses request heads of more than `max_headers` bytes.
    /// Fails where the registry already has the HTTP families.
    pub fn new(registry: &Registry, max_headers: usize) -> Result<Self, prometheus::Error> {
        Ok(Self {
            metrics: HttpMetrics::register(registry)?,
            spans: Spans::default(),
            max_headers,
        })
    }

    /// Records a span of each request that a trace wants, except for probes and scrapes.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self {
            spans: Spans::new(tracer),
            ..self
        }
    }

    /// Shows figures of this route from the start.
    pub(crate) fn foresee(&self, method: &Method, route: &str) {
        self.metrics.foresee(method, route);
    }

    /// The service that is made of these routes. What no route answers is a problem: 404, or 405 with `Allow`.
    pub fn around(&self, routes: Router) -> Router {
        routes
            .fallback(async || Problem::not_found())
            .method_not_allowed_fallback(async || Problem::method_not_allowed())
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn_with_state(
                Arc::new(self.clone()),
                around_route,
            ))
    }
}

/// As a layer of routes.
async fn around_route(
    State(exchanges): State<Arc<Exchanges>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let begun = exchanges.begin(route, &request);
    request.extensions_mut().insert::<Correlation>(begun.who);
    let answer = begun.fits.then(|| next.run(request));
    exchanges.end(route, begun, answer).await
}

/// A request whose head was looked at.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Who it is.
    pub(crate) who: Correlation,
    span: ServerSpan,
    /// What its caller calls it.
    echoed: Option<HeaderValue>,
    method: Method,
    /// Whether its head is within the bounds. It is not shown to any handler otherwise.
    pub(crate) fits: bool,
}

impl Exchanges {
    /// Looks at the head of a request.
    pub(crate) fn begin(&self, route: &str, request: &Request) -> Begun {
        let id = Uuid::now_v7();
        let (trace, span) = self.spans.begin(route, request, id);
        Begun {
            who: Correlation { id, trace },
            span,
            // A copy: the head lies in the buffer of its connection, which is to be used again.
            echoed: callers_id(request.headers())
                .and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()),
            method: request.method().clone(),
            fits: head_fits(request, self.max_headers),
        }
    }

    /// The answer to a request; without one its head is beyond the bounds.
    pub(crate) async fn end(
        &self,
        route: &str,
        begun: Begun,
        answer: Option<impl Future<Output = Response>>,
    ) -> Response {
        let Begun {
            who,
            mut span,
            echoed,
            method,
            ..
        } = begun;
        let mut measurement = self.metrics.begin(&method, route);
        let mut response = match answer {
            Some(answer) => answer.await,
            None => Problem::headers_too_large(MAX_HEADER_FIELDS, self.max_headers).into_response(),
        };

        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            problem.write(&who, &mut response);
        }
        let elapsed = measurement.answered(response.status());
        span.answered(response.status());
        tracing::debug!(
            request_id = %who.id,
            trace_id = TraceContext::log_id(who.trace),
            callers_id = echoed.as_ref().and_then(|id| id.to_str().ok()),
            %method,
            route,
            status = response.status().as_u16(),
            duration_ms = elapsed.as_secs_f64() * 1e3,
            "request answered"
        );
        let headers = response.headers_mut();
        if let Some(id) = echoed.or_else(|| who.header()) {
            headers.insert(X_REQUEST_ID, id);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(NO_PAGE);
        response
    }
}

fn head_fits(request: &Request, max_bytes: usize) -> bool {
    const SEPARATORS: usize = ": \r\n".len();
    let target = |uri: &Uri| {
        uri.path_and_query()
            .map_or(0, |target| target.as_str().len())
    };
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + SEPARATORS;
    request.headers().len() <= MAX_HEADER_FIELDS
        && target(request.uri()) + request.headers().iter().map(field).sum::<usize>() <= max_bytes
}

/// The panic itself is in the log by now; it is a bug, whoever called.
#[allow(
    clippy::needless_pass_by_value,
    reason = "this is the shape that the layer calls"
)]
fn panicked(_panic: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}

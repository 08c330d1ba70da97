//! Health and metrics: the routes that people, load balancers and Prometheus ask.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use common::{
    health::{Readiness, Report, Status},
    metrics,
};
use prometheus::Registry;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{problem::Problem, scrapes::Scrapes};

/// What a service knows of itself.
pub trait Probe: Send + Sync + 'static {
    /// Whether requests should be sent here now.
    fn readiness(&self) -> Readiness;

    /// The state of every part.
    fn report(&self) -> Report;
}

/// What `/health/ready` answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub struct ReadinessDocument {
    /// Whether requests should be sent here now; the status is 200 if so and 503 if not.
    ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The state of the service, part by part.
#[derive(ToSchema)]
#[schema(as = Report, rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "it describes a type that knows nothing of OpenAPI"
)]
struct ReportDocument {
    /// `healthy`, `degraded` (it works, but somebody should look at it) or `unhealthy`: that of the worst part.
    #[schema(example = "healthy")]
    status: String,
    /// The name of the service.
    service: String,
    /// Its version.
    version: String,
    /// For how long the process has been up.
    uptime_seconds: u64,
    /// Each part by its name, with its status, the reasons why it is not healthy, and details.
    parts: BTreeMap<String, serde_json::Value>,
}

/// What `/health/live` answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
pub struct LivenessDocument {
    /// Always `true`: a process that is not live does not answer.
    live: bool,
}

const HEALTH: &str = "/health";
const READY: &str = "/health/ready";
const LIVE: &str = "/health/live";
const METRICS: &str = "/metrics";

/// Whether a route is one of these: probes and scrapes are nobody's requests.
pub(crate) fn is_admin(route: &str) -> bool {
    [HEALTH, READY, LIVE, METRICS].contains(&route)
}

/// `/health`, `/health/live`, `/health/ready` and `/metrics`.
///
/// `/health/live` asks nothing of anybody, so that a Redis that is down does not get the process
/// restarted. `/health` is 200 unless a part is unhealthy.
pub fn admin_routes<P: Probe>(probe: P, registry: Registry) -> Router {
    Router::new()
        .route(HEALTH, get(health::<P>))
        .route(READY, get(ready::<P>))
        .with_state(Arc::new(probe))
        .route(LIVE, get(live))
        .route(METRICS, get(scrape))
        .with_state(Scrapes::new(registry))
}

/// The part of a service's OpenAPI document that is about these routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(health, ready, live, scrape),
        tags((name = "Admin", description = "For people, load balancers and Prometheus")),
    )]
    struct Document;
    Document::openapi()
}

/// The state of every part
#[utoipa::path(get, path = "/health", tag = "Admin", responses(
    (status = 200, description = "Healthy or degraded", body = ReportDocument),
    (status = 503, description = "Unhealthy", body = ReportDocument),
))]
async fn health<P: Probe>(State(probe): State<Arc<P>>) -> Response {
    let report = probe.report();
    (status(report.status < Status::Unhealthy), Json(report)).into_response()
}

/// Whether requests should be sent here
#[utoipa::path(get, path = "/health/ready", tag = "Admin", responses(
    (status = 200, description = "Ready", body = ReadinessDocument),
    (status = 503, description = "Not ready: starting, draining, or Redis cannot be used", body = ReadinessDocument),
))]
async fn ready<P: Probe>(State(probe): State<Arc<P>>) -> Response {
    let reason = probe.readiness().verdict().err();
    let ready = reason.is_none();
    (status(ready), Json(ReadinessDocument { ready, reason })).into_response()
}

/// Whether the process answers
#[utoipa::path(get, path = "/health/live", tag = "Admin", responses(
    (status = 200, description = "It does", body = LivenessDocument),
))]
async fn live() -> Json<LivenessDocument> {
    Json(LivenessDocument { live: true })
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "Admin", responses(
    (status = 200, description = "All metrics in the text format", body = String, content_type = "text/plain"),
))]
async fn scrape(State(scrapes): State<Scrapes>) -> Response {
    match scrapes.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            Problem::internal().into_response()
        }
    }
}

fn status(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

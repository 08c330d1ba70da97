//! Health and metrics: the routes that people, load balancers and Prometheus ask.

use std::sync::Arc;

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
use utoipa::ToSchema;

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

/// What `/health/live` answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
pub struct LivenessDocument {
    /// Always `true`: a process that is not live does not answer.
    live: bool,
}

/// `/health`, `/health/live`, `/health/ready` and `/metrics`.
///
/// `/health/live` asks nothing of anybody, so that a Redis that is down does not get the process
/// restarted. `/health` is 200 unless a part is unhealthy.
pub fn admin_routes<P: Probe>(probe: P, registry: Registry) -> Router {
    Router::new()
        .route("/health", get(health::<P>))
        .route("/health/ready", get(ready::<P>))
        .with_state(Arc::new(probe))
        .route("/health/live", get(live))
        .route("/metrics", get(scrape))
        .with_state(registry)
}

async fn health<P: Probe>(State(probe): State<Arc<P>>) -> Response {
    let report = probe.report();
    (status(report.status < Status::Unhealthy), Json(report)).into_response()
}

async fn ready<P: Probe>(State(probe): State<Arc<P>>) -> Response {
    let reason = probe.readiness().verdict().err();
    let ready = reason.is_none();
    (status(ready), Json(ReadinessDocument { ready, reason })).into_response()
}

async fn live() -> Json<LivenessDocument> {
    Json(LivenessDocument { live: true })
}

async fn scrape(State(registry): State<Registry>) -> Response {
    match metrics::encode(&registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
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

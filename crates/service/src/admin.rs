//! Health and metrics: the routes that people, load balancers and Prometheus ask.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Encoder, Registry, TextEncoder};
use serde::Serialize;

/// Where the admin routes get their answers.
pub trait Probe: Send + Sync + 'static {
    /// What `/health` shows.
    type Report: Serialize;

    /// Whether this process should be sent requests; else why not, in a few words.
    fn readiness(&self) -> Result<(), String>;

    /// Every part's state, and whether that is good enough for 200.
    fn report(&self) -> (bool, Self::Report);
}

/// `/health`, `/health/live`, `/health/ready` and `/metrics`.
pub fn admin_routes<P: Probe>(probe: P, registry: Registry) -> Router {
    let probe = Arc::new(probe);
    Router::new()
        .route("/health", get(health::<P>))
        .route("/health/ready", get(ready::<P>))
        .with_state(probe)
        .route("/health/live", get(live))
        .route("/metrics", get(metrics))
        .with_state(registry)
}

async fn live() -> Result<&'static str, Infallible> {
    Ok("live")
}

async fn ready<P: Probe>(State(probe): State<Arc<P>>) -> Response {
    match probe.readiness() {
        Ok(()) => "ready".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

async fn health<P: Probe>(State(probe): State<Arc<P>>) -> Response {
    let (good, report) = probe.report();
    let status = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn metrics(State(registry): State<Registry>) -> Response {
    let mut body = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut body) {
        tracing::error!(%error, "the metrics cannot be written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4"),
        )],
        body,
    )
        .into_response()
}

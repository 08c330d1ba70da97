//! The routes of the ingress.

use std::sync::Arc;

use axum::{Router, routing::post};
use prometheus::Registry;
use service::{Exchanges, Probe, admin_routes, swagger_routes};

use crate::{
    openapi,
    weather::{self, Weather},
};

/// What is served to everybody.
pub(crate) fn app<P: Probe>(
    weather: Arc<Weather>,
    probe: P,
    registry: Registry,
    exchanges: &Exchanges,
) -> Router {
    let routes = Router::new()
        .route("/WeatherForecast/city", post(weather::city))
        .with_state(weather)
        .merge(admin_routes(probe, registry))
        .merge(swagger_routes(openapi::document()));
    exchanges.around(routes)
}

/// What is served on the address for probes and scrapes.
pub(crate) fn admin<P: Probe>(probe: P, registry: Registry, exchanges: &Exchanges) -> Router {
    exchanges.around(admin_routes(probe, registry))
}

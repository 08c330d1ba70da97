//! The routes of the ingress.

use std::sync::Arc;

use axum::{Router, http::Method, response::IntoResponse, routing::post};
use futures_util::FutureExt;
use prometheus::Registry;
use service::{App, Exchanges, Probe, admin_routes, swagger_routes};

use crate::{
    openapi,
    weather::{self, Weather},
};

/// Where the weather is.
const CITY: &str = "/WeatherForecast/city";

/// What is served to everybody.
pub(crate) fn app<P: Probe>(
    weather: Arc<Weather>,
    probe: P,
    registry: Registry,
    exchanges: &Exchanges,
) -> App {
    let routes = Router::new()
        .route(CITY, post(weather::city))
        .with_state(Arc::clone(&weather))
        .merge(admin_routes(probe, registry))
        .merge(swagger_routes(openapi::document()));
    // This is what nearly everybody asks for.
    App::from(exchanges.around(routes)).shortcut(
        exchanges,
        Method::POST,
        CITY,
        move |who, request| {
            let answer = Arc::clone(&weather).answer(who, request);
            answer.map(|answer| answer.into_response())
        },
    )
}

/// What is served on the address for probes and scrapes.
pub(crate) fn admin<P: Probe>(probe: P, registry: Registry, exchanges: &Exchanges) -> Router {
    exchanges.around(admin_routes(probe, registry))
}

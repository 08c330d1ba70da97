//! The routes of the proxy. Weather is not among them: it comes and goes through Redis.

use axum::{Json, Router, extract::State, routing::get};
use prometheus::Registry;
use service::{Exchanges, Probe, admin_routes, swagger_routes};

use crate::{
    openapi,
    terminals::{TerminalView, Terminals},
};

/// What is served to everybody.
pub(crate) fn app<P: Probe>(
    terminals: Terminals,
    probe: P,
    registry: Registry,
    exchanges: &Exchanges,
) -> Router {
    let routes = Router::new()
        .route("/terminals", get(list_terminals))
        .with_state(terminals);
    let routes = routes
        .merge(admin_routes(probe, registry))
        .merge(swagger_routes(openapi::document()));
    exchanges.around(routes)
}

/// What is served on the address for probes and scrapes.
pub(crate) fn admin<P: Probe>(probe: P, registry: Registry, exchanges: &Exchanges) -> Router {
    exchanges.around(admin_routes(probe, registry))
}

/// Every terminal, by number
#[utoipa::path(get, path = "/terminals", tag = "Terminals",
    responses((status = 200, description = "What each terminal is doing now and has done so far", body = [TerminalView])))]
pub(crate) async fn list_terminals(State(terminals): State<Terminals>) -> Json<Vec<TerminalView>> {
    Json(terminals.view())
}

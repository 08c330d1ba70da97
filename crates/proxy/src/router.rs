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
#[utoipa::path(get, path = "/terminals", tag = "Terminals", responses(
    (status = 200, description = "What each terminal is doing now and has done so far", body = [TerminalView]),
))]
pub(crate) async fn list_terminals(State(terminals): State<Terminals>) -> Json<Vec<TerminalView>> {
    Json(terminals.view())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{
        body::{Body, to_bytes},
        http::{Request, StatusCode, header},
    };
    use common::health::{Readiness, Report};
    use tower::ServiceExt;
    use uuid::Uuid;

    use super::*;

    struct Well;

    impl Probe for Well {
        fn readiness(&self) -> Readiness {
            Readiness::new()
        }

        fn report(&self) -> Report {
            Report::new(
                "proxy",
                "0",
                Duration::ZERO,
                [("terminals", common::health::Part::healthy())],
            )
        }
    }

    fn exchanges(registry: &Registry) -> Exchanges {
        Exchanges::new(registry, 4096).unwrap()
    }

    /// Status, `Allow` and body of an answer.
    async fn ask(
        router: &Router,
        method: &str,
        path: &str,
    ) -> (StatusCode, Option<String>, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let allow = response
            .headers()
            .get(header::ALLOW)
            .map(|value| value.to_str().unwrap().to_owned());
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, allow, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn the_terminals_are_shown_as_they_are() {
        let registry = Registry::new();
        let terminals = Terminals::new(2);
        let app = app(
            terminals.clone(),
            Well,
            registry.clone(),
            &exchanges(&registry),
        );
        let serving = terminals.occupy(Uuid::from_u128(7));
        let (status, _, body) = ask(&app, "GET", "/terminals").await;
        let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(shown[0]["requestId"], Uuid::from_u128(7).to_string());
        assert_eq!(shown[1]["state"], "idle");
        serving.served();
        assert!(
            ask(&app, "GET", "/terminals")
                .await
                .2
                .contains("\"served\":1")
        );
    }

    #[tokio::test]
    async fn everybody_gets_all_routes_and_the_admin_address_only_probes_and_metrics() {
        let registry = Registry::new();
        let exchanges = exchanges(&registry);
        let app = app(Terminals::new(1), Well, registry.clone(), &exchanges);
        let admin = admin(Well, registry, &exchanges);
        for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
            assert_eq!(ask(&app, "GET", path).await.0, StatusCode::OK, "{path}");
            assert_eq!(ask(&admin, "GET", path).await.0, StatusCode::OK, "{path}");
        }
        assert_eq!(
            ask(&app, "GET", "/").await.0,
            StatusCode::TEMPORARY_REDIRECT
        );
        assert_eq!(ask(&admin, "GET", "/").await.0, StatusCode::NOT_FOUND);
        for path in ["/terminals", "/swagger/v1/swagger.json", "/swagger/"] {
            assert_eq!(ask(&app, "GET", path).await.0, StatusCode::OK, "{path}");
            assert_eq!(
                ask(&admin, "GET", path).await.0,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        for (method, path) in [("POST", "/WeatherForecast/city"), ("GET", "/swagger/nope")] {
            let (status, _, body) = ask(&app, method, path).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert!(body.contains("/problems/not-found"), "{body}");
        }
        let (status, allow, _) = ask(&app, "DELETE", "/terminals").await;
        assert_eq!(
            (status, allow.as_deref()),
            (StatusCode::METHOD_NOT_ALLOWED, Some("GET,HEAD"))
        );
    }
}

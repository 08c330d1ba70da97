//! What a listener serves: routes, and at most one of them by a shortcut.
//!
//! The router boxes the service, the layers and the future of a route anew for each request. Where one route gets
//! nearly all requests that is a good part of what they cost, so that it can be answered before the router is asked.
//! The shortcut is nothing but faster: the same handler is among the routes, which also know what else may be asked
//! of its path.

use std::{
    convert::Infallible,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    http::Method,
    response::{IntoResponse, Response},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either},
};
use tower::Service;

use crate::{Correlation, Exchanges, Problem};

/// Routes, and perhaps a shortcut to one of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    routes: Router,
    shortcut: Option<Arc<Shortcut>>,
}

/// One method of one path.
struct Shortcut {
    exchanges: Exchanges,
    method: Method,
    path: &'static str,
    handler: Box<dyn Fn(Correlation, Request) -> BoxFuture<'static, Response> + Send + Sync>,
}

impl From<Router> for App {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            shortcut: None,
        }
    }
}

impl App {
    /// Answers this method of this path by `handler`, in place of the route that does the same. It is what the service
    /// is for, so that its figures are there before the first request.
    #[must_use]
    pub fn shortcut<F: Future<Output = Response> + Send + 'static>(
        self,
        exchanges: &Exchanges,
        method: Method,
        path: &'static str,
        handler: impl Fn(Correlation, Request) -> F + Send + Sync + 'static,
    ) -> Self {
        exchanges.foresee(&method, path);
        let shortcut = Shortcut {
            exchanges: exchanges.clone(),
            method,
            path,
            handler: Box::new(move |who, request| handler(who, request).boxed()),
        };
        Self {
            shortcut: Some(Arc::new(shortcut)),
            ..self
        }
    }

    /// Answers one request.
    pub(crate) fn answer(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        match &self.shortcut {
            Some(shortcut) if shortcut.leads_to(&request) => {
                Either::Left(Arc::clone(shortcut).answer(request))
            }
            _ => {
                let answer = self.routes.clone().call(request);
                let answer = answer.map(|answer: Result<Response, Infallible>| match answer {
                    Ok(response) => response,
                    Err(never) => match never {},
                });
                // Boxed, since what is answered by the shortcut would have to have room for this.
                Either::Right(answer.boxed())
            }
        }
    }
}

impl Shortcut {
    fn leads_to(&self, request: &Request) -> bool {
        request.method() == self.method && request.uri().path() == self.path
    }

    fn answer(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send {
        let begun = self.exchanges.begin(self.path, &request);
        let call = AssertUnwindSafe(|| (self.handler)(begun.who, request));
        let called = begun.fits.then(|| catch_unwind(call));
        async move {
            let answer = called.map(|called| async {
                let handled = match called {
                    Ok(handling) => AssertUnwindSafe(handling).catch_unwind().await,
                    Err(panic) => Err(panic),
                };
                // The panic itself is in the log by now; it is a bug, whoever called.
                handled.unwrap_or_else(|_panic| Problem::internal().into_response())
            });
            self.exchanges.end(self.path, begun, answer).await
        }
    }
}

impl fmt::Debug for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode, routing::post};
    use prometheus::Registry;

    use super::*;
    use crate::X_REQUEST_ID;

    const PATH: &str = "/ask";

    struct Fixture {
        app: App,
        registry: Registry,
    }

    /// One route that says how it was come by, and panics if asked to.
    fn fixture() -> Fixture {
        let registry = Registry::new();
        let exchanges = Exchanges::new(&registry, 4096).unwrap();
        let routes = Router::new().route(PATH, post(async || (StatusCode::IM_A_TEAPOT, "router")));
        let app = App::from(exchanges.around(routes));
        let app = app.shortcut(
            &exchanges,
            Method::POST,
            PATH,
            async |_, request: Request| {
                assert_ne!(request.uri().query(), Some("panic"));
                (StatusCode::ACCEPTED, "shortcut").into_response()
            },
        );
        Fixture { app, registry }
    }

    async fn ask(app: &App, method: Method, target: &str) -> Response {
        let request = Request::builder().method(method).uri(target);
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().answer(request).await;
        assert!(response.headers().contains_key(X_REQUEST_ID));
        assert!(response.headers().contains_key("x-content-type-options"));
        response
    }

    #[tokio::test]
    async fn the_shortcut_is_for_its_method_and_path_alone() {
        let Fixture { app, .. } = fixture();
        for (method, target, status) in [
            (Method::POST, PATH, StatusCode::ACCEPTED),
            (Method::POST, "/ask?more=1", StatusCode::ACCEPTED),
            (Method::GET, PATH, StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/ask/", StatusCode::NOT_FOUND),
            (Method::POST, "/ASK", StatusCode::NOT_FOUND),
        ] {
            let response = ask(&app, method.clone(), target).await;
            assert_eq!(response.status(), status, "{method} {target}");
        }
        let long = format!("{PATH}?{}", "x".repeat(5_000));
        let too_long = ask(&app, Method::POST, &long).await;
        assert_eq!(
            too_long.status(),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
        let refused = ask(&app, Method::PUT, PATH).await;
        assert_eq!(refused.headers()["allow"], "POST");
    }

    #[test]
    fn failures_can_be_told_from_nothing_before_the_first() {
        let Fixture { registry, .. } = fixture();
        let metrics = common::metrics::encode(&registry).unwrap();
        for none in [
            r#"http_requests_total{method="POST",route="/ask",status="503"} 0"#,
            r#"http_request_duration_seconds_count{method="POST",route="/ask"} 0"#,
        ] {
            assert!(metrics.contains(none), "{metrics}");
        }
    }

    #[tokio::test]
    async fn a_panic_on_the_shortcut_is_answered_and_counted_like_any() {
        let Fixture { app, registry } = fixture();
        let response = ask(&app, Method::POST, "/ask?panic").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let metrics = common::metrics::encode(&registry).unwrap();
        let counted = r#"http_requests_total{method="POST",route="/ask",status="500"} 1"#;
        assert!(metrics.contains(counted), "{metrics}");
    }
}

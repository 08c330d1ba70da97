//! What every request and response goes through.

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, Response, StatusCode},
    routing::get,
};
use http_body_util::BodyExt;
use prometheus::Registry;
use service::{Correlation, Exchanges, Kind, Problem};
use tower::ServiceExt;
use uuid::Uuid;

static BROKEN: Kind = Kind {
    uri: "/problems/broken",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Broken",
};

fn routes() -> Router {
    Router::new()
        .route(
            "/id",
            get(|Extension(who): Extension<Correlation>| async move { who.id.to_string() }),
        )
        .route("/panics/{n}", get(|| async { panics() }))
        .route(
            "/problem",
            get(|| async {
                Problem::new(&BROKEN, "Mend it.")
                    .field("city", "is missing")
                    .retry_after(std::time::Duration::from_millis(1001))
            }),
        )
}

#[allow(unreachable_code, reason = "the type of an answer that never comes")]
fn panics() -> &'static str {
    panic!("on purpose");
    ""
}

async fn ask(
    app: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (Response<()>, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(head, ()),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

fn app() -> Router {
    Exchanges::new(&Registry::new(), 16 << 10)
        .unwrap()
        .around(routes())
}

fn header<'a>(response: &'a Response<()>, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_handlers_id_is_ours_and_goes_back_to_the_caller() {
    let app = app();
    let (response, body) = ask(&app, "GET", "/id", &[]).await;
    assert_eq!(header(&response, "x-request-id"), Some(body.as_str()));
    assert_eq!(body.parse::<Uuid>().unwrap().get_version_num(), 7);
    let (_, another) = ask(&app, "GET", "/id", &[]).await;
    assert_ne!(body, another);
}

#[tokio::test]
async fn a_callers_id_is_echoed_and_not_used() {
    let (response, body) = ask(&app(), "GET", "/id", &[("x-request-id", "mine")]).await;
    assert_eq!(header(&response, "x-request-id"), Some("mine"));
    assert!(body.parse::<Uuid>().is_ok());
}

#[tokio::test]
async fn a_malformed_callers_id_is_ignored() {
    let (response, body) = ask(&app(), "GET", "/id", &[("x-request-id", "two words")]).await;
    assert_eq!(header(&response, "x-request-id"), Some(body.as_str()));
}

#[tokio::test]
async fn a_problem_is_a_document_with_the_requests_id() {
    let (response, body) = ask(&app(), "GET", "/problem", &[]).await;
    assert_eq!(response.status(), 422);
    assert_eq!(
        header(&response, "content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        header(&response, "retry-after"),
        Some("2"),
        "whole seconds, rounded up"
    );
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "type": "/problems/broken",
        "title": "Broken",
        "status": 422,
        "detail": "Mend it.",
        "requestId": header(&response, "x-request-id").unwrap(),
        "errors": {"city": ["is missing"]},
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    for path in ["/", "/nothing", "/id/", "/ID", "//id", "/%69d/x"] {
        let (response, body) = ask(&app(), "GET", path, &[]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(body.contains("/problems/not-found"), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_names_the_right_ones() {
    for method in ["POST", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let (response, body) = ask(&app(), method, "/id", &[]).await;
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(header(&response, "allow"), Some("GET,HEAD"), "{method}");
        assert!(
            body.contains("/problems/method-not-allowed"),
            "{method}: {body}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let (response, body) = ask(&app(), "GET", "/panics/1", &[]).await;
    assert_eq!(response.status(), 500);
    assert!(body.contains("/problems/internal"), "{body}");
    assert!(!body.contains("on purpose"));
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for path in ["/id", "/nothing", "/problem", "/panics/1"] {
        let (response, _) = ask(&app(), "GET", path, &[]).await;
        assert_eq!(
            header(&response, "x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            header(&response, "cache-control"),
            Some("no-store"),
            "{path}"
        );
        assert_eq!(
            header(&response, "content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(header(&response, "server"), None, "{path}");
    }
}

//! What a target can do wrong, and what the report calls it.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use loadtest::{FailureGroup, Limits, NotReady, Options, Report, RunError};
use serde_json::json;

use crate::stub::{Stub, never, options, raw_stub, refusing, run, weather, write_and_close};

/// The only way in which requests failed; all of them did.
fn only_failure(report: &Report) -> &FailureGroup {
    assert_eq!(
        (report.requests.succeeded, report.requests.failed),
        (0, 10),
        "{}",
        report.to_text()
    );
    assert!(!report.verdict.passed);
    let [group] = report.failures.as_slice() else {
        panic!("{:?}", report.failures)
    };
    assert_eq!(group.count, 10);
    group
}

#[tokio::test]
async fn a_reply_that_takes_too_long() {
    let stub = Stub::start(|_, _| std::future::pending()).await;
    let timeout = Duration::from_millis(50);
    let report = run(Options {
        timeout,
        ..options(&stub.url)
    })
    .await;
    assert_eq!(only_failure(&report).cause, "timeout");
    assert!(report.latency.failures.unwrap().min >= 0.0499 && report.latency.successes.is_none());
}

#[tokio::test]
async fn an_error_reply_with_a_problem() {
    let stub = Stub::start(|_, _| async {
        let problem = json!({"type": "/problems/busy", "title": "Too busy", "detail": "try again in a second"});
        (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem))
            .into_response()
    })
    .await;
    let report = run(options(&stub.url)).await;
    let group = only_failure(&report);
    assert_eq!(
        (group.cause, group.status, group.description.as_str()),
        ("status", Some(503), "Too busy")
    );
    assert_eq!(group.problem_type.as_deref(), Some("/problems/busy"));
    assert_eq!(group.example.as_deref(), Some("try again in a second"));
    assert_eq!(
        stub.connections(),
        1,
        "an error reply does not cost the connection"
    );
}

#[tokio::test]
async fn a_success_that_is_not_200() {
    let stub =
        Stub::start(|_, body| async move { (StatusCode::CREATED, weather(&body)).into_response() })
            .await;
    assert_eq!(
        only_failure(&run(options(&stub.url)).await).status,
        Some(201)
    );
}

/// The first two tries of each request are refused; the third is not made where only two are allowed.
#[tokio::test]
async fn callers_that_try_again_do_so_as_often_as_they_may() {
    for (tries, succeeded, retries) in [(1, 0, 0), (2, 0, 10), (3, 10, 20)] {
        let stub = Stub::start(move |number, body| async move {
            match number % tries {
                2 => weather(&body).into_response(),
                _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        })
        .await;
        let tries = tries as u32;
        let report = run(Options {
            tries,
            ..options(&stub.url)
        })
        .await;
        assert_eq!(
            (report.requests.succeeded, report.requests.retries),
            (succeeded, retries)
        );
        assert_eq!(stub.requests() as u64, 10 + retries);
    }
}

#[tokio::test]
async fn a_body_that_is_not_weather() {
    let stub = Stub::start(|_, _| async { "<html>".into_response() }).await;
    assert_eq!(
        only_failure(&run(options(&stub.url)).await).cause,
        "bad body"
    );
}

#[tokio::test]
async fn a_body_without_end() {
    let stub = Stub::start(|_, _| async { "x".repeat(1_000_000).into_response() }).await;
    let report = run(options(&stub.url)).await;
    let group = only_failure(&report);
    assert_eq!(
        (group.cause, group.example.as_deref()),
        ("bad body", Some("longer than 65536 bytes"))
    );
}

#[tokio::test]
async fn the_reply_to_another_request_fails_the_run_whatever_the_limits() {
    // Every answer is right, but goes to whoever asks next.
    let previous = std::sync::Arc::new(std::sync::Mutex::new(
        json!({"city": "Oslo", "location": "nowhere"}),
    ));
    let stub = Stub::start(move |number, body| {
        let answered = std::mem::replace(&mut *previous.lock().unwrap(), body.clone());
        async move { weather(if number < 9 { &body } else { &answered }).into_response() }
    })
    .await;
    let limits = Limits {
        max_p99: None,
        min_success: 0.0,
    };
    let report = run(Options {
        limits,
        ..options(&stub.url)
    })
    .await;
    assert_eq!((report.requests.succeeded, report.requests.failed), (9, 1));
    assert_eq!(report.failures[0].cause, "crossed reply");
    assert!(!report.verdict.passed, "{}", report.to_text());
}

#[tokio::test]
async fn a_request_id_that_comes_twice_is_a_crossed_reply() {
    let stub = Stub::start(|_, body| async move {
        let mut reply = weather(&body);
        reply["requestId"] = json!("019aa0f0-0000-7000-8000-000000000001");
        reply.into_response()
    })
    .await;
    let report = run(options(&stub.url)).await;
    assert_eq!(
        (report.requests.succeeded, report.failures[0].count),
        (1, 9)
    );
    assert_eq!(report.failures[0].cause, "crossed reply");
}

#[tokio::test]
async fn nobody_listening() {
    let (_socket, url) = refusing();
    let report = run(options(&url)).await;
    let group = only_failure(&report);
    assert_eq!(group.cause, "connect");
    assert!(group.description.contains("refused"), "{group:?}");
}

#[tokio::test]
async fn a_connection_that_is_closed_before_the_reply() {
    let url = raw_stub(|stream| async move { drop(stream) }).await;
    assert_eq!(only_failure(&run(options(&url)).await).cause, "reset");
}

#[tokio::test]
async fn a_connection_that_is_reset() {
    let url = raw_stub(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    assert_eq!(only_failure(&run(options(&url)).await).cause, "reset");
}

#[tokio::test]
async fn a_reply_that_is_cut() {
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"requestId\"";
    let url = raw_stub(|stream| write_and_close(stream, reply.to_vec())).await;
    assert_eq!(only_failure(&run(options(&url)).await).cause, "reset");
}

#[tokio::test]
async fn a_reply_that_is_not_http() {
    let url = raw_stub(|stream| write_and_close(stream, b"220 smtp ready\r\n\r\n".to_vec())).await;
    let report = run(options(&url)).await;
    let group = only_failure(&report);
    assert_eq!(group.cause, "bad body");
    assert!(
        group.example.as_deref().unwrap().contains("not HTTP"),
        "{group:?}"
    );
}

#[tokio::test]
async fn a_connection_that_the_target_closes_after_its_reply_is_no_failure() {
    let stub = Stub::start(|_, body| async move {
        ([(header::CONNECTION, "close")], weather(&body)).into_response()
    })
    .await;
    let report = run(options(&stub.url)).await;
    assert!(report.verdict.passed, "{}", report.to_text());
    assert_eq!(stub.connections(), 10);
}

#[tokio::test]
async fn a_target_that_is_not_ready_is_not_loaded() {
    let stub = Stub::unhealthy().await;
    let error = loadtest::run(
        Options {
            health_check: true,
            ..options(&stub.url)
        },
        never(),
    )
    .await
    .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(
            error,
            RunError::NotReady(NotReady::NotHealthy { status: 503, .. })
        ),
        "{error:?}"
    );
    assert!(
        text.contains("unhealthy; redis: unhealthy, it cannot be reached") && !text.contains('\n'),
        "{text}"
    );

    let report = run(options(&stub.url)).await;
    assert!(report.verdict.passed, "the check can be left out");
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_not_loaded() {
    let (_socket, url) = refusing();
    let options = Options {
        health_check: true,
        ..options(&url)
    };
    let error = loadtest::run(options, never()).await.unwrap_err();
    assert!(error.to_string().contains("cannot connect"), "{error}");
}

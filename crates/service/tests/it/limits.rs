//! Bounds on time, size and number of what arrives and leaves.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use service::server::Limits;
use tokio::{sync::Notify, time::sleep};

use crate::wire::{ROOMY, Server, is_last, patiently};

const SHORT: Duration = Duration::from_millis(50);

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello" }))
}

fn short_heads() -> Limits {
    Limits {
        header_timeout: SHORT,
        ..ROOMY
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start(hello(), short_heads()).await;
    assert_eq!(server.connect().await.closed().await, "");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let server = Server::start(hello(), short_heads()).await;
    let mut wire = server.connect().await;
    wire.send("GET /hello HTTP/1.1\r\nhost: te").await;
    assert_eq!(wire.closed().await, "");
}

#[tokio::test]
async fn an_http2_preface_that_does_not_end_is_cut_off() {
    let server = Server::start(hello(), short_heads()).await;
    let mut wire = server.connect().await;
    wire.send("PRI * HTTP/2").await;
    assert_eq!(wire.closed().await, "");
}

#[tokio::test]
async fn an_http2_connection_without_a_request_is_cut_off() {
    let server = Server::start(hello(), short_heads()).await;
    let mut wire = server.connect().await;
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.closed().await;
}

#[tokio::test]
async fn a_second_head_that_does_not_end_is_cut_off_though_idling_is_allowed() {
    let server = Server::start(
        hello(),
        Limits {
            header_timeout: Duration::from_secs(1),
            ..ROOMY
        },
    )
    .await;
    let mut wire = server.connect().await;
    wire.get("/hello").await;
    assert_eq!(wire.response().await.status, 200);
    wire.send("GET /he").await;
    assert_eq!(wire.closed().await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout() {
    let server = Server::start(
        hello(),
        Limits {
            header_timeout: Duration::from_secs(1),
            ..ROOMY
        },
    )
    .await;
    let mut wire = server.connect().await;
    wire.get("/hello").await;
    assert_eq!(wire.response().await.status, 200);
    sleep(Duration::from_millis(1500)).await;
    wire.get("/hello").await;
    assert_eq!(wire.response().await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keep_alive_timeout() {
    let server = Server::start(
        hello(),
        Limits {
            keep_alive_timeout: SHORT,
            ..ROOMY
        },
    )
    .await;
    let mut wire = server.connect().await;
    wire.get("/hello").await;
    assert_eq!(wire.response().await.status, 200);
    assert_eq!(wire.closed().await, "");
}

#[tokio::test]
async fn a_handler_may_take_longer_than_the_connection_limits() {
    let release = Arc::new(Notify::new());
    let handler = {
        let release = Arc::clone(&release);
        move || async move {
            release.notified().await;
            "done"
        }
    };
    let limits = Limits {
        keep_alive_timeout: SHORT,
        ..ROOMY
    };
    let server = Server::start(Router::new().route("/slow", get(handler)), limits).await;
    let mut wire = server.connect().await;
    wire.get("/slow").await;
    sleep(4 * SHORT).await;
    release.notify_one();
    assert_eq!(wire.response().await.text(), "done");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    // Far more than the buffers of two sockets hold.
    let big = || async { vec![b'x'; 64 << 20] };
    let limits = Limits {
        max_connections: 1,
        keep_alive_timeout: SHORT,
        linger: SHORT,
        ..ROOMY
    };
    let server = Server::start(hello().route("/big", get(big)), limits).await;
    let mut wire = server.connect().await;
    wire.get("/big").await;
    // There is room for one connection, so the second is served when the first is gone.
    let mut second = server.connect().await;
    second.get("/hello").await;
    assert_eq!(second.response().await.status, 200);
    assert!(
        wire.closed().await.len() < 64 << 20,
        "the response was cut off"
    );
}

#[tokio::test]
async fn callers_over_the_connection_bound_wait_until_one_leaves() {
    let server = Server::start(
        hello(),
        Limits {
            max_connections: 1,
            ..ROOMY
        },
    )
    .await;
    let mut first = server.connect().await;
    first.get("/hello").await;
    assert_eq!(first.response().await.status, 200);

    let mut second = server.connect().await;
    second.get("/hello").await;
    let early = tokio::time::timeout(4 * SHORT, second.response()).await;
    assert!(early.is_err(), "the bound is one connection");

    drop(first);
    second.get("/hello").await;
    assert_eq!(second.response().await.status, 200);
}

#[tokio::test]
async fn a_head_over_our_bound_is_a_problem_and_ends_the_connection() {
    let server = Server::start(
        hello(),
        Limits {
            max_headers: 1024,
            ..ROOMY
        },
    )
    .await;
    let mut wire = server.connect().await;
    wire.send(format!(
        "GET /hello HTTP/1.1\r\nhost: test\r\nx-long: {}\r\n\r\n",
        "a".repeat(1024)
    ))
    .await;
    let response = wire.response().await;
    assert_eq!(response.status, 431);
    assert!(is_last(&response));
    assert_eq!(
        response.json().unwrap()["type"],
        "/problems/headers-too-large"
    );
    assert_eq!(wire.closed().await, "");
}

#[tokio::test]
async fn too_many_header_fields_are_a_problem() {
    let server = Server::start(hello(), ROOMY).await;
    let mut wire = server.connect().await;
    wire.send(format!(
        "GET /hello HTTP/1.1\r\nhost: test\r\n{}\r\n",
        "x-a: 1\r\n".repeat(64)
    ))
    .await;
    assert_eq!(
        wire.response().await.json().unwrap()["type"],
        "/problems/headers-too-large"
    );
}

#[tokio::test]
async fn a_head_far_over_the_bound_is_refused_before_it_has_arrived() {
    let server = Server::start(hello(), ROOMY).await;
    let mut wire = server.connect().await;
    wire.send("GET /hello HTTP/1.1\r\nhost: test\r\nx-endless: ")
        .await;
    wire.send("a".repeat(64 << 10)).await;
    assert_eq!(wire.response().await.status, 431);
    wire.closed().await;
}

#[tokio::test]
async fn ambiguous_or_malformed_framing_is_refused_and_ends_the_connection() {
    let server = Server::start(hello(), ROOMY).await;
    for (what, head) in [
        (
            "two lengths",
            "POST /hello HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "no number",
            "POST /hello HTTP/1.1\r\nhost: t\r\ncontent-length: +1\r\n\r\na",
        ),
        (
            "folded",
            "GET /hello HTTP/1.1\r\nhost: t\r\nx-folded: a\r\n b\r\n\r\n",
        ),
        (
            "space before colon",
            "GET /hello HTTP/1.1\r\nhost : t\r\n\r\n",
        ),
        ("no version", "GET /hello\r\n\r\n"),
        ("nonsense", "\u{1}\u{2}\u{3}\r\n\r\n"),
        (
            "unknown coding",
            "POST /hello HTTP/1.1\r\nhost: t\r\ntransfer-encoding: what\r\n\r\n",
        ),
    ] {
        let mut wire = server.connect().await;
        wire.send(head).await;
        let answer = wire.closed().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let server = Server::start(hello(), ROOMY).await;
    let mut wire = server.connect().await;
    let smuggled = "GET /hello HTTP/1.1\r\nhost: t\r\n\r\n";
    wire.send(format!(
        "POST /hello HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\n{smuggled}",
        5 + smuggled.len()
    ))
    .await;
    let answers = wire.closed().await;
    assert!(
        !answers.contains("hello"),
        "what followed the chunks was taken for a request: {answers:?}"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let routes = Router::new().route(
        "/{n}",
        get(|axum::extract::Path(n): axum::extract::Path<u32>| async move { n.to_string() }),
    );
    let server = Server::start(routes, ROOMY).await;
    let mut wire = server.connect().await;
    let all: String = (0..1000)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: t\r\n\r\n"))
        .collect();
    wire.send(all).await;
    for n in 0..1000 {
        assert_eq!(wire.response().await.text(), n.to_string());
    }
}

#[tokio::test]
async fn a_caller_that_leaves_drops_its_handler() {
    let (running, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = {
        let (running, dropped) = (Arc::clone(&running), Arc::clone(&dropped));
        move || async move {
            let _guard = crate::http2::NotifyOnDrop(dropped);
            running.notify_one();
            std::future::pending::<&'static str>().await
        }
    };
    let server = Server::start(Router::new().route("/wait", get(wait)), ROOMY).await;
    let mut wire = server.connect().await;
    wire.get("/wait").await;
    patiently(running.notified()).await;
    drop(wire);
    patiently(dropped.notified()).await;
}

#[tokio::test]
async fn odd_request_targets_and_versions_are_answered() {
    let server = Server::start(hello(), ROOMY).await;
    for (what, head, status) in [
        (
            "absolute form",
            "GET http://elsewhere/hello HTTP/1.1\r\nhost: t\r\n\r\n",
            200,
        ),
        (
            "asterisk form",
            "OPTIONS * HTTP/1.1\r\nhost: t\r\n\r\n",
            404,
        ),
        (
            "authority form",
            "CONNECT elsewhere:80 HTTP/1.1\r\nhost: t\r\n\r\n",
            404,
        ),
        ("no host", "GET /hello HTTP/1.1\r\n\r\n", 200),
        ("HTTP/1.0", "GET /hello HTTP/1.0\r\n\r\n", 200),
        (
            "a query",
            "GET /hello?a=b&c HTTP/1.1\r\nhost: t\r\n\r\n",
            200,
        ),
        (
            "an upgrade",
            "GET /hello HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            200,
        ),
    ] {
        let mut wire = server.connect().await;
        wire.send(head).await;
        assert_eq!(wire.response().await.status, status, "{what}");
    }
}

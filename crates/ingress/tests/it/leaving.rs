//! Callers that hang up, and an ingress that drains.

use axum::body::Body;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testbed::{Failure, HttpClient, Metrics, RawConnection, RedisServer, eventually};
use tokio::net::TcpStream;

use crate::support::{Ingress, PATIENCE, problem, question, request_bytes, worker};

async fn until_outstanding(redis: &RedisServer, expected: u64) {
    eventually(PATIENCE, async || {
        let outstanding: u64 = redis.command(&["XLEN", "weather-requests"]).await?;
        anyhow::ensure!(outstanding == expected, "{outstanding} are outstanding");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_caller_that_hangs_up_takes_its_request_back() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    let mut wire = ingress.raw().await;
    wire.send(request_bytes("Oslo")).await.unwrap();
    until_outstanding(&redis, 1).await;
    drop(wire);
    until_outstanding(&redis, 0).await;
}

#[tokio::test]
async fn a_stream_that_its_caller_resets_takes_its_request_back() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    let socket = TcpStream::connect(ingress.base.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::post(format!("{}/WeatherForecast/city", ingress.base))
        .header("content-type", "application/json")
        .body(Body::from(question("Oslo")))
        .unwrap();
    let answer = tokio::spawn(sender.send_request(request));
    until_outstanding(&redis, 1).await;
    answer.abort();
    until_outstanding(&redis, 0).await;
}

#[tokio::test]
async fn a_drain_answers_who_is_in_flight() {
    let redis = RedisServer::start().await.unwrap();
    let stage = worker(&redis, 1).await;
    let ingress = Ingress::ready(&redis, &["--admin-listen", "127.0.0.1:0"]).await;
    let mut wire = ingress.raw().await;
    wire.send(request_bytes("Waitingham")).await.unwrap();
    stage.entered.notified().await;

    ingress.leave();
    let admin = ingress.admin.clone().unwrap();
    let http = HttpClient::new().unwrap();
    let ready = http
        .get(&format!("{admin}/health/ready"), PATIENCE)
        .await
        .unwrap();
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json().unwrap()["reason"], "draining");

    eventually(PATIENCE, async || {
        match RawConnection::open(&ingress.base).await {
            Ok(_) => anyhow::bail!("new callers are still let in"),
            Err(_) => Ok(()),
        }
    })
    .await
    .unwrap();
    stage.release.notify_one();
    let answer = wire.read_answer(PATIENCE).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    ingress.left().await;
    until_outstanding(&redis, 0).await;
}

#[tokio::test]
async fn who_is_not_answered_by_the_end_of_the_drain_is_told_so() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &["--drain-timeout", "50ms"]).await;
    let mut wire = ingress.raw().await;
    wire.send(request_bytes("Oslo")).await.unwrap();
    until_outstanding(&redis, 1).await;
    ingress.leave();
    let answer = wire.read_answer(PATIENCE).await.unwrap();
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (503, "/problems/unavailable")
    );
    assert_eq!(answer.header("connection"), Some("close"));
    ingress.left().await;
}

#[tokio::test]
async fn a_dead_letter_is_answered() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    let mut wire = ingress.raw().await;
    wire.send(request_bytes("Oslo")).await.unwrap();
    until_outstanding(&redis, 1).await;
    // Workers that died with it, as often as it is delivered at most.
    redis
        .command::<()>(&[
            "XGROUP",
            "CREATE",
            "weather-requests",
            "weather-proxies",
            "0",
        ])
        .await
        .unwrap();
    let read = [
        "XREADGROUP",
        "GROUP",
        "weather-proxies",
        "dead",
        "STREAMS",
        "weather-requests",
        ">",
    ];
    let _delivered: redis::Value = redis.command(&read).await.unwrap();
    let entries: redis::streams::StreamPendingCountReply = redis
        .command(&[
            "XPENDING",
            "weather-requests",
            "weather-proxies",
            "-",
            "+",
            "1",
        ])
        .await
        .unwrap();
    let id = &entries.ids[0].id;
    let claim = [
        "XCLAIM",
        "weather-requests",
        "weather-proxies",
        "dead",
        "0",
        id,
        "IDLE",
        "3600000",
        "RETRYCOUNT",
        "3",
        "JUSTID",
    ];
    let _claimed: redis::Value = redis.command(&claim).await.unwrap();

    let _stage = worker(&redis, 1).await;
    let answer = wire.read_answer(PATIENCE).await.unwrap();
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (502, "/problems/dead-lettered")
    );
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_counted_as_such() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    let mut wire = ingress.raw().await;
    wire.send(request_bytes("Oslo")).await.unwrap();
    until_outstanding(&redis, 1).await;
    drop(wire);
    eventually(PATIENCE, async || {
        let metrics = Metrics::parse(&ingress.get("/metrics").await.text())?;
        let left = metrics.get(
            "http_requests_total",
            &[
                ("method", "POST"),
                ("route", "/WeatherForecast/city"),
                ("status", "499"),
            ],
        );
        anyhow::ensure!(left == Some(1.0), "{left:?}");
        anyhow::ensure!(metrics.sum("pending_requests", &[]) == Some(0.0));
        Ok(())
    })
    .await
    .unwrap();
}

/// Callers on kept-alive connections never lose a request to the drain: each is answered until its
/// connection is told to close, and what comes after that is refused before it is sent.
#[tokio::test]
async fn a_drain_under_load_breaks_no_connection() {
    let redis = RedisServer::start().await.unwrap();
    let stage = worker(&redis, 20).await;
    let ingress = Ingress::ready(&redis, &[]).await;
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let base = ingress.base.clone();
            tokio::spawn(async move {
                let http = HttpClient::new().unwrap();
                let mut answered = 0;
                loop {
                    match http.post_city(&base, "Oslo", "Downtown", PATIENCE).await {
                        Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.text()),
                        Err(Failure::Connect(_)) => return answered,
                        Err(broken) => panic!("{broken}"),
                    }
                    answered += 1;
                }
            })
        })
        .collect();
    // The load is on once the worker has served a good many.
    eventually(PATIENCE, async || {
        let served = stage.seen.lock().unwrap().len();
        anyhow::ensure!(served > 200, "{served}");
        Ok(())
    })
    .await
    .unwrap();
    ingress.leave();
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    ingress.left().await;
    until_outstanding(&redis, 0).await;
}

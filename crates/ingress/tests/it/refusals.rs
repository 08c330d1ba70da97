//! Requests that are not let in, or cannot be handed on.

use std::collections::BTreeSet;

use testbed::{RedisServer, eventually};

use crate::support::{Ingress, PATIENCE, problem, request_bytes, worker};

#[tokio::test]
async fn over_the_in_flight_bound_is_overloaded() {
    let redis = RedisServer::start().await.unwrap();
    let stage = worker(&redis, 1).await;
    let ingress = Ingress::ready(&redis, &["--max-in-flight", "1"]).await;
    let mut first = ingress.raw().await;
    first.send(request_bytes("Waitingham")).await.unwrap();
    stage.entered.notified().await;

    let second = ingress.ask("Oslo").await;
    assert_eq!(
        (second.status, problem(&second).as_str()),
        (503, "/problems/overloaded")
    );
    // Each is told its own time, or they would all be back together.
    let mut told = BTreeSet::new();
    for _ in 0..50 {
        let refused = ingress.ask("Oslo").await;
        let seconds = refused.header("retry-after").unwrap();
        told.insert(seconds.parse::<u32>().unwrap());
    }
    assert_eq!(told, BTreeSet::from([1, 2, 3]));

    stage.release.notify_one();
    assert_eq!(first.read_answer(PATIENCE).await.unwrap().status, 200);
    assert_eq!(ingress.ask("Oslo").await.status, 200);
}

#[tokio::test]
async fn a_full_stream_is_overloaded() {
    let redis = RedisServer::start().await.unwrap();
    for _ in 0..3 {
        redis
            .command::<()>(&["XADD", "weather-requests", "*", "other", "work"])
            .await
            .unwrap();
    }
    let ingress = Ingress::ready(&redis, &["--max-outstanding", "3"]).await;
    eventually(PATIENCE, async || {
        let answer = ingress
            .post(&[("prefer", "wait=1")], crate::support::question("Oslo"))
            .await;
        anyhow::ensure!(answer.status == 503, "{}", answer.text());
        anyhow::ensure!(
            problem(&answer) == "/problems/overloaded",
            "{}",
            answer.text()
        );
        anyhow::ensure!(answer.header("retry-after").is_some());
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_redis_it_is_unavailable() {
    let ingress = Ingress::alone(&["--request-timeout", "2s"]).await;
    let answer = ingress.ask("Oslo").await;
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (503, "/problems/unavailable")
    );
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_redis_that_is_full_is_unavailable_until_it_has_room() {
    let redis = RedisServer::start().await.unwrap();
    let _stage = worker(&redis, 1).await;
    let ingress = Ingress::ready(&redis, &["--request-timeout", "5s"]).await;
    redis
        .command::<()>(&["CONFIG", "SET", "maxmemory", "1"])
        .await
        .unwrap();
    eventually(PATIENCE, async || {
        let answer = ingress.ask("Oslo").await;
        anyhow::ensure!(answer.status == 503, "{} {}", answer.status, answer.text());
        anyhow::ensure!(answer.header("retry-after").is_some());
        Ok(())
    })
    .await
    .unwrap();
    redis
        .command::<()>(&["CONFIG", "SET", "maxmemory", "0"])
        .await
        .unwrap();
    eventually(PATIENCE, async || {
        let answer = ingress.ask("Oslo").await;
        anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        Ok(())
    })
    .await
    .unwrap();
}

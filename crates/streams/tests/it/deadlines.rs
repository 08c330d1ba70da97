//! Deadlines, and callers that leave.

use std::time::Duration;

use streams::{Options, RequestError};
use testbed::eventually;
use tokio::time::{Instant, sleep};

use crate::support::{PATIENCE, Runs, Service, ask, metric, serve};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_request_that_nobody_serves_times_out_and_is_taken_back() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let started = Instant::now();
    let result = client.request("x", Options::within(SHORT)).await;
    assert_eq!(result, Err(RequestError::TimedOut));
    assert!(started.elapsed() >= SHORT);
    eventually(PATIENCE, || async {
        if service.length().await == 0 {
            Ok(())
        } else {
            anyhow::bail!("still on the stream")
        }
    })
    .await
    .unwrap();
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_request_back() {
    let service = Service::start().await;
    let client = service.client().await;
    for left_after in [
        Duration::ZERO,
        Duration::from_micros(300),
        Duration::from_millis(50),
    ] {
        let callers: Vec<_> = (0..200)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { ask(&client, "x").await })
            })
            .collect();
        sleep(left_after).await;
        for caller in &callers {
            caller.abort();
        }
        for caller in callers {
            let _ = caller.await;
        }
        assert_eq!(client.in_flight(), 0);
        eventually(PATIENCE, || async {
            let length = service.length().await;
            if length == 0 {
                Ok(())
            } else {
                anyhow::bail!("{length} left on the stream")
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn expired_work_is_never_started() {
    let service = Service::start().await;
    let runs = Runs::default();
    // Written by hand, with nobody to take it back: 50 ms to live.
    for _ in 0..20 {
        let id = uuid::Uuid::now_v7().to_string();
        let value = "{\"v\":1,\"reply_to\":\"test-responses\",\"ttl\":50}\nlate";
        let _: String = service
            .redis
            .command(&["XADD", &service.names.requests, "*", &id, value])
            .await
            .unwrap();
    }
    sleep(Duration::from_millis(100)).await;
    let seen = runs.clone();
    let worker = serve(service.worker_config(), 3, move |request| {
        seen.ran(&request.body);
        async { Ok(vec![]) }
    })
    .await;
    service.is_clean().await;
    assert_eq!(runs.total(), 0);
    assert_eq!(worker.metric("requests_expired_total"), 20.0);
    let client = service.client().await;
    ask(&client, "in time").await.unwrap();
    assert_eq!(runs.of("in time"), 1);
}

#[tokio::test]
async fn a_handler_that_never_returns_is_cut_at_the_deadline_and_its_terminal_is_free_again() {
    let service = Service::start().await;
    let client = service.client().await;
    let worker = serve(service.worker_config(), 1, |request| async move {
        if &request.body[..] == b"hang" {
            std::future::pending::<()>().await;
        }
        Ok(request.body.to_vec())
    })
    .await;
    let result = client.request("hang", Options::within(SHORT)).await;
    assert_eq!(result, Err(RequestError::TimedOut));
    ask(&client, "next").await.unwrap();
    service.is_clean().await;
    assert_eq!(worker.metric("requests_expired_total"), 1.0);
}

#[tokio::test]
async fn a_reply_whose_caller_left_is_counted_as_late() {
    let service = Service::start().await;
    let registry = prometheus::Registry::new();
    let mut config = service.client_config();
    config.registry = Some(registry.clone());
    let client = streams::Client::connect(config).await.unwrap();
    let _worker = serve(service.worker_config(), 1, |_request| async {
        sleep(Duration::from_millis(300)).await;
        Ok(vec![])
    })
    .await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "x").await }
    });
    eventually(PATIENCE, || async {
        if service.pending().await == 1 {
            Ok(())
        } else {
            anyhow::bail!("not started")
        }
    })
    .await
    .unwrap();
    asking.abort();
    eventually(PATIENCE, || async {
        let late = metric(&registry, "replies_late_total");
        if late == 1.0 {
            Ok(())
        } else {
            anyhow::bail!("{late} late")
        }
    })
    .await
    .unwrap();
    service.is_clean().await;
}

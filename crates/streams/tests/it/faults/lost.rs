//! Streams, groups and connections that go away.

use std::time::Duration;

use streams::{ClientConfig, Fault, Options, ReplyStream, RequestError, WorkerConfig};
use tokio::time::sleep;

use crate::{
    scene::Scene,
    support::{Runs, Service, ask, becomes, serve},
};

async fn command(service: &Service, parts: &[&str]) {
    service.redis.command::<()>(parts).await.unwrap();
}

async fn destroy_group(service: &Service) {
    let names = &service.names;
    command(
        service,
        &["XGROUP", "DESTROY", &names.requests, &names.group],
    )
    .await;
}

#[tokio::test]
async fn everything_is_flushed() {
    let scene = Scene::start().await;
    for _ in 0..3 {
        command(&scene.service, &["FLUSHALL"]).await;
        scene.recovers().await;
    }
    scene.told_of(Fault::NoGroup);
    assert_eq!(scene.worker.metric("groups_created_total"), 3.0);
    let lines = scene.log.lines(&["WARN", "the consumer group was lost"]);
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn the_group_is_destroyed_and_no_entry_is_skipped() {
    let scene = Scene::start().await;
    // Added while there is no group: a group made from the end would never serve them.
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let client = scene.client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    destroy_group(&scene.service).await;
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    scene.recovers().await;
    scene.told_of(Fault::NoGroup);
    assert_eq!(scene.worker.metric("groups_created_total"), 1.0);
}

/// The group is made again from the start of the stream, so that what runs is delivered again.
#[tokio::test]
async fn what_runs_while_the_group_is_lost_runs_once_here() {
    let service = Service::start().await;
    let client = service.client().await;
    let (runs, lease) = (Runs::default(), Duration::from_millis(500));
    let config = WorkerConfig {
        lease,
        ..service.worker_config()
    };
    let seen = runs.clone();
    let worker = serve(config, 3, move |request| {
        seen.ran(&request.body);
        async move {
            sleep(lease * 4).await;
            Ok(vec![])
        }
    })
    .await;
    let asking = tokio::spawn(async move { ask(&client, "slow").await });
    becomes(1, async || runs.of("slow")).await;
    destroy_group(&service).await;
    becomes(1.0, async || worker.metric("groups_created_total")).await;
    becomes(1, async || service.pending().await).await;
    asking.await.unwrap().unwrap();
    assert_eq!(runs.of("slow"), 1);
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
    service.is_clean().await;
}

#[tokio::test]
async fn the_request_stream_is_deleted() {
    let scene = Scene::start().await;
    command(&scene.service, &["DEL", &scene.service.names.requests]).await;
    scene.recovers().await;
    scene.told_of(Fault::NoGroup);
}

#[tokio::test]
async fn the_reply_stream_is_deleted() {
    for mode in [ReplyStream::Shared, ReplyStream::Dedicated] {
        let service = Service::start().await;
        let config = ClientConfig {
            reply_stream: mode,
            ..service.client_config()
        };
        let worker = service.worker_config();
        let scene = Scene::with(service, config, worker).await;
        let stream = scene.client.health().reply_stream;
        command(&scene.service, &["DEL", &stream]).await;
        scene.recovers().await;
    }
}

/// As after a failover to a server whose clock is behind by some seconds: the new ids are below the last one
/// read. The reader waits on the server and finds out when that read ends.
#[tokio::test]
async fn the_reply_stream_begins_anew_with_smaller_ids() {
    let Scene {
        service,
        client,
        worker,
        log: _log,
        ..
    } = Scene::start().await;
    worker.drain().await;
    let id = uuid::Uuid::now_v7();
    let asking = tokio::spawn(async move {
        let options = Options::within(Duration::from_secs(15)).id(id);
        client.request("x", options).await
    });
    becomes(1, async || service.length().await).await;
    let responses = &service.names.responses;
    command(&service, &["DEL", responses]).await;
    let reply = "{\"v\":1,\"status\":\"ok\",\"queue_us\":0,\"work_us\":0,\"deliveries\":1}\nhello";
    // Within the retention, or it would be trimmed.
    let (seconds, _micros): (u64, u64) = service.redis.command(&["TIME"]).await.unwrap();
    let behind = format!("{}-0", (seconds - 10) * 1_000);
    command(
        &service,
        &["XADD", responses, &behind, &id.to_string(), reply],
    )
    .await;
    assert_eq!(&asking.await.unwrap().unwrap().body[..], b"hello");
}

#[tokio::test]
async fn all_connections_are_killed_under_load() {
    let scene = Scene::start().await;
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let client = scene.client.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    let within = Options::within(Duration::from_secs(10));
                    match client.request("x", within).await {
                        Ok(_) | Err(RequestError::Refused { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                    sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    for _ in 0..5 {
        sleep(Duration::from_millis(200)).await;
        command(&scene.service, &["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    for asked in asking {
        asked.await.unwrap();
    }
    scene.recovers().await;
    assert!(scene.reconnects() >= 5.0);
    scene.told_of(Fault::Disconnected);
}

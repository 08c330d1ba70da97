//! What others do to the streams and the group, with rights of their own.

use std::time::Duration;

use streams::{Client, ClientConfig, Options, ReplyStream, RequestError};
use tokio::time::timeout;

use crate::support::{PATIENCE, Service, ask, becomes};

/// Redis takes any bytes for a consumer's name.
#[tokio::test]
async fn a_consumer_whose_name_is_no_text_does_not_stop_the_janitor() {
    let service = Service::start().await;
    service.make_group().await;
    let redis = redis::Client::open(service.redis.url()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd("XGROUP");
    command.arg("CREATECONSUMER").arg(&service.names.requests);
    command.arg(&service.names.group).arg(&b"\xff\xfe"[..]);
    let () = command.query_async(&mut redis).await.unwrap();

    let worker = service.echo(1).await;
    becomes(true, async || worker.monitor.health().backlog.is_some()).await;
    assert_eq!(worker.monitor.health().faults.len(), 0);
}

/// A count that somebody set to the most that Redis takes goes on below zero.
#[tokio::test]
async fn a_delivery_count_beyond_all_counting_makes_a_dead_letter() {
    let service = Service::start().await;
    service.make_group().await;
    let client = service.client().await;
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || service.length().await).await;
    let (requests, group) = (&service.names.requests, &service.names.group);
    let read = [
        "XREADGROUP",
        "GROUP",
        group,
        "dead",
        "STREAMS",
        requests,
        ">",
    ];
    let _: redis::Value = service.redis.command(&read).await.unwrap();
    let id = &service.pending_ids().await[0];
    let most = i64::MAX.to_string();
    let claim = [
        "XCLAIM",
        requests,
        group,
        "dead",
        "0",
        id,
        "RETRYCOUNT",
        &most,
    ];
    let _: redis::Value = service.redis.command(&claim).await.unwrap();
    let _: redis::Value = service.redis.command(&claim[..6]).await.unwrap();

    let worker = streams::Worker::connect(service.leased()).await.unwrap();
    let serving = worker.serve(1, |_| async { Ok(vec![]) }, std::future::pending());
    tokio::select! {
        _ = serving => unreachable!(),
        answer = timeout(PATIENCE, asking) => {
            let answer = answer.unwrap().unwrap();
            assert!(matches!(answer, Err(RequestError::DeadLettered { .. })), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_reply_stream_that_expired_while_nobody_asked_is_read_when_it_is_back() {
    let service = Service::start().await;
    let config = ClientConfig {
        reply_stream: ReplyStream::Dedicated,
        ..service.client_config()
    };
    let client = Client::connect(config).await.unwrap();
    let _worker = service.echo(1).await;
    ask(&client, "before").await.unwrap();
    let stream = client.health().reply_stream;
    service
        .redis
        .command::<()>(&["PEXPIRE", &stream, "1"])
        .await
        .unwrap();
    becomes(0, async || {
        service
            .redis
            .command::<u64>(&["EXISTS", &stream])
            .await
            .unwrap()
    })
    .await;
    let at_once = Options::within(Duration::from_secs(4)); // Less than the reader waits on the server.
    client.request("after", at_once).await.unwrap();
}

/// Ids go on from there, ahead of the clock, as they do where the clock was set back.
#[tokio::test]
async fn streams_that_are_ahead_of_the_clock_serve_on() {
    let service = Service::start().await;
    let names = &service.names;
    let (seconds, _): (u64, u64) = service.redis.command(&["TIME"]).await.unwrap();
    let ahead = format!("{}-0", (seconds + 3_600) * 1_000);
    for stream in [&names.requests, &names.responses] {
        let add = ["XADD", stream, &ahead, "foreign", "x"];
        service.redis.command::<()>(&add).await.unwrap();
    }
    let client = service.client().await;
    let _worker = service.echo(1).await;
    for _ in 0..3 {
        let reply = ask(&client, "x").await.unwrap();
        assert_eq!(
            reply.queue,
            Duration::ZERO,
            "an id from the future has no age"
        );
    }
    becomes(1, async || service.dead_letters().await).await;
    service.is_clean().await;
}

//! The main path.

use std::time::Duration;

use streams::{ClientConfig, Failure, Options, ReplyStream, RequestError, StreamNames};
use testbed::eventually;

use crate::support::{PATIENCE, Service, ask, serve};

#[tokio::test]
async fn a_request_is_answered_and_leaves_nothing_behind() {
    let service = Service::start().await;
    let client = service.client().await;
    let worker = service.echo(5).await;
    let reply = ask(&client, "hello").await.unwrap();
    assert_eq!(&reply.body[..], b"hello");
    assert_eq!(reply.deliveries, 1);
    service.is_clean().await;
    assert_eq!(client.in_flight(), 0);
    assert_eq!(worker.metric("requests_served_total"), 1.0);
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
}

#[tokio::test]
async fn any_bytes_go_there_and_back() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = service.echo(5).await;
    for body in [
        vec![],
        b"\n".to_vec(),
        (0..=255).collect(),
        vec![b'x'; 1 << 20],
    ] {
        let reply = client
            .request(body.clone(), Options::within(PATIENCE))
            .await
            .unwrap();
        assert_eq!(reply.body, body);
    }
    let too_large = client
        .request(vec![b'x'; (1 << 20) + 1], Options::within(PATIENCE))
        .await;
    assert_eq!(
        too_large,
        Err(RequestError::TooLarge {
            size: (1 << 20) + 1,
            max: 1 << 20
        })
    );
}

#[tokio::test]
async fn a_request_is_one_field_named_by_its_id_and_readable() {
    let service = Service::start().await;
    let client = service.client().await;
    let asking = tokio::spawn(async move {
        let options = Options::within(PATIENCE)
            .content_type("text/plain")
            .traceparent("00-aa-bb-01");
        client.request("hello", options).await
    });
    let entries: Vec<(String, Vec<String>)> = eventually(PATIENCE, || async {
        let entries: Vec<(String, Vec<String>)> = service
            .redis
            .command(&["XRANGE", &service.names.requests, "-", "+"])
            .await?;
        if entries.is_empty() {
            anyhow::bail!("nothing yet")
        } else {
            Ok(entries)
        }
    })
    .await
    .unwrap();
    let [(_, fields)] = &entries[..] else {
        panic!("{entries:?}")
    };
    let [name, value] = &fields[..] else {
        panic!("{fields:?}")
    };
    let (head, body) = value.split_once('\n').unwrap();
    let head: serde_json::Value = serde_json::from_str(head).unwrap();
    assert_eq!(head["v"], 1);
    assert!(head.get("reply_to").is_none(), "the response stream");
    assert_eq!(head["content_type"], "text/plain");
    assert_eq!(head["traceparent"], "00-aa-bb-01");
    assert_eq!(body, "hello");

    let _worker = service.echo(1).await;
    let reply = asking.await.unwrap().unwrap();
    assert_eq!(reply.id.to_string(), *name);
}

/// A worker that waits is served once, not as soon as the first of them is there.
#[tokio::test]
async fn requests_that_go_out_together_come_together() {
    type Entries = Vec<(String, Vec<(String, Vec<String>)>)>;
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let StreamNames {
        requests, group, ..
    } = &service.names;
    let create = ["XGROUP", "CREATE", requests, group, "0", "MKSTREAM"];
    service.redis.command::<()>(&create).await.unwrap();
    let read = [
        "XREADGROUP",
        "GROUP",
        group,
        "waits",
        "COUNT",
        "100",
        "BLOCK",
        "10000",
        "STREAMS",
        requests,
        ">",
    ];
    let waits = async { service.redis.command::<Entries>(&read).await.unwrap() };
    let asks = async {
        let blocked = eventually(PATIENCE, || async {
            let info: String = service.redis.command(&["INFO", "clients"]).await?;
            anyhow::ensure!(info.contains("blocked_clients:2"), "{info}");
            Ok(())
        });
        blocked.await.unwrap();
        let client = &client;
        let callers = (0..20).map(|_| client.request("hello", Options::within(PATIENCE)));
        futures_util::future::join_all(callers).await
    };
    let came = tokio::select! {
        came = waits => came,
        _answered = asks => panic!("nobody answers"),
    };
    assert_eq!(came[0].1.len(), 20);
}

#[tokio::test]
async fn many_callers_of_many_clients_get_their_own_replies() {
    let service = Service::start().await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(service.echo(7).await);
    }
    let mut clients = Vec::new();
    for mode in [
        ReplyStream::Shared,
        ReplyStream::Shared,
        ReplyStream::Dedicated,
        ReplyStream::Dedicated,
    ] {
        let config = ClientConfig {
            reply_stream: mode,
            ..service.client_config()
        };
        clients.push(streams::Client::connect(config).await.unwrap());
    }
    let mut asking = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        for caller in 0..50 {
            let client = client.clone();
            asking.push(tokio::spawn(async move {
                for round in 0..10 {
                    let body = format!("{number} {caller} {round}");
                    assert_eq!(
                        &ask(&client, &body).await.unwrap().body[..],
                        body.as_bytes()
                    );
                }
            }));
        }
    }
    for asked in asking {
        asked.await.unwrap();
    }
    service.is_clean().await;
    let served: f64 = workers
        .iter()
        .map(|worker| worker.metric("requests_served_total"))
        .sum();
    assert_eq!(served, 2_000.0);
    assert!(
        workers
            .iter()
            .all(|worker| worker.metric("requests_served_total") > 0.0),
        "all workers share the work"
    );
}

#[tokio::test]
async fn a_dedicated_reply_stream_expires_on_its_own() {
    let service = Service::start().await;
    let config = ClientConfig {
        reply_stream: ReplyStream::Dedicated,
        ..service.client_config()
    };
    let client = streams::Client::connect(config).await.unwrap();
    let _worker = service.echo(1).await;
    ask(&client, "hello").await.unwrap();
    let stream = client.health().reply_stream;
    assert!(stream.starts_with("test-responses:"), "{stream}");
    let ttl: i64 = service.redis.command(&["PTTL", &stream]).await.unwrap();
    assert!(ttl > 0 && ttl <= 60_000, "{ttl}");
    let shared: u64 = service
        .redis
        .command(&["XLEN", "test-responses"])
        .await
        .unwrap();
    assert_eq!(shared, 0, "nobody else has to read it");
}

#[tokio::test]
async fn a_failure_of_the_handler_reaches_the_caller_as_it_is() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = serve(service.worker_config(), 1, |_request| async {
        Err(Failure::new("sold-out", "nothing left; \"try\" tomorrow\n"))
    })
    .await;
    let failure = Failure::new("sold-out", "nothing left; \"try\" tomorrow\n");
    assert_eq!(ask(&client, "x").await, Err(RequestError::Failed(failure)));
    service.is_clean().await;
}

#[tokio::test]
async fn the_newest_command_of_the_server_is_used_and_shown() {
    let service = Service::start().await;
    let version = service.redis.version().await.unwrap();
    let client = service.client().await;
    let worker = service.echo(1).await;
    ask(&client, "hello").await.unwrap();
    service.is_clean().await;
    let fetch = if version.is_redis_since((8, 4, 0)) {
        "XREADGROUP CLAIM"
    } else {
        "XREADGROUP, XPENDING+XCLAIM"
    };
    let ack = if version.is_redis_since((8, 2, 3)) {
        "XACKDEL"
    } else {
        "XDEL+XACK"
    };
    for server in [
        worker.monitor.health().server.unwrap(),
        client.health().server.unwrap(),
    ] {
        assert_eq!(
            (server.commands["fetch"], server.commands["ack"]),
            (fetch, ack),
            "{server:?}"
        );
    }
    // And not only said: the server counted it.
    let stats = service.redis.info("commandstats").await.unwrap();
    assert_eq!(
        stats.contains_key("cmdstat_xackdel"),
        ack == "XACKDEL",
        "{stats:?}"
    );
    assert_eq!(
        stats.contains_key("cmdstat_xack"),
        ack != "XACKDEL",
        "{stats:?}"
    );
}

#[tokio::test]
async fn the_reply_says_how_long_it_waited_and_how_long_it_was_worked_on() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = serve(service.worker_config(), 1, |_request| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(vec![])
    })
    .await;
    let (first, second) = tokio::join!(ask(&client, "1"), ask(&client, "2"));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.work >= Duration::from_millis(100) && second.work >= Duration::from_millis(100));
    assert!(
        first.queue.max(second.queue) >= Duration::from_millis(90),
        "one waited for the other"
    );
}

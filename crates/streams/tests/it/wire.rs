//! Single commands whose outcome the engine relies on, on whatever server runs the tests.

use std::{sync::Arc, time::Duration};

use streams::{Options, RequestError};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use crate::support::{LEASE, Runs, Service, ask, becomes, serve};

/// The entry is deleted while a worker has it; settling it must leave no reference, and is no duplicate.
#[tokio::test]
async fn an_entry_that_was_withdrawn_while_it_was_worked_on_is_settled() {
    let service = Service::start().await;
    let client = service.client().await;
    let worker = serve(service.worker_config(), 2, |_| async {
        sleep(Duration::from_millis(500)).await;
        Ok(vec![])
    })
    .await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "x").await }
    });
    becomes(1, async || service.pending().await).await;
    asking.abort();
    becomes((0, 1), async || {
        (service.length().await, service.pending().await)
    })
    .await;
    service.is_clean().await;
    becomes(1.0, async || worker.metric("requests_served_total")).await;
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
}

/// The worker that had it is dead, so that only its reference is left; nobody is ever given that as work.
#[tokio::test]
async fn a_reference_to_an_entry_that_is_gone_is_purged() {
    let service = Service::start().await;
    let client = service.client().await;
    let dying = serve(service.leased(), 1, |_| {
        std::future::pending::<Result<Vec<u8>, _>>()
    })
    .await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "x").await }
    });
    becomes(1, async || service.pending().await).await;
    dying.crash().await;
    asking.abort();
    becomes((0, 1), async || {
        (service.length().await, service.pending().await)
    })
    .await;
    let runs = Runs::default();
    let seen = runs.clone();
    let _heir = serve(service.leased(), 1, move |request| {
        seen.ran(&request.body);
        async { Ok(vec![]) }
    })
    .await;
    service.is_clean().await;
    assert_eq!(runs.total(), 0);
    ask(&client, "next").await.unwrap();
}

/// Its lease lapsed by the server's count: the server gives the worker its own running entry once more, or the
/// sweep finds it. It is not run again, and not left to lapse again either.
#[tokio::test]
async fn an_entry_that_runs_here_and_lapsed_is_not_run_again() {
    let service = Service::start().await;
    let client = service.client().await;
    let runs = Runs::default();
    let seen = runs.clone();
    let worker = serve(service.leased(), 1, move |request| {
        seen.ran(&request.body);
        async {
            sleep(LEASE * 5).await;
            Ok(vec![])
        }
    })
    .await;
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || runs.of("x")).await;
    let consumer = worker.monitor.health().consumer;
    let id = service.pending_ids().await.remove(0);
    let (requests, group) = (&service.names.requests, &service.names.group);
    let lapse = [
        "XCLAIM", requests, group, &consumer, "0", &id, "IDLE", "100000", "JUSTID",
    ];
    service.redis.command::<()>(&lapse).await.unwrap();
    assert_eq!(&asking.await.unwrap().unwrap().body[..], b"");
    assert_eq!(runs.of("x"), 1);
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
    service.is_clean().await;
}

/// Delivered to a connection that broke before the entry arrived: it is this worker's, and nobody works on it.
#[tokio::test]
async fn what_was_delivered_and_never_arrived_is_taken_again_at_once() {
    is_taken_again(&[]).await;
}

/// Handing back takes the delivery back. What comes after that is a delivery all the same.
#[tokio::test]
async fn what_was_handed_back_when_the_connection_broke_is_delivered_anew() {
    is_taken_again(&["IDLE", "10000", "RETRYCOUNT", "0"]).await;
}

/// An entry that was delivered to a worker, and then `touched`, and never arrived.
async fn is_taken_again(touched: &[&str]) {
    let service = Service::start().await;
    let client = service.client().await;
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    // The lease is 10 s: no sweep explains a quick answer.
    let worker = serve(service.worker_config(), 1, move |request| {
        let held = Arc::clone(&held);
        async move {
            if &request.body[..] == b"held" {
                held.notified().await;
            }
            Ok(request.body.to_vec())
        }
    })
    .await;
    let asking = |body: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, body).await })
    };
    let holding = asking("held");
    becomes(1, async || service.pending().await).await;
    // While its only terminal is busy it does not read; this is delivered to it all the same.
    let lost = asking("lost");
    becomes(2, async || service.length().await).await;
    let consumer = worker.monitor.health().consumer;
    let (requests, group) = (&service.names.requests, &service.names.group);
    let read = [
        "XREADGROUP",
        "GROUP",
        group,
        &consumer,
        "COUNT",
        "1",
        "STREAMS",
        requests,
        ">",
    ];
    service.redis.command::<()>(&read).await.unwrap();
    let id = service.pending_ids().await.pop().expect("delivered");
    let claim = ["XCLAIM", requests, group, &consumer, "0", &id];
    let touch = [&claim, touched, &["JUSTID"]].concat();
    service.redis.command::<()>(&touch).await.unwrap();
    go_on.notify_one();
    holding.await.unwrap().unwrap();
    ask(&client, "next").await.unwrap();
    // A read with CLAIM may bring what was handed back.
    assert!(
        !touched.is_empty() || !lost.is_finished(),
        "it never arrived"
    );

    let began = Instant::now();
    let kill = ["CLIENT", "KILL", "TYPE", "normal"];
    service.redis.command::<()>(&kill).await.unwrap();
    assert_eq!(lost.await.unwrap().unwrap().deliveries, 1);
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
    service.is_clean().await;
}

/// The process stands still while an entry is delivered to it, and wakes when the lease is over: by then the entry
/// is somebody else's.
#[tokio::test]
async fn a_worker_that_stood_still_does_not_start_what_lapsed_meanwhile() {
    let service = Service::start().await;
    let client = service.client().await;
    let runs = Runs::default();
    let (config, seen) = (service.leased(), runs.clone());
    let (stand_still, still) = oneshot::channel::<()>();
    let (stands, standing) = oneshot::channel::<()>();
    let (report, reported) = oneshot::channel();
    // Its own thread and runtime, which is made to stand still.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let worker = serve(config, 1, move |request| {
                seen.ran(&request.body);
                async { Ok(b"late".to_vec()) }
            })
            .await;
            still.await.unwrap();
            stands.send(()).unwrap();
            std::thread::sleep(LEASE * 4);
            becomes(1.0, async || worker.metric("requests_lapsed_total")).await;
            report.send(worker.drain().await).unwrap();
        });
    });
    // Its read waits on the server, so that the entry goes to it.
    becomes(1, async || {
        let clients: String = service.redis.command(&["CLIENT", "LIST"]).await.unwrap();
        let fetch = |line: &&str| line.contains(":fetch") && line.contains("flags=b");
        clients.lines().filter(fetch).count()
    })
    .await;
    stand_still.send(()).unwrap();
    standing.await.unwrap();
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || service.pending().await).await;
    let _other = serve(service.leased(), 1, |_| async { Ok(b"other".to_vec()) }).await;
    assert_eq!(&asking.await.unwrap().unwrap().body[..], b"other");
    assert_eq!(reported.await.unwrap().handed_back, 0);
    assert_eq!(runs.total(), 0);
    tokio::task::spawn_blocking(|| thread.join())
        .await
        .unwrap()
        .unwrap();
    service.is_clean().await;
}

/// What its callers left is not worked on: it is taken off the stream, whichever of its ids are known.
#[tokio::test]
async fn a_thousand_callers_that_time_out_leave_nothing_behind() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let asking: Vec<_> = (0..1_000)
        .map(|number| {
            let client = client.clone();
            let within = Options::within(Duration::from_millis(number % 50));
            tokio::spawn(async move { client.request("x", within).await })
        })
        .collect();
    for asked in asking {
        let asked = asked.await.unwrap();
        assert!(
            matches!(
                asked,
                Err(RequestError::TimedOut | RequestError::Unavailable { .. })
            ),
            "{asked:?}"
        );
    }
    becomes(0, async || service.length().await).await;
    assert_eq!(client.in_flight(), 0);
}

/// The bounds of a reply stream hold whatever lies on it, also for what nobody trimmed for long.
#[tokio::test]
async fn a_reply_stream_is_trimmed_by_age_and_by_bytes() {
    let service = Service::start().await;
    let responses = service.names.responses.as_str();
    let mut connection = service.redis.connect().await.unwrap();
    let mut old = redis::pipe();
    for number in 1..=25_000 {
        old.cmd("XADD")
            .arg(responses)
            .arg(format!("{number}-0"))
            .arg("old")
            .arg("x")
            .ignore();
    }
    old.query_async::<()>(&mut connection).await.unwrap();
    let mut config = service.client_config();
    config.reply_bytes = 1 << 20;
    let client = streams::Client::connect(config).await.unwrap();
    let length = async || {
        service
            .redis
            .command::<u64>(&["XLEN", responses])
            .await
            .unwrap()
    };
    becomes(true, async || length().await < 200).await;

    let _worker = serve(service.worker_config(), 4, |_| async {
        Ok(vec![b'x'; 100_000])
    })
    .await;
    for _ in 0..100 {
        ask(&client, "x").await.unwrap();
    }
    // Ten of them fit. Idle clients look every five seconds.
    becomes(true, async || length().await < 20).await;
    ask(&client, "x").await.unwrap();

    // As many as fit of small ones, and large ones behind them: what the oldest take says nothing of these.
    let mut mixed = redis::pipe();
    mixed
        .cmd("XTRIM")
        .arg(responses)
        .arg("MAXLEN")
        .arg(0)
        .ignore();
    let large = "x".repeat(100_000);
    for body in [vec!["small"; 5_000], vec![&large; 50]].concat() {
        let entry = mixed.cmd("XADD").arg(responses).arg("*");
        entry.arg("foreign").arg(body).ignore();
    }
    mixed.query_async::<()>(&mut connection).await.unwrap();
    becomes(true, async || length().await < 20).await;
}

//! Redis does not answer: dead, stopped, paused, or cut off.

use std::time::Duration;

use streams::{Client, ClientConfig, Fault, Options, RequestError, StreamNames, WorkerConfig};
use testbed::{RedisServer, TcpProxy};
use tokio::time::{Instant, sleep};

use crate::{
    scene::Scene,
    support::{PATIENCE, Runs, Service, ask, becomes, metric, serve},
};

/// What a request may end in while Redis does not answer.
const AWAY: &[&str] = &[
    "refused: circuit-open",
    "unavailable: disconnected",
    "unavailable: timeout",
    "timed out",
];

#[tokio::test]
async fn redis_is_killed_and_comes_back_with_its_data() {
    let redis = RedisServer::builder()
        .aof(true)
        .config("appendfsync", "always");
    let scene = Scene::on(redis.start().await.unwrap()).await;
    // Another service on the same server has no worker yet: its callers wait through it all.
    let names = StreamNames::for_service("other");
    let other = ClientConfig::new(scene.service.redis.url(), names.clone());
    let other = Client::connect(other).await.unwrap();
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let other = other.clone();
            tokio::spawn(async move { ask(&other, &number.to_string()).await })
        })
        .collect();
    becomes(20_u64, async || {
        let length = ["XLEN", names.requests.as_str()];
        scene.service.redis.command(&length).await.unwrap()
    })
    .await;

    scene.service.redis.kill_hard().await.unwrap();
    let during = scene.look().await;
    during.only(AWAY);
    assert!(
        during.client.is_err() && during.worker.is_err(),
        "{during:?}"
    );
    scene.service.redis.start_again().await.unwrap();
    scene.recovers().await;
    scene.told_of(Fault::Disconnected);

    let late = WorkerConfig {
        names,
        ..scene.service.worker_config()
    };
    let _late = serve(late, 5, |request| async move { Ok(request.body.to_vec()) }).await;
    for (number, asked) in asking.into_iter().enumerate() {
        let reply = asked.await.unwrap().unwrap();
        assert_eq!(&reply.body[..], number.to_string().as_bytes());
    }
}

/// Work that runs while Redis restarts is answered when it is back.
#[tokio::test]
async fn work_that_runs_through_a_restart_is_answered() {
    let redis = RedisServer::builder()
        .aof(true)
        .config("appendfsync", "always");
    let service = Service::on(redis.start().await.unwrap());
    let client = service.client().await;
    let runs = Runs::default();
    let seen = runs.clone();
    let worker = serve(service.worker_config(), 3, move |request| {
        seen.ran(&request.body);
        async {
            sleep(Duration::from_secs(2)).await;
            Ok(b"done".to_vec())
        }
    })
    .await;
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    becomes(3, async || runs.of("x")).await;
    service.redis.kill_hard().await.unwrap();
    sleep(Duration::from_millis(500)).await;
    service.redis.start_again().await.unwrap();
    for asked in asking {
        assert_eq!(&asked.await.unwrap().unwrap().body[..], b"done");
    }
    assert_eq!(runs.of("x"), 3, "nothing ran twice");
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
    service.is_clean().await;
}

#[tokio::test]
async fn redis_comes_back_empty() {
    let scene = Scene::start().await;
    scene.service.redis.kill_hard().await.unwrap();
    scene.service.redis.start_again().await.unwrap();
    scene.recovers().await;
    scene.told_of(Fault::Disconnected);
    assert_eq!(scene.worker.metric("groups_created_total"), 1.0);
}

#[tokio::test]
async fn redis_is_stopped_for_a_while() {
    let scene = Scene::start().await;
    scene.service.redis.freeze().await.unwrap();
    // Commands time out after two seconds; then readiness goes and the circuit opens.
    let during = scene.look().await;
    during.only(AWAY);
    assert!(during.slowest < Duration::from_secs(2), "{during:?}");
    becomes(true, async || scene.client.readiness().is_err()).await;
    becomes(true, async || scene.worker.monitor.readiness().is_err()).await;
    scene.look().await.only(AWAY);
    scene.service.redis.thaw().unwrap();
    scene.recovers().await;
    scene.told_of(Fault::Timeout);
}

#[tokio::test]
async fn commands_are_paused() {
    let service = Service::start().await;
    let (client, worker) = (service.client_config(), service.worker_config());
    let scene = Scene::with(service, client, worker).await;
    for mode in ["WRITE", "ALL"] {
        let pause = ["CLIENT", "PAUSE", "3000", mode];
        scene.service.redis.command::<()>(&pause).await.unwrap();
        let asked = Instant::now();
        let during = scene.client.request("x", Options::within(PATIENCE)).await;
        match during {
            // Sent more than once, perhaps; answered once.
            Ok(_) => {}
            Err(RequestError::Refused { .. } | RequestError::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(asked.elapsed() < Duration::from_secs(10));
        scene.recovers().await;
    }
}

/// The lease lapses while Redis is away; the work goes on, and is answered.
#[tokio::test]
async fn work_outlasts_a_redis_that_is_stopped_for_longer_than_a_lease() {
    let service = Service::start().await;
    let client = service.client().await;
    let runs = Runs::default();
    let seen = runs.clone();
    let config = WorkerConfig {
        lease: Duration::from_millis(500),
        ..service.worker_config()
    };
    let worker = serve(config, 2, move |request| {
        seen.ran(&request.body);
        async {
            sleep(Duration::from_secs(4)).await;
            Ok(b"done".to_vec())
        }
    })
    .await;
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || runs.of("x")).await;
    service.redis.freeze().await.unwrap();
    sleep(Duration::from_millis(1_500)).await;
    service.redis.thaw().unwrap();
    let reply = asking.await.unwrap().unwrap();
    assert_eq!(&reply.body[..], b"done");
    assert_eq!(runs.of("x"), 1, "given to us again, it is not run again");
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
    service.is_clean().await;
}

#[tokio::test]
async fn the_line_is_cut_blocked_and_reset() {
    let service = Service::start().await;
    let proxy = TcpProxy::start(service.redis.port()).await.unwrap();
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let mut client = service.client_config();
    let mut worker = service.worker_config();
    (client.redis.url, worker.redis.url) = (url.clone(), url);
    (client.redis.response_timeout, worker.redis.response_timeout) =
        (Duration::from_millis(500), Duration::from_millis(500));
    let scene = Scene::with(service, client, worker).await;

    proxy.cut().await.unwrap();
    scene.look().await.only(AWAY);
    proxy.restore().await.unwrap();
    scene.recovers().await;

    proxy.blackhole();
    let during = scene.look().await;
    during.only(AWAY);
    assert!(during.slowest < Duration::from_secs(2), "{during:?}");
    proxy.restore().await.unwrap();
    scene.recovers().await;

    for _ in 0..10 {
        proxy.reset().await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    scene.recovers().await;
    scene.told_of(Fault::Disconnected);
    scene.told_of(Fault::Timeout);
}

/// The answer to a write is lost on its way. The request is sent again, worked on twice at most, answered once.
#[tokio::test]
async fn an_unclear_write_is_repeated_within_the_budget_and_answered_once() {
    let service = Service::start().await;
    let proxy = TcpProxy::start(service.redis.port()).await.unwrap();
    let registry = prometheus::Registry::new();
    let mut config = service.client_config();
    config.redis.url = format!("redis://127.0.0.1:{}", proxy.port());
    config.registry = Some(registry.clone());
    let client = Client::connect(config).await.unwrap();
    client.ready().await;
    let runs = Runs::default();
    let seen = runs.clone();
    let _worker = serve(service.worker_config(), 3, move |request| {
        seen.ran(&request.body);
        async move {
            sleep(Duration::from_millis(1)).await;
            Ok(request.body.to_vec())
        }
    })
    .await;
    let mut asked = 0;
    for round in 0..20 {
        let asking: Vec<_> = (0..10)
            .map(|caller| {
                let client = client.clone();
                tokio::spawn(async move { ask(&client, &format!("{round} {caller}")).await })
            })
            .collect();
        tokio::task::yield_now().await;
        sleep(Duration::from_micros(100 * round)).await;
        proxy.reset().await.unwrap();
        for (caller, answered) in asking.into_iter().enumerate() {
            match answered.await.unwrap() {
                Ok(reply) => assert_eq!(&reply.body[..], format!("{round} {caller}").as_bytes()),
                Err(RequestError::Refused { .. }) => {}
                Err(other) => panic!("{other}"),
            }
            asked += 1;
        }
        client.ready().await;
    }
    let again = metric(&registry, "redis_command_retries_total");
    assert!(runs.total() as f64 <= f64::from(asked) + again);
    assert!(
        again <= 100.0 + f64::from(asked) / 5.0,
        "{again} repetitions"
    );
    assert_eq!(client.in_flight(), 0);
    service.is_clean().await;
}

//! The end of a worker.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use streams::{Failure, NotReady, Options, RequestError, WorkerConfig};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{PATIENCE, Runs, Service, ask, becomes, serve};

/// How long an idle read waits on the server; a drain must not.
const BLOCK: Duration = Duration::from_secs(5);

fn impatient(service: &Service) -> WorkerConfig {
    WorkerConfig {
        drain_timeout: Duration::from_millis(200),
        ..service.worker_config()
    }
}

async fn consumers(service: &Service) -> usize {
    let rows: Vec<redis::Value> = service
        .redis
        .command(&[
            "XINFO",
            "CONSUMERS",
            &service.names.requests,
            &service.names.group,
        ])
        .await
        .unwrap();
    rows.len()
}

async fn announced(service: &Service) -> usize {
    let key = format!("{}:workers", service.names.requests);
    service.redis.command(&["HLEN", &key]).await.unwrap()
}

/// Counts itself as alive until it is dropped.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_idle_worker_leaves_at_once_and_leaves_nothing_behind() {
    let service = Service::start().await;
    let worker = service.echo(3).await;
    becomes(1, async || announced(&service).await).await;
    // The first reads do not wait; this one does.
    becomes(true, async || {
        let clients: String = service.redis.command(&["CLIENT", "LIST"]).await.unwrap();
        clients
            .lines()
            .any(|line| line.contains(":fetch") && line.contains("flags=b"))
    })
    .await;
    let started = Instant::now();
    let monitor = worker.monitor.clone();
    let drained = worker.drain().await;
    assert!(started.elapsed() < BLOCK / 2, "{:?}", started.elapsed());
    assert_eq!((drained.handed_back, drained.consumer_deleted), (0, true));
    assert_eq!(
        (consumers(&service).await, announced(&service).await),
        (0, 0)
    );
    assert_eq!(monitor.readiness(), Err(NotReady::Draining));
}

#[tokio::test]
async fn what_runs_is_finished_and_what_comes_later_is_left_to_others() {
    let service = Service::start().await;
    let client = service.client().await;
    let runs = Runs::default();
    let slow = {
        let runs = runs.clone();
        serve(service.worker_config(), 3, move |request| {
            runs.ran(&request.body);
            async {
                sleep(Duration::from_millis(500)).await;
                Ok(b"slow".to_vec())
            }
        })
        .await
    };
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "early").await })
        })
        .collect();
    becomes(3, async || runs.of("early")).await;
    let metrics = slow.registry.clone();
    let draining = tokio::spawn(slow.drain());
    let other = serve(service.worker_config(), 3, |_| async {
        Ok(b"other".to_vec())
    })
    .await;
    for _ in 0..10 {
        assert_eq!(&ask(&client, "late").await.unwrap().body[..], b"other");
    }
    for asked in asking {
        assert_eq!(&asked.await.unwrap().unwrap().body[..], b"slow");
    }
    let drained = draining.await.unwrap();
    assert_eq!((drained.handed_back, drained.consumer_deleted), (0, true));
    assert_eq!(runs.of("late"), 0);
    assert_eq!(
        crate::support::metric(&metrics, "requests_served_total"),
        3.0
    );
    assert_eq!(other.metric("requests_served_total"), 10.0);
    service.is_clean().await;
}

#[tokio::test]
async fn what_does_not_finish_is_cut_and_handed_back_as_if_never_delivered() {
    let service = Service::start().await;
    let client = service.client().await;
    let alive = Arc::new(AtomicUsize::new(0));
    let stuck = {
        let alive = Arc::clone(&alive);
        serve(impatient(&service), 3, move |_| {
            let alive = Alive::new(&alive);
            async move {
                let _alive = alive;
                pending::<()>().await;
                Ok(vec![])
            }
        })
        .await
    };
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    becomes(3, async || alive.load(Ordering::SeqCst)).await;
    let (monitor, metrics) = (stuck.monitor.clone(), stuck.registry.clone());
    let drained = stuck.drain().await;
    assert_eq!((drained.handed_back, drained.consumer_deleted), (3, false));
    becomes(0, async || alive.load(Ordering::SeqCst)).await;
    becomes(0, async || monitor.health().terminals_active).await;
    let metric = |name| crate::support::metric(&metrics, name);
    assert_eq!(
        (
            metric("requests_handed_back_total"),
            metric("requests_in_hand")
        ),
        (3.0, 0.0)
    );
    // The lease is 10 s and nobody waits for it.
    let started = Instant::now();
    let heir = service.echo(3).await;
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap().deliveries, 1);
    }
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(heir.metric("requests_reclaimed_total"), 0.0);
    service.is_clean().await;
}

/// The worker that takes over is idle when the entries come back, its read waiting on the server.
#[tokio::test]
async fn an_idle_worker_takes_over_what_is_handed_back() {
    let service = Service::start().await;
    let client = service.client().await;
    let stuck = serve(impatient(&service), 1, |_| {
        pending::<Result<Vec<u8>, Failure>>()
    })
    .await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "x").await }
    });
    becomes(1, async || service.pending().await).await;
    let _idle = service.echo(1).await;
    let started = Instant::now();
    assert_eq!(stuck.drain().await.handed_back, 1);
    assert_eq!(asking.await.unwrap().unwrap().deliveries, 1);
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    service.is_clean().await;
}

#[tokio::test]
async fn a_worker_that_drains_counts_no_more_for_the_predicted_wait() {
    let service = Service::start().await;
    let client = service.client().await;
    let worker = serve(service.worker_config(), 1, |_| async {
        sleep(Duration::from_secs(4)).await;
        Ok(vec![])
    })
    .await;
    becomes(1, async || announced(&service).await).await;
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || service.pending().await).await;
    let draining = tokio::spawn(worker.drain());
    becomes(0, async || announced(&service).await).await;
    assert!(!draining.is_finished(), "not only at its end");
    asking.await.unwrap().unwrap();
    draining.await.unwrap();
}

#[tokio::test]
async fn a_drain_without_redis_is_bounded() {
    for busy in [false, true] {
        let service = Service::start().await;
        let client = service.client().await;
        let worker = serve(impatient(&service), 1, |_| {
            pending::<Result<Vec<u8>, Failure>>()
        })
        .await;
        if busy {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await });
            becomes(1, async || service.pending().await).await;
        }
        service.redis.kill_hard().await.unwrap();
        let started = Instant::now();
        let drained = worker.drain().await;
        assert_eq!((drained.handed_back, drained.consumer_deleted), (0, false));
        assert!(
            started.elapsed() < Duration::from_secs(12),
            "{:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_drain_without_a_group_is_quick() {
    let service = Service::start().await;
    let worker = service.echo(1).await;
    service.redis.command::<()>(&["FLUSHALL"]).await.unwrap();
    let started = Instant::now();
    let drained = worker.drain().await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert_eq!((drained.handed_back, drained.consumer_deleted), (0, true));
}

#[tokio::test]
async fn a_worker_that_is_dropped_stops_its_work_and_others_take_over() {
    let service = Service::start().await;
    let client = service.client().await;
    let alive = Arc::new(AtomicUsize::new(0));
    let config = || WorkerConfig {
        lease: Duration::from_millis(300),
        ..service.worker_config()
    };
    let dropped = {
        let alive = Arc::clone(&alive);
        serve(config(), 2, move |_| {
            let alive = Alive::new(&alive);
            async move {
                let _alive = alive;
                pending::<()>().await;
                Ok(vec![])
            }
        })
        .await
    };
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || alive.load(Ordering::SeqCst)).await;
    dropped.crash().await;
    becomes(0, async || alive.load(Ordering::SeqCst)).await;
    let _heir = serve(config(), 2, |_| async { Ok(vec![]) }).await;
    assert_eq!(asking.await.unwrap().unwrap().deliveries, 2);
    service.is_clean().await;
}

#[tokio::test]
async fn callers_notice_nothing_of_workers_that_come_and_go() {
    let service = Service::start().await;
    let client = service.client().await;
    let mut worker = service.echo(3).await;
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let until = Instant::now() + Duration::from_secs(3);
                let mut answers = 0;
                while Instant::now() < until {
                    let within = Options::within(PATIENCE);
                    client.request("x", within).await?;
                    answers += 1;
                }
                Ok::<_, RequestError>(answers)
            })
        })
        .collect();
    while asking.iter().any(|asked| !asked.is_finished()) {
        let next = service.echo(3).await;
        let drained = timeout(PATIENCE, std::mem::replace(&mut worker, next).drain()).await;
        assert!(drained.unwrap().consumer_deleted);
    }
    for asked in asking {
        assert!(asked.await.unwrap().unwrap() > 0);
    }
    service.is_clean().await;
    // Before Redis 7.2 a consumer comes into being with the first entry it gets.
    assert!(consumers(&service).await <= 1);
}

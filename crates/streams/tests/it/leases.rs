//! Leases: work that takes long runs once, work of the dead is taken over.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use streams::WorkerConfig;
use testbed::eventually;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{LEASE, PATIENCE, Runs, Service, ask, becomes, serve};

#[tokio::test]
async fn work_that_takes_twenty_leases_runs_once() {
    let service = Service::start().await;
    let client = service.client().await;
    let runs = Runs::default();
    let mut workers = Vec::new();
    for _ in 0..3 {
        let runs = runs.clone();
        workers.push(
            serve(service.leased(), 2, move |request| {
                runs.ran(&request.body);
                async {
                    sleep(LEASE * 20).await;
                    Ok(vec![])
                }
            })
            .await,
        );
    }
    let (a, b) = tokio::join!(ask(&client, "a"), ask(&client, "b"));
    assert_eq!((a.unwrap().deliveries, b.unwrap().deliveries), (1, 1));
    assert_eq!((runs.of("a"), runs.of("b")), (1, 1));
    service.is_clean().await;
}

/// Redis carried one renewal out late, so that the next finds the entry touched just now: it is still ours. Here
/// the test touches it, in the worker's name.
#[tokio::test]
async fn a_renewal_that_comes_too_soon_is_no_lost_lease() {
    let service = Service::start().await;
    let client = service.client().await;
    let lease = Duration::from_millis(800);
    let config = || WorkerConfig {
        lease,
        ..service.worker_config()
    };
    let worker = serve(config(), 1, move |_| async move {
        sleep(lease * 4).await;
        Ok(b"first".to_vec())
    })
    .await;
    let asking = tokio::spawn(async move { ask(&client, "x").await });
    becomes(1, async || service.pending().await).await;
    let _idle = serve(config(), 1, |_| async { Ok(b"second".to_vec()) }).await;
    let consumer = worker.monitor.health().consumer;
    let id = service.pending_ids().await.remove(0);
    let (requests, group) = (&service.names.requests, &service.names.group);
    let touch = ["XCLAIM", requests, group, &consumer, "0", &id, "JUSTID"];
    let began = Instant::now();
    while began.elapsed() < lease {
        service.redis.command::<()>(&touch).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    let reply = asking.await.unwrap().unwrap();
    assert_eq!((&reply.body[..], reply.deliveries), (&b"first"[..], 1));
}

#[tokio::test]
async fn a_handler_that_hogs_its_runtime_keeps_its_lease() {
    let service = Service::start().await;
    let client = service.client().await;
    let runs = Runs::default();
    // Its own thread and runtime, blocked for five leases.
    let (config, hogged) = (service.leased(), runs.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let hog = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let worker = serve(config, 1, move |request| {
                hogged.ran(&request.body);
                std::thread::sleep(LEASE * 5);
                async { Ok(b"hog".to_vec()) }
            })
            .await;
            let _ = stopped.await;
            worker.drain().await;
        });
    });
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "x").await }
    });
    eventually(PATIENCE, || async {
        if runs.of("x") == 1 {
            Ok(())
        } else {
            anyhow::bail!("not started")
        }
    })
    .await
    .unwrap();
    let other = runs.clone();
    let _other = serve(service.leased(), 1, move |request| {
        other.ran(&request.body);
        async { Ok(b"other".to_vec()) }
    })
    .await;
    assert_eq!(&asking.await.unwrap().unwrap().body[..], b"hog");
    assert_eq!(runs.of("x"), 1);
    stop.send(()).unwrap();
    tokio::task::spawn_blocking(|| hog.join())
        .await
        .unwrap()
        .unwrap();
    service.is_clean().await;
}

#[tokio::test]
async fn the_work_of_a_dead_worker_is_taken_over() {
    let service = Service::start().await;
    let client = service.client().await;
    let dying = serve(service.leased(), 5, |_request| async {
        std::future::pending::<()>().await;
        Ok(vec![])
    })
    .await;
    let asking: Vec<_> = (0..5)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, &number.to_string()).await })
        })
        .collect();
    eventually(PATIENCE, || async {
        let pending = service.pending().await;
        if pending == 5 {
            Ok(())
        } else {
            anyhow::bail!("{pending} started")
        }
    })
    .await
    .unwrap();
    let heir = service.worker_config();
    dying.crash().await;
    let died = Instant::now();
    let heir = serve(
        WorkerConfig {
            lease: LEASE,
            ..heir
        },
        5,
        |request| async move { Ok(request.body.to_vec()) },
    )
    .await;
    for (number, asked) in asking.into_iter().enumerate() {
        let reply = asked.await.unwrap().unwrap();
        assert_eq!(&reply.body[..], number.to_string().as_bytes());
        assert_eq!(reply.deliveries, 2);
    }
    // One lease and one sweep; the slack is for a busy machine.
    assert!(
        died.elapsed() < LEASE * 2 + Duration::from_secs(5),
        "{:?}",
        died.elapsed()
    );
    assert_eq!(heir.metric("requests_reclaimed_total"), 5.0);
    service.is_clean().await;
}

/// A worker without a terminal to spare takes over what lapsed before it takes anything new, however many sweeps that
/// would be: who waited for a lease already does not wait behind all the others.
#[tokio::test]
async fn what_lapsed_comes_before_what_is_new() {
    let service = Service::start().await;
    let client = service.client().await;
    let lease = Duration::from_secs(2);
    let config = || WorkerConfig {
        lease,
        ..service.worker_config()
    };
    let dying = serve(config(), 4, |_| std::future::pending()).await;
    let mut asking = JoinSet::new();
    let mut ask_for = |body: &'static str, count: usize| {
        for _ in 0..count {
            let client = client.clone();
            asking.spawn(async move { ask(&client, body).await });
        }
    };
    ask_for("lapsed", 4);
    becomes(4, async || service.pending().await).await;
    dying.crash().await;
    ask_for("new", 40);
    becomes(44, async || service.length().await).await;
    sleep(lease).await;

    let order = Arc::new(Mutex::new(Vec::new()));
    let served = Arc::clone(&order);
    let _heir = serve(config(), 1, move |request| {
        let lapsed = &request.body[..] == b"lapsed";
        served.lock().unwrap().push(lapsed);
        async { Ok(vec![]) }
    })
    .await;
    while let Some(asked) = asking.join_next().await {
        asked.unwrap().unwrap();
    }
    assert_eq!(order.lock().unwrap()[..4], [true; 4]);
}

#[tokio::test]
async fn a_worker_asks_for_no_more_than_its_free_terminals() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = serve(service.worker_config(), 3, |_request| async {
        sleep(Duration::from_millis(300)).await;
        Ok(vec![])
    })
    .await;
    let asking: Vec<_> = (0..9)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    let mut most = 0;
    while asking.iter().any(|asked| !asked.is_finished()) {
        most = most.max(service.pending().await);
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(most, 3, "the rest stays where any worker can take it");
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
}

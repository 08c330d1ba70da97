//! Who is let in.

use std::time::Duration;

use streams::{Client, ClientConfig, NotReady, Options, Refusal, RequestError};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{PATIENCE, Service, ask, becomes, serve};

type Asked = JoinHandle<Result<streams::Reply, RequestError>>;

/// Callers that wait for long, each in a task of its own.
fn callers(client: &Client, count: usize) -> Vec<Asked> {
    (0..count)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect()
}

fn refusal(result: &Result<streams::Reply, RequestError>) -> Option<Refusal> {
    match result {
        Err(RequestError::Refused {
            reason,
            retry_after,
        }) => {
            assert!(*retry_after >= Duration::from_secs(1));
            Some(*reason)
        }
        _ => None,
    }
}

async fn connect(config: ClientConfig) -> Client {
    let client = Client::connect(config).await.unwrap();
    client.ready().await;
    client
}

#[tokio::test]
async fn no_more_wait_in_a_process_than_may() {
    let service = Service::start().await;
    let client = connect(ClientConfig {
        max_in_flight: 5,
        ..service.client_config()
    })
    .await;
    let waiting = callers(&client, 5);
    becomes(5, async || client.in_flight()).await;
    assert_eq!(refusal(&ask(&client, "x").await), Some(Refusal::InFlight));
    assert_eq!(client.in_flight(), 5);
    waiting[0].abort();
    becomes(4, async || client.in_flight()).await;
    let mut next = callers(&client, 1);
    becomes(5, async || client.in_flight()).await;
    let _worker = service.echo(2).await;
    next.pop().unwrap().await.unwrap().unwrap();
    service.is_clean().await;
}

#[tokio::test]
async fn a_full_stream_takes_nothing_more() {
    let service = Service::start().await;
    let config = || ClientConfig {
        max_outstanding: 10,
        ..service.client_config()
    };
    let client = connect(config()).await;
    let burst = callers(&client, 50);
    becomes(10, async || service.length().await).await;
    // Not one more, however the burst falls into writes.
    let (mut refused, mut waiting) = (0, Vec::new());
    for asked in burst {
        sleep(Duration::from_millis(2)).await;
        if asked.is_finished() {
            assert_eq!(refusal(&asked.await.unwrap()), Some(Refusal::StreamFull));
            refused += 1;
        } else {
            waiting.push(asked);
        }
    }
    assert_eq!(
        (refused, waiting.len(), service.length().await),
        (40, 10, 10)
    );
    // Another client has looked before it is ready.
    let other = connect(config()).await;
    assert_eq!(refusal(&ask(&other, "x").await), Some(Refusal::StreamFull));
    let _worker = service.echo(2).await;
    for asked in waiting {
        asked.await.unwrap().unwrap();
    }
    becomes(true, async || ask(&other, "x").await.is_ok()).await;
}

#[tokio::test]
async fn while_nobody_is_known_to_work_only_a_quota_is_let_in() {
    let service = Service::start().await;
    let client = connect(ClientConfig {
        unknown_rate_quota: 3,
        ..service.client_config()
    })
    .await;
    let waiting = callers(&client, 3);
    becomes(3, async || service.length().await).await;
    assert_eq!(
        refusal(&ask(&client, "x").await),
        Some(Refusal::UnknownRate)
    );
    let _worker = service.echo(1).await;
    for asked in waiting {
        asked.await.unwrap().unwrap();
    }
    // The first that were served made the rate known.
    becomes(true, async || {
        let workers = client.health().workers;
        workers.iter().any(|worker| worker.hold_us > 0)
    })
    .await;
    for asked in callers(&client, 20) {
        asked.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_predicted() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let _worker = serve(service.worker_config(), 2, |_| async {
        sleep(Duration::from_millis(200)).await;
        Ok(vec![])
    })
    .await;
    ask(&client, "x").await.unwrap();
    becomes(true, async || {
        let workers = client.health().workers;
        workers.iter().any(|worker| worker.hold_us > 0)
    })
    .await;
    // Ten in a second: four seconds of work, which is within a quarter of their budget.
    let waiting = callers(&client, 40);
    becomes(true, async || service.length().await > 35).await;
    let began = Instant::now();
    let short = Options::within(Duration::from_secs(1));
    let refused = client.request("x", short).await;
    assert!(began.elapsed() < Duration::from_millis(500), "at once");
    assert_eq!(refusal(&refused), Some(Refusal::PredictedWait));
    let Err(RequestError::Refused { retry_after, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(retry_after < Duration::from_secs(10), "{retry_after:?}");
    ask(&client, "patient").await.unwrap();
    for asked in waiting {
        asked.await.unwrap().unwrap();
    }
    client
        .request("x", Options::within(Duration::from_secs(2)))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_circuit_refuses_at_once_and_closes_without_any_caller() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = service.echo(1).await;
    ask(&client, "before").await.unwrap();
    service.redis.kill_hard().await.unwrap();
    becomes(Some(Refusal::CircuitOpen), async || {
        let within = Options::within(Duration::from_millis(300));
        refusal(&client.request("x", within).await)
    })
    .await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(
            refusal(&ask(&client, "x").await),
            Some(Refusal::CircuitOpen)
        );
    }
    assert!(began.elapsed() < Duration::from_millis(500), "at once");
    assert!(matches!(
        client.readiness(),
        Err(NotReady::CircuitOpen | NotReady::Redis(_))
    ));
    service.redis.start_again().await.unwrap();
    let back = Instant::now();
    becomes(Ok(()), async || client.readiness()).await;
    // The longest pause of the loop and the longest time of the circuit are a second each, side by side.
    assert!(
        back.elapsed() < Duration::from_secs(5),
        "{:?}",
        back.elapsed()
    );
    ask(&client, "after").await.unwrap();
}

#[tokio::test]
async fn a_closed_client_lets_everybody_go_and_nobody_in() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let waiting = callers(&client, 10);
    becomes(10, async || service.length().await).await;
    let connections = async || {
        let list: String = service.redis.command(&["CLIENT", "LIST"]).await.unwrap();
        list.lines()
            .filter(|line| line.contains("name=") && line.contains(":writer"))
            .count()
    };
    assert_eq!(connections().await, 1);
    client.close();
    for asked in waiting {
        assert_eq!(asked.await.unwrap(), Err(RequestError::Closed));
    }
    let began = Instant::now();
    assert_eq!(ask(&client, "x").await, Err(RequestError::Closed));
    assert!(began.elapsed() < PATIENCE / 2, "not at its deadline");
    assert_eq!(client.in_flight(), 0);
    becomes(0, async || connections().await).await;
}

#[tokio::test]
async fn a_client_ends_with_its_last_clone() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = service.echo(1).await;
    let clone = client.clone();
    ask(&client, "x").await.unwrap();
    drop(client);
    ask(&clone, "x").await.unwrap();
    drop(clone);
    becomes(0, async || {
        let list: String = service.redis.command(&["CLIENT", "LIST"]).await.unwrap();
        let ours = [":writer", ":reader", ":observer"];
        list.lines()
            .filter(|line| ours.iter().any(|part| line.contains(part)))
            .count()
    })
    .await;
}

#[tokio::test]
async fn a_budget_beyond_all_clocks_is_a_day() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = service.echo(1).await;
    client
        .request("x", Options::within(Duration::MAX))
        .await
        .unwrap();
}

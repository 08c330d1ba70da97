//! How clients and workers end, and what they say of themselves afterwards.

use std::{process::Command, time::Duration};

use streams::{Options, RedisConfig, RequestError, Worker, WorkerConfig};
use testbed::Folder;
use tokio::time::timeout;

use crate::support::{PATIENCE, Service, ask, becomes, serve};

#[tokio::test]
async fn a_closed_client_is_not_ready() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    assert_eq!(client.readiness(), Ok(()));
    let other = client.clone();
    let asking = tokio::spawn(async move { ask(&other, "x").await });
    becomes(1, async || client.in_flight()).await;
    client.close();
    assert!(client.readiness().is_err());
    assert_eq!(asking.await.unwrap(), Err(RequestError::Closed));
    let asked = client.request("x", Options::within(PATIENCE)).await;
    assert_eq!(asked, Err(RequestError::Closed));
}

#[tokio::test]
async fn a_worker_whose_future_is_dropped_is_not_ready() {
    let service = Service::start().await;
    let worker = service.echo(1).await;
    let monitor = worker.monitor.clone();
    assert_eq!(monitor.readiness(), Ok(()));
    worker.crash().await;
    assert!(monitor.readiness().is_err());
}

/// A file that cannot be read for now, as on a network that is down: a pipe that nobody writes to.
#[test]
fn a_drain_does_not_wait_for_a_file_that_hangs() {
    let folder = Folder::new("hanging-file").unwrap();
    let pipe = folder.path().join("password");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let drained = runtime.block_on(async {
        let service = Service::start().await;
        let config = WorkerConfig {
            redis: RedisConfig {
                password_file: Some(pipe),
                connect_timeout: Duration::from_millis(200),
                ..service.worker_config().redis
            },
            ..service.worker_config()
        };
        let worker = Worker::connect(config).await.unwrap();
        let serving = worker.serve(1, |_| async { Ok(vec![]) }, async {
            tokio::time::sleep(Duration::from_millis(500)).await;
        });
        timeout(PATIENCE, serving).await
    });
    // What reads the pipe never ends, nor would a runtime that waits for it.
    runtime.shutdown_background();
    let drained = drained.unwrap().unwrap();
    assert!(!drained.consumer_deleted);
}

/// Requests whose work is cut at the deadline hold a terminal as well as others do, and clients admit by that.
#[tokio::test]
async fn work_that_is_cut_counts_for_the_rate() {
    let service = Service::start().await;
    let client = service.client().await;
    let worker = serve(service.worker_config(), 1, |request| async move {
        if request.body.as_ref() == b"hang" {
            std::future::pending::<()>().await;
        }
        Ok(vec![])
    })
    .await;
    ask(&client, "quick").await.unwrap();
    let mean = async || {
        let workers = worker.monitor.health().workers;
        workers.first().map_or(0, |worker| worker.hold_us)
    };
    becomes(true, async || mean().await > 0).await;
    let before = mean().await;
    let hang = client
        .request("hang", Options::within(Duration::from_secs(1)))
        .await;
    assert_eq!(hang, Err(RequestError::TimedOut));
    // A second counts for a sixteenth.
    becomes(true, async || mean().await > before + 50_000).await;
}

//! Everything at once, by chance: callers go on asking while Redis and the workers suffer. Every request ends in
//! time, in one answer, in its own; and when it is over everything is well and nothing is left.

use std::{io::Write, time::Duration};

use streams::{Client, ClientConfig, Options, ReplyStream, RequestError, WorkerConfig};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{PATIENCE, Service, Serving, ask, becomes, serve};

const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
enum Trouble {
    KillConnections,
    DestroyGroup,
    FlushAll,
    DeleteReplies,
    Freeze,
    OutOfMemory,
    Replica,
    CrashWorker,
    DrainWorker,
}

const TROUBLES: [Trouble; 9] = [
    Trouble::KillConnections,
    Trouble::DestroyGroup,
    Trouble::FlushAll,
    Trouble::DeleteReplies,
    Trouble::Freeze,
    Trouble::OutOfMemory,
    Trouble::Replica,
    Trouble::CrashWorker,
    Trouble::DrainWorker,
];

async fn worker(service: &Service) -> Serving {
    let config = WorkerConfig {
        lease: Duration::from_millis(500),
        // A crash is nobody's fault here.
        max_deliveries: 1_000,
        ..service.worker_config()
    };
    serve(config, 3, |request| async move {
        sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        Ok(request.body.to_vec())
    })
    .await
}

async fn cause(trouble: Trouble, service: &Service, workers: &mut Vec<Serving>) {
    let names = &service.names;
    let command = async |parts: &[&str]| service.redis.command::<()>(parts).await.unwrap();
    let a_while = || sleep(Duration::from_millis(fastrand::u64(50..400)));
    match trouble {
        Trouble::KillConnections => command(&["CLIENT", "KILL", "TYPE", "normal"]).await,
        Trouble::DestroyGroup => {
            // There may be none at the moment.
            let destroy = ["XGROUP", "DESTROY", &names.requests, &names.group];
            let _ = service.redis.command::<()>(&destroy).await;
        }
        Trouble::FlushAll => command(&["FLUSHALL"]).await,
        Trouble::DeleteReplies => command(&["DEL", &names.responses]).await,
        Trouble::Freeze => {
            service.redis.freeze().await.unwrap();
            a_while().await;
            service.redis.thaw().unwrap();
        }
        Trouble::OutOfMemory => {
            service.run_out_of_memory().await;
            a_while().await;
            service.have_memory_again().await;
        }
        Trouble::Replica => {
            command(&["REPLICAOF", "127.0.0.1", "1"]).await;
            a_while().await;
            command(&["REPLICAOF", "NO", "ONE"]).await;
        }
        Trouble::CrashWorker => {
            workers.remove(0).crash().await;
            workers.push(worker(service).await);
        }
        Trouble::DrainWorker => {
            let next = worker(service).await;
            workers.remove(0).drain().await;
            workers.push(next);
        }
    }
}

/// Asks until the end, and gives how many answers there were.
fn caller(client: Client, name: String, over: watch::Receiver<bool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let (mut asked, mut answered) = (0, 0);
        while !*over.borrow() {
            asked += 1;
            let body = format!("{name} {asked}");
            let began = Instant::now();
            match client.request(body.clone(), Options::within(WITHIN)).await {
                Ok(reply) => {
                    assert_eq!(&reply.body[..], body.as_bytes(), "somebody else's answer");
                    answered += 1;
                }
                Err(
                    RequestError::TimedOut
                    | RequestError::Refused { .. }
                    | RequestError::Unavailable { .. },
                ) => {}
                Err(other) => panic!("{other}"),
            }
            assert!(began.elapsed() < WITHIN + PATIENCE, "{:?}", began.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
        answered
    })
}

#[tokio::test]
async fn every_request_has_one_end_and_nothing_is_left() {
    let seed = fastrand::u64(..);
    fastrand::seed(seed);
    let _told = Seed(seed);
    let service = Service::start().await;
    let mut workers = vec![worker(&service).await, worker(&service).await];
    let (over, until) = watch::channel(false);
    let mut clients = Vec::new();
    for reply_stream in [ReplyStream::Shared, ReplyStream::Dedicated] {
        let config = ClientConfig {
            reply_stream,
            ..service.client_config()
        };
        clients.push(Client::connect(config).await.unwrap());
    }
    let callers: Vec<_> = (0..20)
        .map(|number| {
            let client = clients[number % clients.len()].clone();
            caller(client, format!("caller {number}"), until.clone())
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        sleep(Duration::from_millis(fastrand::u64(50..300))).await;
        let trouble = TROUBLES[fastrand::usize(..TROUBLES.len())];
        cause(trouble, &service, &mut workers).await;
    }
    over.send(true).unwrap();
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap();
    }
    assert!(answered > 0);

    for client in &clients {
        becomes(Ok(()), async || client.readiness()).await;
        for _ in 0..20 {
            ask(client, "after").await.unwrap();
        }
        assert_eq!(client.in_flight(), 0);
    }
    service.is_clean().await;
    for worker in &workers {
        becomes(0.0, async || worker.metric("requests_in_hand")).await;
        assert_eq!(worker.metric("dead_letters_total"), 0.0);
    }
}

/// Is named if the test fails. What the scheduler does is not in it: it repeats the troubles, not their effects.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "seed: {}", self.0);
        }
    }
}

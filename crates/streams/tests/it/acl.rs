//! The least rights under which the engine works, as ACL rules.
//!
//! | command | client | worker | for |
//! |---|---|---|---|
//! | `INFO`, `TIME` | ✓ | ✓ | the probe of the server, its clock |
//! | `XADD`, `XDEL`, `XLEN`, `XRANGE`, `XPENDING` | ✓ | ✓ | requests and replies in, withdrawn and settled ones out, the backlog |
//! | `XGROUP CREATE` | ✓ | ✓ | the group; for a client the probe of an open circuit |
//! | `MEMORY USAGE`, `HGETALL`, `EXISTS` | ✓ | ✓ | the gauges, the workers alive, what is there at all |
//! | `XREAD`, `XINFO STREAM`, `XTRIM` | ✓ | | its reply stream |
//! | `XREADGROUP`, `XCLAIM`, `XGROUP DELCONSUMER`, `XINFO CONSUMERS` | | ✓ | taking, keeping and giving back |
//! | `XACK`, or `XACKDEL` from Redis 8.2.3 on | | ✓ | settling |
//! | `PEXPIRE`, `HSET`, `HDEL`, `EVAL` | | ✓ | dedicated reply streams, announcements, deleting a consumer that has nothing pending |
//! | `CLIENT SETNAME` | (✓) | (✓) | the name in `CLIENT LIST`; refused, nothing is lost |
//! | `CLIENT ID`, `CLIENT UNBLOCK` | | (✓) | a drain wakes the read that waits; refused, it takes up to three seconds longer |
//! | `MULTI`, `EXEC` | | (✓) | settling as a whole; refused, a reply that Redis refuses is lost with its worker |
//!
//! Beside them `SELECT` for a database other than 0. Redis 6.2 knows only whole keys (`~key`); from 7.0 on a
//! client needs no more than reading (`%R~key`) on dead letters and announcements.

use std::time::Duration;

use streams::{Client, ClientConfig, Fault, NotReady, Options, ReplyStream, WorkerConfig};
use testbed::{RedisServer, ServerVersion};
use tokio::time::Instant;

use crate::{
    scene::Scene,
    support::{Service, ask, becomes, serve},
};

const CLIENT: &[&str] = &[
    "info",
    "time",
    "xadd",
    "xdel",
    "xlen",
    "xrange",
    "xpending",
    "xgroup|create",
    "memory|usage",
    "hgetall",
    "exists",
    "xread",
    "xinfo|stream",
    "xtrim",
];

const WORKER: &[&str] = &[
    "info",
    "time",
    "xadd",
    "xdel",
    "xlen",
    "xrange",
    "xpending",
    "xgroup|create",
    "memory|usage",
    "hgetall",
    "exists",
    "xreadgroup",
    "xclaim",
    "xgroup|delconsumer",
    "xinfo|consumers",
    "pexpire",
    "hset",
    "hdel",
    "eval",
];

/// Courtesies: without them it works as well.
const CLIENT_WISHES: &[&str] = &["client|setname"];
const WORKER_WISHES: &[&str] = &[
    "client|setname",
    "client|id",
    "client|unblock",
    "multi",
    "exec",
];

const LEASE: Duration = Duration::from_millis(400);

/// What a server can do, asked of one that is gone again.
async fn version() -> ServerVersion {
    RedisServer::start().await.unwrap().version().await.unwrap()
}

fn ack(version: ServerVersion) -> &'static str {
    if version.is_redis_since((8, 2, 3)) {
        "xackdel"
    } else {
        "xack"
    }
}

/// A line of an ACL file for the streams of `test`.
fn user(name: &str, version: ServerVersion, commands: &[&str]) -> String {
    let reads = match version.number {
        (0..=6, ..) => "~",
        _ if name == "client" => "%R~",
        _ => "~",
    };
    let commands: Vec<_> = commands
        .iter()
        .map(|command| format!("+{command}"))
        .collect();
    format!(
        "user {name} on >pw -@all ~test-requests {reads}test-requests:dead {reads}test-requests:workers \
         ~test-responses ~test-responses:* {}\n",
        commands.join(" ")
    )
}

async fn restricted(client: &[&str], worker: &[&str]) -> Service {
    let version = version().await;
    let worker = [worker, &[ack(version)]].concat();
    let lines =
        user("client", version, client) + &user("worker", version, &worker) + "user default off\n";
    let redis = RedisServer::builder().acl(lines).start();
    Service::on(redis.await.unwrap())
}

fn configs(service: &Service) -> (ClientConfig, WorkerConfig) {
    let (mut client, mut worker) = (service.client_config(), service.worker_config());
    client.redis.url = service.redis.url_for("client", "pw");
    worker.redis.url = service.redis.url_for("worker", "pw");
    worker.lease = LEASE;
    (client, worker)
}

/// Nothing was denied since the server was started.
async fn nothing_was_denied(service: &Service) {
    let denied: Vec<redis::Value> = service.redis.command(&["ACL", "LOG"]).await.unwrap();
    assert_eq!(denied, []);
}

#[tokio::test]
async fn the_least_rights_are_enough_and_all_of_them_are_used() {
    let service = restricted(
        &[CLIENT, CLIENT_WISHES].concat(),
        &[WORKER, WORKER_WISHES].concat(),
    )
    .await;
    service.make_group().await;
    let (client, worker) = configs(&service);
    let dedicated = ClientConfig {
        reply_stream: ReplyStream::Dedicated,
        ..client.clone()
    };
    let scene = Scene::with(service, client, worker.clone()).await;
    let service = &scene.service;
    let dedicated = Client::connect(dedicated).await.unwrap();
    ask(&dedicated, "x").await.unwrap();

    // Withdrawal: nobody takes it before its caller gives up.
    let hold = serve(worker.clone(), 1, |_| {
        std::future::pending::<Result<Vec<u8>, _>>()
    })
    .await;
    let short = || Options::within(Duration::from_millis(50));
    for _ in 0..4 {
        let _ = scene.client.request("x", short()).await;
    }
    // Recovery, renewal included: its work is taken over.
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let client = scene.client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    tokio::time::sleep(LEASE).await;
    hold.crash().await;
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    // A dead letter.
    let junk = ["XADD", &service.names.requests, "*", "junk", "x"];
    service.redis.command::<()>(&junk).await.unwrap();
    becomes(1, async || service.dead_letters().await).await;
    // An open circuit and its probe.
    service.run_out_of_memory().await;
    becomes(Err(NotReady::CircuitOpen), async || {
        let _ = scene.client.request("x", short()).await;
        scene.client.readiness()
    })
    .await;
    service.have_memory_again().await;
    scene.recovers().await;
    // A lost group, and a drain that hands back.
    let (requests, group) = (&service.names.requests, &service.names.group);
    let destroy = ["XGROUP", "DESTROY", requests, group];
    service.redis.command::<()>(&destroy).await.unwrap();
    scene.recovers().await;
    let stuck = WorkerConfig {
        drain_timeout: Duration::ZERO,
        ..worker
    };
    scene.worker.drain().await;
    let stuck = serve(stuck, 1, |_| std::future::pending::<Result<Vec<u8>, _>>()).await;
    let _asking = tokio::spawn(async move { ask(&dedicated, "x").await });
    becomes(1, async || service.pending().await).await;
    assert_eq!(stuck.drain().await.handed_back, 1);

    nothing_was_denied(service).await;
    let stats = service.redis.info("commandstats").await.unwrap();
    let version = service.redis.version().await.unwrap();
    let granted = [
        CLIENT,
        CLIENT_WISHES,
        WORKER,
        WORKER_WISHES,
        &[ack(version)],
    ]
    .concat();
    for command in granted {
        let whole = command.split('|').next().unwrap();
        let used = [command, whole]
            .iter()
            .any(|name| stats.contains_key(&format!("cmdstat_{name}")));
        assert!(used, "{command} is granted and not needed");
    }
}

#[tokio::test]
async fn without_the_courtesies_only_a_drain_is_slower() {
    let service = restricted(CLIENT, WORKER).await;
    let (client, worker) = configs(&service);
    let scene = Scene::with(service, client, worker).await;
    scene.recovers().await;
    let began = Instant::now();
    let drained = scene.worker.drain().await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((drained.handed_back, drained.consumer_deleted), (0, true));
}

#[tokio::test]
async fn a_right_that_is_taken_is_named_and_given_back_is_used() {
    let service = restricted(CLIENT, WORKER).await;
    let (client, worker) = configs(&service);
    let scene = Scene::with(service, client, worker).await;
    let set = async |user: &str, rule: &str| {
        let set = ["ACL", "SETUSER", user, rule];
        scene.service.redis.command::<()>(&set).await.unwrap();
    };
    set("worker", "-xreadgroup").await;
    set("client", "-xadd").await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::NoPermission)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: no-permission", "refused: circuit-open"]);
    let reconnects = scene.reconnects();
    set("worker", "+xreadgroup").await;
    set("client", "+xadd").await;
    scene.recovers().await;
    scene.told_of(Fault::NoPermission);
    assert_eq!(scene.reconnects(), reconnects, "the connections are well");
}

//! Redis answers, and says no.

use std::{sync::Arc, time::Duration};

use streams::{Fault, NotReady, Options, ReplyStream, RequestError, WorkerConfig};
use testbed::RedisServer;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    scene::{BACK, Scene},
    support::{Service, Serving, ask, becomes, serve},
};

/// A worker with one terminal that says when it has begun with a request, and echoes it when it is told to.
async fn serve_on_call(
    config: WorkerConfig,
    started: &Arc<Notify>,
    may_end: &Arc<Notify>,
) -> Serving {
    let (starts, ends) = (Arc::clone(started), Arc::clone(may_end));
    serve(config, 1, move |request| {
        let (starts, ends) = (Arc::clone(&starts), Arc::clone(&ends));
        async move {
            starts.notify_one();
            ends.notified().await;
            Ok(request.body.to_vec())
        }
    })
    .await
}

async fn command(scene: &Scene, parts: &[&str]) {
    scene.service.redis.command::<()>(parts).await.unwrap();
}

#[tokio::test]
async fn no_memory_is_left() {
    let scene = Scene::start().await;
    scene.service.run_out_of_memory().await;
    let first = ask(&scene.client, "x").await;
    assert!(
        matches!(
            first,
            Err(RequestError::Unavailable {
                reason: Fault::OutOfMemory,
                ..
            })
        ),
        "{first:?}"
    );
    // One refusal is enough to be told of; the circuit takes five.
    scene
        .client_becomes(Err(NotReady::Redis(Fault::OutOfMemory)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: out-of-memory", "refused: circuit-open"]);
    assert!(seen.slowest < Duration::from_secs(1), "at once: {seen:?}");
    assert_eq!(
        (seen.client, seen.worker),
        (Err(NotReady::CircuitOpen), Ok(()))
    );
    scene.service.have_memory_again().await;
    // Nobody asks: the observer finds out by itself.
    scene.client_becomes(Ok(())).await;
    scene.recovers().await;
    scene.told_of(Fault::OutOfMemory);
}

/// A reply takes the room of its request.
#[tokio::test]
async fn work_goes_on_without_memory_and_is_answered() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let asking: Vec<_> = (0..12)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, &number.to_string()).await })
        })
        .collect();
    becomes(12, async || service.length().await).await;
    service.make_group().await;
    service.run_out_of_memory().await;
    // It connects only now, and takes work all the same.
    let worker = service.echo(4).await;
    for (number, asked) in asking.into_iter().enumerate() {
        assert_eq!(
            &asked.await.unwrap().unwrap().body[..],
            number.to_string().as_bytes()
        );
    }
    assert_eq!(worker.monitor.readiness(), Ok(()));
    assert_eq!(worker.metric("replies_refused_total"), 0.0);
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
    service.have_memory_again().await;
    service.is_clean().await;
}

/// The request stays pending until its reply has been taken: here the worker dies before that.
#[tokio::test]
async fn a_refused_reply_is_not_lost_with_its_worker() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let config = service.leased();
    let (started, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let worker = serve_on_call(config.clone(), &started, &may_end).await;
    let asked = tokio::spawn(async move { ask(&client, "x").await });
    started.notified().await;
    let set = async |rule| {
        let set = ["ACL", "SETUSER", "default", rule];
        service.redis.command::<()>(&set).await.unwrap();
    };
    set("-xadd").await;
    may_end.notify_one();
    becomes(true, async || worker.metric("replies_refused_total") >= 1.0).await;
    assert_eq!((service.length().await, service.pending().await), (1, 1));
    worker.crash().await;
    set("+xadd").await;
    let other = serve(
        config,
        1,
        |request| async move { Ok(request.body.to_vec()) },
    )
    .await;
    assert_eq!(&asked.await.unwrap().unwrap().body[..], b"x");
    assert_eq!(other.metric("requests_reclaimed_total"), 1.0);
    service.is_clean().await;
}

/// Out of memory the request goes first to make room for its reply, and then the reply is refused all the same. It is
/// tried on, and the request is not settled a second time.
#[tokio::test]
async fn a_reply_that_is_refused_twice_is_no_duplicate() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let (started, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let worker = serve_on_call(service.worker_config(), &started, &may_end).await;
    let asked = tokio::spawn(async move { ask(&client, "x").await });
    started.notified().await;
    let responses = &service.names.responses;
    let command = async |parts: &[&str]| service.redis.command::<()>(parts).await.unwrap();
    // Refused for want of memory, and where that is no matter any more for its type.
    command(&["SET", responses, "x"]).await;
    service.run_out_of_memory().await;
    may_end.notify_one();
    becomes(true, async || worker.metric("replies_refused_total") >= 3.0).await;
    assert_eq!((service.length().await, service.pending().await), (0, 0));
    service.have_memory_again().await;
    command(&["DEL", responses]).await;
    assert_eq!(&asked.await.unwrap().unwrap().body[..], b"x");
    becomes(0.0, async || worker.metric("requests_in_hand")).await;
    assert_eq!(worker.metric("requests_duplicate_total"), 0.0);
}

#[tokio::test]
async fn redis_cannot_save() {
    let scene = Scene::start().await;
    scene.service.set("save", "3600 1").await;
    // A folder in place of the file: a rename onto it fails, for root as well.
    std::fs::create_dir(scene.service.redis.dir().join("dump.rdb")).unwrap();
    command(&scene, &["BGSAVE"]).await;
    becomes("err".to_owned(), async || {
        let info = scene.service.redis.info("persistence").await.unwrap();
        info["rdb_last_bgsave_status"].clone()
    })
    .await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::Misconfigured)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: misconf", "refused: circuit-open"]);
    assert!(seen.slowest < Duration::from_secs(1), "at once: {seen:?}");
    // By its own trims of the reply stream, which need no caller, or by the circuit, whichever is first.
    let misconfigured = Err(NotReady::Redis(Fault::Misconfigured));
    assert!(
        [misconfigured, Err(NotReady::CircuitOpen)].contains(&seen.client),
        "{seen:?}"
    );
    assert_eq!(seen.worker, misconfigured);
    scene.service.set("save", "").await;
    scene.recovers().await;
    scene.told_of(Fault::Misconfigured);
}

#[tokio::test]
async fn the_request_stream_is_something_else() {
    let scene = Scene::start().await;
    let requests = &scene.service.names.requests;
    command(&scene, &["SET", requests, "x"]).await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::WrongType)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: wrong-type", "refused: circuit-open"]);
    assert!(seen.slowest < Duration::from_secs(1), "at once: {seen:?}");
    assert!(seen.client.is_err());
    assert_eq!(seen.worker, Err(NotReady::Redis(Fault::WrongType)));
    command(&scene, &["DEL", requests]).await;
    scene.recovers().await;
    scene.told_of(Fault::WrongType);
    assert!(
        scene.log.lines(&["Redis answers again"]).len() <= 6,
        "no flapping"
    );
}

#[tokio::test]
async fn the_reply_stream_is_something_else() {
    let scene = Scene::start().await;
    let responses = &scene.service.names.responses;
    command(&scene, &["SET", responses, "x"]).await;
    // The reader waits on the server and finds out when that read ends.
    scene
        .client_becomes(Err(NotReady::Redis(Fault::WrongType)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: wrong-type"]);
    assert!(
        seen.slowest < Duration::from_millis(500),
        "at once: {seen:?}"
    );
    assert_eq!(seen.worker, Ok(()));
    command(&scene, &["DEL", responses]).await;
    scene.recovers().await;
    scene.told_of(Fault::WrongType);
}

/// One client's reply stream is broken; the replies of all others must not wait for it.
#[tokio::test]
async fn one_broken_reply_stream_holds_up_no_other() {
    let service = Service::start().await;
    let mut config = service.client_config();
    config.reply_stream = ReplyStream::Dedicated;
    let broken = streams::Client::connect(config).await.unwrap();
    let well = service.client().await;
    let worker = service.echo(5).await;
    ask(&broken, "before").await.unwrap();
    let stream = broken.health().reply_stream;
    service
        .redis
        .command::<()>(&["SET", &stream, "x"])
        .await
        .unwrap();
    let hopeless: Vec<_> = (0..3)
        .map(|_| {
            let broken = broken.clone();
            let within = Options::within(Duration::from_secs(4));
            tokio::spawn(async move { broken.request("x", within).await })
        })
        .collect();
    becomes(true, async || worker.metric("replies_refused_total") >= 3.0).await;
    sleep(Duration::from_secs(1)).await; // Its pauses have grown.
    let started = Instant::now();
    for _ in 0..100 {
        ask(&well, "x").await.unwrap();
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?} for 100 requests");
    for asked in hopeless {
        let asked = asked.await.unwrap();
        assert_eq!(asked, Err(RequestError::TimedOut));
    }
    becomes(0.0, async || worker.metric("requests_in_hand")).await;
    service.is_clean().await;
}

#[tokio::test]
async fn the_server_becomes_a_replica_and_a_primary_again() {
    let scene = Scene::start().await;
    // Nobody listens there: it stays a replica without data of another.
    command(&scene, &["REPLICAOF", "127.0.0.1", "1"]).await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::ReadOnly)))
        .await;
    let seen = scene.look().await;
    seen.only(&["refused: circuit-open", "unavailable: read-only"]);
    assert_eq!(seen.worker, Err(NotReady::Redis(Fault::ReadOnly)));
    assert!(seen.client.is_err());
    command(&scene, &["REPLICAOF", "NO", "ONE"]).await;
    scene.recovers().await;
    scene.told_of(Fault::ReadOnly);
}

#[tokio::test]
async fn a_password_is_set_at_runtime() {
    let scene = Scene::start().await;
    // Connections that are open stay; new ones are refused.
    scene.service.set("requirepass", "secret").await;
    let control = redis::Client::open(format!(
        "redis://:secret@127.0.0.1:{}",
        scene.service.redis.port()
    ));
    let mut control = control
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut admin = async |parts: &[&str]| {
        let mut command = redis::cmd(parts[0]);
        command
            .arg(&parts[1..])
            .query_async::<()>(&mut control)
            .await
            .unwrap();
    };
    admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::NoAuth)))
        .await;
    let seen = scene.look().await;
    seen.only(&["refused: circuit-open", "unavailable: no-auth"]);
    assert!(seen.client.is_err());
    admin(&["CONFIG", "SET", "requirepass", ""]).await;
    scene.recovers().await;
    scene.told_of(Fault::NoAuth);
    assert!(scene.log.lines(&["secret"]).is_empty());
}

#[tokio::test]
async fn too_few_replicas_are_there() {
    let scene = Scene::start().await;
    scene.service.set("min-replicas-to-write", "1").await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::NoReplicas)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: no-replicas", "refused: circuit-open"]);
    assert!(seen.client.is_err());
    scene.service.set("min-replicas-to-write", "0").await;
    scene.recovers().await;
    scene.told_of(Fault::NoReplicas);
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "the figure in RESILIENCE.md")]
async fn redis_is_loading() {
    // At each key the server sleeps 20 ms, three seconds in all; it answers after every two megabytes.
    let redis = RedisServer::builder()
        .aof(true)
        .config("key-load-delay", "20000")
        .config("rdbcompression", "no");
    let scene = Scene::on(redis.start().await.unwrap()).await;
    let mut connection = scene.service.redis.connect().await.unwrap();
    let mut pipe = redis::pipe();
    for number in 0..150 {
        let value = format!("{number:060000}");
        pipe.cmd("SET")
            .arg(format!("key-{number}"))
            .arg(value)
            .ignore();
    }
    pipe.query_async::<()>(&mut connection).await.unwrap();
    command(&scene, &["BGREWRITEAOF"]).await;
    becomes("0".to_owned(), async || {
        let info = scene.service.redis.info("persistence").await.unwrap();
        info["aof_rewrite_in_progress"].clone()
    })
    .await;
    scene.service.redis.kill_hard().await.unwrap();
    scene.service.redis.start_again().await.unwrap();
    let started = Instant::now();
    scene.recovers().await;
    let took = started.elapsed();
    eprintln!("loaded: served again after {:.2} s", took.as_secs_f64());
    assert!(took < BACK);
    scene.told_of(Fault::Loading);
}

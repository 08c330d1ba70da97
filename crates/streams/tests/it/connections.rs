//! Ways to Redis: with credentials, by name and by socket.

use streams::{Client, ClientConfig, Fault, NotReady, RedisConfig, WorkerConfig};
use testbed::{Folder, Port, RedisServer};

use crate::{
    log::Log,
    scene::Scene,
    support::{Service, ask, becomes, serve},
};

fn with_redis(service: &Service, redis: &RedisConfig) -> (ClientConfig, WorkerConfig) {
    let client = ClientConfig {
        redis: redis.clone(),
        ..service.client_config()
    };
    let worker = WorkerConfig {
        redis: redis.clone(),
        ..service.worker_config()
    };
    (client, worker)
}

#[tokio::test]
async fn a_password_file_is_read_again_when_it_was_rotated() {
    let folder = Folder::new("password").unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let redis = RedisServer::builder().config("requirepass", "first");
    // The test itself has another way in: the socket asks for no password of this user.
    let redis = redis.acl("user default on >first ~* &* +@all").start();
    let service = Service::on(redis.await.unwrap());
    let config = RedisConfig {
        password: Some("the file wins".into()),
        password_file: Some(file.clone()),
        ..RedisConfig::new(format!("redis://127.0.0.1:{}", service.redis.port()))
    };
    let (client, worker) = with_redis(&service, &config);
    let scene = Scene::with(service, client, worker).await;
    let command = async |parts: &[&str]| scene.service.redis.command::<()>(parts).await.unwrap();
    command(&["ACL", "SETUSER", "default", "resetpass", ">second"]).await;
    command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::NoAuth)))
        .await;
    std::fs::write(&file, "second\r\n").unwrap();
    scene.recovers().await;
    scene.told_of(Fault::NoAuth);
    for secret in ["first", "second", "the file wins"] {
        assert_eq!(scene.log.lines(&[secret]), [""; 0]);
    }
    std::fs::remove_file(&file).unwrap();
    command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::NoAuth)))
        .await;
    assert!(scene.worker.monitor.health().faults["fetch"].contains("cannot be read"));
}

#[tokio::test]
async fn redis_is_started_last() {
    let port = Port::reserve().unwrap();
    let number = port.number();
    let log = Log::capture();
    let names = streams::StreamNames::for_service("test");
    // By name: what it leads to is looked up at each attempt.
    let url = format!("redis://localhost:{number}");
    let client = Client::connect(ClientConfig::new(&url, names.clone()))
        .await
        .unwrap();
    let worker = streams::Worker::connect(WorkerConfig::new(&url, names))
        .await
        .unwrap();
    let monitor = worker.monitor();
    let serving = tokio::spawn(worker.serve(
        2,
        |request: streams::Request| async move { Ok(request.body) },
        std::future::pending(),
    ));
    becomes(Err(NotReady::Redis(Fault::Disconnected)), async || {
        client.readiness()
    })
    .await;
    becomes(Err(NotReady::Redis(Fault::Disconnected)), async || {
        monitor.readiness()
    })
    .await;
    // Callers are not kept waiting: after a few attempts the circuit is open.
    becomes(true, async || {
        let asked = ask(&client, "x").await;
        matches!(
            asked,
            Err(streams::RequestError::Refused {
                reason: streams::Refusal::CircuitOpen,
                ..
            })
        )
    })
    .await;
    drop(port);
    let _redis = RedisServer::builder().port(number).start().await.unwrap();
    becomes((Ok(()), Ok(())), async || {
        (client.readiness(), monitor.readiness())
    })
    .await;
    ask(&client, "x").await.unwrap();
    assert!(!log.lines(&["Redis cannot be reached"]).is_empty());
    assert!(log.lines(&["WARN"]).len() < 20);
    serving.abort();
}

#[tokio::test]
async fn a_redis_that_has_too_many_clients_is_quoted() {
    let service = Service::start().await;
    let mut admin = service.redis.connect().await.unwrap();
    let mut most_clients = async |most: u32| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxclients").arg(most);
        set.exec_async(&mut admin).await.unwrap();
    };
    most_clients(1).await;
    let client = Client::connect(service.client_config()).await.unwrap();
    becomes(true, async || {
        let faults = client.health().faults;
        let reader = faults.get("reader");
        reader.is_some_and(|fault| fault.contains("max number of clients reached"))
    })
    .await;
    most_clients(1_000).await;
    client.ready().await;
}

#[tokio::test]
async fn over_a_unix_socket_and_in_another_database() {
    let service = Service::start().await;
    let socket = service.redis.dir().join("redis.sock");
    let url = format!("unix://{}?db=3", socket.display());
    let (client, worker) = with_redis(&service, &RedisConfig::new(url));
    let client = Client::connect(client).await.unwrap();
    let _worker = serve(
        worker,
        2,
        |request| async move { Ok(request.body.to_vec()) },
    )
    .await;
    ask(&client, "x").await.unwrap();
    let keyspace = service.redis.info("keyspace").await.unwrap();
    assert_eq!(keyspace.keys().collect::<Vec<_>>(), ["db3"]);
}

#[tokio::test]
async fn a_url_that_makes_no_sense_is_refused_at_once_and_not_repeated() {
    let names = streams::StreamNames::for_service("test");
    for url in ["", "http://host", "redis://:hunter2@", "hunter2"] {
        let error = Client::connect(ClientConfig::new(url, names.clone())).await;
        let error = error.expect_err(url).to_string();
        assert!(
            error.contains("the Redis URL") && !error.contains("hunter2"),
            "{error}"
        );
    }
}

/// The redis crate understands this in a URL, and answers have other shapes then.
#[tokio::test]
async fn a_url_may_ask_for_the_newer_protocol() {
    let service = Service::start().await;
    let url = format!("{}/?protocol=resp3", service.redis.url());
    let client = Client::connect(ClientConfig::new(url.clone(), service.names.clone()))
        .await
        .unwrap();
    let worker = WorkerConfig::new(url, service.names.clone());
    let _worker = serve(worker, 1, |_| async { Ok(vec![]) }).await;
    ask(&client, "x").await.unwrap();
    becomes(true, async || client.health().backlog.is_some()).await;
}

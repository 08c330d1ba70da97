//! Another server takes over. Requests and replies must go over the same one.

use std::time::Duration;

use streams::{ClientConfig, Fault, Options, RequestError, StreamNames, WorkerConfig};
use testbed::{RedisServer, TcpProxy};

use crate::{
    scene::Scene,
    support::{Service, ask, becomes, serve},
};

#[tokio::test]
async fn a_replica_takes_over() {
    let primary = RedisServer::start().await.unwrap();
    let replica = RedisServer::builder()
        .replica_of(&primary)
        .start()
        .await
        .unwrap();
    let proxy = TcpProxy::start(primary.port()).await.unwrap();
    let service = Service::on(primary);
    let (mut client, mut worker) = (service.client_config(), service.worker_config());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    (client.redis.url, worker.redis.url) = (url.clone(), url);
    let scene = Scene::with(service, client, worker).await;
    let old = scene.client.health().server.unwrap().run_id;

    // The name leads to the replica before that is a primary: it is refused, not believed.
    proxy.redirect(replica.port());
    proxy.reset().await.unwrap();
    scene
        .worker_becomes(Err(streams::NotReady::Redis(Fault::ReadOnly)))
        .await;
    replica
        .command::<()>(&["REPLICAOF", "NO", "ONE"])
        .await
        .unwrap();
    becomes(true, async || {
        let options = Options::within(Duration::from_secs(2));
        scene.client.request("after", options).await.is_ok()
    })
    .await;
    becomes(true, async || {
        let (client, worker) = (scene.client.health(), scene.worker.monitor.health());
        let (Some(client), Some(worker)) = (client.server, worker.server) else {
            return false;
        };
        client.run_id == worker.run_id && client.run_id != old
    })
    .await;
    scene.told_of(Fault::ReadOnly);
}

/// One connection of each breaks, and leads to the new server when it is back; the others still wait on the old
/// one, which is well, but where nothing will ever come. They must follow.
#[tokio::test]
async fn all_connections_follow_the_first_to_another_server() {
    let old = RedisServer::start().await.unwrap();
    let new = RedisServer::start().await.unwrap();
    let proxy = TcpProxy::start(old.port()).await.unwrap();
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let names = StreamNames::for_service("test");
    let client = ClientConfig::new(&url, names.clone());
    let client = streams::Client::connect(client).await.unwrap();
    client.ready().await;
    let worker = WorkerConfig::new(&url, names);
    let _worker = serve(
        worker,
        2,
        |request| async move { Ok(request.body.to_vec()) },
    )
    .await;
    ask(&client, "before").await.unwrap();
    proxy.redirect(new.port());
    for part in [":writer", ":janitor"] {
        let id = client_ids(&old, &[part]).await;
        let kill = ["CLIENT", "KILL", "ID", &id[0]];
        old.command::<()>(&kill).await.unwrap();
    }
    becomes(true, async || {
        let options = Options::within(Duration::from_secs(1));
        match client.request("after", options).await {
            Ok(_) => true,
            // The client moves with its next request, the worker with its next announcement.
            Err(RequestError::TimedOut) => false,
            Err(other) => panic!("{other}"),
        }
    })
    .await;
    for _ in 0..20 {
        ask(&client, "x").await.unwrap();
    }
    let parts = [
        ":writer",
        ":reader",
        ":observer",
        ":fetch",
        ":settle",
        ":janitor",
    ];
    becomes(0, async || client_ids(&old, &parts).await.len()).await;
}

/// The connections whose names hold one of these.
async fn client_ids(server: &RedisServer, parts: &[&str]) -> Vec<String> {
    let list: String = server.command(&["CLIENT", "LIST"]).await.unwrap();
    list.lines()
        .filter(|line| parts.iter().any(|part| line.contains(part)))
        .filter_map(|line| Some(line.split(' ').next()?.strip_prefix("id=")?.to_owned()))
        .collect()
}

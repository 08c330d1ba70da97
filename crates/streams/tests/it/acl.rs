//! The least rights under which the engine works: those of `docs/acl.md`, no less and no more.

mod derive;

use std::time::Duration;

use streams::{ClientConfig, Fault, NotReady, StreamNames, WorkerConfig};
use testbed::{RedisServer, documented_acl};
use tokio::time::Instant;

use crate::{
    scene::Scene,
    support::{LEASE, Service},
};

/// Where the lines of the document hold.
fn documented_names() -> StreamNames {
    StreamNames {
        requests: "weather-requests".into(),
        responses: "weather-responses".into(),
        group: "weather-proxies".into(),
    }
}

/// The documented users, some words of their lines replaced.
async fn restricted(replaced: &[(&str, &str)]) -> Service {
    let version = RedisServer::installed_version().unwrap();
    let mut lines = documented_acl(version).unwrap();
    for (right, instead) in replaced {
        assert!(lines.contains(right), "{right} is in no line");
        lines = lines.replace(right, instead);
    }
    Service {
        redis: RedisServer::builder().acl(lines).start().await.unwrap(),
        names: documented_names(),
    }
}

fn configs(service: &Service) -> (ClientConfig, WorkerConfig) {
    let (mut client, mut worker) = (service.client_config(), service.worker_config());
    client.redis.url = service.redis.url_for("ingress", "INGRESS_PASSWORD");
    worker.redis.url = service.redis.url_for("proxy", "PROXY_PASSWORD");
    worker.lease = LEASE;
    (client, worker)
}

#[tokio::test]
async fn without_the_courtesies_only_a_drain_is_slower() {
    let courtesies = [
        "client|setname",
        "client|id",
        "client|unblock",
        "multi",
        "exec",
    ];
    let courtesies = courtesies.map(|right| (format!(" +{right}"), ""));
    let without: Vec<_> = courtesies
        .iter()
        .map(|(right, no)| (&right[..], *no))
        .collect();
    let service = restricted(&without).await;
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
    let service = restricted(&[]).await;
    let (client, worker) = configs(&service);
    let scene = Scene::with(service, client, worker).await;
    let set = async |user: &str, rule: &str| {
        let set = ["ACL", "SETUSER", user, rule];
        scene.service.redis.command::<()>(&set).await.unwrap();
    };
    set("proxy", "-xreadgroup").await;
    set("ingress", "-xadd").await;
    scene
        .worker_becomes(Err(NotReady::Redis(Fault::NoPermission)))
        .await;
    let seen = scene.look().await;
    seen.only(&["unavailable: no-permission", "refused: circuit-open"]);
    let reconnects = scene.reconnects();
    set("proxy", "+xreadgroup").await;
    set("ingress", "+xadd").await;
    scene.recovers().await;
    scene.told_of(Fault::NoPermission);
    assert_eq!(scene.reconnects(), reconnects, "the connections are well");
}

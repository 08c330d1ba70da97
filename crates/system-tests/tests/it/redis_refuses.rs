//! Redis answers and refuses: no memory, no disk, no rights, the wrong role. Requests are refused at the front while
//! that lasts, what was let in is kept, and everything heals by itself.

use std::fs;
use std::time::Duration;

use testbed::{RedisServer, eventually};
use tokio::time::sleep;

use crate::redis_restarts::{exposed, hold, served, survives};
use crate::system::{Allowed, LONG, REQUESTS, System};

/// Fault 26: out of memory. Additions are refused, so new requests are 503 and readiness goes off; what was let in is
/// answered once there is room for the replies.
#[tokio::test]
async fn out_of_memory() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "maxmemory reached", async |system| {
        system
            .redis()
            .command::<()>(&["CONFIG", "SET", "maxmemory", "1"])
            .await?;
        hold(system).await?;
        system
            .redis()
            .command(&["CONFIG", "SET", "maxmemory", "0"])
            .await
    })
    .await?;
    says_once(&system, "out of memory")?;
    for ingress in [system.ingress(0), system.ingress(1)] {
        let at_once = ingress.figure("requests_refused_total", &[("reason", "circuit-open")]);
        assert!(
            at_once.await? > 0.0,
            "{} asked Redis each time",
            ingress.name()
        );
    }
    served(system, 0.3).await
}

/// Fault 28: it cannot save its data and refuses all writes (MISCONF).
#[tokio::test]
async fn cannot_persist() -> anyhow::Result<()> {
    let redis = RedisServer::builder().config("save", "3600 1000000");
    let mut system = exposed().redis(redis).start().await?;
    survives(&mut system, "saving fails, MISCONF", async |system| {
        // Where the file has to go there is a folder, which no file can replace.
        let in_the_way = system.redis().dir().join("dump.rdb");
        fs::create_dir(&in_the_way)?;
        fs::write(in_the_way.join("file"), "")?;
        save(system, "err").await?;
        hold(system).await?;
        fs::remove_dir_all(&in_the_way)?;
        save(system, "ok").await
    })
    .await?;
    says_once(&system, "MISCONF")?;
    served(system, 0.3).await
}

/// Has Redis save its data, and waits until that ended as it must.
async fn save(system: &System, end: &str) -> anyhow::Result<()> {
    system.redis().command::<redis::Value>(&["BGSAVE"]).await?;
    eventually(LONG, async || {
        let persistence = system.redis().info("persistence").await?;
        let of = |name: &str| persistence.get(name).map(String::as_str);
        let ended = of("rdb_bgsave_in_progress") == Some("0");
        anyhow::ensure!(
            ended && of("rdb_last_bgsave_status") == Some(end),
            "{persistence:?}"
        );
        Ok(())
    })
    .await
}

/// Fault 23: the server is made a replica, as the old primary of a failover is, and a primary again.
#[tokio::test]
async fn made_a_replica() -> anyhow::Result<()> {
    // A replica begins its append-only file anew, with its primary's data.
    let mut system = exposed().without_ledger().start().await?;
    let primary = RedisServer::start().await?;
    survives(
        &mut system,
        "demoted to a replica and promoted again",
        async |system| {
            let port = primary.port().to_string();
            system
                .redis()
                .command::<()>(&["REPLICAOF", "127.0.0.1", &port])
                .await?;
            hold(system).await?;
            system.redis().command(&["REPLICAOF", "NO", "ONE"]).await
        },
    )
    .await?;
    says_once(&system, "is a replica")?;
    served(system, 0.2).await
}

/// Too few replicas: writes are refused (NOREPLICAS).
#[tokio::test]
async fn too_few_replicas() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "NOREPLICAS", async |system| {
        system
            .redis()
            .command::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"])
            .await?;
        hold(system).await?;
        system
            .redis()
            .command(&["CONFIG", "SET", "min-replicas-to-write", "0"])
            .await
    })
    .await?;
    says_once(&system, "too few replicas")?;
    served(system, 0.3).await
}

/// Fault 50: the credentials are refused, and then accepted again.
#[tokio::test]
async fn credentials_refused() -> anyhow::Result<()> {
    let redis = RedisServer::builder().acl("user default on nopass ~* &* +@all");
    let mut system = exposed().redis(redis).start().await?;
    survives(&mut system, "the user is switched off", async |system| {
        system
            .redis()
            .command::<()>(&["ACL", "SETUSER", "default", "off"])
            .await?;
        system
            .redis()
            .command::<()>(&["CLIENT", "KILL", "TYPE", "normal"])
            .await?;
        hold(system).await?;
        for proxy in system.proxies() {
            proxy.until_unready().await?;
        }
        system
            .redis()
            .command(&["ACL", "SETUSER", "default", "on"])
            .await
    })
    .await?;
    says_once(&system, "refuses the credentials")?;
    served(system, 0.2).await
}

/// Fault 50: the user loses the right to add requests, and gets it back.
#[tokio::test]
async fn rights_withdrawn() -> anyhow::Result<()> {
    let redis = RedisServer::builder().acl("user default on nopass ~* &* +@all");
    let mut system = exposed().redis(redis).start().await?;
    survives(
        &mut system,
        "the right to XADD is withdrawn",
        async |system| {
            system
                .redis()
                .command::<()>(&["ACL", "SETUSER", "default", "-xadd"])
                .await?;
            system
                .ingress(0)
                .process()
                .wait_for_log("lacks a permission", LONG)
                .await?;
            sleep(Duration::from_millis(500)).await;
            system
                .redis()
                .command(&["ACL", "SETUSER", "default", "+xadd"])
                .await
        },
    )
    .await?;
    served(system, 0.3).await
}

/// Fault 14: somebody puts another type of value in the place of the request stream.
#[tokio::test]
async fn key_of_another_type() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(
        &mut system,
        "a string in the place of the request stream",
        async |system| {
            system
                .redis()
                .command::<()>(&["SET", REQUESTS, "hello"])
                .await?;
            hold(system).await?;
            system.redis().command(&["DEL", REQUESTS]).await
        },
    )
    .await?;
    says_once(&system, "holds something that is no stream")?;
    system
        .finish(Allowed::redis_fault().min_success(0.3).losses(&["SET"]))
        .await?;
    Ok(())
}

/// Fault 27: a policy that could drop the streams is warned of and shown.
#[tokio::test]
async fn a_dangerous_eviction_policy_is_shown() -> anyhow::Result<()> {
    let redis = RedisServer::builder().config("maxmemory-policy", "allkeys-lru");
    let system = System::builder().redis(redis).start().await?;
    system.ask(0).await;
    for service in system.services() {
        let health = service.json("/health").await?;
        let part = &health["parts"]["redis"];
        assert_eq!(part["status"], "degraded", "{health}");
        assert!(
            part["reasons"][0].as_str().unwrap().contains("allkeys-lru"),
            "{part}"
        );
    }
    let log = system.ingress(0).process();
    log.wait_for_log("maxmemory-policy", LONG).await?;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// The fault is named in plain words, and not over and over.
fn says_once(system: &System, words: &str) -> anyhow::Result<()> {
    let mut told = 0;
    for service in system.services() {
        let log = service.process().log();
        let lines = log.lines().filter(|line| line.contains(words)).count();
        anyhow::ensure!(
            lines <= 12,
            "{} says {words:?} {lines} times",
            service.name()
        );
        told += lines;
    }
    anyhow::ensure!(told > 0, "nobody says {words:?}");
    Ok(())
}

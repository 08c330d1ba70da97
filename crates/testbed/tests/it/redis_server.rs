use std::fs;
use std::time::Duration;

use anyhow::Context;
use testbed::{Certificates, Folder, Port, Process, RedisServer, eventually};

use crate::LONG;

#[tokio::test]
async fn starts_and_serves_on_tcp() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    assert_eq!(
        server.command::<String>(&["SET", "key", "value"]).await?,
        "OK"
    );

    let client = redis::Client::open(server.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let value: String = redis::cmd("GET")
        .arg("key")
        .query_async(&mut connection)
        .await?;
    assert_eq!(value, "value");
    Ok(())
}

#[tokio::test]
async fn tells_its_version() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    let version = server.version().await?;
    assert!(version.number >= (6, 2, 0), "{version}");
    let name = server.info("server").await?.remove("server_name");
    assert_eq!(version.is_valkey, name.as_deref() == Some("valkey"));
    Ok(())
}

#[tokio::test]
async fn servers_are_apart() -> anyhow::Result<()> {
    let (one, other) = tokio::try_join!(RedisServer::start(), RedisServer::start())?;
    assert_ne!(one.port(), other.port());
    assert_ne!(one.dir(), other.dir());
    one.command::<()>(&["SET", "key", "value"]).await?;
    assert_eq!(other.command::<i64>(&["EXISTS", "key"]).await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_error_of_the_server_is_an_error_of_the_command() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    let error = server.command::<()>(&["XLEN"]).await.unwrap_err();
    let reply = error
        .downcast_ref::<redis::RedisError>()
        .context("no RedisError")?;
    assert!(
        reply.to_string().contains("wrong number of arguments"),
        "{reply}"
    );
    assert!(format!("{error:#}").contains("XLEN"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn what_the_append_only_file_has_survives_a_kill() -> anyhow::Result<()> {
    let server = RedisServer::builder().aof(true).start().await?;
    server.command::<()>(&["SET", "key", "value"]).await?;
    let (port, pid) = (server.port(), server.pid());

    server.kill_hard().await?;
    assert!(server.command::<()>(&["PING"]).await.is_err());
    server.start_again().await?;

    assert_eq!((server.port(), server.pid() == pid), (port, false));
    assert_eq!(server.command::<String>(&["GET", "key"]).await?, "value");
    Ok(())
}

#[tokio::test]
async fn without_persistence_a_restart_is_empty() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    server.command::<()>(&["SET", "key", "value"]).await?;
    server.restart().await?;
    assert_eq!(server.command::<i64>(&["EXISTS", "key"]).await?, 0);
    assert_eq!(
        server.log().matches("eady to accept connections").count() / 2,
        2,
        "{}",
        server.log()
    );
    Ok(())
}

#[tokio::test]
async fn a_running_server_is_not_started_twice() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    assert!(server.start_again().await.is_err());
    server.command::<()>(&["PING"]).await
}

#[tokio::test]
async fn a_frozen_server_answers_after_the_thaw() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    let mut connection = server.connect().await?;
    server.freeze().await?;

    let ping = redis::cmd("PING");
    let mut reply = std::pin::pin!(ping.query_async::<String>(&mut connection));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut reply).await;
    assert!(early.is_err(), "{early:?}");

    server.thaw()?;
    assert_eq!(tokio::time::timeout(LONG, reply).await??, "PONG");
    Ok(())
}

#[tokio::test]
async fn settings_reach_the_server() -> anyhow::Result<()> {
    let server = RedisServer::builder()
        .config("maxmemory", "10mb")
        .config("save", "60 1000")
        .start()
        .await?;
    for (name, value) in [
        ("maxmemory", "10485760"),
        ("save", "60 1000"),
        ("appendonly", "no"),
    ] {
        let reply: Vec<String> = server.command(&["CONFIG", "GET", name]).await?;
        assert_eq!(reply, [name, value]);
    }
    server.command::<()>(&["CONFIG", "REWRITE"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_setting_is_an_error_with_the_servers_words() {
    let error = RedisServer::builder()
        .config("maxmemory", "much")
        .start()
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("maxmemory") && text.contains("ended at its start"),
        "{text}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_refused() -> anyhow::Result<()> {
    let port = Port::reserve()?;
    let error = RedisServer::builder()
        .port(port.number())
        .start()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is in use"), "{error:#}");
    let number = port.number();
    drop(port);
    let server = RedisServer::builder().port(number).start().await?;
    assert_eq!(server.port(), number);
    Ok(())
}

#[tokio::test]
async fn a_password_is_asked_of_others_and_known_to_the_test() -> anyhow::Result<()> {
    let server = RedisServer::builder().password("secret").start().await?;
    server.command::<()>(&["PING"]).await?;
    assert!(tcp_ping(&server.url()).await.is_ok());
    let without = format!("redis://127.0.0.1:{}", server.port());
    assert!(tcp_ping(&without).await.is_err());
    Ok(())
}

#[tokio::test]
async fn acl_users_have_their_rights_and_no_more() -> anyhow::Result<()> {
    let rules = "user default off\nuser reader on >pass ~* -@all +get +ping";
    let server = RedisServer::builder().acl(rules).start().await?;
    server.command::<()>(&["SET", "key", "value"]).await?;

    assert!(tcp_ping(&server.url()).await.is_err());
    let client = redis::Client::open(server.url_for("reader", "pass"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    assert_eq!(
        redis::cmd("GET")
            .arg("key")
            .query_async::<String>(&mut connection)
            .await?,
        "value"
    );
    let error = redis::cmd("DEL")
        .arg("key")
        .query_async::<i64>(&mut connection)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("NOPERM"));
    Ok(())
}

#[tokio::test]
async fn a_replica_follows_and_can_be_promoted() -> anyhow::Result<()> {
    let primary = RedisServer::builder().password("secret").start().await?;
    primary.command::<()>(&["SET", "key", "value"]).await?;
    let replica = RedisServer::builder().replica_of(&primary).start().await?;
    assert_eq!(replica.command::<String>(&["GET", "key"]).await?, "value");
    assert!(
        replica
            .command::<()>(&["SET", "key", "other"])
            .await
            .is_err()
    );

    primary.kill_hard().await?;
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).await?;
    replica.command::<()>(&["SET", "key", "other"]).await?;
    Ok(())
}

#[tokio::test]
async fn tls_is_all_it_speaks() -> anyhow::Result<()> {
    let folder = Folder::new("tls")?;
    let certificates = Certificates::create(folder.path())?;
    let start = RedisServer::builder()
        .tls(certificates.server_tls())
        .start()
        .await;
    if !RedisServer::supports_tls()? {
        let error = format!("{:#}", start.unwrap_err());
        assert!(error.contains("tls-port"), "{error}");
        return Ok(());
    }
    let server = start?;
    assert!(server.url().starts_with("rediss://127.0.0.1:"));
    server.command::<()>(&["PING"]).await?;
    assert!(
        tcp_ping(&server.url().replace("rediss", "redis"))
            .await
            .is_err()
    );
    Ok(())
}

#[tokio::test]
async fn the_tests_own_commands_leave_no_client_behind() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    for _ in 0..20 {
        server.command::<()>(&["PING"]).await?;
    }
    eventually(LONG, async || {
        let clients: String = server.command(&["CLIENT", "LIST"]).await?;
        anyhow::ensure!(clients.lines().count() == 1, "{clients}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_folder_goes_with_the_server() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    let (dir, process) = (
        server.dir().to_path_buf(),
        format!("/proc/{}", server.pid()),
    );
    assert!(dir.join("redis.log").exists() && fs::exists(&process)?);
    drop(server);
    assert!(!dir.exists() && !fs::exists(&process)?);
    Ok(())
}

#[tokio::test]
async fn a_given_folder_stays() -> anyhow::Result<()> {
    let folder = Folder::new("given")?;
    let server = RedisServer::builder()
        .folder(folder.path())
        .aof(true)
        .start()
        .await?;
    server.command::<()>(&["SET", "key", "value"]).await?;
    server.stop_gracefully().await?;
    drop(server);
    let next = RedisServer::builder()
        .folder(folder.path())
        .aof(true)
        .start()
        .await?;
    assert_eq!(next.command::<String>(&["GET", "key"]).await?, "value");
    Ok(())
}

/// Runs a test of this file in a process of its own, with a setting that keeps it from finding a server.
async fn start_without_server(setting: &str, value: &str) -> anyhow::Result<String> {
    let test = Process::builder("test", std::env::current_exe()?)
        .args(["--exact", "redis_server::tells_its_version", "--nocapture"])
        .env(setting, value)
        .spawn()?;
    assert!(!test.wait_exit(LONG).await?.success());
    Ok(test.log())
}

#[tokio::test]
async fn a_missing_server_program_is_said_plainly() -> anyhow::Result<()> {
    let log = start_without_server("REDIS_SERVER", "/no/such/server").await?;
    assert!(
        log.contains("REDIS_SERVER names no program that can be started: /no/such/server"),
        "{log}"
    );
    let log = start_without_server("PATH", "/no/such/folder").await?;
    assert!(log.contains("install the package redis-server"), "{log}");
    Ok(())
}

async fn tcp_ping(url: &str) -> redis::RedisResult<String> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

#[tokio::test]
async fn a_command_may_start_the_server_each_time() -> anyhow::Result<()> {
    let through = ["sh", "-c", "echo started by sh; exec \"$@\"", "sh"];
    let server = RedisServer::builder().through(through).start().await?;
    server.restart().await?;
    let told = server.log();
    assert_eq!(told.matches("started by sh").count(), 2, "{told}");
    Ok(())
}

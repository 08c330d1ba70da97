//! The examples, as real processes.

use std::path::PathBuf;

use testbed::{Process, RedisServer, Signal, eventually};

use crate::support::PATIENCE;

#[tokio::test]
async fn an_echo_backend_and_its_caller_are_one_short_file_each() {
    for source in [
        include_str!("../../examples/echo_worker.rs"),
        include_str!("../../examples/echo_client.rs"),
    ] {
        assert!(source.lines().count() <= 40);
    }
    let redis = RedisServer::start().await.unwrap();
    let example = |name: &str| Process::builder(name, built(name)).arg(redis.url());
    let worker = example("echo_worker").spawn().unwrap();
    let client = example("echo_client")
        .args(["hello", "wide world"])
        .spawn()
        .unwrap();
    let status = client.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success(), "{}", client.log());
    let log = client.log();
    let [hello, world] = &log.lines().collect::<Vec<_>>()[..] else {
        panic!("{log}")
    };
    assert!(hello.starts_with("hello (waited"), "{hello}");
    assert!(world.starts_with("wide world (waited"), "{world}");

    let refused = example("echo_client").arg("").spawn().unwrap();
    assert!(!refused.wait_exit(PATIENCE).await.unwrap().success());
    assert!(
        refused.log().contains("send at least one byte"),
        "{}",
        refused.log()
    );

    worker.signal(Signal::SIGINT).unwrap();
    assert!(worker.wait_exit(PATIENCE).await.unwrap().success());
    eventually(PATIENCE, async || {
        let clients: String = redis.command(&["CLIENT", "LIST"]).await?;
        anyhow::ensure!(!clients.contains(":fetch"), "{clients}");
        Ok(())
    })
    .await
    .unwrap();
}

/// Cargo builds the examples of a package together with all its tests, in the folder beside theirs.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test
        .ancestors()
        .find(|folder| folder.join("examples").is_dir());
    let example = profile.unwrap().join("examples").join(name);
    assert!(
        example.exists(),
        "run `cargo build -p streams --examples` first"
    );
    example
}

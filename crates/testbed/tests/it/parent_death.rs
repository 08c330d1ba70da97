//! What a test started must end with the test process, also when that is killed and runs no destructor.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, ensure};
use testbed::{Folder, Process, RedisServer, eventually};

use crate::LONG;
/// Set for the copy of this test program that is killed: the file that it writes its server's process id to.
const VICTIM: &str = "TESTBED_PARENT_DEATH_VICTIM";

#[tokio::test]
async fn a_killed_test_takes_its_server_along() -> anyhow::Result<()> {
    if let Some(file) = env::var_os(VICTIM) {
        return be_the_victim(file.into()).await;
    }
    let folder = Folder::new("parent-death")?;
    let file = folder.path().join("pid");
    let victim = Process::builder("victim", env::current_exe()?)
        .args([
            "--exact",
            "parent_death::a_killed_test_takes_its_server_along",
        ])
        .env(VICTIM, &file)
        .env(
            "REDIS_SERVER",
            env::var_os("REDIS_SERVER").unwrap_or("redis-server".into()),
        )
        .env("TMPDIR", folder.path())
        .spawn()?;
    let server: u32 = eventually(LONG, async || {
        let text = fs::read_to_string(&file).with_context(|| victim.log())?;
        Ok(text.trim_end_matches('\n').parse()?)
    })
    .await?;
    assert!(is_running(server));

    victim.kill().await?;
    eventually(LONG, async || {
        ensure!(!is_running(server), "the server still runs");
        Ok(())
    })
    .await
}

async fn be_the_victim(file: PathBuf) -> anyhow::Result<()> {
    // Started on a thread that ends at once, which must not end the server.
    let start = || tokio::runtime::Runtime::new()?.block_on(RedisServer::start());
    let server = std::thread::spawn(start)
        .join()
        .expect("the thread did not panic")?;
    server.command::<()>(&["PING"]).await?;
    fs::write(&file, format!("{}\n", server.pid()))?;
    std::future::pending().await
}

fn is_running(pid: u32) -> bool {
    // A dead child of a dead parent may stay a zombie where process 1 does not reap.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

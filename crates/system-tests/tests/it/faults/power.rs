//! The machine of Redis goes, not only its process: what the operating system had not written down is lost.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;
use testbed::RedisServer;

use crate::redis_restarts::{exposed, hold, survives, with_a_backlog};
use crate::system::Allowed;

/// What is lost of the append-only file: several requests.
const LOST: u64 = 2_000;

/// Fault 9: the end of the append-only file is lost with the power. Who waited for what was in it gets 504 and does not
/// wait for ever; everybody else is served.
#[tokio::test]
async fn the_end_of_the_log_is_lost() -> anyhow::Result<()> {
    // What Redis forgets its file cannot tell, so callers are the only witnesses.
    let redis = RedisServer::builder().aof(true);
    let mut system = exposed().without_ledger().redis(redis).start().await?;
    survives(&mut system, "power lost, the AOF cut", async |system| {
        with_a_backlog(system, async || system.redis().kill_hard().await).await?;
        hold(system).await?;
        let file = append_only_file(system.redis().dir())?;
        let length = fs::metadata(&file)?.len();
        OpenOptions::new()
            .write(true)
            .open(&file)?
            .set_len(length - LOST)?;
        system.redis().start_again().await
    })
    .await?;
    let made = system.proxies_sum("groups_created_total").await?;
    assert_eq!(made, 0.0, "the group was in what is left of the file");
    let summary = system
        .finish(Allowed::redis_fault().min_success(0.2))
        .await?;
    assert!(
        summary.timed_out > 0,
        "what was lost cannot have been answered: {summary}"
    );
    Ok(())
}

/// The file that grows, by the names of Redis 7 and of those before it.
fn append_only_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let of_parts = folder.join("appendonlydir");
    let folder = if of_parts.is_dir() { &of_parts } else { folder };
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".incr.aof") || name.ends_with("appendonly.aof") {
            return Ok(path);
        }
    }
    None.context("no append-only file")
}

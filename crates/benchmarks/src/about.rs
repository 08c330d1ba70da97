//! What was measured on, and which servers.

use std::{env, fs, thread};

use testbed::RedisServer;

use crate::system::nats_version;

/// The machine and the servers, in a line.
///
/// # Errors
/// A server cannot be started.
pub async fn about() -> anyhow::Result<String> {
    let redis = RedisServer::start().await?.version().await?;
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(format!(
        "{} cores, {}, {}; {redis}, NATS {}; load average at the start {}",
        thread::available_parallelism().map_or(0, |cores| cores.get()),
        model.unwrap_or("unknown").trim(),
        env::consts::OS,
        nats_version()?,
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    ))
}

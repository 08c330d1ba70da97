//! What was measured on, and which servers.

use std::process::Command;

use testbed::{RedisServer, load_average, machine};

use crate::system::nats_version;

/// The commit, the machine and the servers, in a line.
///
/// # Errors
/// A server cannot be started.
pub async fn about() -> anyhow::Result<String> {
    let redis = RedisServer::start().await?.version().await?;
    Ok(format!(
        "commit {}; {}; {redis}, NATS {}; load average at the start {}",
        commit(),
        machine(),
        nats_version()?,
        load_average()
    ))
}

/// The one that is checked out where this was built, with a `-dirty` behind it if files were changed; unknown outside a
/// clone.
fn commit() -> String {
    let described = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR")])
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .output();
    let text = described
        .ok()
        .filter(|described| described.status.success());
    let text = text.and_then(|described| String::from_utf8(described.stdout).ok());
    text.map_or("unknown".to_owned(), |text| text.trim().to_owned())
}

//! The way to Redis breaks while Redis itself is well.

use std::time::Duration;

use tokio::time::sleep;

use crate::redis_restarts::{exposed, hold, served, survives};

/// Connections are closed and refused, as by a firewall that rejects or a service that moved.
#[tokio::test]
async fn cut() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    survives(&mut system, "the way to Redis is cut", async |system| {
        system.line().cut().await?;
        hold(system).await?;
        system.line().restore().await
    })
    .await?;
    served(system, 0.3).await
}

/// Fault 18: connections are reset in the middle of whatever goes over them, several times. Nobody knows which
/// commands arrived, and nobody is answered twice or by another's reply.
#[tokio::test]
async fn reset() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    survives(&mut system, "connections are reset", async |system| {
        for _ in 0..8 {
            sleep(Duration::from_millis(250)).await;
            system.line().reset().await?;
        }
        Ok(())
    })
    .await?;
    served(system, 0.9).await
}

/// Fault 19: nothing gets through any more, and nobody says so; then all that was held back arrives.
#[tokio::test]
async fn blackhole() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    survives(&mut system, "a black hole before Redis", async |system| {
        system.line().blackhole();
        hold(system).await?;
        system.line().restore().await
    })
    .await?;
    served(system, 0.2).await
}

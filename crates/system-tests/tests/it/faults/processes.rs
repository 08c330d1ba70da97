//! Processes that end in the middle of leaving, and processes that end over and over.

use std::time::Duration;

use redis::Value;
use testbed::{Load, eventually};
use tokio::time::sleep;

use crate::system::{Allowed, DUPLICATES, GROUP, LONG, REQUESTS, System, SystemBuilder};

/// Fault 3: a proxy is told to leave and killed when its grace is over, which is before its work is. Its requests are
/// somebody else's then, like those of any killed proxy.
#[tokio::test]
async fn told_to_leave_and_killed_at_the_end_of_its_grace() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(2)
        .proxy("LEASE", "1s")
        .proxy("PROCESSING_TIME", "1500ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 14 });
    let leaving = system.proxy(0);
    leaving
        .until_figure("terminals_active", &[], |active| active == 5.0)
        .await?;
    leaving.process().terminate()?;
    sleep(Duration::from_millis(300)).await;
    let killed = system.now();
    leaving.kill().await?;
    system
        .who_waited("a proxy killed while it drained, LEASE=1s", killed)
        .await?;
    system.proxy_mut(0).start_again()?;
    system.proxy(0).until_ready().await?;
    system.until_answered(14).await?;
    load.stop().await?;
    let reclaimed = system
        .proxy(1)
        .figure("requests_reclaimed_total", &[])
        .await?;
    assert!(reclaimed >= 1.0, "nothing was left to take over");
    system
        .finish(Allowed::nothing().counters(DUPLICATES))
        .await?;
    Ok(())
}

/// Fault 31: proxies come and go under load. Who leaves in order takes its consumer along; who is killed leaves one
/// behind, and no more than that.
#[tokio::test]
async fn twenty_proxies_that_come_and_go_leave_no_more_consumers_than_were_killed()
-> anyhow::Result<()> {
    let mut system = restless().start().await?;
    let load = system.load(Load::Closed { callers: 6 });
    for round in 0..20 {
        system.until_answered(3).await?;
        match round % 4 {
            0 => system.proxy(1).kill().await?,
            _ => {
                system.proxy(1).leave().await?;
            }
        }
        comes_again(&mut system).await?;
    }
    system.recovers("twenty restarts of a proxy").await?;
    load.stop().await?;
    let consumers = consumers(&system).await?;
    assert!(consumers <= 7, "{consumers} consumers of two proxies");
    system
        .finish(Allowed::nothing().counters(DUPLICATES))
        .await?;
    Ok(())
}

/// Fault 31: the consumers of a hundred killed proxies are deleted when they have been idle for a minute, and what
/// they had in hand is not lost with them.
#[tokio::test]
#[ignore = "takes minutes; scripts/test.sh --all"]
async fn the_consumers_of_a_hundred_killed_proxies_are_deleted() -> anyhow::Result<()> {
    let mut system = restless().start().await?;
    let load = system.load(Load::Closed { callers: 6 });
    for _ in 0..100 {
        system.until_answered(3).await?;
        system.proxy(1).kill().await?;
        comes_again(&mut system).await?;
    }
    load.stop().await?;
    // They count as dead after a minute, and are looked for every quarter of one.
    eventually(2 * LONG, async || {
        let consumers = consumers(&system).await?;
        anyhow::ensure!(consumers <= 2, "{consumers} consumers of two proxies");
        Ok(())
    })
    .await?;
    system
        .finish(Allowed::nothing().counters(DUPLICATES))
        .await?;
    Ok(())
}

/// Two proxies, the second of which comes and goes.
fn restless() -> SystemBuilder {
    System::builder()
        .proxies(2)
        .proxy("LEASE", "1s")
        // Each start has its lines.
        .proxy("RUST_LOG", "warn")
}

async fn comes_again(system: &mut System) -> anyhow::Result<()> {
    system.proxy_mut(1).start_again()?;
    system.proxy(1).until_ready().await
}

async fn consumers(system: &System) -> anyhow::Result<usize> {
    let consumers: Vec<Value> = system
        .redis()
        .command(&["XINFO", "CONSUMERS", REQUESTS, GROUP])
        .await?;
    Ok(consumers.len())
}

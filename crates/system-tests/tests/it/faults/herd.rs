//! Everybody loses Redis at the same moment. They do not come back at the same moment.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::redis_restarts::{exposed, served, survives};
use crate::system::System;

/// The width of a bin when arrivals are counted.
const BIN: Duration = Duration::from_millis(50);

/// Fault 17: all connections are killed while Redis is well. Each is opened again once, after a pause of its own, so
/// that they do not arrive as one crowd.
#[tokio::test]
async fn connections_that_are_killed_come_back_one_by_one() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    let held = system.line().connections();
    let mut after = Vec::new();
    survives(
        &mut system,
        "CLIENT KILL TYPE normal, over a line",
        async |system| {
            let killed = Instant::now();
            let kill = ["CLIENT", "KILL", "TYPE", "normal"];
            system.redis().command::<()>(&kill).await?;
            sleep(Duration::from_secs(2)).await;
            after = arrivals(system, killed);
            Ok(())
        },
    )
    .await?;
    system.report(histogram("connections killed", &after));
    assert!(
        after.len() >= held / 2,
        "{} of {held} came back",
        after.len()
    );
    assert!(after.len() <= held * 2, "{} for {held}", after.len());
    let fullest = bins(&after).into_iter().max().unwrap_or_default();
    assert!(fullest < after.len(), "all {fullest} came within {BIN:?}");
    served(system, 0.95).await
}

/// Fault 52: Redis restarts while five hundred callers wait. Connections come back spread over a second, none of them
/// many times over, and that is not the next outage: whoever waited is served.
///
/// There are enough proxies for chance to be no reason of a crowd: of a dozen connections half can well come together.
#[tokio::test]
async fn redis_restarts_under_five_hundred_waiting_callers() -> anyhow::Result<()> {
    let mut system = exposed()
        .proxies(10)
        .line()
        .request_timeout(Duration::from_secs(20))
        .proxy("TERMINALS", "12")
        .proxy("PROCESSING_TIME", "1s")
        .start()
        .await?;
    let held = system.line().connections();
    let mut waiting = system.callers(0, 250);
    let mut others = system.callers(1, 250);
    system.until_outstanding(400).await?;
    let fell = system.now();
    system.note("Redis restarts");
    system.redis().kill_hard().await?;
    system.line().cut().await?;
    sleep(Duration::from_millis(1500)).await;
    system.redis().start_again().await?;
    let up = Instant::now();
    system.line().restore().await?;
    system.until_ready().await?;
    let ready = up.elapsed();
    system
        .who_waited("Redis restarted under 500 callers", fell)
        .await?;
    let after = arrivals(&system, up);
    system.report(histogram("Redis restarted under 500 callers", &after));
    system.report(format!(
        "Redis restarted under 500 callers: ready again after {:.2} s",
        ready.as_secs_f64()
    ));
    let mut well = 0;
    for callers in [&mut waiting, &mut others] {
        while let Some(outcome) = callers.join_next().await {
            well += usize::from(outcome?.status() == Some(200));
        }
    }
    assert!(well >= 450, "{well} of 500 were served");
    let fullest = bins(&after).into_iter().max().unwrap_or_default();
    assert!(
        fullest * 2 <= after.len(),
        "{fullest} of {} came within {BIN:?}",
        after.len()
    );
    assert!(after.len() <= held * 4, "{} for {held}", after.len());
    served(system, 0.9).await
}

/// How long after that moment each connection came.
fn arrivals(system: &System, since: Instant) -> Vec<Duration> {
    let arrivals = system.line().arrivals();
    arrivals
        .iter()
        .filter_map(|at| at.checked_duration_since(since))
        .collect()
}

fn bins(arrivals: &[Duration]) -> Vec<usize> {
    let mut bins = Vec::new();
    for after in arrivals {
        let bin = (after.as_millis() / BIN.as_millis()) as usize;
        bins.resize(bins.len().max(bin + 1), 0);
        bins[bin] += 1;
    }
    bins
}

fn histogram(what: &str, arrivals: &[Duration]) -> String {
    let bins = bins(arrivals);
    format!(
        "{what}: {} connections came back, by {} ms: {bins:?}",
        arrivals.len(),
        BIN.as_millis()
    )
}

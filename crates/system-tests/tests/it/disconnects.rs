//! Callers that leave before they have their answer.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::callers::all_served;
use crate::system::{Allowed, BUSY, Kind, System};

/// Callers that leave, in two rounds; the second must not take more memory than the first has left.
const CALLERS: usize = 10_000;

/// Callers at the same time.
const AT_ONCE: usize = 250;

/// Memory that the second round may add: less than 4 KiB for each caller, which is what the smallest leak of a
/// connection or a body would cost.
const MORE_RSS: u64 = 12 << 20;

const LEFT: &[&str] = &[
    "requests_withdrawn_total",
    "replies_late_total",
    "replies_unmatched_total",
];

/// Fault 38: ten thousand callers hang up while they wait, some at once, some late. Nothing of them stays behind:
/// not on the stream, not pending, not in memory, no descriptor.
#[tokio::test]
async fn ten_thousand_disconnecting_callers_leave_nothing_behind() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(2)
        .proxy("TERMINALS", "4")
        .proxy("PROCESSING_TIME", "30ms")
        .request_timeout(BUSY)
        .start()
        .await?;
    let mut rss = Vec::new();
    for round in [1, 2] {
        leave(&system, CALLERS / 2).await?;
        for service in system.services() {
            let in_hand = match service.kind() {
                Kind::Ingress => "pending_requests",
                Kind::Proxy => "requests_in_hand",
            };
            service
                .until_figure(in_hand, &[], |count| count == 0.0)
                .await?;
        }
        let now: Vec<u64> = system
            .services()
            .map(|service| service.process().rss_bytes())
            .collect::<anyhow::Result<_>>()?;
        system.note(&format!("round {round}: {now:?} bytes"));
        rss.push(now);
    }
    for (service, (first, second)) in system.services().zip(rss[0].iter().zip(&rss[1])) {
        let more = second.saturating_sub(*first);
        assert!(
            more < MORE_RSS,
            "{} takes {more} bytes more than after {first}",
            service.name()
        );
    }
    let withdrawn = system.ingresses_sum("requests_withdrawn_total").await?;
    assert!(withdrawn >= 100.0, "only {withdrawn} were taken back");
    system.report(format!(
        "{withdrawn} requests were withdrawn; {rss:?} bytes after each round"
    ));
    // Who stays is served as before.
    all_served(system.callers(0, 20)).await;
    let summary = system.finish(Allowed::nothing().counters(LEFT)).await?;
    assert!(summary.left >= CALLERS / 2, "too few left: {summary}");
    Ok(())
}

/// So many callers, each of whom waits for a time of its own and hangs up if it has no answer by then.
async fn leave(system: &System, count: usize) -> anyhow::Result<()> {
    let recorder = system.recorder();
    let base = system.ingress(0).base().to_owned();
    let mut callers = JoinSet::new();
    for number in 0..count {
        if callers.len() >= AT_ONCE {
            callers.join_next().await;
        }
        let (recorder, base) = (recorder.clone(), base.clone());
        callers.spawn(async move {
            let patience = Duration::from_millis((number % 50) as u64 * 3);
            let _ = timeout(patience, recorder.send(&base)).await;
        });
    }
    callers.join_all().await;
    Ok(())
}

/// A caller that hangs up while a terminal works for it costs that terminal nothing beyond this work, and whoever
/// waited behind it is served.
#[tokio::test]
async fn who_waits_behind_a_caller_that_left_is_served() -> anyhow::Result<()> {
    let system = System::builder()
        .proxy("TERMINALS", "1")
        .proxy("PROCESSING_TIME", "2s")
        .start()
        .await?;
    let mut leaving = system.callers(0, 5);
    system
        .proxy(0)
        .until_figure("terminals_active", &[], |active| active == 1.0)
        .await?;
    system.until_outstanding(5).await?;
    let staying = system.callers(0, 1);
    system.until_outstanding(6).await?;
    leaving.shutdown().await;
    // One is being worked on; the four that waited before it are taken back.
    let ingress = system.ingress(0);
    ingress
        .until_figure("requests_withdrawn_total", &[], |count| count >= 4.0)
        .await?;
    all_served(staying).await;
    let served = system.proxy(0).figure("requests_served_total", &[]).await?;
    assert!(
        served <= 2.0,
        "{served} requests were worked on for two callers at most"
    );
    let summary = system.finish(Allowed::nothing().counters(LEFT)).await?;
    assert_eq!(summary.left, 5, "{summary}");
    Ok(())
}

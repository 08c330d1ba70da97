//! Redis goes and comes back, or forgets. Callers see 200, 503 or 504, each in time; afterwards everything serves as
//! before, and no process was restarted for it.

use std::time::Duration;

use testbed::Load;
use tokio::time::sleep;

use crate::callers::all_served;
use crate::system::{
    Allowed, GROUP, LONG, REDIS_FAULT, REQUESTS, RESPONSES, System, SystemBuilder,
};

/// Two of each, both reply modes; deadlines are short because some tests wait for them.
pub(crate) fn exposed() -> SystemBuilder {
    System::builder()
        .ingresses(2)
        .proxies(2)
        .reply_streams(&["shared", "dedicated"])
        .request_timeout(Duration::from_secs(5))
        .proxy("LEASE", "2s")
        .proxy("PROCESSING_TIME", "50ms")
}

/// Keeps requests waiting on the stream while `harm` is done: the proxies stand still meanwhile, for less than a lease.
pub(crate) async fn with_a_backlog(
    system: &System,
    harm: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for proxy in system.proxies() {
        proxy.freeze().await?;
    }
    system.until_outstanding(12).await?;
    harm().await?;
    for proxy in system.proxies() {
        proxy.thaw()?;
    }
    Ok(())
}

/// Waits until no ingress is ready any more, and for a while longer: the fault lasts.
pub(crate) async fn hold(system: &System) -> anyhow::Result<()> {
    system.until_ingresses_unready().await?;
    sleep(Duration::from_millis(1500)).await;
    Ok(())
}

/// Lets callers come throughout, does harm and undoes it, and waits until all is well again.
pub(crate) async fn survives(
    system: &mut System,
    fault: &str,
    harm_and_undo: impl AsyncFnOnce(&System) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let load = system.load(Load::Open { per_second: 60.0 });
    system.until_answered(60).await?;
    system.note(fault);
    harm_and_undo(system).await?;
    system.recovers(fault).await?;
    load.stop().await
}

/// Ends a run with a fault of Redis that let so large a share of callers be served.
pub(crate) async fn served(system: System, least: f64) -> anyhow::Result<()> {
    let allowed = Allowed::redis_fault().min_success(least);
    system.finish(allowed).await.map(drop)
}

/// Fault 8: killed and started again with its append-only file. What it had acknowledged is there still.
#[tokio::test]
async fn killed_and_started_again_with_its_log() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(
        &mut system,
        "Redis killed, started with its AOF",
        async |system| {
            system.redis().kill_hard().await?;
            hold(system).await?;
            for proxy in system.proxies() {
                proxy.until_unready().await?;
            }
            alive(system).await?;
            system.redis().start_again().await
        },
    )
    .await?;
    let lost: f64 = system.proxies_sum("groups_created_total").await?;
    assert_eq!(lost, 0.0, "the group was in the file");
    served(system, 0.3).await
}

/// A Redis that is away is no reason to restart anything.
async fn alive(system: &System) -> anyhow::Result<()> {
    for service in system.services() {
        let answer = service.get("/health/live").await?;
        anyhow::ensure!(answer.status == 200, "{} is not live", service.name());
        let answer = service.get("/health").await?;
        anyhow::ensure!(
            answer.status == 503,
            "{} says {}",
            service.name(),
            answer.text()
        );
    }
    Ok(())
}

/// Fault 10: killed and started again empty. Who waits for what was in it gets 504, everybody else is served.
#[tokio::test]
async fn killed_and_started_again_empty() -> anyhow::Result<()> {
    let mut system = exposed().without_ledger().start().await?;
    survives(&mut system, "Redis killed, started empty", async |system| {
        with_a_backlog(system, async || system.redis().kill_hard().await).await?;
        hold(system).await?;
        system.redis().start_again().await
    })
    .await?;
    let allowed = Allowed::redis_fault().min_success(0.2);
    let summary = system.finish(allowed).await?;
    assert!(
        summary.timed_out > 0,
        "what was forgotten cannot have been answered: {summary}"
    );
    Ok(())
}

/// Stopped in order and started again at once, three times in a row.
#[tokio::test]
async fn restarted_again_and_again() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "Redis restarted three times", async |system| {
        for _ in 0..3 {
            sleep(Duration::from_millis(500)).await;
            system.redis().restart().await?;
        }
        Ok(())
    })
    .await?;
    served(system, 0.3).await
}

/// Fault 15: it stands still for seconds. Connections stay open and nothing is answered.
#[tokio::test]
async fn stands_still() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(
        &mut system,
        "Redis stopped for some seconds",
        async |system| {
            system.redis().freeze().await?;
            hold(system).await?;
            sleep(Duration::from_secs(1)).await;
            system.redis().thaw()
        },
    )
    .await?;
    served(system, 0.2).await
}

/// Fault 11: FLUSHALL while requests wait on the stream. The group is made again; what was taken away is 504.
#[tokio::test]
async fn flushed() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "FLUSHALL", async |system| {
        with_a_backlog(system, async || system.redis().command(&["FLUSHALL"]).await).await
    })
    .await?;
    let made: f64 = system.proxies_sum("groups_created_total").await?;
    assert!(made >= 1.0, "nobody noticed");
    let allowed = Allowed::redis_fault()
        .min_success(0.5)
        .losses(&["FLUSHALL"]);
    let summary = system.finish(allowed).await?;
    assert!(
        summary.timed_out > 0,
        "what was flushed cannot have been answered: {summary}"
    );
    Ok(())
}

/// Fault 12: XGROUP DESTROY. The group is made again from the start of the stream, so no request is skipped; work
/// that was under way is done twice, and counted.
#[tokio::test]
async fn group_destroyed() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "XGROUP DESTROY", async |system| {
        for _ in 0..3 {
            sleep(Duration::from_millis(300)).await;
            system
                .redis()
                .command::<()>(&["XGROUP", "DESTROY", REQUESTS, GROUP])
                .await?;
        }
        Ok(())
    })
    .await?;
    let made: f64 = system.proxies_sum("groups_created_total").await?;
    assert!(
        made >= 3.0,
        "the group was lost three times, and made again {made} times"
    );
    system
        .finish(Allowed::nothing().counters(REDIS_FAULT))
        .await?;
    Ok(())
}

/// Fault 13: the response stream is deleted. Replies that were in it are lost to who waits; the next ones come.
#[tokio::test]
async fn response_stream_deleted() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "DEL of the response stream", async |system| {
        for _ in 0..3 {
            sleep(Duration::from_millis(300)).await;
            system.redis().command::<()>(&["DEL", RESPONSES]).await?;
        }
        Ok(())
    })
    .await?;
    served(system, 0.8).await
}

/// The request stream is deleted, and its group with it.
#[tokio::test]
async fn request_stream_deleted() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "DEL of the request stream", async |system| {
        for _ in 0..3 {
            sleep(Duration::from_millis(300)).await;
            system.redis().command::<()>(&["DEL", REQUESTS]).await?;
        }
        Ok(())
    })
    .await?;
    system
        .finish(Allowed::redis_fault().min_success(0.8).losses(&["DEL"]))
        .await?;
    Ok(())
}

/// Fault 17: every connection is closed, several times. They are opened again, and callers get their weather.
#[tokio::test]
async fn connections_killed() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(&mut system, "CLIENT KILL TYPE normal", async |system| {
        for _ in 0..5 {
            sleep(Duration::from_millis(300)).await;
            system
                .redis()
                .command::<()>(&["CLIENT", "KILL", "TYPE", "normal"])
                .await?;
        }
        Ok(())
    })
    .await?;
    for service in system.services() {
        let reconnects = service.figure("redis_reconnects_total", &[]).await?;
        assert!(
            (5.0..100.0).contains(&reconnects),
            "{reconnects} by {}",
            service.name()
        );
    }
    served(system, 0.95).await
}

/// Fault 16: all commands wait for seconds, as during a slow script or a manual failover.
#[tokio::test]
async fn paused() -> anyhow::Result<()> {
    pauses("ALL").await
}

/// Fault 16: commands that write wait for seconds, those that read do not.
#[tokio::test]
async fn writes_are_paused() -> anyhow::Result<()> {
    pauses("WRITE").await
}

async fn pauses(commands: &str) -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    let pause = ["CLIENT", "PAUSE", "3000", commands];
    survives(&mut system, &pause.join(" "), async |system| {
        system.redis().command::<()>(&pause).await?;
        sleep(Duration::from_secs(3)).await;
        Ok(())
    })
    .await?;
    served(system, 0.3).await
}

/// While Redis is away nobody spins: seconds of outage cost a fraction of that in CPU time, and few lines of log.
#[tokio::test]
async fn an_outage_costs_next_to_nothing() -> anyhow::Result<()> {
    let system = exposed().start().await?;
    system.redis().kill_hard().await?;
    hold(&system).await?;
    let outage = Duration::from_secs(4);
    let before: Vec<_> = system
        .services()
        .map(|service| {
            Ok((
                service.process().cpu_time()?,
                service.process().log().lines().count(),
            ))
        })
        .collect::<anyhow::Result<_>>()?;
    sleep(outage).await;
    for (service, (cpu, lines)) in system.services().zip(before) {
        let process = service.process();
        let spent = process.cpu_time()?.saturating_sub(cpu);
        assert!(
            spent < outage / 8,
            "{} spent {spent:?} in {outage:?}",
            service.name()
        );
        let lines = process.log().lines().count() - lines;
        assert!(
            lines < 20,
            "{} logged {lines} lines in {outage:?}",
            service.name()
        );
    }
    system.redis().start_again().await?;
    system.until_ready().await?;
    all_served(system.callers(0, 10)).await;
    let ingress = system.ingress(0);
    ingress
        .until_figure("circuit_breaker_state", &[], |state| state == 0.0)
        .await?;
    ingress
        .process()
        .wait_for_log("Redis answers again", LONG)
        .await?;
    system
        .finish(Allowed::nothing().counters(REDIS_FAULT))
        .await?;
    Ok(())
}

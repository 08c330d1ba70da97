//! Processes that go without a goodbye, or stand still for too long.

use std::time::Duration;

use testbed::{Leftovers, Load, Outcome, What, eventually};
use tokio::task::JoinHandle;

use crate::callers::all_served;
use crate::system::{Allowed, DUPLICATES, GROUP, LONG, REQUESTS, System};

/// Faults 1 and 3: a proxy is killed in the middle of its work, twice. Others take its requests over after its lease,
/// and all callers get their weather.
#[tokio::test]
async fn a_killed_proxy_loses_no_request() -> anyhow::Result<()> {
    let mut system = System::builder()
        .ingresses(2)
        .proxies(3)
        .proxy("LEASE", "1s")
        .proxy("PROCESSING_TIME", "300ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 30 });
    for victim in [0, 1] {
        let proxy = system.proxy(victim);
        proxy
            .until_figure("terminals_active", &[], |active| active == 5.0)
            .await?;
        let killed = system.now();
        proxy.kill().await?;
        system
            .who_waited("a proxy killed, LEASE=1s", killed)
            .await?;
        system.proxy_mut(victim).start_again()?;
        system.proxy(victim).until_ready().await?;
    }
    system.until_answered(60).await?;
    load.stop().await?;

    // What the second victim had taken over from the first it does not tell any more.
    let reclaimed = system.proxies_sum("requests_reclaimed_total").await?;
    assert!(reclaimed >= 1.0, "{reclaimed} requests were taken over");
    system.report(format!(
        "at least {reclaimed} requests of two killed proxies were taken over"
    ));
    let summary = system
        .finish(Allowed::nothing().counters(DUPLICATES))
        .await?;
    // One lease, one sweep, and the work itself; the rest of the bound is for a busy machine.
    assert!(summary.latency(1.0) < Duration::from_secs(10), "{summary}");
    Ok(())
}

/// Fault 4: a proxy stands still for longer than its lease and then goes on. Others did its work by then; what it
/// finishes all the same is counted as done twice, and no caller sees a second answer.
#[tokio::test]
async fn a_zombie_does_no_harm() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(2)
        .proxy("LEASE", "1s")
        .proxy("PROCESSING_TIME", "300ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 20 });
    let zombie = system.proxy(0);
    zombie
        .until_figure("terminals_active", &[], |active| active == 5.0)
        .await?;
    let stopped = system.now();
    zombie.freeze().await?;
    let taken_over = |count: f64| count >= 3.0;
    let survivor = system.proxy(1);
    survivor
        .until_figure("requests_reclaimed_total", &[], taken_over)
        .await?;
    system.until_answered(30).await?;
    zombie.thaw()?;
    let twice = zombie
        .until_figure("requests_duplicate_total", &[], |count| count >= 1.0)
        .await?;
    system.until_answered(60).await?;
    load.stop().await?;
    assert!(
        twice <= 5.0,
        "it had 5 terminals, and {twice} requests were done twice"
    );
    system.report(format!("{twice} requests were done twice"));
    system
        .who_waited("a proxy stopped, LEASE=1s", stopped)
        .await?;
    system
        .finish(Allowed::nothing().counters(DUPLICATES))
        .await?;
    Ok(())
}

/// Fault 4: a proxy stands still with a request that it was given and has not begun. When it goes on the request is
/// somebody else's, and it does not start it: nothing is done twice.
#[tokio::test]
async fn a_zombie_does_not_start_what_is_no_longer_its_own() -> anyhow::Result<()> {
    let mut system = System::builder().proxy("LEASE", "1s").start().await?;
    let waiting = given_to_a_stopped_proxy(&system).await?;
    system.add_proxy(&[]).await?;
    assert_eq!(waiting.await?.status(), Some(200));
    let other = system.proxy(1).figure("requests_served_total", &[]).await?;
    assert_eq!(other, 1.0, "served by the other one");
    let zombie = system.proxy(0);
    zombie.thaw()?;
    // It finds what it was given too late, or, after a longer stop, its connection.
    eventually(LONG, async || {
        let lapsed = zombie.figure("requests_lapsed_total", &[]).await?;
        let again = zombie
            .figure("redis_reconnects_total", &[("part", "fetch")])
            .await?;
        anyhow::ensure!(lapsed + again >= 1.0, "it did not notice");
        Ok(())
    })
    .await?;
    let allowed = Allowed::nothing().counters(&[
        "redis_reconnects_total",
        "requests_lapsed_total",
        "requests_reclaimed_total",
    ]);
    system.finish(allowed).await?;
    Ok(())
}

/// Stops the only proxy while it waits for work, so that a caller's request is delivered to its socket and no further.
/// It waits most of the time, but may be stopped between two reads; then that caller is served and another one comes.
async fn given_to_a_stopped_proxy(system: &System) -> anyhow::Result<JoinHandle<Outcome>> {
    for _ in 0..20 {
        system.proxy(0).freeze().await?;
        let (recorder, base) = (system.recorder(), system.ingress(0).base().to_owned());
        let caller = tokio::spawn(async move { recorder.send(&base).await });
        system.until_outstanding(1).await?;
        let left = Leftovers::read(system.redis(), REQUESTS, GROUP).await?;
        if left.pending == 1 {
            return Ok(caller);
        }
        system.proxy(0).thaw()?;
        caller.await?;
    }
    anyhow::bail!("the proxy was never stopped while it waited")
}

/// Fault 6: an ingress is killed while callers wait. They see the connection break; the callers of the other one see
/// nothing of it, and what the dead one had sent leaves nothing behind.
#[tokio::test]
async fn a_killed_ingress_takes_only_its_own_callers_along() -> anyhow::Result<()> {
    let mut system = System::builder()
        .ingresses(2)
        .reply_streams(&["shared", "dedicated"])
        .proxies(2)
        .proxy("PROCESSING_TIME", "200ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 30 });
    for victim in [0, 1] {
        system.until_answered(40).await?;
        let waiting = |waiting: f64| waiting >= 5.0;
        system
            .ingress(victim)
            .until_figure("pending_requests", &[], waiting)
            .await?;
        let dead = system.ingress(victim).base().to_owned();
        let killed = system.history().events().len();
        system.route_to(|number| number != victim);
        let since = system.now();
        system.ingress(victim).kill().await?;
        system.until_answered(60).await?;
        system.who_waited("an ingress killed", since).await?;
        system.ingress_mut(victim).start_again()?;
        system.ingress(victim).until_ready().await?;
        system.route_to(|_| true);

        let events = system.history().events();
        let of_the_dead: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.what {
                What::Sent {
                    request, target, ..
                } if *target == dead => Some(*request),
                _ => None,
            })
            .collect();
        for event in &events[killed..] {
            if let What::Ended {
                request,
                outcome: Outcome::Failed { .. },
            } = event.what
            {
                assert!(of_the_dead.contains(&request), "{event}");
            }
        }
    }
    system.until_answered(40).await?;
    load.stop().await?;
    let lost = system.history().events();
    let lost = lost.iter().filter(|event| {
        matches!(
            event.what,
            What::Ended {
                outcome: Outcome::Failed { .. },
                ..
            }
        )
    });
    let lost = lost.count();
    assert!(lost >= 4, "only {lost} callers lost their connection");
    system.report(format!(
        "{lost} callers lost their connection with two killed ingresses"
    ));
    // The callers there were at both times.
    let allowed = Allowed::nothing().failures(60).min_success(0.5);
    system
        .finish(allowed.counters(&["replies_unmatched_total"]))
        .await?;
    Ok(())
}

/// Faults 1 and 5: the only proxy is killed and never comes back. When there is another one, it takes over exactly what
/// the dead one had in hand, and serves what waited.
#[tokio::test]
async fn the_work_of_a_proxy_that_never_comes_back_is_done() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(1)
        .proxy("LEASE", "500ms")
        .proxy("PROCESSING_TIME", "2s")
        .start()
        .await?;
    let waiting = system.callers(0, 8);
    system
        .proxy(0)
        .until_figure("terminals_active", &[], |active| active == 5.0)
        .await?;
    system.proxy(0).kill().await?;
    let alone = system.now();
    system.add_proxy(&[("PROCESSING_TIME", "20ms")]).await?;
    all_served(waiting).await;
    system
        .who_waited("a proxy started after the only one was killed", alone)
        .await?;
    let reclaimed = system
        .proxy(1)
        .figure("requests_reclaimed_total", &[])
        .await?;
    assert_eq!(
        reclaimed, 5.0,
        "exactly what the dead one had in hand was taken over"
    );
    system
        .finish(Allowed::nothing().counters(&["requests_reclaimed_total"]))
        .await?;
    Ok(())
}

//! Answers of a system that cannot or may not serve: 502, 503 and 504.

use std::time::{Duration, Instant};

use testbed::eventually;

use crate::callers::{JSON, all_served, weather_of};
use crate::problem::{Documented, says_when_to_retry};
use crate::system::{Allowed, LONG, REDIS_FAULT, System};

/// The provider fails: 502, by which the caller knows that it was not its fault.
#[tokio::test]
async fn a_failing_provider_is_502() -> anyhow::Result<()> {
    let system = System::builder()
        .proxy("SIMULATED_FAULTS", "true")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let answer = system.post(0, &[JSON], weather_of("fail!")).await?;
    documented.check(&answer, 502, "provider-failed")?;
    let allowed = Allowed::nothing().counters(&["weather_provider_errors_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Nobody works: 504 at the deadline, which `Prefer: wait` brings forward; the entries are taken back.
#[tokio::test]
async fn no_reply_by_the_deadline_is_504() -> anyhow::Result<()> {
    let system = System::builder()
        .proxies(0)
        .request_timeout(Duration::from_secs(2))
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    for (headers, wait) in [(&[JSON][..], 2), (&[JSON, ("prefer", "wait=1")][..], 1)] {
        let start = Instant::now();
        let answer = system.post(0, headers, weather_of("Oslo")).await?;
        documented.check(&answer, 504, "timeout")?;
        assert!(
            start.elapsed() >= Duration::from_secs(wait),
            "{:?}",
            start.elapsed()
        );
    }
    let allowed =
        Allowed::nothing().counters(&["requests_timed_out_total", "requests_withdrawn_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// As many requests wait in the ingress as may: the next is refused at once.
#[tokio::test]
async fn more_in_flight_than_may_be_is_503() -> anyhow::Result<()> {
    let system = System::builder()
        .ingress("MAX_IN_FLIGHT", "3")
        .proxy("PROCESSING_TIME", "3s")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let refused = async {
        let ingress = system.ingress(0);
        ingress
            .until_figure("pending_requests", &[], |waiting| waiting == 3.0)
            .await?;
        let start = Instant::now();
        let answer = system.post(0, &[JSON], weather_of("Oslo")).await?;
        anyhow::Ok((answer, start.elapsed()))
    };
    let (.., refused) = tokio::join!(system.ask(0), system.ask(0), system.ask(0), refused);
    let (answer, took) = refused?;
    documented.check(&answer, 503, "overloaded")?;
    says_when_to_retry(&answer)?;
    assert!(took < Duration::from_secs(2), "{took:?} for a refusal");
    let refused = system
        .ingress(0)
        .figure("requests_refused_total", &[("reason", "in-flight")]);
    assert_eq!(refused.await?, 1.0);
    let allowed = Allowed::nothing().counters(&["requests_refused_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// The request stream is full: new work is refused and nothing is trimmed off it; all that was let in is answered.
#[tokio::test]
async fn a_full_stream_is_503_and_loses_nothing() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(0)
        .ingress("MAX_OUTSTANDING", "5")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let waiting = system.callers(0, 5);
    system.until_outstanding(5).await?;
    let answer = system.post(0, &[JSON], weather_of("Oslo")).await?;
    documented.check(&answer, 503, "overloaded")?;
    says_when_to_retry(&answer)?;
    let refused = system
        .ingress(0)
        .figure("requests_refused_total", &[("reason", "stream-full")]);
    assert_eq!(refused.await?, 1.0);

    system.add_proxy(&[]).await?;
    all_served(waiting).await;
    let allowed = Allowed::nothing().counters(&["requests_refused_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// The backlog is longer than the caller can wait: refused at once, and told when its turn would come.
#[tokio::test]
async fn a_predicted_wait_over_the_budget_is_503() -> anyhow::Result<()> {
    let system = System::builder()
        .proxy("TERMINALS", "1")
        .proxy("PROCESSING_TIME", "500ms")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    // The rate of the only terminal is known to the ingress once it has served.
    system.ask(0).await;
    eventually(LONG, async || {
        let health = system.ingress(0).json("/health").await?;
        let alive = &health["parts"]["workers"]["detail"]["workers"];
        anyhow::ensure!(alive[0]["holdUs"].as_u64() > Some(0), "{alive}");
        Ok(())
    })
    .await?;
    // Four seconds of work, which is within a quarter of their budget.
    let waiting = system.callers(0, 8);
    system.until_outstanding(7).await?;
    let start = Instant::now();
    let answer = system
        .post(0, &[JSON, ("prefer", "wait=1")], weather_of("Oslo"))
        .await?;
    documented.check(&answer, 503, "overloaded")?;
    says_when_to_retry(&answer)?;
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?} for a refusal",
        start.elapsed()
    );
    all_served(waiting).await;
    let allowed = Allowed::nothing().counters(&["requests_refused_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Redis is gone: what could not be sent is 503, and where nobody knows whether it was, 504; after a while requests are
/// refused at once.
#[tokio::test]
async fn an_unreachable_redis_is_503() -> anyhow::Result<()> {
    let system = System::start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    system.redis().kill_hard().await?;
    // The first finds the connection broken while it is written, so that nobody knows whether it was sent.
    let impatient = [JSON, ("prefer", "wait=2")];
    let first = system.post(0, &impatient, weather_of("Oslo")).await?;
    assert!([503, 504].contains(&first.status), "{}", first.text());

    // The next waits for Redis to come back, for as long as that makes sense; the ones after it do not.
    let waited = system.post(0, &[JSON], weather_of("Oslo")).await?;
    let start = Instant::now();
    let refused = system.post(0, &[JSON], weather_of("Oslo")).await?;
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?} for a refusal",
        start.elapsed()
    );
    for answer in [waited, refused] {
        documented.check(&answer, 503, "unavailable")?;
        says_when_to_retry(&answer)?;
    }

    system.redis().start_again().await?;
    system.until_ready().await?;
    assert_eq!(system.ask(0).await.status(), Some(200));
    let allowed = Allowed::nothing()
        .counters(REDIS_FAULT)
        .requests_beside_the_history();
    system.finish(allowed).await?;
    Ok(())
}

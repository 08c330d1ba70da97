//! A weather provider that misbehaves, behind real proxies under load. What the proxies do about each kind of answer is
//! tested in their own crate; here it is what callers see of it, and that it ends with its cause.

use std::time::Duration;

use testbed::{Load, eventually};
use tokio::time::sleep;

use crate::system::{Allowed, Behaviour, LONG, OpenMeteo, System, SystemBuilder};

/// One ingress, two proxies that ask this provider.
fn asking(provider: &OpenMeteo) -> SystemBuilder {
    System::builder()
        .proxies(2)
        .request_timeout(Duration::from_secs(5))
        .provider(provider)
        .proxy("OPEN_METEO_TIMEOUT", "2s")
        .proxy("OPEN_METEO_CONNECT_TIMEOUT", "1s")
}

/// Fault 36: the provider takes twenty times as long, so that less can be served than is asked for. The rest is refused
/// at the front and not worked on for callers who have left; when the provider is quick again everybody is served.
#[tokio::test]
async fn many_times_slower() -> anyhow::Result<()> {
    let provider = OpenMeteo::start(Duration::from_millis(20)).await?;
    let mut system = asking(&provider)
        .request_timeout(Duration::from_secs(2))
        .start()
        .await?;
    // Ten terminals, two questions each: 250 a second, and 12 when they are slow.
    let load = system.load(Load::Open { per_second: 40.0 });
    system.until_answered(100).await?;
    system.note("the provider is twenty times slower");
    provider.behave(Behaviour::Slow(Duration::from_millis(400)));
    sleep(Duration::from_secs(6)).await;
    provider.behave(Behaviour::Well);
    system.recovers("a provider twenty times slower").await?;
    load.stop().await?;
    let refused = system.ingresses_sum("requests_refused_total").await?;
    let expired = system.proxies_sum("requests_expired_total").await?;
    system.report(format!(
        "while the provider was slow {refused} requests were refused, {expired} expired"
    ));
    assert!(refused > 50.0, "{refused} refused");
    assert!(
        expired < refused / 2.0,
        "{expired} expired, {refused} refused"
    );
    let allowed = Allowed::nothing().statuses([502, 503, 504]).counters(&[
        "requests_refused_total",
        "requests_timed_out_total",
        "requests_withdrawn_total",
        "requests_expired_total",
        "replies_late_total",
        "weather_provider_errors_total",
        "circuit_breaker_transitions_total",
    ]);
    system.finish(allowed.min_success(0.3)).await?;
    Ok(())
}

/// Fault 37: the provider fails in every way there is, one after the other. Callers get a problem that says whose fault
/// it is, retries stay within their budget, the circuit opens, and closes when the provider is well.
#[tokio::test]
async fn failing_in_every_way() -> anyhow::Result<()> {
    let provider = OpenMeteo::start(Duration::from_millis(5)).await?;
    let mut system = asking(&provider).start().await?;
    let load = system.load(Load::Open { per_second: 40.0 });
    system.until_answered(40).await?;
    let (asked, sent) = (provider.asked(), system.history().events().len());
    for behaviour in [
        Behaviour::Status(500),
        Behaviour::Status(429),
        Behaviour::Reset,
        Behaviour::Garbage,
        Behaviour::Endless,
        Behaviour::Drip,
        Behaviour::Silence,
    ] {
        system.note(&format!("the provider: {behaviour:?}"));
        let before = provider.asked();
        provider.behave(behaviour);
        sleep(Duration::from_millis(800)).await;
        // While the circuit is open only probes get there.
        eventually(LONG, async || {
            anyhow::ensure!(provider.asked() > before, "nobody asked");
            Ok(())
        })
        .await?;
    }
    let asked = provider.asked() - asked;
    // Each request is two events.
    let sent = (system.history().events().len() - sent) / 2;
    provider.behave(Behaviour::Well);
    system
        .recovers("a provider that fails in every way")
        .await?;
    load.stop().await?;
    system.report(format!(
        "while it failed the provider was asked {asked} times for {sent} requests"
    ));
    // Two questions for each and a fifth more, were they all asked; the circuit keeps most of them back.
    assert!(asked < sent * 3, "asked {asked} times for {sent} requests");
    let allowed = Allowed::nothing().statuses([502, 503, 504]).counters(&[
        "requests_refused_total",
        "requests_timed_out_total",
        "requests_withdrawn_total",
        "requests_expired_total",
        "replies_late_total",
        "weather_provider_errors_total",
        "circuit_breaker_transitions_total",
    ]);
    system.finish(allowed.min_success(0.1)).await?;
    Ok(())
}

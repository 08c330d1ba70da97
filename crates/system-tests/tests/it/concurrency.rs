//! Many callers, several ingresses and proxies: no reply goes to the wrong caller, and work is shared.

use std::time::Duration;

use testbed::Load;
use tokio::time::sleep;

use crate::system::{Allowed, System};

/// Callers at the same time; more than there are terminals, so that requests wait on the stream.
const CALLERS: usize = 60;

/// Requests of one run.
const REQUESTS: usize = 2_000;

/// Every caller asks for a city of its own; its answer must be of that city, and no two have the same id.
async fn no_reply_is_crossed(reply_streams: &[&'static str]) -> anyhow::Result<()> {
    let system = System::builder()
        .ingresses(3)
        .proxies(4)
        .reply_streams(reply_streams)
        .proxy("PROCESSING_TIME", "5ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: CALLERS });
    system.until_answered(REQUESTS).await?;
    load.stop().await?;
    for proxy in system.proxies() {
        let served = proxy.figure("requests_served_total", &[]).await?;
        assert!(served > 0.0, "{} had no part in it", proxy.name());
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// All ingresses read the one response stream.
#[tokio::test]
async fn no_reply_is_crossed_on_a_shared_reply_stream() -> anyhow::Result<()> {
    no_reply_is_crossed(&["shared"]).await
}

/// Each ingress has a reply stream of its own, where nobody else's replies come.
#[tokio::test]
async fn no_reply_is_crossed_on_dedicated_reply_streams() -> anyhow::Result<()> {
    no_reply_is_crossed(&["dedicated"]).await
}

/// Proxies follow each request; they have no setting for it.
#[tokio::test]
async fn no_reply_is_crossed_where_both_modes_are_mixed() -> anyhow::Result<()> {
    no_reply_is_crossed(&["shared", "dedicated"]).await
}

/// A terminal takes 100 ms for a request, so that what is served is a matter of terminals and not of the machine.
#[tokio::test]
async fn another_proxy_helps_at_once() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxy("TERMINALS", "3")
        .proxy("PROCESSING_TIME", "100ms")
        .start()
        .await?;
    let window = Duration::from_secs(2);
    let load = system.load(Load::Closed { callers: 24 });
    system.until_answered(20).await?;

    let before = served_within(&system, window).await?;
    system.add_proxy(&[]).await?;
    system.note("another proxy has come");
    let after = served_within(&system, window).await?;
    load.stop().await?;
    system.report(format!(
        "served in {window:?}: {before} by one proxy, {after} by two"
    ));
    assert!(
        after >= 1.5 * before,
        "{before} served by one proxy, {after} by two"
    );
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

async fn served_within(system: &System, window: Duration) -> anyhow::Result<f64> {
    let before = system.proxies_sum("requests_served_total").await?;
    sleep(window).await;
    Ok(system.proxies_sum("requests_served_total").await? - before)
}

//! Fault 49: whatever starts first waits for the rest, alive and not ready, and is ready soon after.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::eventually;

use crate::callers::all_served;
use crate::system::{Allowed, LONG, REDIS_FAULT, System};

/// Within this time of Redis's start everything must be ready.
const SOON: Duration = Duration::from_secs(10);

/// Processes that wait for Redis are alive, not ready, and say why.
async fn wait_for_redis(system: &System) -> anyhow::Result<()> {
    for service in system.services() {
        eventually(LONG, async || {
            let answer = service.get("/health/live").await?;
            anyhow::ensure!(answer.status == 200, "{}", answer.text());
            Ok(())
        })
        .await?;
        let answer = service.get("/health/ready").await?;
        anyhow::ensure!(answer.status == 503, "{} is ready", service.name());
        let reason = answer.json()?["reason"].to_string();
        anyhow::ensure!(reason.contains("Redis"), "{} says {reason}", service.name());
    }
    Ok(())
}

#[tokio::test]
async fn redis_last() -> anyhow::Result<()> {
    let mut system = System::builder().start_without_redis().await?;
    wait_for_redis(&system).await?;
    // Somebody asks too early: no weather, but an answer, and not only at the end of all patience.
    let body = json!({"city": "Oslo", "location": "Centre"}).to_string();
    let start = Instant::now();
    let early = system
        .post(0, &[("content-type", "application/json")], body)
        .await?;
    assert_eq!(early.status, 503, "{}", early.text());
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(12),
        "{took:?} for what could not be sent"
    );
    system.report(format!(
        "a request before Redis was there was refused after {took:.2?}"
    ));

    system.redis().start_again().await?;
    let start = Instant::now();
    system.until_ready().await?;
    let took = start.elapsed();
    assert!(took < SOON, "{took:?} to be ready");
    system.report(format!("ready {took:.2?} after Redis was"));
    assert_eq!(system.ask(0).await.status(), Some(200));
    let allowed = Allowed::nothing()
        .counters(REDIS_FAULT)
        .requests_beside_the_history();
    system.finish(allowed).await?;
    Ok(())
}

/// The group is made by the proxy, before anybody has asked.
#[tokio::test]
async fn proxy_first() -> anyhow::Result<()> {
    let mut system = System::builder().ingresses(0).start().await?;
    system.add_ingress(&[]).await?;
    assert_eq!(system.ask(0).await.status(), Some(200));
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// What was asked before there was any proxy is served when there is one.
#[tokio::test]
async fn ingress_first() -> anyhow::Result<()> {
    let mut system = System::builder().proxies(0).start().await?;
    let waiting = system.callers(0, 12);
    system.until_outstanding(12).await?;
    let health = system.ingress(0).json("/health").await?;
    assert_eq!(health["parts"]["workers"]["status"], "degraded", "{health}");
    system.add_proxy(&[]).await?;
    all_served(waiting).await;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

//! SIGTERM: whoever leaves, no caller notices.

use std::time::Duration;

use serde_json::json;
use testbed::{Load, Signal};

use crate::callers::all_served;
use crate::system::{Allowed, CITY, DUPLICATES, GROUP, LONG, REQUESTS, System};

/// Fault 2: proxies leave one after the other under load. Each finishes what it has, ends with 0, and takes its
/// consumer along.
#[tokio::test]
async fn proxies_leave_under_load() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(3)
        .proxy("PROCESSING_TIME", "200ms")
        .proxy("DRAIN_DELAY", "200ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 25 });
    for leaver in [0, 1] {
        system.until_answered(40).await?;
        let told = system.now();
        let took = system.proxy(leaver).leave().await?;
        system.who_waited("a proxy left", told).await?;
        system.report(format!(
            "a proxy with 200 ms of work in hand left in {took:.2?}"
        ));
        let consumers = consumers(&system).await?;
        assert_eq!(consumers, 2 - leaver as u64, "of proxies that still live");
    }
    system.until_answered(40).await?;
    load.stop().await?;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

async fn consumers(system: &System) -> anyhow::Result<u64> {
    let consumers: Vec<redis::Value> = system
        .redis()
        .command(&["XINFO", "CONSUMERS", REQUESTS, GROUP])
        .await?;
    Ok(consumers.len() as u64)
}

/// The only proxy leaves with more work than fits into its drain time: it hands the rest back at once, uncounted,
/// and the next proxy need not wait for its lease to lapse.
#[tokio::test]
async fn work_beyond_the_drain_timeout_is_handed_back() -> anyhow::Result<()> {
    let mut system = System::builder()
        .request_timeout(Duration::from_secs(60))
        .proxy("LEASE", "50s")
        .proxy("PROCESSING_TIME", "45s")
        .proxy("DRAIN_TIMEOUT", "300ms")
        .proxy("MAX_DELIVERIES", "1")
        .start()
        .await?;
    let waiting = system.callers(0, 3);
    system
        .proxy(0)
        .until_figure("terminals_active", &[], |active| active == 3.0)
        .await?;
    let told = system.now();
    system.proxy(0).leave().await?;
    system.add_proxy(&[("PROCESSING_TIME", "20ms")]).await?;
    all_served(waiting).await;
    let fault = "a proxy left with work beyond DRAIN_TIMEOUT=300ms, the next one started";
    system.who_waited(fault, told).await?;
    let allowed = Allowed::nothing().counters(DUPLICATES).consumers(1);
    let summary = system.finish(allowed).await?;
    assert!(
        summary.latency(1.0) < Duration::from_secs(30),
        "not before the lease: {summary}"
    );
    Ok(())
}

/// Fault 7: an ingress leaves under load behind a load balancer that goes by readiness. Not one request fails, and
/// another ingress takes its place.
#[tokio::test]
async fn an_ingress_leaves_under_load() -> anyhow::Result<()> {
    let mut system = System::builder()
        .ingresses(2)
        .proxies(2)
        .ingress("DRAIN_DELAY", "3s")
        .proxy("PROCESSING_TIME", "100ms")
        .start()
        .await?;
    let balancer = system.balance();
    let load = system.load(Load::Closed { callers: 20 });
    system.until_answered(60).await?;
    let leaver = system.ingress(0);
    let (left, unready) = tokio::join!(leaver.leave(), async {
        leaver.until_unready().await?;
        // What was on its way to it is served on.
        anyhow::ensure!(leaver.get("/health/live").await?.status == 200);
        anyhow::Ok(())
    });
    unready?;
    let took = left?;
    system.report(format!("an ingress with DRAIN_DELAY=3s left in {took:.2?}"));
    system.until_answered(60).await?;
    drop(balancer);
    system.route_to(|_| true);
    system.ingress_mut(0).start_again()?;
    system.ingress(0).until_ready().await?;
    system.route_to(|_| true);
    system.until_answered(60).await?;
    load.stop().await?;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// Without a load balancer: who waits when the ingress is told to leave is answered, on a connection that then ends.
#[tokio::test]
async fn an_ingress_that_leaves_answers_who_waits() -> anyhow::Result<()> {
    let system = System::builder()
        .proxy("PROCESSING_TIME", "1s")
        .start()
        .await?;
    let body = json!({"city": "Oslo", "location": "Centre"}).to_string();
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut connection = system.ingress(0).raw().await?;
        let length = body.len();
        let head =
            format!("POST {CITY} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n");
        connection
            .send(format!("{head}content-length: {length}\r\n\r\n{body}"))
            .await?;
        waiting.push(connection);
    }
    let mut idle = system.ingress(0).raw().await?;
    system
        .ingress(0)
        .until_figure("pending_requests", &[], |waiting| waiting == 5.0)
        .await?;
    let answers = async {
        for mut connection in waiting {
            let answer = connection.read_answer(LONG).await?;
            anyhow::ensure!(answer.status == 200, "{}", answer.text());
            anyhow::ensure!(answer.header("connection") == Some("close"), "{answer:?}");
            connection.read_to_close(LONG).await?;
        }
        idle.read_to_close(LONG).await
    };
    let (left, answers) = tokio::join!(system.ingress(0).leave(), answers);
    assert_eq!(answers?, b"");
    left?;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// Every process is replaced, one after the other, under load: not one request fails.
#[tokio::test]
async fn a_rolling_restart_fails_no_request() -> anyhow::Result<()> {
    let mut system = System::builder()
        .ingresses(2)
        .reply_streams(&["shared", "dedicated"])
        .proxies(2)
        .ingress("DRAIN_DELAY", "2s")
        .proxy("PROCESSING_TIME", "50ms")
        .start()
        .await?;
    let _balancer = system.balance();
    let load = system.load(Load::Closed { callers: 20 });
    system.until_answered(40).await?;
    for number in [0, 1] {
        system.ingress(number).leave().await?;
        system.ingress_mut(number).start_again()?;
        system.ingress(number).until_ready().await?;
        system.until_answered(40).await?;
        system.proxy(number).leave().await?;
        system.proxy_mut(number).start_again()?;
        system.proxy(number).until_ready().await?;
        system.until_answered(40).await?;
    }
    load.stop().await?;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// Whoever cannot wait sends the signal again: the process ends at once, as the signal alone would have ended it.
#[tokio::test]
async fn a_second_signal_ends_at_once() -> anyhow::Result<()> {
    let system = System::builder()
        .proxies(2)
        .ingresses(2)
        .ingress("DRAIN_DELAY", "1h")
        .proxy("DRAIN_DELAY", "1h")
        .start()
        .await?;
    for service in [system.ingress(0), system.proxy(0)] {
        for signal in [Signal::SIGTERM, Signal::SIGTERM] {
            service.process().signal(signal)?;
            service
                .process()
                .wait_for_log("a second signal ends at once", LONG)
                .await?;
        }
        service.until_exit(143).await?;
    }
    assert_eq!(system.ask(1).await.status(), Some(200));
    // Redis lets go of a closed connection after all commands that came with its end: the request may still be given to
    // the read that the ended proxy left blocked, and is taken over when its lease is up.
    let taken_over = Allowed::nothing().counters(&["requests_reclaimed_total"]);
    system.finish(taken_over).await?;
    Ok(())
}

//! Requests and replies that do harm to whoever takes them.

use std::time::Duration;

use testbed::{Load, eventually};
use tokio::time::sleep;
use uuid::Uuid;

use crate::callers::{JSON, all_served, weather_of};
use crate::problem::Documented;
use crate::system::{Allowed, DEAD, DUPLICATES, LONG, REQUESTS, RESPONSES, System, SystemBuilder};

fn poisonous() -> SystemBuilder {
    System::builder().proxy("SIMULATED_FAULTS", "true")
}

/// The fields of the only dead letter, by name.
async fn dead_letter(system: &System) -> anyhow::Result<Vec<(String, String)>> {
    let letters: Vec<(String, Vec<(String, String)>)> =
        system.redis().command(&["XRANGE", DEAD, "-", "+"]).await?;
    let [(_, letter)] = &letters[..] else {
        anyhow::bail!("dead letters: {letters:?}")
    };
    Ok(letter.clone())
}

fn field<'a>(letter: &'a [(String, String)], name: &str) -> &'a str {
    let field = letter.iter().find(|(known, _)| known == name);
    field.map_or_else(
        || panic!("no {name} in {letter:?}"),
        |(_, value)| value.as_str(),
    )
}

/// Fault 33: the terminal panics. One caller gets 502, and the terminal serves on.
#[tokio::test]
async fn a_panic_costs_one_answer_and_no_terminal() -> anyhow::Result<()> {
    let system = poisonous().proxy("TERMINALS", "2").start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    for _ in 0..10 {
        let answer = system.post(0, &[JSON], weather_of("panic!")).await?;
        documented.check(&answer, 502, "terminal-failed")?;
    }
    all_served(system.callers(0, 10)).await;
    assert_eq!(
        system
            .proxy(0)
            .figure("requests_panicked_total", &[])
            .await?,
        10.0
    );
    let allowed = Allowed::nothing()
        .counters(&["requests_panicked_total"])
        .errors(&["panic"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Fault 32: a request ends every proxy that takes it. After MAX_DELIVERIES it is taken out, with its raw fields, and
/// its caller is told.
#[tokio::test]
async fn a_request_that_crashes_proxies_becomes_a_dead_letter() -> anyhow::Result<()> {
    let mut system = poisonous()
        .proxy("LEASE", "500ms")
        .proxy("MAX_DELIVERIES", "3")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let asked = tokio::spawn(system.post(0, &[JSON], weather_of("abort!")));
    for _ in 0..3 {
        system.proxy(0).until_crashed().await?;
        system.proxy_mut(0).start_again()?;
    }
    documented.check(&asked.await??, 502, "dead-lettered")?;
    system.until_ready().await?;

    let letter = dead_letter(&system).await?;
    assert_eq!(field(&letter, "dead-cause"), "deliveries");
    assert_eq!(field(&letter, "dead-deliveries"), "3");
    let (_, raw) = letter.last().unwrap();
    assert!(raw.contains("abort!") && raw.contains("ttl"), "{letter:?}");
    eventually(LONG, async || {
        let health = system.proxy(0).json("/health").await?;
        anyhow::ensure!(
            health["parts"]["backlog"]["status"] == "degraded",
            "{health}"
        );
        Ok(())
    })
    .await?;
    assert_eq!(system.ask(0).await.status(), Some(200));
    let allowed = Allowed::nothing()
        .dead_letters(1)
        .counters(DUPLICATES)
        .counters(&["dead_letters_total"])
        .errors(&["moved to the dead letters"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Fault 32: the requests that a proxy had in hand beside the one that ends it are not to blame, however often they
/// die with it, and get their weather.
#[tokio::test]
async fn who_is_in_the_same_proxy_as_poison_is_served() -> anyhow::Result<()> {
    let mut system = poisonous()
        .proxy("LEASE", "500ms")
        .proxy("PROCESSING_TIME", "1s")
        .start()
        .await?;
    // All terminals but one are at work when the poison comes, and work is longer than the time to a crash.
    let companions = system.callers(0, 4);
    system
        .proxy(0)
        .until_figure("terminals_active", &[], |active| active == 4.0)
        .await?;
    let asked = tokio::spawn(system.post(0, &[JSON], weather_of("abort!")));
    let mut crashes = 0;
    while !asked.is_finished() {
        crashes += system.restart_crashed_proxies().await?;
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(asked.await??.status, 502);
    assert_eq!(crashes, 3, "as often as it was delivered");
    all_served(companions).await;
    system.until_ready().await?;
    assert_eq!(system.ask(0).await.status(), Some(200));
    let allowed = Allowed::nothing()
        .dead_letters(1)
        .counters(DUPLICATES)
        .counters(&["dead_letters_total"])
        .errors(&["moved to the dead letters"]);
    let summary = system.finish(allowed.requests_beside_the_history()).await?;
    assert!(summary.latency(1.0) < Duration::from_secs(15), "{summary}");
    Ok(())
}

/// Fault 32, under load: one poisoned request costs no other request more than time.
#[tokio::test]
async fn poison_under_load_costs_others_only_time() -> anyhow::Result<()> {
    let mut system = poisonous()
        .proxies(3)
        .proxy("LEASE", "500ms")
        .proxy("PROCESSING_TIME", "300ms")
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 20 });
    system.until_answered(20).await?;
    let asked = tokio::spawn(system.post(0, &[JSON], weather_of("abort!")));
    let mut crashes = 0;
    while !asked.is_finished() {
        crashes += system.restart_crashed_proxies().await?;
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(asked.await??.status, 502);
    assert_eq!(crashes, 3, "as often as it was delivered");
    system.until_ready().await?;
    system.until_answered(20).await?;
    load.stop().await?;
    let allowed = Allowed::nothing()
        .dead_letters(1)
        .counters(DUPLICATES)
        .counters(&["dead_letters_total"])
        .errors(&["moved to the dead letters"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Fault 35: the provider never answers. The terminal is cut at the caller's deadline, which gets 504, and serves on.
#[tokio::test]
async fn a_terminal_that_hangs_is_cut_at_the_deadline() -> anyhow::Result<()> {
    let system = poisonous()
        .proxy("TERMINALS", "1")
        .proxy("LEASE", "500ms")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let hanging = system.post(0, &[JSON, ("prefer", "wait=2")], weather_of("hang!"));
    let behind = async {
        system
            .proxy(0)
            .until_figure("terminals_active", &[], |active| active == 1.0)
            .await?;
        anyhow::Ok(system.ask(0).await)
    };
    let (hung, behind) = tokio::join!(hanging, behind);
    documented.check(&hung?, 504, "timeout")?;
    assert_eq!(behind?.status(), Some(200), "who waited behind it");
    let cut = system
        .proxy(0)
        .figure("requests_expired_total", &[("stage", "running")])
        .await?;
    assert_eq!(cut, 1.0);
    let allowed = Allowed::nothing().counters(&[
        "requests_expired_total",
        "requests_timed_out_total",
        "requests_withdrawn_total",
        "weather_provider_errors_total",
    ]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Faults 34 and 51: entries that are no requests go to the dead letters with all their fields, and stop nobody; what
/// a newer program may have added to a request is ignored.
#[tokio::test]
async fn undecodable_entries_become_dead_letters() -> anyhow::Result<()> {
    let system = System::start().await?;
    let id = || Uuid::now_v7().to_string();
    let head = |reply_to: &str, v: u32| {
        format!(
            "{{\"v\":{v},\"reply_to\":\"{reply_to}\",\"ttl\":5000,\"new\":1}}\n{}",
            weather_of("Oslo")
        )
    };
    let dead = [
        (vec!["city".to_owned(), "Oslo".to_owned()], "undecodable"),
        (vec![id(), String::new()], "undecodable"),
        (vec![id(), "{\"v\":1}".to_owned()], "undecodable"),
        (vec![id(), head(RESPONSES, 2)], "undecodable"),
        (vec![id(), "x".repeat(100_000)], "undecodable"),
        (
            vec!["a".into(), "1".into(), "a".into(), "2".into()],
            "undecodable",
        ),
        (vec![id(), head("somebody-elses-key", 1)], "reply-to"),
        (vec![id(), head(REQUESTS, 1)], "reply-to"),
    ];
    let count = dead.len() as u64;
    for (fields, _) in &dead {
        add(&system, REQUESTS, fields).await?;
    }
    // This one is a request; nobody waits for its reply.
    add(
        &system,
        REQUESTS,
        &[
            "note".to_owned(),
            "hello".to_owned(),
            id(),
            head(RESPONSES, 1),
        ],
    )
    .await?;
    all_served(system.callers(0, 20)).await;

    let all = |total: f64| total == count as f64;
    system
        .proxy(0)
        .until_figure("dead_letters_total", &[], all)
        .await?;
    let letters: Vec<(String, Vec<String>)> =
        system.redis().command(&["XRANGE", DEAD, "-", "+"]).await?;
    for (fields, cause) in &dead {
        let kept = letters
            .iter()
            .any(|(_, letter)| letter.ends_with(fields) && letter[1] == *cause);
        assert!(kept, "{fields:?} is not among {letters:?}");
    }
    let allowed = Allowed::nothing()
        .dead_letters(count)
        .counters(&["dead_letters_total", "replies_unmatched_total"])
        .errors(&["moved to the dead letters"]);
    system.finish(allowed).await?;
    Ok(())
}

/// Fault 40: replies that nobody waits for, that come twice, or that are none at all are counted and dropped.
#[tokio::test]
async fn forged_replies_are_counted_and_dropped() -> anyhow::Result<()> {
    let system = System::start().await?;
    let body = weather_of("Oslo");
    let reply = |status: &str| {
        format!(
            "{{\"v\":1,\"status\":\"{status}\",\"queue_us\":1,\"work_us\":1,\"deliveries\":1}}\n{body}"
        )
    };
    let answered = system.post(0, &[JSON], &*body).await?.json()?;
    let answered = answered["requestId"].as_str().unwrap().to_owned();
    let unknown = Uuid::now_v7().to_string();
    for fields in [
        [answered, reply("ok")],
        [unknown.clone(), reply("ok")],
        [unknown.clone(), reply("panicked")],
    ] {
        add(&system, RESPONSES, &fields).await?;
    }
    for fields in [
        [unknown.clone(), reply("perfect")],
        [unknown.clone(), "garbage".to_owned()],
        [unknown, String::new()],
        ["no id".to_owned(), reply("ok")],
    ] {
        add(&system, RESPONSES, &fields).await?;
    }
    let ingress = system.ingress(0);
    ingress
        .until_figure("replies_unmatched_total", &[], |count| count == 3.0)
        .await?;
    ingress
        .until_figure("replies_undecodable_total", &[], |count| count == 4.0)
        .await?;
    all_served(system.callers(0, 20)).await;
    let allowed =
        Allowed::nothing().counters(&["replies_unmatched_total", "replies_undecodable_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Adds an entry by hand.
async fn add(system: &System, stream: &str, fields: &[String]) -> anyhow::Result<()> {
    let command: Vec<&str> = ["XADD", stream, "*"]
        .into_iter()
        .chain(fields.iter().map(String::as_str))
        .collect();
    system.redis().command(&command).await
}

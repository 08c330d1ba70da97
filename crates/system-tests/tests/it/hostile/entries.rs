//! What others with the right to write may put on the streams.

use testbed::eventually;
use uuid::Uuid;

use crate::callers::{all_served, weather_of};
use crate::system::{Allowed, DEAD, REQUESTS, RESPONSES, System};

/// The end of the year 9999 in milliseconds.
const YEAR_9999: &str = "253402300799000-0";

fn id() -> String {
    Uuid::now_v7().to_string()
}

/// A request with these members of its head.
fn envelope(members: &str) -> String {
    format!(
        "{{\"v\":1,\"reply_to\":\"{RESPONSES}\"{members}}}\n{}",
        weather_of("Oslo")
    )
}

async fn add(system: &System, stream: &str, at: &str, fields: &[&str]) -> anyhow::Result<()> {
    let command: Vec<&str> = ["XADD", stream, at].iter().chain(fields).copied().collect();
    let _: String = system.redis().command(&command).await?;
    Ok(())
}

/// Waits until so many entries were given up and the others have left the stream.
async fn until_settled(system: &System, dead: u64) -> anyhow::Result<()> {
    eventually(crate::system::LONG, async || {
        let left: u64 = system.redis().command(&["XLEN", REQUESTS]).await?;
        let letters: u64 = system.redis().command(&["XLEN", DEAD]).await?;
        anyhow::ensure!(
            left == 0 && letters == dead,
            "{left} left, {letters} dead letters"
        );
        Ok(())
    })
    .await
}

/// Row 30: a deadline is an entry's id and its ttl. Neither makes a worker work for nobody, wait for ever, or stop.
#[tokio::test]
async fn deadlines_from_the_past_the_future_and_nowhere() -> anyhow::Result<()> {
    let system = System::start().await?;
    let proxy = system.proxy(0);
    // From 1970, and with no time at all: expired, unrun.
    add(
        &system,
        REQUESTS,
        "1-1",
        &[&id(), &envelope(",\"ttl\":86400000")],
    )
    .await?;
    add(&system, REQUESTS, "*", &[&id(), &envelope(",\"ttl\":0")]).await?;
    proxy
        .until_figure(
            "requests_expired_total",
            &[("stage", "queued")],
            |expired| expired == 2.0,
        )
        .await?;
    assert_eq!(proxy.figure("requests_served_total", &[]).await?, 0.0);

    // In centuries: served now, like any other.
    add(
        &system,
        REQUESTS,
        "*",
        &[&id(), &envelope(&format!(",\"ttl\":{}", u64::MAX))],
    )
    .await?;
    let nowhere = [
        "",
        "-1",
        "1.5",
        "1e3",
        "\"5000\"",
        "null",
        "[5000]",
        "\"2031-02-28T00:00:00Z\"",
        "18446744073709551616",
    ];
    for ttl in nowhere {
        let member = if ttl.is_empty() {
            String::new()
        } else {
            format!(",\"ttl\":{ttl}")
        };
        add(&system, REQUESTS, "*", &[&id(), &envelope(&member)]).await?;
    }
    until_settled(&system, nowhere.len() as u64).await?;

    // An id of the year 9999, after which Redis numbers all entries from there on.
    add(
        &system,
        REQUESTS,
        YEAR_9999,
        &[&id(), &envelope(",\"ttl\":5000")],
    )
    .await?;
    add(&system, RESPONSES, YEAR_9999, &["no id", "no reply"]).await?;
    all_served(system.callers(0, 20)).await;
    let oldest = system
        .ingress(0)
        .figure("stream_oldest_entry_age_seconds", &[])
        .await?;
    assert!((0.0..60.0).contains(&oldest), "{oldest}");
    until_settled(&system, nowhere.len() as u64).await?;

    let allowed = Allowed::nothing()
        .dead_letters(nowhere.len() as u64)
        .counters(&[
            "dead_letters_total",
            "requests_expired_total",
            "replies_unmatched_total",
            "replies_undecodable_total",
        ])
        .errors(&["moved to the dead letters"]);
    system.finish(allowed).await?;
    Ok(())
}

/// Row 30: entries of a megabyte, of ten thousand fields, and heads that nobody wrote by accident.
#[tokio::test]
async fn entries_of_any_size_and_shape() -> anyhow::Result<()> {
    let system = System::start().await?;
    let (mebibyte, id) = ("x".repeat(1 << 20), id());
    let head = format!("{{\"v\":1,\"reply_to\":\"{RESPONSES}\",\"ttl\":60000}}\n");
    let member = |member: &str| envelope(&format!(",\"ttl\":60000,{member}"));
    let many: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let dead: Vec<Vec<&str>> = vec![
        many.iter().map(String::as_str).collect(),
        vec![&mebibyte, "x"],
        vec![&id, &mebibyte],
        vec!["", ""],
        vec!["00000000000000000000000000000000", &head],
        vec!["{01234567-89ab-7cde-8f01-23456789abcd}", &head],
        vec!["urn:uuid:01234567-89ab-7cde-8f01-23456789abcd", &head],
    ];
    let bomb = member(&format!("\"x\":{}", "[".repeat(10_000)));
    let long = member(&format!("\"x\":\"{}\"", "x".repeat(17_000)));
    let twice = member("\"v\":1");
    let nameless = "[1,60000]\n";
    let heads = [bomb, long, twice];
    let dead = dead
        .into_iter()
        .chain(heads.iter().map(|head| vec![&*id, head]));
    let mut letters = 0;
    for fields in dead {
        add(&system, REQUESTS, "*", &fields).await?;
        letters += 1;
    }
    // Requests, if no sensible ones: the worker answers them, and nobody waits for it.
    let large = format!("{head}{mebibyte}{mebibyte}");
    let other = Uuid::now_v7().to_string().to_uppercase();
    let requests = [
        vec![&*id, &large],
        vec![&*id, nameless],
        vec![&*id, &head],
        vec![&*other, &head],
        vec!["more", "fields", &id, &head, &other, &head],
    ];
    for fields in &requests {
        add(&system, REQUESTS, "*", fields).await?;
    }
    all_served(system.callers(0, 20)).await;
    until_settled(&system, letters).await?;
    system
        .ingress(0)
        .until_figure("replies_unmatched_total", &[], |replies| {
            replies == requests.len() as f64
        })
        .await?;
    let allowed = Allowed::nothing()
        .dead_letters(letters)
        .counters(&["dead_letters_total", "replies_unmatched_total"])
        .errors(&["moved to the dead letters"]);
    system.finish(allowed).await?;
    Ok(())
}

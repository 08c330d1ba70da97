//! Metrics cost memory for each combination of labels, here and in whatever scrapes them: nobody from outside may
//! make new ones without end.

use std::collections::BTreeSet;

use anyhow::ensure;
use testbed::eventually;

use crate::callers::{JSON, weather_of};
use crate::system::{Allowed, DEAD, LONG, REQUESTS, RESPONSES, Service, System};

/// What each hostile text holds, so that it can be found.
const MARK: &str = "h0st1le";

/// How many different ones are sent of each kind.
const EACH: usize = 150;

type Series = BTreeSet<String>;

async fn series(service: &Service) -> anyhow::Result<Series> {
    let metrics = service.metrics().await?;
    let series = metrics.samples().iter();
    Ok(series
        .map(|sample| format!("{} {:?}", sample.name, sample.labels))
        .collect())
}

#[tokio::test]
async fn nothing_from_outside_makes_series_without_end() -> anyhow::Result<()> {
    let system = System::start().await?;
    // One of each kind, so that what may come has come.
    hostile(&system, 0..2).await?;
    until_dead(&system, 4).await?;
    let mut before = Vec::new();
    for service in system.services() {
        // The first look is itself counted.
        series(service).await?;
        before.push(series(service).await?);
    }
    hostile(&system, 2..EACH).await?;
    let sent = 2 * EACH as u64;
    until_dead(&system, sent).await?;
    for (service, before) in system.services().zip(before) {
        let after = series(service).await?;
        let new: Vec<_> = after.difference(&before).collect();
        ensure!(new.is_empty(), "{}: {new:?}", service.name());
        ensure!(
            !after.iter().any(|series| series.contains(MARK)),
            "{after:?}"
        );
    }
    let allowed = Allowed::nothing()
        .dead_letters(sent)
        .errors(&["moved to the dead letters"])
        .counters(&["dead_letters_total", "replies_undecodable_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Methods, paths, queries, headers, cities, and entries of others' making, each different.
async fn hostile(system: &System, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    for number in numbers {
        let text = format!("{MARK}{number}");
        for service in system.services() {
            for head in [
                format!("GET /{text} HTTP/1.1\r\nhost: t\r\n\r\n"),
                format!("GET /health/{text} HTTP/1.1\r\nhost: t\r\n\r\n"),
                format!("GET /metrics?{text}={text} HTTP/1.1\r\nhost: t\r\n\r\n"),
                format!("GET /swagger/{text} HTTP/1.1\r\nhost: t\r\n\r\n"),
                format!(
                    "{} /health HTTP/1.1\r\nhost: t\r\n\r\n",
                    text.to_uppercase()
                ),
                format!(
                    "GET /health HTTP/1.1\r\nhost: {text}\r\nx-request-id: {text}\r\n{text}: {text}\r\n\r\n"
                ),
            ] {
                let mut connection = service.raw().await?;
                connection.send(head).await?;
                connection.read_answer(LONG).await?;
            }
        }
        let caller = ("x-request-id", &text[..]);
        let answer = system.post(0, &[JSON, caller], weather_of(&text)).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        // Who may write to the streams is not trusted either.
        let reply_to = format!("{{\"v\":1,\"reply_to\":\"{RESPONSES}-{text}\",\"ttl\":60000}}\n");
        for fields in [
            [&text[..], &text],
            [&uuid::Uuid::now_v7().to_string(), &reply_to],
        ] {
            let add = ["XADD", REQUESTS, "*", fields[0], fields[1]];
            system.redis().command::<String>(&add).await?;
        }
        let add = ["XADD", RESPONSES, "*", &text, &text];
        system.redis().command::<String>(&add).await?;
    }
    Ok(())
}

async fn until_dead(system: &System, count: u64) -> anyhow::Result<()> {
    eventually(LONG, async || {
        let dead: u64 = system.redis().command(&["XLEN", DEAD]).await?;
        ensure!(dead == count, "{dead} dead letters");
        Ok(())
    })
    .await
}

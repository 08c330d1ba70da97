//! A backlog: a million requests that are on the stream before a worker comes, and how fast one works them off.
//!
//! They are copies, written by Redis itself in a script, of one entry that was made by the front or looks as if it
//! were. Nobody waits for the answers. The rate is that between a twentieth and nineteen twentieths of them, so that
//! the worker's start does not count.

use std::time::Duration;

use anyhow::{Context, ensure};
use testbed::{HttpClient, Metrics, RedisServer, eventually};
use tokio::time::{Instant, sleep};

use super::Bench;
use crate::figures::Figures;
use crate::outcome::{Case, Column, Outcome};
use crate::system::{Kind, Spec, System};

const ENTRIES: u64 = 1_000_000;
/// Written by one script.
const AT_ONCE: u64 = 10_000;
const LONG: Duration = Duration::from_secs(30);
/// Longer than anybody drains.
const PATIENCE: Duration = Duration::from_secs(300);
const STREAM: &str = "requests";
const CITY: &str = r#"{"city":"New York","location":"Downtown"}"#;

/// Each entry has an id of its own, either as the name of its one field or as the value of `id`.
const OURS: &str = "for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do \
    local id = string.format('01a00000-0000-7000-8000-%012x', n); \
    redis.call('XADD', KEYS[1], '*', id, ARGV[3]) end";
const STRAIGHTFORWARD: &str = "for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do \
    local id = string.format('01a00000-0000-7000-8000-%012x', n); \
    redis.call('XADD', KEYS[1], '*', 'id', id, 'payload', ARGV[3]) end";

const COLUMNS: [Column; 1] = [Column {
    name: "bytesPerEntry",
    title: "bytes per entry",
}];

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let count = if bench.quick { 1 } else { 3 };
    let kinds = [Kind::Straightforward, Kind::Ours];
    let mut rounds = kinds.map(|_| Vec::new());
    for round in 0..count {
        // With more than one round, each is the first in every other.
        for turn in 0..kinds.len() {
            let number = (round + turn) % kinds.len();
            let kind = kinds[number];
            let figures = drained(kind, bench).await?;
            (bench.tell)(&format!(
                "  {}/{count} {}: {:.0}/s",
                round + 1,
                kind.name(),
                figures.rate
            ));
            rounds[number].push(figures);
        }
    }
    let cases = kinds.iter().zip(rounds);
    let cases: Vec<_> = cases
        .map(|(kind, rounds)| Case::new(kind.name().to_owned(), Some(kind.promises()), rounds))
        .collect();
    let about = format!("one worker and {ENTRIES} entries that wait for it");
    Ok(Outcome::last_against_each("backlog", about, cases).with_columns(&COLUMNS))
}

async fn drained(kind: Kind, bench: &Bench) -> anyhow::Result<Figures> {
    let spec = bench.adjust(Spec::new(kind));
    let spec = spec
        .setting("REQUEST_STREAM", STREAM)
        .front_setting("REQUEST_TIMEOUT", "1h");
    let mut system = System::start(&Spec {
        workers: 0,
        ..spec.clone()
    })
    .await?;
    let (script, entry) = match kind {
        Kind::Ours => (OURS, an_entry(&system).await?),
        _ => (STRAIGHTFORWARD, CITY.to_owned()),
    };
    let redis = system.redis()?;
    let empty = used_memory(redis).await?;
    for first in (0..ENTRIES).step_by(AT_ONCE as usize) {
        let (first, last) = (first.to_string(), (first + AT_ONCE - 1).to_string());
        let script = ["EVAL", script, "1", STREAM, &first, &last, &entry];
        redis.command::<()>(&script).await?;
    }
    let full = used_memory(redis).await?;
    // It would read the answers, on a processor that the worker could have.
    system.without_fronts();
    let before = system.spent()?;
    system.add_worker(&spec, 0)?;
    let rate = rate(kind, system.redis()?).await?;
    let spent = system.spent()?.since(before);
    if matches!(kind, Kind::Ours) {
        all_served(&system).await?;
    }
    let mut figures = Figures {
        requests: ENTRIES as f64,
        cpu: spent.map(|seconds| seconds * 1e6 / ENTRIES as f64),
        rate,
        memory: system.memory()?,
        p50: f64::NAN,
        p99: f64::NAN,
        p999: f64::NAN,
        ..Figures::default()
    };
    let bytes = (full - empty) / ENTRIES as f64;
    figures.more.insert("bytesPerEntry", bytes);
    Ok(figures)
}

/// An entry of the front's own. Who asked for it leaves, and the front takes it back.
async fn an_entry(system: &System) -> anyhow::Result<String> {
    let client = HttpClient::new()?;
    let target = system.targets()?.remove(0);
    let url = format!("{target}{}", crate::peer::PATH);
    let headers = [("content-type", "application/json")];
    let asking = client.post(&url, &headers, CITY.into(), PATIENCE);
    let redis = system.redis()?;
    let seen = eventually(LONG, async || {
        let entries: Vec<(String, Vec<String>)> =
            redis.command(&["XRANGE", STREAM, "-", "+"]).await?;
        let (_, fields) = entries.into_iter().next().context("no entry yet")?;
        fields
            .into_iter()
            .nth(1)
            .context("an entry without a field")
    });
    let entry = tokio::select! {
        entry = seen => entry?,
        answer = asking => anyhow::bail!("answered without a worker: {answer:?}"),
    };
    eventually(LONG, async || {
        let left: u64 = redis.command(&["XLEN", STREAM]).await?;
        ensure!(left == 0, "the entry is still there");
        Ok(())
    })
    .await?;
    Ok(entry)
}

/// An entry that expired, or could not be read, leaves the stream as well.
async fn all_served(system: &System) -> anyhow::Result<()> {
    let worker = system.workers().next().context("no worker")?;
    let url = format!("{worker}/metrics");
    let metrics = Metrics::scrape(&HttpClient::new()?, &url, PATIENCE).await?;
    let served = metrics.sum("requests_served_total", &[]);
    ensure!(
        served == Some(ENTRIES as f64),
        "{served:?} of {ENTRIES} were served"
    );
    Ok(())
}

/// Waits until nothing is left; entries per second.
async fn rate(kind: Kind, redis: &RedisServer) -> anyhow::Result<f64> {
    let end = Instant::now() + PATIENCE;
    let (mut begun, mut nearly) = (None, None);
    loop {
        let done = match kind {
            Kind::Ours => ENTRIES - redis.command::<u64>(&["XLEN", STREAM]).await?,
            _ => acknowledged(redis).await?,
        };
        let now = Instant::now();
        if done >= ENTRIES / 20 {
            begun.get_or_insert((now, done));
        }
        if done >= ENTRIES - ENTRIES / 20 {
            nearly.get_or_insert((now, done));
        }
        if done >= ENTRIES {
            break;
        }
        ensure!(now < end, "{done} of {ENTRIES} after {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
    match (begun, nearly) {
        (Some((from, first)), Some((to, last))) if to > from => {
            Ok((last - first) as f64 / (to - from).as_secs_f64())
        }
        _ => anyhow::bail!("it was over before it could be looked at"),
    }
}

/// How many entries were acknowledged: the peer does it one by one, and Redis counts commands.
async fn acknowledged(redis: &RedisServer) -> anyhow::Result<u64> {
    let commands = redis.info("commandstats").await?;
    // Not there before the first.
    let Some(figures) = commands.get("cmdstat_xack") else {
        return Ok(0);
    };
    let calls = figures.split(',').find_map(|it| it.strip_prefix("calls="));
    let calls = calls.context("Redis does not say how often it was asked")?;
    Ok(calls.parse()?)
}

async fn used_memory(redis: &RedisServer) -> anyhow::Result<f64> {
    let memory = redis.info("memory").await?;
    let used = memory
        .get("used_memory")
        .context("Redis does not say what it uses")?;
    Ok(used.parse()?)
}

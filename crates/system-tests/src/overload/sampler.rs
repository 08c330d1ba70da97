//! Looking at every process from outside while load comes.

use std::time::{Duration, Instant};

use serde::Serialize;
use testbed::HttpClient;

use crate::{Kind, REQUESTS, Service, System};

/// Between two looks.
pub(super) const PERIOD: Duration = Duration::from_millis(200);

/// A health answer that takes longer counts as this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// One look.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sample {
    /// Seconds since the row began.
    pub(super) at: f64,
    /// Requests on the request stream.
    pub(super) outstanding: u64,
    /// How long the oldest of those that no proxy has yet has been there, in seconds.
    pub(super) queue_age: f64,
    /// The longest that `/health/live` of any process took, in seconds; 5 where one gave no answer.
    pub(super) health: f64,
    /// Resident bytes of the largest ingress.
    pub(super) ingress_bytes: u64,
    /// Resident bytes of the largest proxy.
    pub(super) proxy_bytes: u64,
    /// Resident bytes of Redis.
    pub(super) redis_bytes: u64,
}

/// Takes looks at a system.
pub(super) struct Sampler {
    client: HttpClient,
    began: Instant,
    pub(super) samples: Vec<Sample>,
}

impl Sampler {
    pub(super) fn start() -> anyhow::Result<Self> {
        Ok(Self {
            client: HttpClient::new()?,
            began: Instant::now(),
            samples: Vec::new(),
        })
    }

    /// How long it has been at it.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes one look.
    pub(super) async fn look(&mut self, system: &System) -> anyhow::Result<()> {
        let mut sample = Sample {
            at: self.began.elapsed().as_secs_f64(),
            outstanding: system.redis().command(&["XLEN", REQUESTS]).await?,
            queue_age: queue_age(system).await?,
            redis_bytes: system.redis().process().rss_bytes()?,
            ..Sample::default()
        };
        // A process that was only just started is not there yet.
        let there = |service: &&Service| !service.has_ended() && service.fresh().is_some();
        for service in system.services().filter(there) {
            let bytes = service.process().rss_bytes()?;
            let largest = match service.kind() {
                Kind::Ingress => &mut sample.ingress_bytes,
                Kind::Proxy => &mut sample.proxy_bytes,
            };
            *largest = bytes.max(*largest);
            let asked = Instant::now();
            let url = format!("{}/health/live", service.base());
            let answer = self.client.get(&url, PATIENCE).await;
            let took = match answer {
                Ok(answer) if answer.status == 200 => asked.elapsed(),
                _ => PATIENCE,
            };
            sample.health = sample.health.max(took.as_secs_f64());
        }
        self.samples.push(sample);
        Ok(())
    }
}

/// The age of the first entry behind the last one that was delivered.
async fn queue_age(system: &System) -> anyhow::Result<f64> {
    let redis = system.redis();
    let groups: Vec<Vec<Option<String>>> = redis
        .command(&["XINFO", "GROUPS", REQUESTS])
        .await
        .unwrap_or_default();
    let last = groups.first().and_then(|group| {
        let name = group
            .iter()
            .position(|field| field.as_deref() == Some("last-delivered-id"))?;
        group.get(name + 1)?.clone()
    });
    let after = last.map_or("-".to_owned(), |id| format!("({id}"));
    let waiting: Vec<(String, Vec<String>)> = redis
        .command(&["XRANGE", REQUESTS, &after, "+", "COUNT", "1"])
        .await
        .unwrap_or_default();
    let (seconds, micros): (u64, u64) = redis.command(&["TIME"]).await?;
    let added = waiting
        .first()
        .and_then(|(id, _)| id.split('-').next()?.parse::<u64>().ok());
    let now = seconds * 1_000 + micros / 1_000;
    Ok(added.map_or(0.0, |added| now.saturating_sub(added) as f64 / 1e3))
}

//! What must be so when nobody asks for anything any more.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use testbed::{Leftovers, eventually};

use super::finish::none;
use super::{Allowed, DEAD, GROUP, Kind, REQUESTS, RESPONSES, Service, System};

/// By when everything is at rest: sweeps and withdrawals take a while, and so does a busy machine.
const REST: Duration = Duration::from_secs(20);

/// Descriptors that may be open beyond those at the start: connections to Redis that are made when they are needed.
const MORE_FDS: usize = 10;

/// Memory that may be in use beyond that at the start, for buffers that have grown to their size. Tests that look
/// for leaks compare two rounds of the same.
const MORE_RSS: u64 = 64 << 20;

/// Counters of what is unusual, by who has them.
const UNUSUAL: &[&str] = &[
    "log_lines_dropped_total",
    "redis_command_retries_total",
    "redis_failovers_total",
    "redis_reconnects_total",
];
const UNUSUAL_IN_INGRESS: &[&str] = &[
    "circuit_breaker_transitions_total",
    "replies_late_total",
    "replies_undecodable_total",
    "requests_refused_total",
    "requests_timed_out_total",
    "requests_withdrawn_total",
];
const UNUSUAL_IN_PROXY: &[&str] = &[
    "dead_letters_total",
    "groups_created_total",
    "replies_refused_total",
    "requests_duplicate_total",
    "requests_expired_total",
    "requests_handed_back_total",
    "requests_lapsed_total",
    "requests_panicked_total",
    "requests_reclaimed_total",
    "weather_provider_errors_total",
];

impl System {
    /// Nothing in the streams, nothing pending, no key that nobody knows.
    pub(super) async fn nothing_left(&self, allowed: &Allowed) -> anyhow::Result<()> {
        let living = self
            .proxies
            .iter()
            .filter(|proxy| !proxy.has_ended())
            .count() as u64;
        let lost: u64 = self.proxies.iter().map(Service::times_lost).sum();
        eventually(REST, async || {
            let left = Leftovers::read(&self.redis, REQUESTS, GROUP).await?;
            Ok(left.check(living + lost + allowed.consumers, allowed.dead_letters)?)
        })
        .await?;
        let keys: Vec<String> = self.redis.command(&["KEYS", "*"]).await?;
        let workers = format!("{REQUESTS}:workers");
        let known = |key: &str| {
            [REQUESTS, RESPONSES, DEAD, &workers].contains(&key)
                || key.starts_with(&format!("{RESPONSES}:"))
        };
        let unknown: Vec<_> = keys.iter().filter(|key| !known(key)).collect();
        ensure!(unknown.is_empty(), "nobody knows these keys: {unknown:?}");
        Ok(())
    }

    /// No living process has anything in hand.
    pub(super) async fn at_rest(&self) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for service in self.services().filter(|service| !service.has_ended()) {
            wrong.extend(
                eventually(REST, async || at_rest(service).await)
                    .await
                    .err(),
            );
        }
        none(&wrong)
    }

    /// No counter of anything unusual has moved that the test does not allow to.
    pub(super) async fn calm(&self, allowed: &Allowed) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for service in self.services().filter(|service| !service.has_ended()) {
            let metrics = service.metrics().await?;
            let of_kind = match service.kind() {
                Kind::Ingress => UNUSUAL_IN_INGRESS,
                Kind::Proxy => UNUSUAL_IN_PROXY,
            };
            let unmatched = (service.kind() == Kind::Ingress && self.reads_own_replies(service))
                .then_some(&"replies_unmatched_total");
            for name in UNUSUAL.iter().chain(of_kind).chain(unmatched) {
                let count = metrics.sum(name, &[]);
                let expected = allowed.counters.contains(name);
                match count {
                    // The retries of a part show when there are some.
                    None if *name == "redis_command_retries_total" => {}
                    None if *name == "redis_reconnects_total" => {}
                    None => wrong.push(anyhow!("{} has no {name}", service.name())),
                    Some(count) if count > 0.0 && !expected => {
                        wrong.push(anyhow!("{name} of {} is {count}", service.name()));
                    }
                    Some(_) => {}
                }
            }
        }
        none(&wrong)
    }

    /// Memory and descriptors are back.
    pub(super) async fn usage_is_back(&self) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for service in self.services().filter(|service| !service.has_ended()) {
            let Some(fresh) = service.fresh() else {
                continue;
            };
            let is_back = eventually(REST, async || {
                let now = service.usage()?;
                let name = service.name();
                ensure!(
                    now.fds <= fresh.fds + MORE_FDS,
                    "{name} has {} descriptors open, at first it had {}",
                    now.fds,
                    fresh.fds
                );
                ensure!(
                    now.rss_bytes <= fresh.rss_bytes + MORE_RSS,
                    "{name} takes {} bytes, at first it took {}",
                    now.rss_bytes,
                    fresh.rss_bytes
                );
                Ok(())
            });
            wrong.extend(is_back.await.err());
        }
        none(&wrong)
    }

    /// Whether no other ingress's replies come to this one.
    fn reads_own_replies(&self, ingress: &Service) -> bool {
        self.ingresses.len() == 1 || ingress.setting("REPLY_STREAM") == Some("dedicated")
    }
}

async fn at_rest(service: &Service) -> anyhow::Result<()> {
    let metrics = service.metrics().await?;
    let figure = |name: &str| metrics.sum(name, &[]).with_context(|| format!("no {name}"));
    // The scrape itself is one.
    let in_flight = figure("http_requests_in_flight")?;
    if in_flight != 1.0 {
        bail!(
            "{} has {} HTTP requests in flight",
            service.name(),
            in_flight - 1.0
        );
    }
    let in_hand: &[&str] = match service.kind() {
        Kind::Ingress => &["pending_requests"],
        Kind::Proxy => &["requests_in_hand", "terminals_active"],
    };
    for name in in_hand {
        let value = figure(name)?;
        ensure!(value == 0.0, "{name} of {} is {value}", service.name());
    }
    Ok(())
}

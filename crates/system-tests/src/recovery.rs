//! Whether, and how soon, the system serves again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use testbed::{Event, Outcome, What, eventually};
use tokio::time::sleep;

use super::{LONG, System};

/// Within this time after the end of a fault everything that is sent is answered 200 again, without a restart.
const BOUND: Duration = Duration::from_secs(10);

/// So many requests in a row, all answered 200, mean that it serves.
const IN_A_ROW: usize = 20;

/// The part of the requests that must be answered 200 where no fault is about.
const SERVED: f64 = 0.999;

/// Between two looks at the history, which are dear when it is long.
const LOOK: Duration = Duration::from_millis(100);

impl System {
    /// Waits until so many more callers got their weather.
    pub async fn until_answered(&self, count: usize) -> anyhow::Result<()> {
        let from = self.history.events().len();
        eventually(LONG, async || {
            sleep(LOOK).await;
            let events = self.history.events();
            let answered = events[from..]
                .iter()
                .filter(|event| is_weather(event))
                .count();
            ensure!(answered >= count, "{answered} of {count} were answered");
            Ok(())
        })
        .await
    }

    /// This moment, for [`who_waited`](Self::who_waited).
    pub fn now(&self) -> Duration {
        self.history.now()
    }

    /// Waits until everybody has an answer who waited for one when a process was harmed, and reports how long the last
    /// of them went on to wait.
    pub async fn who_waited(&mut self, harm: &str, since: Duration) -> anyhow::Result<()> {
        let waits = eventually(LONG, async || {
            sleep(LOOK).await;
            let waits = waits_across(&self.history.events(), since);
            let waiting = waits.iter().filter(|wait| wait.is_none()).count();
            ensure!(waiting == 0, "{waiting} of {} wait still", waits.len());
            Ok(waits)
        })
        .await?;
        let last = waits.iter().flatten().max().copied().unwrap_or_default();
        self.report(format!(
            "{harm}: {} callers waited, the last of them {:.2} s",
            waits.len(),
            last.as_secs_f64()
        ));
        Ok(())
    }

    /// Call it when a fault has ended, while a load runs: waits until every process is ready and all that is sent
    /// is answered 200. Reports and returns how long requests went on to fail, which must not be longer than ten
    /// seconds.
    pub async fn recovers(&mut self, fault: &str) -> anyhow::Result<Duration> {
        let over = self.history.now();
        self.note("the fault is over");
        self.until_ready().await?;
        let ready = self.history.now().saturating_sub(over);
        eventually(LONG, async || {
            let since = self.history.now();
            sleep(LOOK).await;
            eventually(LONG, async || {
                sleep(LOOK).await;
                let sent = sent_since(&self.history.events(), since);
                let ended = sent.iter().filter(|sent| sent.weather.is_some()).count();
                ensure!(ended >= IN_A_ROW, "{ended} requests came to an end");
                Ok(())
            })
            .await?;
            let sent = sent_since(&self.history.events(), since);
            let failed = sent
                .iter()
                .filter(|sent| sent.weather == Some(false))
                .count();
            ensure!(
                failed == 0,
                "{failed} of {} requests fail still",
                sent.len()
            );
            Ok(())
        })
        .await?;
        let sent = sent_since(&self.history.events(), over);
        let failed = sent.iter().filter(|sent| sent.weather == Some(false));
        let served = failed
            .map(|sent| sent.at)
            .max()
            .map_or(Duration::ZERO, |last| last - over);
        self.report(format!(
            "{fault}: ready again after {:.2} s, all answered from {:.2} s on",
            ready.as_secs_f64(),
            served.as_secs_f64()
        ));
        ensure!(
            served <= BOUND,
            "requests failed for {served:?} after the end of: {fault}"
        );
        Ok(served)
    }

    /// Call it while a load runs: of all that is sent in this time 99.9 % must be answered 200.
    pub async fn serves(&self, time: Duration) -> anyhow::Result<()> {
        let since = self.history.now();
        sleep(time).await;
        let until = self.history.now();
        let sent = eventually(LONG, async || {
            sleep(LOOK).await;
            let mut sent = sent_since(&self.history.events(), since);
            sent.retain(|sent| sent.at < until);
            let waiting = sent.iter().filter(|sent| sent.weather.is_none()).count();
            ensure!(waiting == 0, "{waiting} of {} wait still", sent.len());
            Ok(sent)
        })
        .await?;
        let served = sent.iter().filter(|sent| sent.weather == Some(true));
        let (served, all) = (served.count(), sent.len());
        ensure!(
            all >= IN_A_ROW && served as f64 >= SERVED * all as f64,
            "{served} of {all} requests were answered 200 where all is well"
        );
        Ok(())
    }
}

/// A request that was sent, and whether it was answered with weather, if it has come to an end.
struct Sent {
    request: u64,
    at: Duration,
    weather: Option<bool>,
}

/// Of each request that was under way at this time how long after it the end came, if it has come.
fn waits_across(events: &[Event], since: Duration) -> Vec<Option<Duration>> {
    let mut under_way = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Sent { request, .. } if event.at() < since => {
                under_way.insert(*request, None);
            }
            What::Ended { request, .. } if event.at() < since => {
                under_way.remove(request);
            }
            What::Ended { request, .. } => {
                if let Some(wait) = under_way.get_mut(request) {
                    *wait = Some(event.at() - since);
                }
            }
            What::Sent { .. } | What::Note { .. } => {}
        }
    }
    under_way.into_values().collect()
}

fn sent_since(events: &[Event], since: Duration) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    for event in events.iter().filter(|event| event.at() >= since) {
        match &event.what {
            What::Sent { request, .. } => {
                all.push(Sent {
                    request: *request,
                    at: event.at(),
                    weather: None,
                });
            }
            What::Ended { request, .. } => {
                if let Some(sent) = all.iter_mut().rev().find(|sent| sent.request == *request) {
                    sent.weather = Some(is_weather(event));
                }
            }
            What::Note { .. } => {}
        }
    }
    all
}

fn is_weather(event: &Event) -> bool {
    matches!(
        &event.what,
        What::Ended {
            outcome: Outcome::Answer { status: 200, .. },
            ..
        }
    )
}

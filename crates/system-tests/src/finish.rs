//! The end of a run: everything that must hold is looked at, and everything wrong is told.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use testbed::{History, Outcome, Recorder, Summary, What};

use super::log::lines;
use super::verdict::Figures;
use super::{Allowed, CITY, Kind, Service, System};

impl System {
    /// Checks the run against what the test allows.
    ///
    /// Loads must have been stopped and clones of the recorder dropped.
    pub async fn finish(self, allowed: Allowed) -> anyhow::Result<Summary> {
        Ok(self.finish_with_figures(allowed).await?.summary)
    }

    /// The same, with all figures.
    pub async fn finish_with_figures(mut self, allowed: Allowed) -> anyhow::Result<Figures> {
        let figures = self.conclude(&allowed).await?;
        self.tell(&figures);
        Ok(figures)
    }

    /// As [`finish`](Self::finish), where the figures are told by somebody else.
    pub async fn conclude(&mut self, allowed: &Allowed) -> anyhow::Result<Figures> {
        let mut wrong = Vec::new();
        let mut note = |result: anyhow::Result<()>| wrong.extend(result.err());
        note(self.everybody_lives());
        note(self.nothing_left(allowed).await);
        note(self.at_rest().await);
        note(self.calm(allowed).await);
        note(self.sums_agree(allowed).await);
        // Its idle connections would count as open descriptors.
        self.recorder = Recorder::new(&History::new(), Duration::ZERO)?;
        note(self.usage_is_back().await);
        note(self.logs_are_clean(allowed));
        note(self.nothing_was_denied().await);
        let figures = match self.verdict(allowed)? {
            Ok(figures) if wrong.is_empty() => figures,
            Ok(_) => bail!(joined(&wrong)),
            Err(violations) => bail!("{violations}\n{}", joined(&wrong)),
        };
        self.finished = true;
        Ok(figures)
    }

    /// No process ended that the test does not know of.
    fn everybody_lives(&self) -> anyhow::Result<()> {
        let ended = self
            .services()
            .filter(|service| !service.has_ended())
            .filter_map(|service| {
                let status = service.process().exit_status()?;
                Some(anyhow!("{} ended by itself: {status}", service.name()))
            });
        none(&ended.collect::<Vec<_>>())
    }

    /// The rights that are documented were enough.
    async fn nothing_was_denied(&self) -> anyhow::Result<()> {
        if self.least_rights {
            let denied = self.redis.denied().await?;
            ensure!(
                denied.is_empty(),
                "Redis denied a service a right: {denied:?}"
            );
        }
        Ok(())
    }

    /// Every answer in the history is one that an ingress counted; what the proxies served covers all weather.
    ///
    /// What an ended process had counted is gone, so this is looked at only where all lived throughout.
    async fn sums_agree(&self, allowed: &Allowed) -> anyhow::Result<()> {
        let (mut sent, mut seen) = (0, BTreeMap::<u16, f64>::new());
        for event in self.history.events() {
            match event.what {
                What::Sent { .. } => sent += 1,
                What::Ended {
                    outcome: Outcome::Answer { status, .. },
                    ..
                } => {
                    *seen.entry(status).or_default() += 1.0;
                }
                _ => {}
            }
        }
        let weather = seen.get(&200).copied().unwrap_or_default();
        let lived = |kind| {
            let mut services = self
                .services()
                .filter(move |service| service.kind() == kind);
            services.all(Service::lived_throughout)
        };
        if lived(Kind::Proxy) && !self.proxies.is_empty() {
            let served = self.proxies_sum("requests_served_total").await?;
            ensure!(
                served >= weather,
                "{weather} weathers came from {served} requests served"
            );
        }
        if !lived(Kind::Ingress) {
            return Ok(());
        }
        let mut counted = BTreeMap::<u16, f64>::new();
        for ingress in &self.ingresses {
            let metrics = ingress.metrics().await?;
            let of_callers = metrics.samples().iter().filter(|sample| {
                sample.name == "http_requests_total"
                    && sample
                        .labels
                        .get("route")
                        .is_some_and(|route| route == CITY)
            });
            for sample in of_callers {
                let status = sample
                    .labels
                    .get("status")
                    .and_then(|status| status.parse().ok());
                *counted.entry(status.unwrap_or_default()).or_default() += sample.value;
            }
        }
        for (status, seen) in seen {
            let counted = counted.get(&status).copied().unwrap_or_default();
            ensure!(
                seen <= counted,
                "{seen} callers saw {status}, {counted} were counted"
            );
        }
        // With the above: where nobody hung up as many were counted as were seen, of each status.
        let all: f64 = counted.values().sum();
        ensure!(
            allowed.beside || all <= f64::from(sent),
            "{sent} requests were sent, {all} were counted: {counted:?}"
        );
        Ok(())
    }

    /// No error in any log, no panic, and no loop that fills it.
    fn logs_are_clean(&self, allowed: &Allowed) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for (name, log) in self.logs()? {
            let killed = self
                .services()
                .any(|known| known.name() == name && known.times_lost() > 0);
            for line in lines(&log).filter(|line| line.is_error()) {
                // A process that is killed may leave half a line behind.
                let half = killed && !line.text().ends_with('}');
                let expected = allowed.errors.iter().any(|text| line.text().contains(text));
                if !half && !expected {
                    wrong.push(anyhow!("{name} logged {}", line.text()));
                }
            }
            let count = log.lines().count();
            if count > allowed.lines {
                let many = allowed.lines;
                wrong.push(anyhow!("{name} logged {count} lines where {many} are many"));
            }
        }
        none(&wrong)
    }

    #[allow(
        clippy::print_stderr,
        reason = "the test runner shows it where it is asked to"
    )]
    fn tell(&self, figures: &Figures) {
        let test = thread::current().name().unwrap_or("test").to_owned();
        eprintln!("{test}: {}", figures.summary);
        if let Some(books) = &figures.books {
            eprintln!("{test}: {books}");
        }
        for figure in &self.measured {
            eprintln!("{test}: {figure}");
        }
    }
}

/// Nothing, or all that is wrong as one error.
pub(super) fn none(wrong: &[anyhow::Error]) -> anyhow::Result<()> {
    ensure!(wrong.is_empty(), joined(wrong));
    Ok(())
}

fn joined(wrong: &[anyhow::Error]) -> String {
    let texts: Vec<_> = wrong.iter().map(|error| format!("{error:#}")).collect();
    texts.join("\n")
}

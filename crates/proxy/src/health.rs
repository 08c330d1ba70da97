//! What the proxy says of its own state.

use std::time::Instant;

use common::{
    breaker::{CircuitBreaker, State},
    health::{Part, Readiness, Report},
    shutdown::Shutdown,
};
use service::{Probe, backlog_part, redis_part, serving_part, summaries};
use streams::{Monitor, NotReady, WorkerHealth};

use crate::{config::ProviderKind, terminals::Terminals};

/// Asks the parts at each question, so that no answer is ever stale.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) monitor: Monitor,
    pub(crate) terminals: Terminals,
    pub(crate) shutdown: Shutdown,
    pub(crate) provider: ProviderKind,
    /// The circuit breaker in front of the provider, where it has one.
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) started: Instant,
}

/// What the parts said at one moment.
struct Snapshot {
    worker: WorkerHealth,
    /// Terminals that serve a request.
    active: usize,
    engine: Result<(), NotReady>,
    draining: bool,
    provider: ProviderKind,
    breaker: Option<State>,
}

impl Probe for Health {
    /// A provider whose circuit is open does not count: this proxy still takes requests and answers them
    /// at once, and there is nobody else to send them to.
    fn readiness(&self) -> Readiness {
        service::readiness(self.shutdown.is_started(), self.monitor.readiness())
    }

    fn report(&self) -> Report {
        let snapshot = Snapshot {
            worker: self.monitor.health(),
            active: self.terminals.active(),
            engine: self.monitor.readiness(),
            draining: self.shutdown.is_started(),
            provider: self.provider,
            breaker: self.breaker.as_ref().map(CircuitBreaker::state),
        };
        let uptime = self.started.elapsed();
        Report::new("proxy", env!("CARGO_PKG_VERSION"), uptime, snapshot.parts())
    }
}

impl Snapshot {
    fn parts(&self) -> [(&'static str, Part); 6] {
        [
            ("serving", serving_part(self.draining)),
            (
                "redis",
                redis_part(self.worker.server.as_ref(), self.engine),
            ),
            ("worker", self.worker()),
            ("backlog", backlog_part(self.worker.backlog.as_ref())),
            ("terminals", self.terminals()),
            ("provider", self.provider()),
        ]
    }

    fn worker(&self) -> Part {
        let worker = &self.worker;
        let part = Part::healthy()
            .with("consumer", worker.consumer.as_str())
            .with("group", worker.group.as_str())
            .with("leaseMs", worker.lease.as_millis() as u64)
            .with("workers", summaries(&worker.workers));
        let part = match self.engine {
            Err(reason) if !self.draining => part.unhealthy_if(true, reason.to_string()),
            _ => part,
        };
        worker.faults.iter().fold(part, |part, (name, fault)| {
            part.degraded_if(true, format!("{name}: {fault}"))
        })
    }

    /// Entries in hand are more than terminals that are active where replies wait to be written.
    fn terminals(&self) -> Part {
        Part::healthy()
            .with("total", self.worker.terminals)
            .with("active", self.active)
            .with("inHand", self.worker.terminals_active)
    }

    fn provider(&self) -> Part {
        let part = Part::healthy().with("name", self.provider.as_str());
        match self.breaker {
            None => part,
            Some(state) => part
                .with("circuit", state.as_str())
                .degraded_if(state != State::Closed, format!("its circuit is {state}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use common::health::Status;
    use serde_json::json;
    use streams::Fault;

    use super::*;

    fn well() -> Snapshot {
        Snapshot {
            worker: WorkerHealth {
                server: None,
                consumer: "consumer".into(),
                group: "weather-proxies".into(),
                terminals: 5,
                terminals_active: 3,
                lease: Duration::from_secs(10),
                backlog: None,
                workers: Vec::new(),
                faults: BTreeMap::new(),
            },
            active: 2,
            engine: Ok(()),
            draining: false,
            provider: ProviderKind::OpenMeteo,
            breaker: Some(State::Closed),
        }
    }

    /// The status of the whole, and the reasons of the part with this name.
    fn look(snapshot: &Snapshot, name: &str) -> (Status, Vec<String>) {
        let report = Report::new("proxy", "0", Duration::ZERO, snapshot.parts());
        (report.status, report.parts[name].reasons().to_vec())
    }

    #[test]
    fn a_proxy_that_is_well_shows_all_its_parts() {
        let report = Report::new("proxy", "0", Duration::ZERO, well().parts());
        assert_eq!(report.status, Status::Healthy);
        let parts = serde_json::to_value(report).unwrap()["parts"].clone();
        assert_eq!(
            parts["terminals"]["detail"],
            json!({"total": 5, "active": 2, "inHand": 3})
        );
        assert_eq!(
            parts["provider"]["detail"],
            json!({"name": "open-meteo", "circuit": "closed"})
        );
        assert_eq!(parts["worker"]["detail"]["group"], "weather-proxies");
        assert_eq!(parts["worker"]["detail"]["leaseMs"], 10_000);
    }

    #[test]
    fn a_lost_group_is_the_workers_fault_and_not_that_of_redis() {
        let engine = Err(NotReady::Redis(Fault::NoGroup));
        let lost = Snapshot { engine, ..well() };
        let reason = "the stream or its consumer group does not exist".to_owned();
        assert_eq!(look(&lost, "worker"), (Status::Unhealthy, vec![reason]));
        assert_eq!(look(&lost, "redis").1, [""; 0]);
    }

    #[test]
    fn what_works_but_should_be_looked_at_is_degraded() {
        let mut faulty = well();
        faulty
            .worker
            .faults
            .insert("lease", "Redis did not answer in time".into());
        let engine = Err(NotReady::Draining);
        let draining = Snapshot {
            draining: true,
            engine,
            ..well()
        };
        let open = Snapshot {
            breaker: Some(State::Open),
            ..well()
        };
        for (snapshot, part, reason) in [
            (faulty, "worker", "lease: Redis did not answer in time"),
            (draining, "serving", "draining"),
            (open, "provider", "its circuit is open"),
        ] {
            assert_eq!(
                look(&snapshot, part),
                (Status::Degraded, vec![reason.to_owned()])
            );
        }
    }
}

//! What the proxy says of its own state.

use std::time::Instant;

use common::{
    breaker::State,
    health::{Part, Readiness, Report},
    shutdown::Shutdown,
};
use serde_json::json;
use service::Probe;
use streams::{Fault, Monitor, NotReady, WorkerHealth};

use crate::config::ProviderKind;

/// Asks the parts at each question, so that no answer is ever stale.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) monitor: Monitor,
    pub(crate) shutdown: Shutdown,
    pub(crate) provider: ProviderKind,
    /// The circuit breaker in front of the provider, where it has one.
    pub(crate) breaker: Option<common::breaker::CircuitBreaker>,
    pub(crate) started: Instant,
}

/// What the parts said at one moment.
struct Snapshot {
    worker: WorkerHealth,
    engine: Result<(), NotReady>,
    draining: bool,
    provider: ProviderKind,
    breaker: Option<State>,
}

impl Probe for Health {
    /// A provider whose circuit is open does not count: this proxy still takes requests and answers them
    /// at once, and there is nobody else to send them to.
    fn readiness(&self) -> Readiness {
        readiness(self.shutdown.is_started(), self.monitor.readiness())
    }

    fn report(&self) -> Report {
        let snapshot = Snapshot {
            worker: self.monitor.health(),
            engine: self.monitor.readiness(),
            draining: self.shutdown.is_started(),
            provider: self.provider,
            breaker: self
                .breaker
                .as_ref()
                .map(common::breaker::CircuitBreaker::state),
        };
        Report::new(
            "proxy",
            env!("CARGO_PKG_VERSION"),
            self.started.elapsed(),
            snapshot.parts(),
        )
    }
}

/// The drain comes first: it is why everything else may be going away.
fn readiness(draining: bool, engine: Result<(), NotReady>) -> Readiness {
    match engine {
        _ if draining => Readiness::new().require(false, NotReady::Draining.to_string()),
        Ok(()) => Readiness::new(),
        Err(reason) => Readiness::new().require(false, reason.to_string()),
    }
}

impl Snapshot {
    fn parts(&self) -> [(&'static str, Part); 6] {
        [
            (
                "serving",
                Part::healthy().degraded_if(self.draining, NotReady::Draining.to_string()),
            ),
            ("redis", self.redis()),
            ("worker", self.worker()),
            ("backlog", self.backlog()),
            ("terminals", self.terminals()),
            ("provider", self.provider()),
        ]
    }

    fn redis(&self) -> Part {
        let reason = match self.engine {
            Err(reason @ (NotReady::Connecting | NotReady::CircuitOpen)) => Some(reason),
            // A group that is missing is the worker's to make again; the server is well.
            Err(reason @ NotReady::Redis(fault)) if fault != Fault::NoGroup => Some(reason),
            _ => None,
        };
        let part = match reason {
            Some(reason) => Part::healthy().unhealthy_if(true, reason.to_string()),
            None => Part::healthy(),
        };
        let Some(server) = &self.worker.server else {
            return part;
        };
        let policy = &server.eviction_policy;
        part.with("server", server.server)
            .with("version", server.version.as_str())
            .with("role", server.role.as_str())
            .with("run_id", server.run_id.as_str())
            .with("eviction_policy", policy.as_str())
            .with("commands", json!(server.commands))
            .degraded_if(
                server.may_evict_streams(),
                format!("maxmemory-policy {policy} may drop the streams"),
            )
    }

    fn worker(&self) -> Part {
        let worker = &self.worker;
        let part = Part::healthy()
            .with("consumer", worker.consumer.as_str())
            .with("group", worker.group.as_str())
            .with("lease_ms", worker.lease.as_millis() as u64)
            .with("workers_alive", json!(worker.workers));
        let part = match self.engine {
            Err(reason) if !self.draining => part.unhealthy_if(true, reason.to_string()),
            _ => part,
        };
        let faults = worker.faults.iter();
        faults.fold(part, |part, (name, fault)| {
            part.degraded_if(true, format!("{name}: {fault}"))
        })
    }

    fn backlog(&self) -> Part {
        let Some(backlog) = &self.worker.backlog else {
            return Part::healthy();
        };
        let dead_letters = backlog.dead_letters;
        Part::healthy()
            .with("outstanding", backlog.outstanding)
            .with("pending", backlog.pending)
            .with("waiting", backlog.waiting())
            .with("oldest_age_ms", backlog.oldest_age_ms)
            .with("dead_letters", dead_letters)
            .degraded_if(
                dead_letters > 0,
                format!("{dead_letters} dead letters wait to be looked at"),
            )
    }

    fn terminals(&self) -> Part {
        Part::healthy()
            .with("total", self.worker.terminals)
            .with("active", self.worker.terminals_active)
    }

    fn provider(&self) -> Part {
        let name = match self.provider {
            ProviderKind::Simulated => "simulated",
            ProviderKind::OpenMeteo => "open-meteo",
        };
        let part = Part::healthy().with("name", name);
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
    use streams::{Backlog, ServerInfo};

    use super::*;

    fn well() -> Snapshot {
        Snapshot {
            worker: WorkerHealth {
                server: Some(ServerInfo {
                    server: "redis",
                    version: "7.0.15".into(),
                    role: "master".into(),
                    run_id: "abc".into(),
                    eviction_policy: "noeviction".into(),
                    commands: BTreeMap::from([("ack", "XDEL, XACK")]),
                }),
                consumer: "consumer".into(),
                group: "weather-proxies".into(),
                terminals: 5,
                terminals_active: 2,
                lease: Duration::from_secs(10),
                backlog: Some(Backlog {
                    outstanding: 9,
                    pending: 2,
                    oldest_age_ms: 5,
                    dead_letters: 0,
                }),
                workers: Vec::new(),
                faults: BTreeMap::new(),
            },
            engine: Ok(()),
            draining: false,
            provider: ProviderKind::OpenMeteo,
            breaker: Some(State::Closed),
        }
    }

    fn status(snapshot: &Snapshot) -> Status {
        Report::new("proxy", "0", Duration::ZERO, snapshot.parts()).status
    }

    /// The reasons of the part with this name.
    fn reasons(snapshot: &Snapshot, name: &str) -> Vec<String> {
        let (_, part) = snapshot
            .parts()
            .into_iter()
            .find(|(found, _)| *found == name)
            .unwrap();
        part.reasons().to_vec()
    }

    #[test]
    fn a_proxy_that_is_well_shows_all_its_parts() {
        let report = Report::new("proxy", "0", Duration::ZERO, well().parts());
        assert_eq!(report.status, Status::Healthy);
        let parts = serde_json::to_value(report).unwrap()["parts"].clone();
        assert_eq!(parts["redis"]["detail"]["commands"]["ack"], "XDEL, XACK");
        assert_eq!(parts["backlog"]["detail"]["waiting"], 7);
        assert_eq!(
            parts["terminals"]["detail"],
            json!({"total": 5, "active": 2})
        );
        assert_eq!(
            parts["provider"]["detail"],
            json!({"name": "open-meteo", "circuit": "closed"})
        );
        assert_eq!(parts["worker"]["detail"]["group"], "weather-proxies");
    }

    #[test]
    fn a_redis_at_fault_is_unhealthy_and_a_lost_group_is_not_its_fault() {
        let down = Snapshot {
            engine: Err(NotReady::Redis(Fault::Disconnected)),
            ..well()
        };
        assert_eq!(status(&down), Status::Unhealthy);
        assert_eq!(reasons(&down, "redis"), ["Redis cannot be reached"]);

        let lost = Snapshot {
            engine: Err(NotReady::Redis(Fault::NoGroup)),
            ..well()
        };
        assert_eq!(status(&lost), Status::Unhealthy);
        assert_eq!(reasons(&lost, "redis"), [""; 0]);
        assert_eq!(
            reasons(&lost, "worker"),
            ["the stream or its consumer group does not exist"]
        );
    }

    #[test]
    fn what_works_but_should_be_looked_at_is_degraded() {
        let mut evicting = well();
        if let Some(server) = &mut evicting.worker.server {
            server.eviction_policy = "allkeys-lru".into();
        }
        let mut dead = well();
        dead.worker.backlog = Some(Backlog {
            dead_letters: 3,
            ..Backlog::default()
        });
        let mut faulty = well();
        faulty
            .worker
            .faults
            .insert("lease", "Redis did not answer in time".into());
        let draining = Snapshot {
            draining: true,
            engine: Err(NotReady::Draining),
            ..well()
        };
        let open = Snapshot {
            breaker: Some(State::Open),
            ..well()
        };
        for (snapshot, part, reason) in [
            (
                evicting,
                "redis",
                "maxmemory-policy allkeys-lru may drop the streams",
            ),
            (dead, "backlog", "3 dead letters wait to be looked at"),
            (faulty, "worker", "lease: Redis did not answer in time"),
            (draining, "serving", "draining"),
            (open, "provider", "its circuit is open"),
        ] {
            assert_eq!(status(&snapshot), Status::Degraded, "{reason}");
            assert_eq!(reasons(&snapshot, part), [reason]);
        }
    }

    #[test]
    fn before_the_first_connection_there_is_nothing_to_show() {
        let mut starting = Snapshot {
            engine: Err(NotReady::Connecting),
            ..well()
        };
        starting.worker.server = None;
        starting.worker.backlog = None;
        assert_eq!(status(&starting), Status::Unhealthy);
        assert_eq!(reasons(&starting, "redis"), ["connecting to Redis"]);
    }

    #[test]
    fn a_drain_comes_before_every_other_reason() {
        let verdict = |draining, engine| readiness(draining, engine).verdict();
        assert_eq!(verdict(false, Ok(())), Ok(()));
        assert_eq!(verdict(true, Ok(())), Err("draining".into()));
        let fault = NotReady::Redis(Fault::Loading);
        assert_eq!(verdict(true, Err(fault)), Err("draining".into()));
        assert_eq!(
            verdict(false, Err(fault)),
            Err("Redis is loading its data".into())
        );
    }
}

//! Parts of a health report that both services have, said in the same words.

use common::health::{Part, Readiness};
use serde_json::{Value, json};
use streams::{Backlog, Fault, NotReady, ServerInfo, WorkerSummary};

/// Whether requests should be sent here. A drain comes first: it is why everything else may be going away.
pub fn readiness(draining: bool, engine: Result<(), NotReady>) -> Readiness {
    match engine {
        _ if draining => Readiness::new().require(false, NotReady::Draining.to_string()),
        Ok(()) => Readiness::new(),
        Err(reason) => Readiness::new().require(false, reason.to_string()),
    }
}

/// Whether the process means to stay.
pub fn serving_part(draining: bool) -> Part {
    Part::healthy().degraded_if(draining, NotReady::Draining.to_string())
}

/// The server as it was last seen, and what keeps the engine from using it.
pub fn redis_part(server: Option<&ServerInfo>, engine: Result<(), NotReady>) -> Part {
    let part = match engine {
        // A stream or group that is missing is ours to make again; the server is well.
        Ok(()) | Err(NotReady::Draining | NotReady::Redis(Fault::NoGroup)) => Part::healthy(),
        Err(reason) => Part::healthy().unhealthy_if(true, reason.to_string()),
    };
    let Some(server) = server else { return part };
    let policy = &server.eviction_policy;
    part.with("server", server.server)
        .with("version", server.version.as_str())
        .with("role", server.role.as_str())
        .with("runId", server.run_id.as_str())
        .with("evictionPolicy", policy.as_str())
        .with("commands", json!(server.commands))
        .degraded_if(
            server.may_evict_streams(),
            format!("maxmemory-policy {policy} may drop the streams"),
        )
}

/// The request stream as it was last seen.
pub fn backlog_part(backlog: Option<&Backlog>) -> Part {
    let Some(backlog) = backlog else {
        return Part::healthy();
    };
    let dead_letters = backlog.dead_letters;
    Part::healthy()
        .with("outstanding", backlog.outstanding)
        .with("pending", backlog.pending)
        .with("waiting", backlog.waiting())
        .with("oldestAgeMs", backlog.oldest_age_ms)
        .with("deadLetters", dead_letters)
        .degraded_if(
            dead_letters > 0,
            format!("{dead_letters} dead letters wait to be looked at"),
        )
}

/// What the workers that are alive announced.
pub fn summaries(workers: &[WorkerSummary]) -> Value {
    let summary = |worker: &WorkerSummary| {
        json!({
            "consumer": worker.consumer,
            "terminals": worker.terminals,
            "holdUs": worker.hold_us,
            "served": worker.served,
        })
    };
    workers.iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use common::health::Status;

    use super::*;

    fn server(eviction_policy: &str) -> ServerInfo {
        ServerInfo {
            server: "redis",
            version: "7.0.15".into(),
            role: "master".into(),
            run_id: "abc".into(),
            eviction_policy: eviction_policy.into(),
            commands: BTreeMap::from([("ack", "XDEL, XACK")]),
        }
    }

    #[test]
    fn the_drain_comes_before_every_other_reason() {
        let verdict = |draining, engine| readiness(draining, engine).verdict();
        let loading = Err(NotReady::Redis(Fault::Loading));
        assert_eq!(verdict(false, Ok(())), Ok(()));
        assert_eq!(verdict(true, Ok(())), Err("draining".into()));
        assert_eq!(verdict(true, loading), Err("draining".into()));
        assert_eq!(
            verdict(false, loading),
            Err("Redis is loading its data".into())
        );
        assert_eq!(serving_part(true).status(), Status::Degraded);
        assert_eq!(serving_part(false).status(), Status::Healthy);
    }

    #[test]
    fn the_server_is_shown_and_blamed_for_its_own_faults_only() {
        let well = redis_part(Some(&server("noeviction")), Ok(()));
        assert_eq!(well.status(), Status::Healthy);
        let shown = serde_json::to_value(&well).unwrap();
        assert_eq!(shown["detail"]["commands"]["ack"], "XDEL, XACK");
        assert_eq!(shown["detail"]["version"], "7.0.15");

        let check =
            |engine, status| assert_eq!(redis_part(None, engine).status(), status, "{engine:?}");
        check(Err(NotReady::Connecting), Status::Unhealthy);
        check(Err(NotReady::CircuitOpen), Status::Unhealthy);
        check(Err(NotReady::Redis(Fault::Disconnected)), Status::Unhealthy);
        check(Err(NotReady::Redis(Fault::NoGroup)), Status::Healthy);
        check(Err(NotReady::Draining), Status::Healthy);
        let evicting = redis_part(Some(&server("allkeys-lru")), Ok(()));
        assert_eq!(
            evicting.reasons(),
            ["maxmemory-policy allkeys-lru may drop the streams"]
        );
        assert_eq!(evicting.status(), Status::Degraded);
    }

    #[test]
    fn dead_letters_degrade() {
        let backlog = Backlog {
            outstanding: 9,
            pending: 2,
            oldest_age_ms: 5,
            dead_letters: 0,
        };
        let part = backlog_part(Some(&backlog));
        assert_eq!(part.status(), Status::Healthy);
        assert_eq!(serde_json::to_value(&part).unwrap()["detail"]["waiting"], 7);
        let dead = backlog_part(Some(&Backlog {
            dead_letters: 3,
            ..backlog
        }));
        assert_eq!(dead.reasons(), ["3 dead letters wait to be looked at"]);
        assert_eq!(backlog_part(None).status(), Status::Healthy);
    }
}

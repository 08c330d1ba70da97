//! What the ingress says of its own state.

use std::time::Instant;

use common::{
    breaker::State,
    health::{Part, Readiness, Report},
    shutdown::Shutdown,
};
use service::{Probe, backlog_part, redis_part, serving_part, summaries};
use streams::{Client, ClientHealth, NotReady};

/// Asks the parts at each question, so that no answer is ever stale.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) client: Client,
    pub(crate) shutdown: Shutdown,
    pub(crate) started: Instant,
}

impl Probe for Health {
    fn readiness(&self) -> Readiness {
        service::readiness(self.shutdown.is_started(), self.client.readiness())
    }

    fn report(&self) -> Report {
        let parts = parts(
            &self.client.health(),
            self.client.readiness(),
            self.shutdown.is_started(),
        );
        Report::new(
            "ingress",
            env!("CARGO_PKG_VERSION"),
            self.started.elapsed(),
            parts,
        )
    }
}

fn parts(
    client: &ClientHealth,
    engine: Result<(), NotReady>,
    draining: bool,
) -> [(&'static str, Part); 6] {
    [
        ("serving", serving_part(draining)),
        ("redis", redis_part(client.server.as_ref(), engine)),
        ("circuit", circuit(client)),
        ("replies", replies(client)),
        ("backlog", backlog_part(client.backlog.as_ref())),
        ("workers", workers(client)),
    ]
}

fn circuit(client: &ClientHealth) -> Part {
    let state = client.breaker;
    Part::healthy().with("state", state.as_str()).unhealthy_if(
        state != State::Closed,
        format!("the circuit to Redis is {state}"),
    )
}

fn replies(client: &ClientHealth) -> Part {
    let part = Part::healthy()
        .with("stream", client.reply_stream.as_str())
        .with("callersWaiting", client.in_flight);
    client.faults.iter().fold(part, |part, (name, fault)| {
        part.degraded_if(true, format!("{name}: {fault}"))
    })
}

fn workers(client: &ClientHealth) -> Part {
    Part::healthy()
        .with("alive", client.workers.len())
        .with(
            "terminals",
            client
                .workers
                .iter()
                .map(|worker| u64::from(worker.terminals))
                .sum::<u64>(),
        )
        .with("workers", summaries(&client.workers))
        .degraded_if(
            client.workers.is_empty(),
            "no worker is alive: requests wait until one comes or they expire",
        )
}

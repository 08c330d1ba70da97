//! A front or a worker.

use anyhow::Context;
use testbed::{Port, Process, binary};

use super::broker::Broker;
use super::spec::{Kind, Spec};

/// A process that serves.
pub(super) struct Node {
    /// `http://127.0.0.1:PORT`. A worker that is no HTTP server does not listen there.
    pub(super) base: String,
    pub(super) process: Process,
    _port: Port,
}

impl Node {
    pub(super) fn front(
        spec: &Spec,
        broker: Option<&Broker>,
        number: usize,
    ) -> anyhow::Result<Self> {
        let (front, _) = programs(spec.kind);
        let settings = &spec.for_fronts;
        Self::start(spec, front, "front", number, broker, settings)
    }

    pub(super) fn worker(
        spec: &Spec,
        broker: Option<&Broker>,
        number: usize,
    ) -> anyhow::Result<Self> {
        let (_, worker) = programs(spec.kind);
        let settings = &spec.for_workers;
        Self::start(spec, worker, "worker", number, broker, settings)
    }

    fn start(
        spec: &Spec,
        program: &str,
        role: &str,
        number: usize,
        broker: Option<&Broker>,
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let port = Port::reserve()?;
        let address = format!("127.0.0.1:{}", port.number());
        let path = match &spec.programs {
            Some(folder) => folder.join(program),
            None => binary(program)?,
        };
        let mut builder = Process::builder(format!("{program}-{role}-{number}"), path)
            .env("LISTEN", &address)
            // Whoever runs this may have set another one, which would be inherited.
            .env("RUST_LOG", "info")
            .envs(broker.map(Broker::setting));
        if program.starts_with("peer-") {
            builder = builder.arg(role);
        }
        Ok(Self {
            base: format!("http://{address}"),
            process: builder.envs(settings.iter().cloned()).spawn()?,
            _port: port,
        })
    }

    /// An error with the end of the log.
    pub(super) fn explain<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        result.with_context(|| {
            let log = self.process.log();
            let lines: Vec<_> = log.lines().rev().take(10).collect();
            let end: Vec<_> = lines.into_iter().rev().collect();
            format!(
                "{}; the end of its log:\n{}",
                self.process.name(),
                end.join("\n")
            )
        })
    }
}

/// What is started as front and as worker. That of a peer is told which of the two it is.
fn programs(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Floor => ("peer-floor", "peer-floor"),
        Kind::Nats => ("peer-nats", "peer-nats"),
        Kind::Straightforward => ("peer-straightforward", "peer-straightforward"),
        Kind::Engine => ("peer-engine", "peer-engine"),
        Kind::Ours => ("ingress", "proxy"),
    }
}

//! A front or a worker.

use anyhow::Context;
use testbed::{Port, Process, binary};

use super::broker::Broker;
use super::spec::{Kind, Spec};
use crate::peer::Role;

/// A process that serves.
pub(super) struct Node {
    /// `http://127.0.0.1:PORT`. A worker that is no HTTP server does not listen there.
    pub(super) base: String,
    pub(super) process: Process,
    _port: Port,
}

impl Node {
    pub(super) fn start(
        spec: &Spec,
        role: Role,
        number: usize,
        broker: Option<&Broker>,
    ) -> anyhow::Result<Self> {
        let port = Port::reserve()?;
        let address = format!("127.0.0.1:{}", port.number());
        let (program, arguments) = program(spec.kind, role);
        let settings = match role {
            Role::Front => &spec.for_fronts,
            Role::Worker => &spec.for_workers,
        };
        let path = match &spec.programs {
            Some(folder) => folder.join(program),
            None => binary(program)?,
        };
        let name = format!("{}-{}-{number}", spec.kind.name(), crate::word(&role));
        let builder = Process::builder(name, path)
            .args(arguments)
            .env("LISTEN", &address)
            // Whoever runs this may have set another one, which would be inherited.
            .env("RUST_LOG", "info")
            .envs(broker.map(Broker::setting));
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

/// What is started, and what it is told: all peers are one program.
fn program(kind: Kind, role: Role) -> (&'static str, Vec<String>) {
    match (kind, role) {
        (Kind::Ours, Role::Front) => ("ingress", vec![]),
        (Kind::Ours, Role::Worker) => ("proxy", vec![]),
        (peer, role) => ("peer", vec![peer.name().to_lowercase(), crate::word(&role)]),
    }
}

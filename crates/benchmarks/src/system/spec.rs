//! What a system is made of, before it is started.

use std::path::PathBuf;

use serde::Serialize;

/// The systems that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// HTTP alone.
    Floor,
    /// NATS core.
    Nats,
    /// Redis Streams as tutorials have it.
    Straightforward,
    /// `ingress` and `proxy`.
    Ours,
    /// The crate that both are built on, with axum in front: any bytes come back as they are.
    Engine,
}

/// A system to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which.
    pub kind: Kind,
    /// How many HTTP fronts.
    pub fronts: usize,
    /// How many workers.
    pub workers: usize,
    /// The folder with `ingress` and `proxy`, unless it is that of this program.
    pub programs: Option<PathBuf>,
    /// Whether Redis writes its append-only file, to disk each second.
    pub aof: bool,
    /// Settings of all fronts, as environment variables.
    pub for_fronts: Vec<(String, String)>,
    /// Settings of all workers.
    pub for_workers: Vec<(String, String)>,
}

impl Kind {
    /// Those that are measured side by side, the one that the others are compared with last.
    pub const ALL: [Self; 4] = [Self::Floor, Self::Nats, Self::Straightforward, Self::Ours];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Nats => "NATS",
            Self::Straightforward => "straightforward",
            Self::Ours => "ours",
            Self::Engine => "engine",
        }
    }

    /// What a caller can rely on; of the peers, what they do not promise.
    pub fn promises(self) -> &'static str {
        match self {
            Self::Floor => "nothing behind HTTP: no broker, no other process",
            Self::Nats => {
                "at most once: held in memory alone, no redelivery when a worker dies, dropped for slow readers; \
                no deadline travels, what waits has no bound but the server's memory for each reader"
            }
            Self::Straightforward => {
                "a dead worker's requests are lost to their callers, a long backlog loses its head to trimming; no \
                deadline travels, workers take any number of requests"
            }
            Self::Ours | Self::Engine => {
                "at least once, redelivery after one lease, deadlines, withdrawal, bounded queues, refusals at once, \
                metrics"
            }
        }
    }
}

impl Spec {
    /// One front and one worker that answers at once, up to 256 requests at a time.
    pub fn new(kind: Kind) -> Self {
        let spec = Self {
            kind,
            fronts: 1,
            workers: usize::from(kind != Kind::Floor),
            programs: None,
            aof: false,
            for_fronts: Vec::new(),
            for_workers: Vec::new(),
        };
        match kind {
            Kind::Ours => spec.terminals(256).work("0ms"),
            _ => spec,
        }
    }

    /// How many requests each worker of ours serves at a time.
    #[must_use]
    pub fn terminals(self, terminals: usize) -> Self {
        self.worker_setting("TERMINALS", &terminals.to_string())
    }

    /// How long an answer of ours takes.
    #[must_use]
    pub fn work(self, time: &str) -> Self {
        self.worker_setting("PROCESSING_TIME", time)
    }

    /// One more setting of all workers; the last value given to a name counts.
    #[must_use]
    pub fn worker_setting(mut self, name: &str, value: &str) -> Self {
        self.for_workers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more setting of all fronts.
    #[must_use]
    pub fn front_setting(mut self, name: &str, value: &str) -> Self {
        self.for_fronts.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more setting of all processes.
    #[must_use]
    pub fn setting(self, name: &str, value: &str) -> Self {
        self.worker_setting(name, value).front_setting(name, value)
    }
}

//! What is measured.

mod backlog;
mod bodies;
mod headline;
mod idle;
mod saturation;
mod traces;
mod variants;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::outcome::{Column, Outcome};
use crate::rounds::Rounds;
use crate::system::Spec;

/// One thing to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One caller
    C1,
    /// 64 callers, each of whom asks again at once
    C64,
    /// 256 of them
    C256,
    /// 500 requests per second over 16 connections
    Rate500,
    /// 15 proxies of 5 terminals and 150 ms, saturated and at 450 requests per second
    Headline,
    /// A million entries that wait for one worker
    Backlog,
    /// 1, 3 and 10 ingresses, with a shared reply stream and with one each
    Ingresses,
    /// Two threads for each service, in one process and in two
    Cores,
    /// Redis with an append-only file and without
    Aof,
    /// Traces off, and with none, a hundredth and all of the requests recorded
    Traces,
    /// No request for 30 s
    Idle,
    /// 1 to 8 proxies
    Proxies,
    /// 1 to 64 terminals of a proxy
    Terminals,
    /// 1 to 10,000 callers at the same time
    Waiting,
    /// Bodies of 100 bytes to 64 KiB, through the engine alone
    Bodies,
}

/// The most that the fronts ever had resident, which every look notes.
const PEAK: Column = Column {
    name: "peak",
    title: "front's peak, bytes",
};

/// How a run is to go.
pub struct Bench {
    /// Fewer and shorter rounds.
    pub quick: bool,
    /// Threads that serve in each process of ours and of the peers.
    pub threads: usize,
    /// A folder with another build of ours, which is measured beside it where all systems are.
    pub against: Option<PathBuf>,
    /// Hears how far it is.
    pub tell: fn(&str),
}

impl Scenario {
    /// What it is called on the command line.
    pub fn name(self) -> String {
        crate::word(&self)
    }

    /// Whether all systems are side by side in it, and another build of ours can be as well.
    pub fn has_all_systems(self) -> bool {
        matches!(self, Self::C1 | Self::C64 | Self::C256 | Self::Rate500)
    }

    /// Finds it out.
    ///
    /// # Errors
    /// A system could not be started, or a request failed.
    pub async fn run(self, bench: &Bench) -> anyhow::Result<Outcome> {
        match self {
            Self::C1 => saturation::callers("c1", 1, bench).await,
            Self::C64 => saturation::callers("c64", 64, bench).await,
            Self::C256 => saturation::callers("c256", 256, bench).await,
            Self::Rate500 => saturation::rate(bench).await,
            Self::Headline => headline::run(bench).await,
            Self::Backlog => backlog::run(bench).await,
            Self::Ingresses => variants::ingresses(bench).await,
            Self::Cores => variants::cores(bench).await,
            Self::Aof => variants::aof(bench).await,
            Self::Traces => traces::run(bench).await,
            Self::Idle => idle::run(bench).await,
            Self::Proxies => variants::proxies(bench).await,
            Self::Terminals => variants::terminals(bench).await,
            Self::Waiting => variants::waiting(bench).await,
            Self::Bodies => bodies::run(bench).await,
        }
    }
}

impl Bench {
    /// So many rounds of so many seconds; a third of both if it has to be quick, but never fewer than three rounds.
    pub(crate) fn rounds(&self, count: usize, seconds: f64) -> Rounds {
        let (count, seconds) = match self.quick {
            true => ((count / 3).max(3), seconds / 3.0),
            false => (count, seconds),
        };
        Rounds::new(count, Duration::from_secs_f64(seconds))
    }

    /// A system with what the whole run was told.
    pub(crate) fn adjust(&self, spec: Spec) -> Spec {
        match self.threads {
            1 => spec,
            threads => spec.setting("WORKER_THREADS", &threads.to_string()),
        }
    }
}

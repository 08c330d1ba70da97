//! The catalogue of faults: each is one small thing, with how to do it and how to undo it.
//!
//! To add one: give it a variant and a line in [`CATALOGUE`]; say what it is called, how long it lasts and what it
//! takes for itself; say how it begins and how it ends.

mod line;
mod process;
mod server;
mod traffic;

use std::fmt;
use std::ops::RangeInclusive;

use fastrand::Rng;
use testbed::Way;

pub use line::LineFault;
pub use process::{Harm, ProcessFault};
pub use server::RedisFault;
pub use traffic::Traffic;

use super::plan::Size;
use super::round::Field;
use crate::Kind;

/// A fault, with all that there is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process goes, or stands still.
    Process(ProcessFault),
    /// One more proxy comes, and leaves.
    OneMoreProxy,
    /// Something is done to Redis or in it.
    Redis(RedisFault),
    /// The way to Redis is not what it was.
    Line(LineFault),
    /// Callers, or others who write to the streams, are not as they should be.
    Traffic(Traffic),
}

/// How each fault is drawn. The number of lines is the weight of a kind.
pub(super) const CATALOGUE: &[fn(&mut Rng, Size) -> Fault] = &[
    |rng, size| process(rng, size, Harm::Kill, Kind::Proxy),
    |rng, size| process(rng, size, Harm::Kill, Kind::Proxy),
    |rng, size| process(rng, size, Harm::Kill, Kind::Ingress),
    |rng, size| process(rng, size, Harm::Stop, Kind::Proxy),
    |rng, size| process(rng, size, Harm::Stop, Kind::Proxy),
    |rng, size| process(rng, size, Harm::Stop, Kind::Ingress),
    |rng, size| process(rng, size, Harm::Leave, Kind::Proxy),
    |rng, size| process(rng, size, Harm::Leave, Kind::Ingress),
    |_, _| Fault::OneMoreProxy,
    |_, _| Fault::Redis(RedisFault::Kill),
    |_, _| Fault::Redis(RedisFault::Stop),
    |_, _| Fault::Redis(RedisFault::Pause),
    |_, _| Fault::Redis(RedisFault::KillConnections),
    |_, _| Fault::Redis(RedisFault::FlushAll),
    |_, _| Fault::Redis(RedisFault::DestroyGroup),
    |_, _| Fault::Redis(RedisFault::DeleteRequests),
    |_, _| Fault::Redis(RedisFault::DeleteResponses),
    |_, _| Fault::Redis(RedisFault::TrimRequests),
    |_, _| Fault::Redis(RedisFault::AnotherType),
    |_, _| Fault::Redis(RedisFault::OutOfMemory),
    |_, _| Fault::Redis(RedisFault::TooFewReplicas),
    |_, _| Fault::Redis(RedisFault::UserOff),
    |_, _| Fault::Redis(RedisFault::NoRight("xadd")),
    |_, _| Fault::Redis(RedisFault::NoRight("xreadgroup")),
    |_, _| Fault::Line(LineFault::Cut),
    |_, _| Fault::Line(LineFault::Reset),
    |_, _| Fault::Line(LineFault::Blackhole),
    |_, _| Fault::Line(LineFault::OneWay(Way::There)),
    |_, _| Fault::Line(LineFault::OneWay(Way::Back)),
    |_, _| Fault::Line(LineFault::Slow),
    |_, _| Fault::Line(LineFault::Drip),
    |rng, size| traffic(rng, size, Traffic::panic),
    |rng, size| traffic(rng, size, Traffic::crash),
    |rng, size| traffic(rng, size, Traffic::hang),
    |rng, _| Fault::Traffic(Traffic::Leavers(rng.u8(5..=30))),
    |rng, _| Fault::Traffic(Traffic::Burst(rng.u16(100..=300))),
    |_, _| Fault::Traffic(Traffic::Undecodable),
    |_, _| Fault::Traffic(Traffic::ForgedReplies),
];

/// Something that a fault takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Process(Kind, usize),
    /// Redis answers commands.
    Redis,
    /// Redis carries out writes.
    Writes,
    /// The rights of the services.
    Rights,
    /// The stream of requests is a stream.
    Stream,
    Line,
    Scale,
    Burst,
}

/// Whether others may have it at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Alone,
    Shared,
}

impl Fault {
    /// Its name, without what was drawn.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Process(fault) => fault.kind(),
            Self::OneMoreProxy => "one more proxy",
            Self::Redis(fault) => fault.kind(),
            Self::Line(fault) => fault.kind(),
            Self::Traffic(fault) => fault.kind(),
        }
    }

    /// For how many milliseconds it lasts; `None` for what is over at once.
    pub(super) fn lasts_ms(&self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::Process(fault) => Some(fault.lasts_ms()),
            Self::OneMoreProxy => Some(1_000..=3_000),
            Self::Redis(fault) => fault.lasts_ms(),
            Self::Line(fault) => fault.lasts_ms(),
            Self::Traffic(fault) => fault.lasts_ms(),
        }
    }

    /// Whether the two cannot go together.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        let others = other.takes();
        self.takes().iter().any(|(place, how)| {
            others
                .iter()
                .any(|(taken, by)| place == taken && (*how == Use::Alone || *by == Use::Alone))
        })
    }

    fn takes(&self) -> Vec<(Place, Use)> {
        match self {
            Self::Process(fault) => {
                vec![(Place::Process(fault.which, fault.number), Use::Alone)]
            }
            Self::OneMoreProxy => vec![(Place::Scale, Use::Alone)],
            Self::Redis(fault) => fault.takes(),
            Self::Line(_) => vec![(Place::Line, Use::Alone)],
            Self::Traffic(fault) => fault.takes(),
        }
    }

    /// Does it.
    pub(super) async fn begin(&self, field: &mut Field, lasts_ms: u64) -> anyhow::Result<()> {
        match self {
            Self::Process(fault) => fault.begin(field).await,
            Self::OneMoreProxy => field.system.spawn(0, 1),
            Self::Redis(fault) => fault.begin(field, lasts_ms).await,
            Self::Line(fault) => fault.begin(field).await,
            Self::Traffic(fault) => fault.begin(field).await,
        }
    }

    /// Undoes it.
    pub(super) async fn end(&self, field: &mut Field) -> anyhow::Result<()> {
        match self {
            Self::Process(fault) => fault.end(field).await,
            Self::OneMoreProxy => process::last_proxy_leaves(field).await,
            Self::Redis(fault) => fault.end(field).await,
            Self::Line(fault) => fault.end(field).await,
            Self::Traffic(fault) => fault.end(field),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(fault) => write!(f, "{} {}", fault.kind(), fault.number),
            Self::Traffic(Traffic::Leavers(count)) => write!(f, "{} ({count})", self.kind()),
            Self::Traffic(Traffic::Burst(rate)) => write!(f, "{} ({rate}/s)", self.kind()),
            _ => f.write_str(self.kind()),
        }
    }
}

fn process(rng: &mut Rng, size: Size, harm: Harm, which: Kind) -> Fault {
    let count = match which {
        Kind::Ingress => size.ingresses,
        Kind::Proxy => size.proxies,
    };
    Fault::Process(ProcessFault {
        harm,
        which,
        number: rng.usize(..count),
    })
}

fn traffic(rng: &mut Rng, size: Size, of: fn(usize, u32) -> Traffic) -> Fault {
    Fault::Traffic(of(rng.usize(..size.ingresses), rng.u32(..)))
}

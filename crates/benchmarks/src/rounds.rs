//! Systems measured in turn, round by round. All of them stay up; one at a time is under load.
//!
//! What a machine gives changes by the minute, and on some by the second, so only figures of the same round are
//! compared, and many short rounds say more than few long ones. Each round has an order of its own, so that no system
//! is always measured right after the same other; it is the same order in each run.

use std::time::Duration;

use anyhow::Context;

use crate::figures::Figures;
use crate::load::{Arrivals, Times};
use crate::outcome::Case;
use crate::system::{Kind, Spec, System};

/// A system and the load on it.
pub struct Contender {
    /// What it is called.
    pub name: String,
    /// What its callers can rely on, or cannot.
    pub promises: Option<&'static str>,
    /// What is started.
    pub spec: Spec,
    /// What comes.
    pub arrivals: Arrivals,
}

/// How often, and how long each time.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// How often each is measured.
    pub count: usize,
    /// How long load comes before that.
    pub warmup: Duration,
    /// For how long.
    pub lasts: Duration,
}

impl Rounds {
    /// So many, after a warm-up of a fifth of their length, but between a tenth of a second and a whole one.
    pub fn new(count: usize, lasts: Duration) -> Self {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        Self {
            count,
            warmup: (lasts / 5).clamp(shortest, longest),
            lasts,
        }
    }

    pub(crate) fn times(self) -> Times {
        Times {
            warmup: self.warmup,
            lasts: self.lasts,
        }
    }
}

impl Contender {
    /// One of this kind.
    pub(crate) fn of(kind: Kind, arrivals: Arrivals, spec: Spec) -> Self {
        Self {
            name: kind.name().to_owned(),
            promises: Some(kind.promises()),
            spec,
            arrivals,
        }
    }

    /// A variant of ours.
    pub(crate) fn ours(name: String, arrivals: Arrivals, spec: Spec) -> Self {
        Self {
            name,
            promises: None,
            spec,
            arrivals,
        }
    }
}

/// Starts all of them and measures them in turn.
///
/// # Errors
/// A system could not be started, or a request failed.
pub async fn in_turn(
    contenders: &[Contender],
    rounds: Rounds,
    tell: &dyn Fn(&str),
) -> anyhow::Result<Vec<Case>> {
    let mut systems = Vec::new();
    for contender in contenders {
        let system = System::start(&contender.spec).await;
        systems.push(system.with_context(|| format!("could not start {}", contender.name))?);
    }
    let mut measured: Vec<Vec<Figures>> = vec![Vec::new(); contenders.len()];
    for round in 0..rounds.count {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        fastrand::Rng::with_seed(round as u64).shuffle(&mut order);
        for number in order {
            let contender = &contenders[number];
            let system = &systems[number];
            let figures = Figures::measure(system, contender.arrivals, rounds.times()).await;
            let figures = figures.with_context(|| contender.name.clone())?;
            tell(&format!(
                "  {}/{} {}: {:.1} µs, {:.0}/s",
                round + 1,
                rounds.count,
                contender.name,
                figures.cpu.total(),
                figures.rate
            ));
            measured[number].push(figures);
        }
    }
    let cases = contenders.iter().zip(measured);
    let cases = cases
        .map(|(contender, rounds)| Case::new(contender.name.clone(), contender.promises, rounds));
    Ok(cases.collect())
}

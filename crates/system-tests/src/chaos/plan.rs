//! What a round does, and when: made from a seed, and from nothing else.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;

use super::faults::{CATALOGUE, Fault};

/// How hard a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intensity {
    /// A few faults, one after the other.
    Low,
    /// Many, several at once.
    High,
}

/// One round.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is made from.
    pub seed: u64,
    /// How hard it is.
    pub intensity: Intensity,
    /// The system's size.
    pub size: Size,
    /// How long each request is worked on, in milliseconds.
    pub work_ms: u64,
    /// Requests per second, beside bursts.
    pub per_second: f64,
    /// How long faults are about.
    pub lasts: Duration,
    /// The faults, in the order in which they begin.
    pub faults: Vec<Planned>,
}

/// How many processes there are at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// 2 to 4. Replies go to the shared stream and to one of its own in turn.
    pub ingresses: usize,
    /// 2 to 6.
    pub proxies: usize,
}

/// A fault and its time, since the faults began. One that is over at once ends when it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
    /// What it is.
    pub fault: Fault,
}

impl Plan {
    /// The plan of this seed.
    pub fn draw(seed: u64, intensity: Intensity) -> Self {
        let mut rng = Rng::with_seed(seed);
        let size = Size {
            ingresses: rng.usize(2..=4),
            proxies: rng.usize(2..=6),
        };
        let mut plan = Self {
            seed,
            intensity,
            size,
            work_ms: [5, 20, 50, 150][rng.usize(..4)],
            per_second: rng.u32(20..=50).into(),
            lasts: Duration::from_millis(rng.u64(5_000..=8_000)),
            faults: Vec::new(),
        };
        let (count, at_once) = match intensity {
            Intensity::Low => (rng.usize(3..=5), 1),
            Intensity::High => (rng.usize(8..=16), 5),
        };
        // Some do not fit: a process cannot be stopped while it is away, say.
        for _ in 0..50 * count {
            if plan.faults.len() == count {
                break;
            }
            let planned = plan.draw_fault(&mut rng);
            if plan.fits(&planned, at_once) {
                plan.faults.push(planned);
            }
        }
        plan.faults.sort_by_key(|planned| planned.from);
        plan
    }

    fn draw_fault(&self, rng: &mut Rng) -> Planned {
        let last = self.lasts.as_millis() as u64;
        let draw = CATALOGUE[rng.usize(..CATALOGUE.len())];
        let fault = draw(rng, self.size);
        let from = rng.u64(200..last);
        let time = match fault.lasts_ms() {
            Some(range) => rng.u64(range),
            None => 0,
        };
        Planned {
            from: Duration::from_millis(from),
            until: Duration::from_millis((from + time).min(last)),
            fault,
        }
    }

    fn fits(&self, new: &Planned, at_once: usize) -> bool {
        let beside = || self.faults.iter().filter(|other| other.overlaps(new));
        beside().count() < at_once && !beside().any(|other| other.fault.excludes(&new.fault))
    }
}

impl Planned {
    /// Whether both are about at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }

    /// Whether there is something to end.
    pub fn has_end(&self) -> bool {
        self.fault.lasts_ms().is_some()
    }
}

impl FromStr for Intensity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "low" => Ok(Self::Low),
            "high" => Ok(Self::High),
            _ => Err("it is low or high".to_owned()),
        }
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::High => "high",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { ingresses, proxies } = self.size;
        writeln!(
            f,
            "seed {}, {} intensity: {ingresses} ingresses, {proxies} proxies, {} ms of work, {} requests/s, {:.1} s",
            self.seed,
            self.intensity,
            self.work_ms,
            self.per_second,
            self.lasts.as_secs_f64()
        )?;
        for Planned { from, until, fault } in &self.faults {
            write!(f, "{:>8.3} s", from.as_secs_f64())?;
            match until == from {
                true => write!(f, "           ")?,
                false => write!(f, " - {:.3} s", until.as_secs_f64())?,
            }
            writeln!(f, "  {fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, Strategy, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof,
    };
    use proptest::proptest;

    use super::*;

    fn intensity() -> impl Strategy<Value = Intensity> {
        prop_oneof![Just(Intensity::Low), Just(Intensity::High)]
    }

    proptest! {
        #[test]
        fn a_seed_does_the_same_each_time(seed: u64, intensity in intensity()) {
            let plan = Plan::draw(seed, intensity);
            prop_assert_eq!(&plan, &Plan::draw(seed, intensity));
            prop_assert_ne!(&plan, &Plan::draw(seed.wrapping_add(1), intensity));
        }

        #[test]
        fn every_fault_ends_and_none_excludes_another(seed: u64, intensity in intensity()) {
            let plan = Plan::draw(seed, intensity);
            prop_assert!(plan.faults.len() >= 2, "{}", plan);
            for (number, planned) in plan.faults.iter().enumerate() {
                prop_assert!(planned.from <= planned.until && planned.until <= plan.lasts);
                let beside: Vec<_> = plan.faults[..number]
                    .iter()
                    .filter(|other| other.overlaps(planned))
                    .collect();
                prop_assert!(intensity == Intensity::High || beside.is_empty(), "{}", plan);
                for other in beside {
                    prop_assert!(!other.fault.excludes(&planned.fault), "{}", plan);
                    prop_assert!(!planned.fault.excludes(&other.fault), "{}", plan);
                }
            }
        }
    }

    #[test]
    fn everything_in_the_catalogue_is_drawn_also_several_at_once() {
        let plans: Vec<_> = (0..200)
            .map(|seed| Plan::draw(seed, Intensity::High))
            .collect();
        let faults = plans.iter().flat_map(|plan| &plan.faults);
        let mut names: Vec<_> = faults.map(|planned| planned.fault.to_string()).collect();
        names.sort();
        names.dedup();
        for draw in CATALOGUE {
            let size = Size {
                ingresses: 1,
                proxies: 1,
            };
            let name = draw(&mut Rng::with_seed(0), size).kind();
            let drawn = names.iter().any(|known| known.starts_with(name));
            assert!(drawn, "{name}: {names:?}");
        }
        let crowded = plans.iter().any(|plan| {
            plan.faults.iter().any(|one| {
                let beside = plan.faults.iter().filter(|other| other.overlaps(one));
                beside.count() >= 4
            })
        });
        assert!(crowded);
    }
}

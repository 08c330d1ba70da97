//! Capped exponential backoff with full jitter.

use std::time::Duration;

use thiserror::Error;

/// Waits that grow: the wait after attempt `n` is uniform between the floor and `min(cap, base * 2^n)`.
///
/// This is the "full jitter" of Marc Brooker, *Exponential Backoff and Jitter* (AWS Architecture Blog, 2015). It
/// spreads callers that failed together over the whole interval, and needs fewer calls in all than jitter around a
/// fixed wait. The floor is zero unless set by [`Backoff::with_floor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor_nanos: u64,
    base_nanos: u64,
    cap_nanos: u64,
}

/// Why a [`Backoff`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidBackoff {
    /// A base of zero would make every wait zero.
    #[error("the base of a backoff must be longer than zero")]
    ZeroBase,
    /// The cap cuts every wait, the first included.
    #[error("the cap of a backoff must not be below its base")]
    CapBelowBase,
    /// Nobody waits for days; more likely a unit was mistaken.
    #[error("the cap of a backoff must not exceed one day")]
    CapTooLong,
    /// The first wait would have no room for jitter.
    #[error("the floor of a backoff must be below its base")]
    FloorNotBelowBase,
}

const LONGEST_CAP: Duration = Duration::from_secs(24 * 60 * 60);

impl Backoff {
    /// A backoff whose first wait is at most `base` and no wait longer than `cap` (a day at most).
    ///
    /// It is `const`, so that a fixed backoff is checked when the program is compiled.
    pub const fn new(base: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        if base.is_zero() {
            return Err(InvalidBackoff::ZeroBase);
        }
        if cap.as_nanos() < base.as_nanos() {
            return Err(InvalidBackoff::CapBelowBase);
        }
        if cap.as_nanos() > LONGEST_CAP.as_nanos() {
            return Err(InvalidBackoff::CapTooLong);
        }
        Ok(Self {
            floor_nanos: 0,
            base_nanos: base.as_nanos() as u64,
            cap_nanos: cap.as_nanos() as u64,
        })
    }

    /// The same backoff, never waiting less than `floor`, which must be below the base.
    ///
    /// For a loop that runs until it succeeds, such as a reconnect: full jitter may draw (almost) zero several times
    /// in a row, and a peer that refuses at once would then be called in a hot loop.
    pub const fn with_floor(self, floor: Duration) -> Result<Self, InvalidBackoff> {
        if floor.as_nanos() >= self.base_nanos as u128 {
            return Err(InvalidBackoff::FloorNotBelowBase);
        }
        Ok(Self {
            floor_nanos: floor.as_nanos() as u64,
            ..self
        })
    }

    /// The longest wait after attempt `attempt`, counted from 0: `min(cap, base * 2^attempt)`, for any number.
    pub const fn ceiling(&self, attempt: u32) -> Duration {
        Duration::from_nanos(self.ceiling_nanos(attempt))
    }

    /// Draws the wait after attempt `attempt`, counted from 0.
    pub fn delay(&self, attempt: u32) -> Duration {
        Duration::from_nanos(fastrand::u64(
            self.floor_nanos..=self.ceiling_nanos(attempt),
        ))
    }

    const fn ceiling_nanos(&self, attempt: u32) -> u64 {
        // As many doublings as there are leading zeros lose no bit; one more is beyond any cap.
        if attempt >= self.base_nanos.leading_zeros() {
            return self.cap_nanos;
        }
        let doubled = self.base_nanos << attempt;
        if doubled < self.cap_nanos {
            doubled
        } else {
            self.cap_nanos
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(
            Backoff::new(Duration::ZERO, MS),
            Err(InvalidBackoff::ZeroBase)
        );
        assert_eq!(Backoff::new(2 * MS, MS), Err(InvalidBackoff::CapBelowBase));
        assert_eq!(
            Backoff::new(MS, LONGEST_CAP + MS),
            Err(InvalidBackoff::CapTooLong)
        );
        assert_eq!(
            Backoff::new(MS, MS).unwrap().with_floor(MS),
            Err(InvalidBackoff::FloorNotBelowBase)
        );
    }

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let backoff = Backoff::new(50 * MS, 1000 * MS).unwrap();
        let ceilings = [0, 1, 2, 3, 4, 5, 63, 64, 1000, u32::MAX].map(|n| backoff.ceiling(n));
        let expected = [50, 100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000].map(|n| n * MS);
        assert_eq!(ceilings, expected);
    }

    #[test]
    fn a_small_base_keeps_doubling_past_32_attempts() {
        let backoff = Backoff::new(Duration::from_nanos(1), LONGEST_CAP).unwrap();
        assert_eq!(backoff.ceiling(40), Duration::from_nanos(1 << 40));
    }

    #[test]
    fn draws_use_the_whole_interval() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).unwrap();
        let draws: Vec<Duration> = (0..1000).map(|_| backoff.delay(0)).collect();
        // Each bound is missed by a sound generator with probability 0.9^1000, which is below 1e-45.
        assert!(draws.iter().any(|draw| *draw < 100 * MS));
        assert!(draws.iter().any(|draw| *draw > 900 * MS));
    }

    proptest! {
        #[test]
        fn delays_stay_within_floor_and_ceiling(
            base in 1_u64..=LONGEST_CAP.as_nanos() as u64,
            extra in 0_u64..=LONGEST_CAP.as_nanos() as u64,
            floor_share in 0.0_f64..1.0,
            attempt in any::<u32>(),
        ) {
            let cap = base.saturating_add(extra).min(LONGEST_CAP.as_nanos() as u64);
            let floor = ((base - 1) as f64 * floor_share) as u64;
            let backoff = Backoff::new(Duration::from_nanos(base), Duration::from_nanos(cap)).unwrap()
                .with_floor(Duration::from_nanos(floor)).unwrap();

            let exact = u128::from(base) * 2_u128.pow(attempt.min(60));
            prop_assert_eq!(backoff.ceiling(attempt).as_nanos(), exact.min(u128::from(cap)));

            let delay = backoff.delay(attempt);
            prop_assert!(delay >= Duration::from_nanos(floor));
            prop_assert!(delay <= backoff.ceiling(attempt));
        }
    }
}

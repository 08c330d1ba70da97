//! Redis's clock beside ours.
//!
//! Deadlines and leases are measured on Redis's clock, so that hosts whose clocks differ agree. A worker
//! translates them to its own monotonic clock by samples: Redis said `t` between our sending at `s`
//! and our receiving at `r`, so the offset (ours minus Redis's) lies in `[s - t, r - t]`. Intersecting
//! the samples narrows that interval; between samples it widens by the most that two clocks drift apart.
//!
//! A blocking read gives a loose lower end, and an answer that is read late (the process was
//! stopped, the machine is busy) a loose upper end; neither spoils what earlier samples proved. If
//! a sample does not fit the interval at all, one of the clocks was set or another server took over:
//! the interval starts afresh, and ids given before that moment say nothing about age any more.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::EntryId;

/// Twice the rate at which NTP may slew a clock (500 ppm, RFC 5905), for two clocks.
const DRIFT_PPM: u128 = 1_000;

/// Samples are in microseconds and ids in milliseconds; smaller contradictions are rounding.
const TOLERANCE: i128 = 2_000_000;

/// Translates Redis's clock to the local monotonic one.
#[derive(Debug, Clone)]
pub(crate) struct RedisClock {
    origin: Instant,
    interval: Option<Interval>,
    /// Ids from before this moment on Redis's clock were given before it was set.
    trusted_since: Duration,
}

/// Bounds of the offset in nanoseconds, as they stood at `at`.
#[derive(Debug, Clone, Copy)]
struct Interval {
    least: i128,
    most: i128,
    at: Instant,
}

impl RedisClock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            interval: None,
            trusted_since: Duration::ZERO,
        }
    }

    /// Takes a sample: Redis said `redis_time` to a question sent at `sent` and answered at `received`.
    /// Returns false if one of the clocks was set since the last sample.
    pub(crate) fn sample(
        &mut self,
        sent: Instant,
        received: Instant,
        redis_time: Duration,
    ) -> bool {
        let redis = redis_time.as_nanos() as i128;
        let least = self.since_origin(sent) - redis;
        let most = self.since_origin(received) - redis;
        let Some(known) = self.interval.map(|interval| interval.widened(received)) else {
            self.interval = Some(Interval {
                least,
                most,
                at: received,
            });
            return true;
        };
        let narrowed = Interval {
            least: known.least.max(least),
            most: known.most.min(most),
            at: received,
        };
        if narrowed.least > narrowed.most + TOLERANCE {
            self.interval = Some(Interval {
                least,
                most,
                at: received,
            });
            self.trusted_since = redis_time;
            return false;
        }
        self.interval = Some(narrowed);
        true
    }

    /// The local instant at which Redis's clock showed `redis_time`; late by a network round trip at
    /// most. Before the first sample: now.
    pub(crate) fn local(&self, redis_time: Duration) -> Instant {
        let Some(interval) = self.interval else {
            return Instant::now();
        };
        let nanos = redis_time.as_nanos() as i128 + interval.most;
        match u64::try_from(nanos) {
            Ok(nanos) => self.origin + Duration::from_nanos(nanos),
            Err(_before_origin) => self
                .origin
                .checked_sub(clamped(-nanos))
                .unwrap_or(self.origin),
        }
    }

    /// How old an entry was at `redis_time`. An id from before the clock was set, or from its future,
    /// tells nothing: such an entry counts as new.
    pub(crate) fn age(&self, entry: EntryId, redis_time: Duration) -> Duration {
        let added = Duration::from_millis(entry.ms);
        // A millisecond for the id's rounding: the entry may have been added right after the step.
        if added + Duration::from_millis(1) < self.trusted_since {
            return Duration::ZERO;
        }
        redis_time.saturating_sub(added)
    }

    fn since_origin(&self, instant: Instant) -> i128 {
        match instant.checked_duration_since(self.origin) {
            Some(after) => after.as_nanos() as i128,
            None => -(self.origin.duration_since(instant).as_nanos() as i128),
        }
    }
}

impl Interval {
    fn widened(self, now: Instant) -> Self {
        let drift =
            (now.saturating_duration_since(self.at).as_nanos() * DRIFT_PPM / 1_000_000) as i128;
        Self {
            least: self.least - drift,
            most: self.most + drift,
            at: now,
        }
    }
}

fn clamped(nanos: i128) -> Duration {
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REDIS: Duration = Duration::from_secs(1_700_000_000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_answer_that_is_read_late_does_not_move_the_clock() {
        let start = Instant::now();
        let mut clock = RedisClock::new();
        assert!(clock.sample(start, start + ms(1), REDIS));
        // Stopped for 30 s: Redis answered at +5 s, we read it at +35 s.
        assert!(clock.sample(start + ms(1), start + ms(35_000), REDIS + ms(5_000)));
        let delivered = clock.local(REDIS + ms(5_000));
        let truth = start + ms(5_000);
        assert!(
            delivered >= truth && delivered < truth + ms(100),
            "{:?}",
            delivered - truth
        );
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_and_older_ids_tell_no_age() {
        for step in [-3_600_000_i64, 3_600_000] {
            let start = Instant::now();
            let mut clock = RedisClock::new();
            assert!(clock.sample(start, start + ms(1), REDIS));
            let stepped = REDIS.as_millis() as i64 + step + 10;
            let stepped = ms(stepped as u64);
            assert!(
                !clock.sample(start + ms(10), start + ms(11), stepped),
                "{step}"
            );
            let before = EntryId {
                ms: REDIS.as_millis() as u64,
                seq: 0,
            };
            assert_eq!(
                clock.age(before, stepped + ms(50)),
                Duration::ZERO,
                "{step}"
            );
            let after = EntryId {
                ms: stepped.as_millis() as u64 + 20,
                seq: 0,
            };
            assert_eq!(clock.age(after, stepped + ms(50)), ms(30));
            let local = clock.local(stepped);
            assert!(local >= start + ms(10) && local <= start + ms(11));
        }
    }

    proptest! {
        /// Whatever the delays, as long as no clock is set: no step is seen, and the local time given
        /// is never early and late by no more than the fastest answer, drift aside.
        #[test]
        fn delays_alone_are_never_a_step(
            delays in prop::collection::vec((0_u64..50_000, 0_u64..50_000, 0_u64..1_000), 1..50),
        ) {
            let start = Instant::now();
            let mut clock = RedisClock::new();
            let mut now = start;
            let mut fastest = u64::MAX;
            for (to_redis, from_redis, pause) in delays {
                let sent = now;
                let at_redis = sent + Duration::from_micros(to_redis);
                let received = at_redis + Duration::from_micros(from_redis);
                let truth = REDIS + (at_redis - start);
                prop_assert!(clock.sample(sent, received, truth));
                fastest = fastest.min(from_redis);
                let error = clock.local(truth).checked_duration_since(at_redis);
                prop_assert!(error.is_some(), "early");
                let drift = (received - start).as_micros() as u64 / 1_000 + 1;
                prop_assert!(error.expect("not early").as_micros() as u64 <= fastest + drift);
                now = received + Duration::from_micros(pause);
            }
        }
    }
}

//! Repeated log lines, kept down.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Decides which of many equal log lines are written: the first at once, then one in each period.
///
/// Lines are equal if their keys are. At most [`LogThrottle::MAX_KEYS`] keys are remembered; beyond that the one whose
/// last line is the oldest is forgotten, with its count.
#[derive(Clone, Debug)]
pub struct LogThrottle<K> {
    period: Duration,
    keys: HashMap<K, Key>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    written: Instant,
    suppressed: u64,
}

impl<K: Eq + Hash + Clone> LogThrottle<K> {
    /// The most keys that are remembered.
    pub const MAX_KEYS: usize = 64;

    /// A throttle that lets one line of each key through in each `period`.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            keys: HashMap::new(),
        }
    }

    /// Whether to write a line with this key now: `Some` says how many were not written since the last one that was.
    pub fn admit(&mut self, key: K, now: Instant) -> Option<u64> {
        if let Some(known) = self.keys.get_mut(&key) {
            if now.saturating_duration_since(known.written) < self.period {
                known.suppressed += 1;
                return None;
            }
            let suppressed = known.suppressed;
            *known = Key::written(now);
            return Some(suppressed);
        }
        self.make_room();
        self.keys.insert(key, Key::written(now));
        Some(0)
    }

    fn make_room(&mut self) {
        if self.keys.len() < Self::MAX_KEYS {
            return;
        }
        let oldest = self.keys.iter().min_by_key(|(_, key)| key.written);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.keys.remove(&oldest);
        }
    }
}

impl Key {
    fn written(now: Instant) -> Self {
        Self {
            written: now,
            suppressed: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_line_is_written_at_once_and_then_one_in_each_period() {
        let mut throttle = LogThrottle::new(10 * SECOND);
        let start = Instant::now();
        let lines: Vec<(u32, u64)> = (0..35)
            .filter_map(|second| Some((second, throttle.admit("oom", start + second * SECOND)?)))
            .collect();
        assert_eq!(lines, [(0, 0), (10, 9), (20, 9), (30, 9)]);
    }

    #[test]
    fn keys_do_not_hide_each_other() {
        let mut throttle = LogThrottle::new(10 * SECOND);
        let now = Instant::now();
        assert_eq!(throttle.admit("oom", now), Some(0));
        assert_eq!(throttle.admit("readonly", now), Some(0));
        assert_eq!(throttle.admit("oom", now), None);
        assert_eq!(throttle.admit("readonly", now), None);
    }

    #[test]
    fn a_clock_that_seems_to_go_back_is_no_new_period() {
        let mut throttle = LogThrottle::new(SECOND);
        let now = Instant::now() + SECOND;
        assert_eq!(throttle.admit("oom", now), Some(0));
        assert_eq!(throttle.admit("oom", now - SECOND), None);
    }

    #[test]
    fn the_oldest_key_makes_room() {
        let mut throttle = LogThrottle::new(1000 * SECOND);
        let start = Instant::now();
        let at = |number: usize| start + number as u32 * SECOND;
        for number in 0..=LogThrottle::<usize>::MAX_KEYS {
            assert_eq!(throttle.admit(number, at(number)), Some(0));
        }
        assert_eq!(throttle.keys.len(), LogThrottle::<usize>::MAX_KEYS);
        assert_eq!(
            throttle.admit(1, at(100)),
            None,
            "the second is still known"
        );
        assert_eq!(
            throttle.admit(0, at(100)),
            Some(0),
            "the first is forgotten"
        );
    }

    proptest! {
        #[test]
        fn every_line_is_written_or_counted(
            steps in prop::collection::vec((0_u8..4, 0_u64..3000), 1..200),
        ) {
            let mut throttle = LogThrottle::new(SECOND);
            let mut now = Instant::now();
            let mut told = [0_u64; 4];
            let mut asked = [0_u64; 4];
            for (key, wait) in steps {
                now += Duration::from_millis(wait);
                asked[usize::from(key)] += 1;
                if let Some(suppressed) = throttle.admit(key, now) {
                    told[usize::from(key)] += 1 + suppressed;
                    prop_assert_eq!(told[usize::from(key)], asked[usize::from(key)]);
                }
            }
        }
    }
}

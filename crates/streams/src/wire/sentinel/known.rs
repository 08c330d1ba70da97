//! Which of the sentinels' answers to believe.
//!
//! Each failover has an epoch, and a later one wins. A sentinel that is cut off from the others goes on naming the
//! primary of an earlier epoch, as does one that has not heard of the failover yet; what was known already is
//! newer then, and stays. Only sentinels that were set up anew count from the start again: so when nobody has
//! confirmed the newer answer for long, and most sentinels say otherwise, they are believed.

use std::{fmt, time::Duration};

use tokio::time::Instant;

/// Sentinels tell each other of a failover within two seconds.
const DOUBT: Duration = Duration::from_secs(10);

/// A primary as sentinels name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub host: String,
    pub port: u16,
    /// The failover that made it the primary.
    pub epoch: u64,
}

/// The primary that is believed in.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub primary: Primary,
    /// When a sentinel named it last.
    confirmed: Instant,
}

impl Primary {
    /// Whether that is the same server, by its address.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What to believe when these answers came from so many sentinels that were asked.
pub(super) fn believe(
    known: Option<Known>,
    answers: &[Primary],
    asked: usize,
    now: Instant,
) -> Option<Known> {
    let confirms = |answer: &Primary| matches!(&known, Some(known) if known.primary.is_at(answer));
    let Some(newest) = answers
        .iter()
        .max_by_key(|answer| (answer.epoch, confirms(answer)))
    else {
        return known;
    };
    let most = answers.len() * 2 > asked;
    match known {
        Some(known)
            if newest.epoch < known.primary.epoch && (!most || now - known.confirmed < DOUBT) =>
        {
            Some(known)
        }
        _ => Some(Known {
            primary: newest.clone(),
            confirmed: now,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn primary(port: u16, epoch: u64) -> Primary {
        Primary {
            host: "h".into(),
            port,
            epoch,
        }
    }

    fn after(known: Option<Known>, answers: &[Primary], now: Instant) -> Option<Known> {
        believe(known, answers, 3, now)
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_failover_wins_and_is_not_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let port = |known: &Option<Known>| known.as_ref().map(|known| known.primary.port);
        assert!(after(None, &[], start).is_none());
        // One of three has heard of it.
        let answers = [primary(1, 4), primary(2, 5), primary(1, 4)];
        let known = after(None, &answers, start);
        assert_eq!(port(&known), Some(2));
        // The other two have not.
        let stale = [primary(1, 4), primary(1, 4)];
        let known = after(known, &stale, at(1));
        assert_eq!(port(&known), Some(2));
        assert_eq!(port(&after(known.clone(), &[], at(60))), Some(2));
        // One that is cut off from the others is not believed, however long.
        let known = after(known, &[primary(1, 4)], at(60));
        assert_eq!(port(&known), Some(2));
        // Most of them say so, and nobody has named the other for long: they were set up anew.
        let known = after(known, &[primary(3, 0), primary(3, 0)], at(61));
        assert_eq!(port(&known), Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn within_an_epoch_what_is_known_wins_while_it_is_named() {
        let now = Instant::now();
        let known = after(None, &[primary(1, 4)], now);
        let known = after(known, &[primary(2, 4), primary(1, 4)], now);
        assert_eq!(known.as_ref().expect("known").primary.port, 1);
        let known = after(known, &[primary(2, 4)], now);
        assert_eq!(known.expect("known").primary.port, 2);
    }

    proptest! {
        /// Whatever the sentinels say within the time of doubt, the epoch never falls.
        #[test]
        fn no_failover_is_taken_back(rounds in proptest::collection::vec(
            proptest::collection::vec((1_u16..4, 0_u64..9), 0..4), 1..9,
        )) {
            let now = Instant::now();
            let mut known = None;
            for round in rounds {
                let answers: Vec<_> = round.iter().map(|(port, epoch)| primary(*port, *epoch)).collect();
                let before = known.as_ref().map_or(0, |known: &Known| known.primary.epoch);
                known = after(known, &answers, now);
                let newest = answers.iter().map(|answer| answer.epoch).max().unwrap_or(0);
                prop_assert_eq!(known.as_ref().map_or(0, |known| known.primary.epoch), before.max(newest));
            }
        }
    }
}

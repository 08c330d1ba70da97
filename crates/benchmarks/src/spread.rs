//! The middle of several rounds, and how far they lie apart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The median of several rounds, with the quartiles: half of the rounds lie between them. The smallest and the largest
/// would lie the farther apart the more rounds there are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the rounds lie below.
    pub median: f64,
    /// A quarter of them does.
    pub lower: f64,
    /// Three quarters of them do.
    pub upper: f64,
}

impl Spread {
    /// Of these values; of none, no numbers.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        Self {
            median: quantile(&sorted, 0.5),
            lower: quantile(&sorted, 0.25),
            upper: quantile(&sorted, 0.75),
        }
    }

    /// Of one value.
    pub(crate) fn single(value: f64) -> Self {
        Self::of(std::iter::once(value))
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!(
            "{:.2} [{:.2}–{:.2}]",
            self.median, self.lower, self.upper
        ))
    }
}

/// The middle value, or the mean of the two in the middle; not a number where there is none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(&sorted(values), 0.5)
}

pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value below which this share of the others lies, between two of them where it is none of them: quantile 7 of
/// Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_quartiles() {
        let spread = Spread::of([3.0, 9.0, 1.0, 2.0, 4.0].into_iter());
        assert_eq!((spread.lower, spread.median, spread.upper), (2.0, 3.0, 4.0));
        assert_eq!(spread.to_string(), "3.00 [2.00–4.00]");
        let between = Spread::of([1.0, 2.0].into_iter());
        assert_eq!(between.to_string(), "1.50 [1.25–1.75]");
        let single = Spread::of(std::iter::once(7.0));
        assert_eq!((single.lower, single.median, single.upper), (7.0, 7.0, 7.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}

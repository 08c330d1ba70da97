//! Bins with round bounds that suit what they hold.
//!
//! Latencies that lie close together get bins of equal width; latencies that differ by orders of magnitude get bins
//! that widen as they go, or all but the last would be empty.

use hdrhistogram::Histogram;

use super::Bin;

/// Few enough to take in at a glance.
const MAX_BINS: usize = 20;

/// From this ratio of long to short on, bins widen.
const WIDE: f64 = 5.0;

/// Round numbers from 1 up to 10, from close to far apart.
const SERIES: [&[f64]; 4] = [
    &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
    &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
    &[1.0, 2.0, 5.0],
    &[1.0],
];

/// The bins of a histogram of microseconds: adjoining, none missing, together all that was counted.
pub(super) fn of(histogram: &Histogram<u64>) -> Vec<Bin> {
    if histogram.is_empty() {
        return Vec::new();
    }
    // The histogram knows each value to three digits; it stands for all of them by the largest it may have been.
    let recorded = || {
        let values = histogram.iter_recorded();
        values.map(|value| {
            (
                value.value_iterated_to().max(1) as f64,
                value.count_at_value(),
            )
        })
    };
    let short = recorded().next().map_or(1.0, |(micros, _)| micros);
    // A few stragglers get a bin of their own instead of squeezing all others into one.
    let long = (histogram.value_at_quantile(0.999) as f64).max(short);
    let max = histogram.max() as f64;
    let mut bounds = if long / short < WIDE {
        even(short, long)
    } else {
        widening(short, long)
    };
    if bounds.last().is_some_and(|&last| last <= max) {
        bounds.push(round_up(max));
    }

    let mut bins: Vec<_> = bounds
        .windows(2)
        .map(|pair| Bin {
            from: pair[0] / 1e6,
            to: pair[1] / 1e6,
            count: 0,
        })
        .collect();
    for (micros, count) in recorded() {
        let bin = bounds
            .partition_point(|&bound| bound <= micros)
            .saturating_sub(1);
        let last = bins.len() - 1;
        bins[bin.min(last)].count += count;
    }
    bins
}

fn even(short: f64, long: f64) -> Vec<f64> {
    // Bounds that differ in the third digit, which is as far as they are written and as the histogram knows them.
    let least = 10f64.powf(long.log10().floor() - 2.0).max(1.0);
    let step = round_up((long - short) / (MAX_BINS as f64 * 0.6)).max(least);
    let first = (short / step).floor();
    let bins = (long / step).floor() - first + 1.0;
    (0..=bins as u32)
        .map(|bin| (first + f64::from(bin)) * step)
        .collect()
}

fn widening(short: f64, long: f64) -> Vec<f64> {
    let decades = short.log10().floor() as i32..=long.log10().floor() as i32 + 1;
    let bounds = |series: &&[f64]| -> Vec<f64> {
        let all: Vec<_> = decades
            .clone()
            .flat_map(|decade| series.iter().map(move |step| step * 10f64.powi(decade)))
            .collect();
        let first = all
            .partition_point(|&bound| bound <= short)
            .saturating_sub(1);
        let last = all.partition_point(|&bound| bound <= long);
        all[first..=last].to_vec()
    };
    let mut candidates = SERIES.iter().map(bounds);
    candidates
        .find(|bounds| bounds.len() <= MAX_BINS)
        .unwrap_or_else(|| bounds(&SERIES[3]))
}

/// The next larger 1, 2 or 5 times a power of ten.
pub(super) fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|step| step * decade)
        .into_iter()
        .find(|&round| round > value * 0.999_999)
        .unwrap_or(decade * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::histogram;
    use crate::report::units::duration;
    use proptest::prelude::*;

    fn of_values(values: &[u64]) -> Vec<Bin> {
        let mut histogram = histogram();
        for &value in values {
            histogram.record(value).unwrap();
        }
        of(&histogram)
    }

    #[test]
    fn latencies_close_together_get_even_bins() {
        let values: Vec<_> = (150_000..160_000).step_by(10).collect();
        let bins = of_values(&values);
        assert_eq!((bins[0].from, bins[0].to), (0.15, 0.151));
        assert_eq!(bins.len(), 10);
        assert!(
            bins.iter().all(|bin| bin.count.abs_diff(100) < 20),
            "{bins:?}"
        );
    }

    #[test]
    fn bounds_can_be_told_apart_as_they_are_written() {
        for values in [[150_000, 150_500], [1_520, 1_527], [9_990, 10_020], [3, 4]] {
            for bin in of_values(&values) {
                assert_ne!(duration(bin.from), duration(bin.to), "{bin:?}");
            }
        }
    }

    #[test]
    fn latencies_far_apart_get_widening_bins() {
        let values: Vec<_> = (0..60).map(|n| (100.0 * 1.2f64.powi(n)) as u64).collect();
        let bins = of_values(&values);
        assert!(
            bins.iter().filter(|bin| bin.count > 0).count() > 10,
            "{bins:?}"
        );
        assert!(bins.last().unwrap().to > bins[0].to * 100.0);
    }

    #[test]
    fn stragglers_do_not_squeeze_the_rest_into_one_bin() {
        let mut values: Vec<_> = (0..100_000).map(|n| 10_000 + n / 10).collect();
        values.push(30_000_000);
        let bins = of_values(&values);
        assert!(bins.len() > 5, "{bins:?}");
        assert_eq!(bins.last().unwrap().count, 1);
    }

    proptest! {
        #[test]
        fn bins_adjoin_and_hold_everything(values in prop::collection::vec(0u64..7_200_000_000, 1..200)) {
            let bins = of_values(&values);
            prop_assert!(bins.len() <= MAX_BINS + 1);
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), values.len() as u64);
            for pair in bins.windows(2) {
                prop_assert!(pair[0].from < pair[0].to && pair[0].to == pair[1].from);
            }
            let max = *values.iter().max().unwrap() as f64 / 1e6;
            prop_assert!(bins.last().unwrap().to >= max);
        }

        #[test]
        fn bins_suit_narrow_ranges_too(low in 1u64..1_000_000_000, width in 0u64..1000) {
            let bins = of_values(&[low, low + width]);
            prop_assert!(bins.len() <= MAX_BINS + 1);
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 2);
        }

        #[test]
        fn rounding_goes_up_to_the_next_round_number(value in 0.001..1e12f64) {
            let round = round_up(value);
            prop_assert!(round > value * 0.99999 && round < value * 2.6);
        }
    }
}

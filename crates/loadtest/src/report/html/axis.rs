//! Axes: where a value goes on a chart, and which values are written beside it.

use crate::report::bins::round_up;

/// From this ratio of the largest to the smallest on, values are shown by their order of magnitude.
const WIDE: f64 = 30.0;

/// One axis of a chart.
#[derive(Clone, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// The values that are labelled.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// From zero to somewhat above the largest value.
    pub fn from_zero(largest: f64) -> Self {
        let step = round_up((largest.max(f64::MIN_POSITIVE)) / 5.0);
        let steps = (largest / step).ceil().max(1.0);
        let ticks = (0..=steps as u32)
            .map(|tick| f64::from(tick) * step)
            .collect();
        Self {
            low: 0.0,
            high: steps * step,
            logarithmic: false,
            ticks,
        }
    }

    /// From zero to exactly the largest value, for time; a label every round number of seconds.
    pub fn time(seconds: f64) -> Self {
        let steps = [
            1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
        ];
        let step = steps
            .into_iter()
            .find(|step| seconds / step <= 8.0)
            .unwrap_or_else(|| round_up(seconds / 8.0));
        let ticks = (0..=(seconds / step) as u32)
            .map(|tick| f64::from(tick) * step)
            .collect();
        Self {
            low: 0.0,
            high: seconds,
            logarithmic: false,
            ticks,
        }
    }

    /// For columns side by side, numbered from zero, whose labels are not numbers.
    pub fn columns(count: usize) -> Self {
        Self {
            low: 0.0,
            high: count.max(1) as f64,
            logarithmic: false,
            ticks: Vec::new(),
        }
    }

    /// For values above zero: from zero if they lie close together, else by their order of magnitude.
    pub fn for_values(values: impl Iterator<Item = f64> + Clone) -> Self {
        let smallest = values.clone().fold(f64::INFINITY, f64::min);
        let largest = values.fold(0.0, f64::max);
        if smallest > 0.0 && largest / smallest >= WIDE {
            Self::logarithmic(smallest, largest)
        } else {
            Self::from_zero(largest)
        }
    }

    /// By order of magnitude, in whole decades.
    pub fn logarithmic(smallest: f64, largest: f64) -> Self {
        // The slack is for a power of ten whose logarithm is not quite whole.
        let first = (smallest.log10() + 1e-9).floor() as i32;
        let last = ((largest.log10() - 1e-9).ceil() as i32).max(first + 1);
        let ticks = (first..=last).map(|decade| 10f64.powi(decade)).collect();
        Self {
            low: 10f64.powi(first),
            high: 10f64.powi(last),
            logarithmic: true,
            ticks,
        }
    }

    /// By order of magnitude, from 1 to exactly the largest value.
    pub fn orders(largest: f64) -> Self {
        let mut axis = Self::logarithmic(1.0, largest);
        axis.high = largest.max(10.0);
        axis.ticks.retain(|&tick| tick <= axis.high * 1.001);
        axis
    }

    /// Where a value goes: 0 at the start of the axis, 1 at its end.
    pub fn position(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_close_together_start_at_zero() {
        let axis = Axis::for_values([0.15, 0.31].into_iter());
        assert_eq!(axis.ticks.first(), Some(&0.0));
        assert!((axis.position(0.2) - 0.5).abs() < 0.01, "{axis:?}");
        assert!(axis.position(0.31) <= 1.0);
    }

    #[test]
    fn values_far_apart_go_by_order_of_magnitude() {
        let axis = Axis::for_values([0.001, 0.1].into_iter());
        assert_eq!(axis.ticks, [0.001, 0.01, 0.1]);
        assert!((axis.position(0.01) - 0.5).abs() < 1e-9);
        assert_eq!((axis.position(0.0), axis.position(5.0)), (0.0, 1.0));
        assert_eq!(Axis::orders(250.0).ticks, [1.0, 10.0, 100.0]);
        assert_eq!(Axis::orders(250.0).position(250.0), 1.0);
    }

    #[test]
    fn an_axis_without_values_is_still_an_axis() {
        for axis in [
            Axis::for_values(std::iter::empty()),
            Axis::from_zero(0.0),
            Axis::time(1.0),
        ] {
            assert!(
                axis.position(0.0) == 0.0 && axis.ticks.len() >= 2,
                "{axis:?}"
            );
        }
    }

    #[test]
    fn time_has_few_round_labels() {
        assert_eq!(
            Axis::time(60.0).ticks,
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
        assert!(Axis::time(100_000.0).ticks.len() <= 9);
    }
}

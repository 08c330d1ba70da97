//! Figures for people.

/// A number with its thousands apart: `28,800`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds with three digits in a unit that suits them: `340 µs`, `1.52 ms`, `12.3 s`.
pub fn duration(seconds: f64) -> String {
    if seconds <= 0.0 {
        return "0 s".to_owned();
    }
    // The unit is chosen after rounding, or 999.6 ms would be "1000 ms".
    let units = [(1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];
    let (scale, unit) = units
        .into_iter()
        .find(|(scale, _)| seconds / scale < 999.5)
        .unwrap_or((1.0, "s"));
    format!("{} {unit}", three_digits(seconds / scale))
}

/// Events per second: `479/s`, `12,345/s`, `0.25/s`.
pub fn rate(per_second: f64) -> String {
    if per_second < 999.5 {
        format!("{}/s", three_digits(per_second))
    } else {
        format!("{}/s", count(per_second.round() as u64))
    }
}

/// A share with up to three decimals, never rounded up to everything: `99.999 %`.
pub fn percent(part: u64, total: u64) -> String {
    let thousandths = (u128::from(part) * 100_000)
        .checked_div(u128::from(total))
        .unwrap_or(0);
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Three significant digits, without zeros that say nothing.
pub fn three_digits(value: f64) -> String {
    let decimals = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    let text = format!("{value:.decimals$}");
    if decimals == 0 {
        text
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_right() {
        assert_eq!(
            [0, 999, 1000, 28_800, 1_234_567].map(count),
            ["0", "999", "1,000", "28,800", "1,234,567"]
        );
        assert_eq!(
            [0.0, 0.000_34, 0.001_523, 0.0999, 0.9996, 12.34, 4000.0].map(duration),
            [
                "0 s", "340 µs", "1.52 ms", "99.9 ms", "1 s", "12.3 s", "4000 s"
            ]
        );
        assert_eq!(
            [0.25, 478.8, 12_345.4].map(rate),
            ["0.25/s", "479/s", "12,345/s"]
        );
    }

    #[test]
    fn a_share_is_never_rounded_up_to_everything() {
        assert_eq!(percent(1, 1), "100 %");
        assert_eq!(percent(999_999_999, 1_000_000_000), "99.999 %");
        assert_eq!(percent(1, 2), "50 %");
        assert_eq!(percent(0, 0), "0 %");
    }
}

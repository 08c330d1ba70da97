//! Values that flags take, and why one is refused. The flag itself is named by whoever asks.

use std::time::Duration;

/// A duration with its unit. A week is longer than anybody watches.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    // The parser would accept a bare 0, which looks as if other bare numbers were fine too.
    if text.parse::<f64>().is_ok() {
        return Err(format!(
            "a duration needs a unit, such as {text}s or {text}ms"
        ));
    }
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration > WEEK {
        Err("at most 7 days".to_owned())
    } else {
        Ok(duration)
    }
}

/// A duration that is not zero.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() {
        Err("must be longer than nothing".to_owned())
    } else {
        Ok(duration)
    }
}

/// The time limit of a request: positive, and an hour at most.
pub(crate) fn request_timeout(text: &str) -> Result<Duration, String> {
    let timeout = positive_duration(text)?;
    if timeout > Duration::from_secs(3600) {
        Err("at most 1h".to_owned())
    } else {
        Ok(timeout)
    }
}

/// Arrivals per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        Ok(_) => Err("must be from 0.001 to 1000000 per second".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// A share in percent, with or without its sign.
pub(crate) fn percentage(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        Ok(_) => Err("must be from 0 to 100".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}

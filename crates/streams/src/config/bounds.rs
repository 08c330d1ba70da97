//! The bounds that settings are held against.

use std::time::Duration;

use crate::{envelope::MAX_TTL, error::ConfigError};

/// Redis takes no string above 512 MB, and one that large does not get through within any sensible time.
pub(super) const MAX_BODY: u64 = 256 << 20;

/// Replies are trimmed by the second.
pub(super) const LEAST_RETENTION: Duration = Duration::from_secs(1);

/// Nothing here lasts longer than the longest request.
const LONGEST: Duration = MAX_TTL;

pub(super) fn duration(
    setting: &'static str,
    value: Duration,
    least: Duration,
) -> Result<(), ConfigError> {
    within(setting, value, least, LONGEST, |bound| format!("{bound:?}"))
}

pub(super) fn bytes(
    setting: &'static str,
    value: u64,
    least: u64,
    most: u64,
) -> Result<(), ConfigError> {
    within(setting, value, least, most, |bound| {
        format!("{bound} bytes")
    })
}

/// A number of things, at least one. Redis counts with a sign.
pub(super) fn count(setting: &'static str, value: u64) -> Result<(), ConfigError> {
    within(setting, value, 1, i64::MAX as u64, |bound| {
        bound.to_string()
    })
}

fn within<T: PartialOrd + Copy>(
    setting: &'static str,
    value: T,
    least: T,
    most: T,
    show: impl Fn(T) -> String,
) -> Result<(), ConfigError> {
    if value < least {
        let least = show(least);
        return Err(ConfigError::TooSmall { setting, least });
    }
    if value > most {
        let most = show(most);
        return Err(ConfigError::TooLarge { setting, most });
    }
    Ok(())
}

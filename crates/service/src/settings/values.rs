//! The kinds of value a setting can have. Each parser takes the text of a variable or flag and says
//! in its error, which follows the quoted value, what would be accepted.

use std::{fmt, net::SocketAddr, time::Duration};

use bytesize::ByteSize;

/// The longest duration accepted, one year: a longer one is a slip, and adding it to a clock must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A duration with its unit: `30s`, `150ms`, `1m 30s`. `0ms` is valid; a bare number is not.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: a duration such as 30s or 150ms is expected".into());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a duration: add a unit, for example 30s".into());
    }
    let duration = humantime::parse_duration(text).map_err(
        |_| "is not a duration: a number with a unit is expected, for example 30s or 150ms",
    )?;
    if duration > LONGEST {
        return Err("is too long: the longest duration is 365 days".into());
    }
    Ok(duration)
}

/// A duration as [`duration`] takes it, but not zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("is zero: this limit must be longer, for example 1s".into()),
        longer => Ok(longer),
    }
}

/// A number of bytes with or without a unit: `16KiB`, `1MB`, `512`. Not zero, at most 1 GiB.
pub fn bytes(text: &str) -> Result<usize, String> {
    let size: ByteSize = text.trim().parse().map_err(|_| {
        "is not a size in bytes: a number with a unit is expected, for example 16KiB".to_owned()
    })?;
    match usize::try_from(size.as_u64()) {
        Ok(size @ 1..=0x4000_0000) => Ok(size),
        _ => Err("is out of range: a size from 1B to 1GiB is expected".into()),
    }
}

/// A whole number from 1 to 4294967295.
pub fn count(text: &str) -> Result<u32, String> {
    match text.trim().parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(format!("is not a whole number from 1 to {}", u32::MAX)),
    }
}

/// An IP address with a port: `127.0.0.1:5009`, `[::]:5009`.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        "is not an address: an IP address and a port are expected, for example 127.0.0.1:5009"
            .into()
    })
}

/// Text that is not empty.
pub fn text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("is empty: unset it or give it a value".into()),
        text => Ok(text.to_owned()),
    }
}

/// Text that is never printed: neither by `Debug` nor by `--help`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that hands it on.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

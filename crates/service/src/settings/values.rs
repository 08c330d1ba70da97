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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_with_a_unit_is_that_long(number in 0_u64..100_000) {
            prop_assert_eq!(duration(&format!("{number}ms")), Ok(Duration::from_millis(number)));
            prop_assert_eq!(duration(&format!("{number}s")), Ok(Duration::from_secs(number)));
            prop_assert_eq!(duration(&format!(" {number} min ")), Ok(Duration::from_secs(60 * number)));
        }

        #[test]
        fn a_number_without_a_unit_is_refused(number in any::<u64>()) {
            let refused = duration(&number.to_string()).unwrap_err();
            prop_assert!(refused.contains("add a unit"), "{}", refused);
        }

        #[test]
        fn no_text_makes_a_parser_fail_or_an_error_of_several_lines(text in any::<String>()) {
            let errors = [
                duration(&text).err(),
                positive_duration(&text).err(),
                bytes(&text).err(),
                count(&text).err(),
                address(&text).err(),
                super::text(&text).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert_eq!(error.lines().count(), 1);
            }
        }

        #[test]
        fn a_count_is_taken_as_it_is(number in 1_u32..) {
            prop_assert_eq!(count(&number.to_string()), Ok(number));
            prop_assert_eq!(bytes(&format!("{}B", number % 1_000_000 + 1)), Ok(number as usize % 1_000_000 + 1));
        }
    }

    #[test]
    fn units_of_bytes_are_powers_of_two_or_ten_as_they_say() {
        assert_eq!(bytes("16KiB"), Ok(16_384));
        assert_eq!(bytes("16kb"), Ok(16_000));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert!(bytes("2GiB").is_err());
        assert!(bytes("-1").is_err());
    }
}

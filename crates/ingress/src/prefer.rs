//! `Prefer: wait=N` (RFC 7240): how long a caller is willing to wait.
//!
//! ```text
//! Prefer     = preference *( "," preference )            several header lines are one list
//! preference = token [ "=" word ] *( ";" parameter )     word = token / quoted-string
//! wait       = "wait" "=" delta-seconds
//! ```
//!
//! Of several `wait` the first counts. Whatever is malformed is ignored, as is a wait of zero, within which
//! nothing can be answered.

use std::{fmt, time::Duration};

use axum::http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long the caller waits; at least a second, at most what 32 bits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wait={}", self.0.as_secs())
    }
}

/// The caller's `wait`, if it stated one.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Wait> {
    let lines = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let seconds = lines
        .flat_map(|line| split(line, b','))
        .find_map(|preference| {
            let preference = split(preference, b';').next()?;
            let (name, value) = preference.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("wait")
                .then(|| delta_seconds(value.trim()))
        })??;
    Some(Wait(Duration::from_secs(u64::from(seconds))))
}

/// Digits, quoted or not. More than 32 bits hold are as many as they hold.
fn delta_seconds(word: &str) -> Option<u32> {
    let digits = word
        .strip_prefix('"')
        .and_then(|word| word.strip_suffix('"'))
        .unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX)).filter(|seconds| *seconds > 0)
}

/// The pieces between separators that are not inside a quoted string.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character: char| {
        let literal = std::mem::take(&mut escaped);
        match character {
            '\\' if quoted && !literal => escaped = true,
            '"' if !literal => quoted = !quoted,
            _ => {}
        }
        character == char::from(separator) && !quoted
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn seconds(lines: &[&str]) -> Option<u64> {
        let lines = lines
            .iter()
            .map(|line| (PREFER, HeaderValue::from_str(line).unwrap()));
        wait(&lines.collect()).map(|wait| wait.0.as_secs())
    }

    #[test]
    fn a_wait_is_found_wherever_it_stands() {
        let check = |lines: &[&str], expected| assert_eq!(seconds(lines), expected, "{lines:?}");
        check(&["wait=10"], Some(10));
        check(&["WAIT = 10"], Some(10));
        check(&[r#"wait="10""#], Some(10));
        check(&["respond-async, wait=10; foo=bar, wait=5"], Some(10));
        check(&["respond-async", "wait=7"], Some(7));
        check(&[r#"note="a, wait=1", wait=2"#], Some(2));
        check(&[r#"note="\", wait=1", wait=2"#], Some(2));
        check(&["wait=99999999999999999999"], Some(u64::from(u32::MAX)));
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        let check = |line: &str| assert_eq!(seconds(&[line]), None, "{line}");
        for line in [
            "", "wait", "wait=", "wait=0", "wait=-1", "wait=+1", "wait=1.5", "wait=10s",
            "wait=ten", "waits=1", "wait 5", ",,;=,",
        ] {
            check(line);
        }
        assert_eq!(
            seconds(&["wait=x, wait=5"]),
            None,
            "the first counts, even malformed"
        );
        let latin1 = HeaderValue::from_bytes(b"wait=5\xff").unwrap();
        assert_eq!(wait(&HeaderMap::from_iter([(PREFER, latin1)])), None);
    }

    proptest! {
        #[test]
        fn any_number_of_seconds_is_read_back(
            secs in 1_u32..,
            before in "[a-z]{1,8}(=[a-z0-9]{1,8})?",
            space in " {0,3}",
        ) {
            prop_assume!(!before.starts_with("wait"));
            let line = format!("{before},{space}wait{space}={space}{secs}{space}");
            prop_assert_eq!(seconds(&[&line]), Some(u64::from(secs)));
        }

        #[test]
        fn nothing_makes_it_fail(line in "[ -~]{0,64}") {
            if let Some(found) = seconds(&[&line]) {
                prop_assert!(found > 0);
                prop_assert!(line.to_ascii_lowercase().contains("wait"));
            }
        }

        #[test]
        fn what_is_applied_is_what_was_asked_for(secs in 1_u32..) {
            prop_assert_eq!(seconds(&[&Wait(Duration::from_secs(u64::from(secs))).to_string()]), Some(u64::from(secs)));
        }
    }
}

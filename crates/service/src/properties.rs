//! What holds for any header of a caller and any value of a setting. The fuzz targets in `fuzz/` look for bytes that
//! break it; the tests below check it for those that are kept.

use std::{ffi::OsString, time::Duration};

use axum::http::{HeaderMap, HeaderValue};
use clap::Parser;
use common::trace::TraceContext;

use crate::{
    correlation::{X_REQUEST_ID, callers_id, callers_trace},
    settings::{self, ParseError, address, bytes, count, duration, parse_from, positive_duration},
};

/// The headers that say who a request is: each line of the input is one `traceparent` and one `X-Request-Id`.
pub fn traceparent_header(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(8) {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            return;
        };
        headers.append("traceparent", value.clone());
        headers.append(X_REQUEST_ID, value);
    }
    if let Some(carried) = callers_trace(&headers) {
        let sent = std::str::from_utf8(input).expect("it was the only one");
        assert!((55..=55 + 128).contains(&sent.len()));
        assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()));
        let written = carried.to_string();
        assert_eq!(written[3..53], sent[3..53], "the same trace and span");
        assert_eq!(TraceContext::parse(&written), Some(carried));
        let parts: Vec<&str> = sent.split('-').collect();
        let lengths: Vec<usize> = parts[..4].iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
        assert!(parts[0] != "ff" && (parts[0] != "00" || parts.len() == 4));
        for hex in &parts[..4] {
            assert!(
                hex.bytes()
                    .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
            );
        }
    }
    if let Some(echoed) = callers_id(&headers) {
        assert_eq!(echoed.as_bytes(), input, "it was the only one");
        assert!((1..=128).contains(&echoed.len()));
        assert!(input.iter().all(u8::is_ascii_graphic));
    }
}

/// The value of a setting: alone, and as a flag and a variable are read.
pub fn setting(input: &[u8]) {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(duration) = is_one_line(duration(text)) {
        assert!(duration <= YEAR);
        let said = humantime::format_duration(duration).to_string();
        assert_eq!(settings::duration(&said), Ok(duration), "{said}");
        assert!(
            text.trim().bytes().any(|byte| !byte.is_ascii_digit()),
            "it has no unit"
        );
    }
    if let Ok(duration) = is_one_line(positive_duration(text)) {
        assert!(!duration.is_zero());
    }
    if let Ok(size) = is_one_line(bytes(text)) {
        assert!((1..=1 << 30).contains(&size));
        assert_eq!(bytes(&size.to_string()), Ok(size));
    }
    if let Ok(count) = is_one_line(count(text)) {
        assert!(count > 0);
    }
    if let Ok(address) = is_one_line(address(text)) {
        assert_eq!(settings::address(&address.to_string()), Ok(address));
    }
    let _ = is_one_line(settings::text(text));
    flag(text);
}

fn is_one_line<T>(parsed: Result<T, String>) -> Result<T, String> {
    if let Err(expected) = &parsed {
        assert_eq!(expected.lines().count(), 1, "{expected}");
    }
    parsed
}

/// A flag with this value either is accepted or ends the program with one line that names its variable.
fn flag(value: &str) {
    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        http: settings::Http,
    }
    let argument = OsString::from(format!("--header-timeout={value}"));
    match parse_from::<Settings>(["program".into(), argument], |_| Ok(())) {
        Ok(settings) => assert!(!settings.http.header_timeout.is_zero()),
        Err(other @ (ParseError::Shown(_) | ParseError::Health(_))) => {
            panic!("{value:?} is taken for {other:?}")
        }
        Err(ParseError::Invalid(line)) => {
            assert!(line.starts_with("HEADER_TIMEOUT: "), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use testbed::each_input;

    #[test]
    fn traceparent() {
        each_input("traceparent", super::traceparent_header).unwrap();
    }

    #[test]
    fn settings() {
        each_input("settings", super::setting).unwrap();
    }
}

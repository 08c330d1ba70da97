//! What holds for any answer of a weather provider. The fuzz target in `fuzz/` looks for bytes that break it; the test
//! below checks it for those that are kept.

use jiff::Timestamp;

use super::{
    answers::{Forecast, Geocoding, parse},
    http::retry_after,
};
use crate::providers::ProviderError;

/// An answer: the first line is its `Retry-After`, the rest its body.
pub fn open_meteo(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (line, body) = input.split_at(end);
    if let Some(wait) = retry_after(&String::from_utf8_lossy(line), Timestamp::UNIX_EPOCH) {
        // A number of seconds beyond any date counts as it is: whoever waits is bounded by a deadline.
        assert!(wait.subsec_nanos() == 0 || wait.as_secs() < 1 << 40);
    }
    let city = "New York";
    match parse::<Geocoding>(body).and_then(|answer| answer.location(city)) {
        Ok(location) => {
            assert!((-90.0..=90.0).contains(&location.latitude));
            assert!((-180.0..=180.0).contains(&location.longitude));
        }
        Err(error) => says_nothing_of_the_body(&error),
    }
    match parse::<Forecast>(body).and_then(|answer| answer.weather()) {
        Ok(weather) => {
            assert!((-100..=70).contains(&weather.temperature_c));
            assert!(!weather.summary.is_empty());
            // It becomes a field of the reply, as an ISO date.
            let date = weather.date.to_string();
            assert_eq!(date.len(), "yyyy-MM-dd".len(), "{date}");
        }
        Err(error) => says_nothing_of_the_body(&error),
    }
}

fn says_nothing_of_the_body(error: &ProviderError) {
    let told = error.to_string();
    assert!(
        told.len() <= 160 && !told.chars().any(char::is_control),
        "{told}"
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn open_meteo() {
        testbed::each_input("open_meteo", super::open_meteo).unwrap();
    }
}

//! What Open-Meteo answers, and what of it is believed.

use jiff::civil::DateTime;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::wmo;
use crate::providers::{ProviderError, Weather, weather::word};

/// The answer to the search for a city. `results` is left out where nothing was found.
#[derive(Debug, Deserialize)]
pub(super) struct Geocoding {
    results: Option<Vec<Location>>,
    /// In every true answer; without it, and without results, this is not the geocoding service.
    generationtime_ms: Option<IgnoredAny>,
}

/// In degrees.
#[derive(Debug, Deserialize)]
pub(super) struct Location {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// The answer to the question for the weather at a place.
#[derive(Debug, Deserialize)]
pub(super) struct Forecast {
    current: Current,
}

#[derive(Debug, Deserialize)]
struct Current {
    /// Date and time in UTC, without seconds or offset.
    time: String,
    temperature_2m: f64,
    weather_code: f64,
}

impl Geocoding {
    /// Where the city is, or that nobody knows it.
    pub(super) fn location(self, city: &str) -> Result<Location, ProviderError> {
        if self.results.is_none() && self.generationtime_ms.is_none() {
            return Err(malformed("it is not an answer to the search for a city"));
        }
        let location = self.results.into_iter().flatten().next();
        let location = location.ok_or_else(|| ProviderError::CityUnknown {
            city: city.to_owned(),
        })?;
        if location.latitude.abs() > 90.0 || location.longitude.abs() > 180.0 {
            return Err(malformed("the city is not on this planet"));
        }
        Ok(location)
    }
}

impl Forecast {
    /// The weather now.
    pub(super) fn weather(&self) -> Result<Weather, ProviderError> {
        let current = &self.current;
        let time: DateTime = current
            .time
            .parse()
            .ok()
            // Years before our era are written with a sign and six digits, which is no `yyyy`.
            .filter(|time: &DateTime| time.year() >= 0)
            .ok_or_else(|| malformed("the time is not a date and time"))?;
        // The coldest and the hottest ever measured are -89.2 °C and 56.7 °C.
        if !(-100.0..=70.0).contains(&current.temperature_2m) {
            return Err(malformed(
                "the temperature was never measured on this planet",
            ));
        }
        let temperature_c = current.temperature_2m.round() as i32;
        // A code that no table has is no reason to withhold the temperature.
        let code = u8::try_from(current.weather_code as i64).ok();
        let summary = code.and_then(wmo::summary).unwrap_or(word(temperature_c));
        Ok(Weather {
            date: time.date(),
            temperature_c,
            summary,
        })
    }
}

/// Reads a body. An error says where it went wrong, not what it holds: that may be long and is not ours to pass on.
pub(super) fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, ProviderError> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let reason = match error.classify() {
            serde_json::error::Category::Data => "the JSON has another shape",
            _ => "it is not JSON",
        };
        ProviderError::Malformed {
            reason: format!("{reason} at line {line} column {column}"),
        }
    })
}

pub(super) fn malformed(reason: &str) -> ProviderError {
    ProviderError::Malformed {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(temperature_2m: f64, weather_code: f64) -> Forecast {
        let time = "2025-12-24T15:00".into();
        Forecast {
            current: Current {
                time,
                temperature_2m,
                weather_code,
            },
        }
    }

    #[test]
    fn the_weather_is_what_was_measured() {
        let weather = forecast(-3.5, 71.0).weather().unwrap();
        let date = jiff::civil::date(2025, 12, 24);
        assert_eq!(
            weather,
            Weather {
                date,
                temperature_c: -4,
                summary: "Light snow"
            }
        );
    }

    #[test]
    fn a_code_without_words_falls_back_to_the_temperature() {
        for code in [4.0, -1.0, 256.0, 1e9, f64::MAX] {
            assert_eq!(
                forecast(22.0, code).weather().unwrap().summary,
                "Warm",
                "{code}"
            );
        }
    }

    #[test]
    fn a_reason_repeats_nothing_of_the_body() {
        let error = parse::<Forecast>(br#"{"current": "hunter2"}"#).expect_err("a string");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

//! Current weather from [Open-Meteo](https://open-meteo.com): first where the city is, then what the weather
//! is there.
//!
//! Both questions go through [`OpenMeteo::ask`], the only place that retries them and the only one that asks
//! the circuit breaker: each attempt takes a permit of its own, and a refused permit ends the attempts. The
//! request's deadline bounds them all together.

mod http;
mod wmo;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use common::{
    breaker::{BreakerConfig, CircuitBreaker, InvalidBreaker},
    retry::{Backoff, RetryBudget, RetryPolicy, retry},
};
use hyper::Uri;
use jiff::civil::DateTime;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned, de::IgnoredAny};
use tokio::time::Instant;

use super::{ProviderError, Weather, weather::word};
use http::Http;
pub use http::TlsError;

/// The settings of the Open-Meteo provider.
#[derive(Debug, Clone)]
pub struct OpenMeteoConfig {
    /// Where cities are looked up. It may have a query of its own, such as an API key.
    pub geocoding_url: Uri,
    /// Where the weather is asked for. It may have a query of its own, such as an API key.
    pub forecast_url: Uri,
    /// How long a TCP connect may take.
    pub connect_timeout: Duration,
    /// How long one attempt may take, from the connect to the last byte. Attempts that take more than half
    /// of it count towards opening the circuit.
    pub timeout: Duration,
    /// Most attempts at each of the two questions.
    pub attempts: NonZeroU32,
    /// A PEM file with the certificate authorities to trust in place of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Asks Open-Meteo. Clones share connections, retry budget and circuit breaker.
#[derive(Debug, Clone)]
pub struct OpenMeteo {
    http: Http,
    geocoding_url: Uri,
    forecast_url: Uri,
    timeout: Duration,
    retry: RetryPolicy,
    breaker: CircuitBreaker,
}

/// Why the provider cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenMeteoError {
    /// The certificate authorities.
    #[error("the CA file {0}")]
    Tls(#[from] TlsError),
    /// A time that the circuit breaker cannot work with.
    #[error(transparent)]
    Breaker(#[from] InvalidBreaker),
}

/// The waits between attempts. Checked by the compiler.
const BACKOFF: Backoff = match Backoff::new(Duration::from_millis(100), Duration::from_secs(2)) {
    Ok(backoff) => backoff,
    Err(_) => unreachable!(),
};

/// `results` is left out where nothing was found.
#[derive(Debug, Deserialize)]
struct Geocoding {
    results: Option<Vec<Location>>,
    /// In every true answer; without it, and without results, this is not the geocoding service.
    generationtime_ms: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Location {
    latitude: f64,
    longitude: f64,
}

#[derive(Debug, Deserialize)]
struct Forecast {
    current: Current,
}

#[derive(Debug, Deserialize)]
struct Current {
    /// Date and time in UTC, without seconds or offset.
    time: String,
    temperature_2m: f64,
    weather_code: f64,
}

impl OpenMeteo {
    /// Makes no connection yet.
    pub fn new(config: OpenMeteoConfig) -> Result<Self, OpenMeteoError> {
        Ok(Self {
            http: Http::new(config.connect_timeout, config.ca_file.as_deref())?,
            geocoding_url: config.geocoding_url,
            forecast_url: config.forecast_url,
            timeout: config.timeout,
            retry: RetryPolicy {
                backoff: BACKOFF,
                attempts: config.attempts,
                budget: RetryBudget::default(),
            },
            breaker: CircuitBreaker::new(
                "open-meteo",
                BreakerConfig {
                    slow_call: config.timeout / 2,
                    ..BreakerConfig::default()
                },
            )?,
        })
    }

    /// The circuit breaker around every call.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// The current weather of a city, by the deadline.
    pub async fn weather(&self, city: &str, deadline: Instant) -> Result<Weather, ProviderError> {
        let location = self.locate(city, deadline).await?;
        self.forecast(&location, deadline).await
    }

    async fn locate(&self, city: &str, deadline: Instant) -> Result<Location, ProviderError> {
        let name = utf8_percent_encode(city, NON_ALPHANUMERIC);
        let uri = with_query(
            &self.geocoding_url,
            &format!("name={name}&count=1&format=json"),
        )?;
        self.ask(&uri, deadline, |answer: Geocoding| answer.location(city))
            .await
    }

    async fn forecast(
        &self,
        location: &Location,
        deadline: Instant,
    ) -> Result<Weather, ProviderError> {
        let Location {
            latitude,
            longitude,
        } = location;
        let query = format!(
            "latitude={latitude}&longitude={longitude}&current=temperature_2m,weather_code"
        );
        let uri = with_query(&self.forecast_url, &query)?;
        self.ask(&uri, deadline, |answer: Forecast| answer.current.weather())
            .await
    }

    /// Asks until there is an answer that `read` understands, or asking again is not worth it.
    async fn ask<A: DeserializeOwned, T>(
        &self,
        uri: &Uri,
        deadline: Instant,
        read: impl Fn(A) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let log = |error: &ProviderError, wait: Duration| {
            let (cause, wait_ms) = (error.cause(), wait.as_millis() as u64);
            tracing::debug!(cause, wait_ms, "asking the weather provider again");
        };
        retry(&self.retry, deadline, log, |_attempt| async {
            let permit = self
                .breaker
                .acquire()
                .map_err(|_open| ProviderError::CircuitOpen)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let result = self.http.get(uri.clone(), left.min(self.timeout)).await;
            let result = result.and_then(|body| read(parse(&body)?));
            match &result {
                // The caller's time was up, not the provider's: no verdict.
                Err(ProviderError::TimedOut) if left < self.timeout => drop(permit),
                Err(error) if error.is_providers_fault() => permit.failure(),
                Ok(_) | Err(_) => permit.success(),
            }
            result
        })
        .await
    }
}

impl Geocoding {
    fn location(self, city: &str) -> Result<Location, ProviderError> {
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

impl Current {
    fn weather(&self) -> Result<Weather, ProviderError> {
        let time: DateTime = self
            .time
            .parse()
            .map_err(|_| malformed("the time is not a date and time"))?;
        // The coldest and the hottest ever measured are -89.2 °C and 56.7 °C.
        if !(-100.0..=70.0).contains(&self.temperature_2m) {
            return Err(malformed(
                "the temperature was never measured on this planet",
            ));
        }
        let temperature_c = self.temperature_2m.round() as i32;
        // A code that no table has is no reason to withhold the temperature.
        let code = u8::try_from(self.weather_code as i64).ok();
        let summary = code.and_then(wmo::summary).unwrap_or(word(temperature_c));
        Ok(Weather {
            date: time.date(),
            temperature_c,
            summary,
        })
    }
}

/// The address with more parameters behind those it has.
fn with_query(address: &Uri, parameters: &str) -> Result<Uri, ProviderError> {
    let separator = if address.query().is_some() { '&' } else { '?' };
    let uri = format!("{address}{separator}{parameters}").parse();
    uri.map_err(|_| malformed("the address would be too long"))
}

/// Says where a body went wrong, not what it holds: that may be long and is not ours to pass on.
fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, ProviderError> {
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

fn malformed(reason: &str) -> ProviderError {
    ProviderError::Malformed {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(temperature_2m: f64, weather_code: f64) -> Current {
        Current {
            time: "2025-12-24T15:00".into(),
            temperature_2m,
            weather_code,
        }
    }

    #[test]
    fn the_weather_is_what_was_measured() {
        let weather = current(-3.5, 71.0).weather().unwrap();
        assert_eq!(
            weather,
            Weather {
                date: jiff::civil::date(2025, 12, 24),
                temperature_c: -4,
                summary: "Light snow"
            }
        );
    }

    #[test]
    fn a_code_without_words_falls_back_to_the_temperature() {
        for code in [4.0, -1.0, 256.0, 1e9, f64::MAX] {
            assert_eq!(
                current(22.0, code).weather().unwrap().summary,
                "Warm",
                "{code}"
            );
        }
    }

    #[test]
    fn parameters_go_behind_those_of_the_address() {
        for (address, expected) in [
            ("http://host/search", "http://host/search?name=x"),
            (
                "http://host/search?apikey=k",
                "http://host/search?apikey=k&name=x",
            ),
            ("http://host", "http://host/?name=x"),
        ] {
            let uri = with_query(&Uri::from_static(address), "name=x").unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }

    #[test]
    fn a_reason_repeats_nothing_of_the_body() {
        let error = parse::<Forecast>(br#"{"current": "hunter2"}"#).expect_err("a string");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

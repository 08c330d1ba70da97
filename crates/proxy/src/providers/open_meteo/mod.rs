//! Current weather from [Open-Meteo](https://open-meteo.com): first where the city is, then what the weather
//! is there.
//!
//! Both questions go through [`OpenMeteo::ask`], the only place that retries them and the only one that asks
//! the circuit breaker: each attempt takes a permit of its own, and a refused permit ends the attempts. The
//! request's deadline bounds them all together.

mod answers;
mod http;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod wmo;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use common::{
    breaker::{BreakerConfig, CircuitBreaker, InvalidBreaker},
    retry::{Backoff, RetryBudget, RetryPolicy, retry},
    trace::{TraceContext, Tracer},
};
use hyper::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{ProviderError, Weather};
use answers::{Forecast, Geocoding, Location, malformed, parse};
use http::Http;
use service::https::TlsError;

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

/// However long the provider was away: a probe each second or two costs it nothing, and callers are refused for no
/// longer than that when it is well again.
const OPEN_FOR_MAX: Duration = Duration::from_secs(2);

/// The waits between attempts. Checked by the compiler.
const BACKOFF: Backoff = match Backoff::new(Duration::from_millis(100), Duration::from_secs(2)) {
    Ok(backoff) => backoff,
    Err(_) => unreachable!(),
};

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
                    open_for_max: OPEN_FOR_MAX,
                    ..BreakerConfig::default()
                },
            )?,
        })
    }

    /// Records each request of HTTP, those sent again as well.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self {
            http: self.http.traced(tracer),
            ..self
        }
    }

    /// The circuit breaker around every call.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// The current weather of a city, by the deadline, as a part of this trace.
    pub async fn weather(
        &self,
        city: &str,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<Weather, ProviderError> {
        let location = self.locate(city, deadline, trace).await?;
        self.forecast(&location, deadline, trace).await
    }

    async fn locate(
        &self,
        city: &str,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<Location, ProviderError> {
        let name = utf8_percent_encode(city, NON_ALPHANUMERIC);
        let uri = with_query(
            &self.geocoding_url,
            &format!("name={name}&count=1&format=json"),
        )?;
        let read = |answer: Geocoding| answer.location(city);
        self.ask(&uri, deadline, trace, read).await
    }

    async fn forecast(
        &self,
        location: &Location,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<Weather, ProviderError> {
        let Location {
            latitude,
            longitude,
        } = location;
        let query = format!(
            "latitude={latitude}&longitude={longitude}&current=temperature_2m,weather_code"
        );
        let uri = with_query(&self.forecast_url, &query)?;
        let read = |answer: Forecast| answer.weather();
        self.ask(&uri, deadline, trace, read).await
    }

    /// Asks until there is an answer that `read` understands, or asking again is not worth it.
    async fn ask<A: DeserializeOwned, T>(
        &self,
        uri: &Uri,
        deadline: Instant,
        trace: Option<TraceContext>,
        read: impl Fn(A) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let log = |error: &ProviderError, wait: Duration| {
            let (cause, wait_ms) = (error.cause(), wait.as_millis() as u64);
            tracing::debug!(cause, wait_ms, "asking the weather provider again");
        };
        let read = &read;
        retry(&self.retry, deadline, log, |attempt| async move {
            let permit = self
                .breaker
                .acquire()
                .map_err(|_open| ProviderError::CircuitOpen)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let time = left.min(self.timeout);
            let result = self.http.get(uri.clone(), time, trace, attempt).await;
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

/// The address with more parameters behind those it has.
fn with_query(address: &Uri, parameters: &str) -> Result<Uri, ProviderError> {
    let separator = if address.query().is_some() { '&' } else { '?' };
    let uri = format!("{address}{separator}{parameters}").parse();
    uri.map_err(|_| malformed("the address would be too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

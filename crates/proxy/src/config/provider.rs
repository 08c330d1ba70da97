//! The settings of the weather providers.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use axum::http::Uri;
use clap::{ArgAction, Args, ValueEnum, ValueHint};
use service::settings::{count, duration, positive_duration, text};

use crate::providers::{
    OpenMeteo, OpenMeteoConfig, OpenMeteoError, Provider, Simulated, SimulatedConfig,
};

const GEOCODING: &str = "https://geocoding-api.open-meteo.com/v1/search";
const FORECAST: &str = "https://api.open-meteo.com/v1/forecast";

/// Which provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderKind {
    /// Invents plausible weather for any city.
    Simulated,
    /// Asks Open-Meteo over the network.
    OpenMeteo,
}

impl ProviderKind {
    /// The value of `WEATHER_PROVIDER` that asks for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::OpenMeteo => "open-meteo",
        }
    }
}

/// Where the weather comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Weather")]
pub struct ProviderSettings {
    /// Which provider is asked
    #[arg(long, env, value_enum, default_value = "simulated")]
    pub weather_provider: ProviderKind,
    /// Simulated: how long an answer takes; 0ms waits for nothing
    #[arg(long, env, default_value = "150ms", value_parser = duration)]
    pub processing_time: Duration,
    /// Simulated, for experiments: the share of requests that fail, from 0 to 1
    #[arg(long, env, default_value = "0", value_parser = rate)]
    pub simulated_failure_rate: f64,
    /// Simulated, for experiments: the share of requests that take SIMULATED_SLOW_TIME, from 0 to 1
    #[arg(long, env, default_value = "0", value_parser = rate)]
    pub simulated_slow_rate: f64,
    /// Simulated, for experiments: how long a slow answer takes, in place of PROCESSING_TIME
    #[arg(long, env, default_value = "2s", value_parser = duration)]
    pub simulated_slow_time: Duration,
    /// Simulated, for experiments: the cities panic!, abort!, hang! and fail! do to the proxy what they say
    #[arg(long, env, default_value = "false", action = ArgAction::Set)]
    pub simulated_faults: bool,
    /// Open-Meteo: where cities are located; may hold a query, such as ?apikey=...
    #[arg(long, env, default_value = GEOCODING, value_parser = web, hide_env_values = true,
        value_hint = ValueHint::Url)]
    pub open_meteo_geocoding_url: Uri,
    /// Open-Meteo: where the weather is asked for; may hold a query, such as ?apikey=...
    #[arg(long, env, default_value = FORECAST, value_parser = web, hide_env_values = true,
        value_hint = ValueHint::Url)]
    pub open_meteo_forecast_url: Uri,
    /// Open-Meteo: how long a TCP connect may take
    #[arg(long, env, default_value = "2s", value_parser = positive_duration)]
    pub open_meteo_connect_timeout: Duration,
    /// Open-Meteo: how long one attempt may take; one that takes half of it counts as a failing provider
    #[arg(long, env, default_value = "5s", value_parser = positive_duration)]
    pub open_meteo_timeout: Duration,
    /// Open-Meteo: most attempts at each question, the first included
    #[arg(long, env, default_value = "3", value_parser = attempts)]
    pub open_meteo_attempts: NonZeroU32,
    /// Open-Meteo: a PEM file with the certificate authorities to trust, in place of the public ones
    #[arg(long, env, value_parser = path)]
    pub open_meteo_ca_file: Option<PathBuf>,
}

impl ProviderSettings {
    /// Settings that contradict each other, in one line that names them.
    pub(super) fn check(&self) -> Result<(), String> {
        let experiments = self.simulated_faults
            || self.simulated_failure_rate > 0.0
            || self.simulated_slow_rate > 0.0;
        if experiments && self.weather_provider != ProviderKind::Simulated {
            return Err(
                "SIMULATED_FAULTS, SIMULATED_FAILURE_RATE, SIMULATED_SLOW_RATE: \
                        only WEATHER_PROVIDER=simulated can do experiments"
                    .into(),
            );
        }
        if self.simulated_slow_rate > 0.0 && self.simulated_slow_time <= self.processing_time {
            return Err(
                "SIMULATED_SLOW_TIME: must be longer than PROCESSING_TIME, or nothing is slow"
                    .into(),
            );
        }
        if self.open_meteo_connect_timeout > self.open_meteo_timeout {
            return Err(
                "OPEN_METEO_CONNECT_TIMEOUT: must not be longer than OPEN_METEO_TIMEOUT, \
                        of which it is a part"
                    .into(),
            );
        }
        Ok(())
    }

    /// The provider that these settings ask for; else one line that names the setting at fault.
    pub(crate) fn provider(&self) -> Result<Provider, String> {
        match self.weather_provider {
            ProviderKind::Simulated => Ok(Provider::Simulated(Simulated::new(SimulatedConfig {
                processing_time: self.processing_time,
                failure_rate: self.simulated_failure_rate,
                slow_rate: self.simulated_slow_rate,
                slow_time: self.simulated_slow_time,
                faults: self.simulated_faults,
            }))),
            ProviderKind::OpenMeteo => {
                let config = OpenMeteoConfig {
                    geocoding_url: self.open_meteo_geocoding_url.clone(),
                    forecast_url: self.open_meteo_forecast_url.clone(),
                    connect_timeout: self.open_meteo_connect_timeout,
                    timeout: self.open_meteo_timeout,
                    attempts: self.open_meteo_attempts,
                    ca_file: self.open_meteo_ca_file.clone(),
                };
                let refused = |error| match error {
                    OpenMeteoError::Tls(_) => format!("OPEN_METEO_CA_FILE: {error}"),
                    _ => format!("OPEN_METEO_TIMEOUT: {error}"),
                };
                OpenMeteo::new(config)
                    .map(|open_meteo| Provider::OpenMeteo(Box::new(open_meteo)))
                    .map_err(refused)
            }
        }
    }
}

/// A share of requests.
fn rate(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("is not a share: a number from 0 to 1 is expected, for example 0.05".into()),
    }
}

/// An address with scheme and host, `http` for tests and mirrors in the own network.
fn web(text: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = text.trim().parse().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        .ok_or_else(|| "is not an address: https://host/path is expected".into())
}

fn attempts(text: &str) -> Result<NonZeroU32, String> {
    // `count` is never 0.
    count(text).map(|count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
}

fn path(value: &str) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

//! Where the weather comes from.

mod error;
mod open_meteo;
mod simulated;
mod weather;

use common::{
    breaker::CircuitBreaker,
    trace::{TraceContext, Tracer},
};
use tokio::time::Instant;

pub use error::ProviderError;
#[cfg(any(test, fuzzing))]
pub use open_meteo::properties;
pub use open_meteo::{OpenMeteo, OpenMeteoConfig, OpenMeteoError};
pub(crate) use simulated::{Simulated, SimulatedConfig};
pub use weather::Weather;

/// A source of weather.
#[derive(Debug)]
pub(crate) enum Provider {
    /// Invents it.
    Simulated(Simulated),
    /// Asks the public interface of Open-Meteo.
    OpenMeteo(Box<OpenMeteo>),
}

impl Provider {
    /// Records the calls it makes.
    pub(crate) fn traced(self, tracer: Tracer) -> Self {
        match self {
            Self::Simulated(_) => self,
            Self::OpenMeteo(open_meteo) => Self::OpenMeteo(Box::new(open_meteo.traced(tracer))),
        }
    }

    /// The weather of a city, as a part of this trace. Waits no longer than the deadline where it waits for others; a
    /// simulated hang has to be cut off by the caller.
    pub(crate) async fn weather(
        &self,
        city: &str,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<Weather, ProviderError> {
        match self {
            Self::Simulated(simulated) => simulated.weather(city).await,
            // Boxed, since all that this future is a part of would have to have room for the whole exchange.
            Self::OpenMeteo(open_meteo) => {
                Box::pin(open_meteo.weather(city, deadline, trace)).await
            }
        }
    }

    /// What it is called in the settings, and in traces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Simulated(_) => "simulated",
            Self::OpenMeteo(_) => "open-meteo",
        }
    }

    /// The circuit breaker in front of it, where it calls others.
    pub(crate) fn breaker(&self) -> Option<&CircuitBreaker> {
        match self {
            Self::Simulated(_) => None,
            Self::OpenMeteo(open_meteo) => Some(open_meteo.breaker()),
        }
    }
}

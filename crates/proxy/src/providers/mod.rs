//! Where the weather comes from.

mod error;
mod open_meteo;
mod simulated;
mod weather;

use common::{
    breaker::CircuitBreaker,
    trace::{SpanBuilder, SpanKind},
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
    /// The weather of a city. Waits no longer than the deadline where it waits for others; a simulated hang
    /// has to be cut off by the caller.
    pub(crate) async fn weather(
        &self,
        city: &str,
        deadline: Instant,
    ) -> Result<Weather, ProviderError> {
        match self {
            Self::Simulated(simulated) => simulated.weather(city).await,
            // Boxed, since all that this future is a part of would have to have room for the whole exchange.
            Self::OpenMeteo(open_meteo) => Box::pin(open_meteo.weather(city, deadline)).await,
        }
    }

    /// What a trace says of one question to it: that others are called, where they are.
    pub(crate) fn span(&self) -> SpanBuilder {
        match self {
            Self::Simulated(_) => SpanBuilder::from_name("simulated").with_kind(SpanKind::Internal),
            Self::OpenMeteo(_) => SpanBuilder::from_name("open-meteo").with_kind(SpanKind::Client),
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

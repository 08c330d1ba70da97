//! What the terminals show on `/metrics`. The engine registers its own families beside these.

use common::metrics::{SECONDS, register_gauge};
use prometheus::{Error, Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

use crate::{
    providers::{Provider, ProviderError},
    terminals::Terminals,
};

/// The families that the handler moves.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Observed when its timer is dropped, so that requests that were cut off count as well.
    pub(crate) processing: Histogram,
    errors: IntCounterVec,
}

impl Metrics {
    /// Registers them, and what is read from the terminals and the provider at each scrape.
    pub(crate) fn register(
        registry: &Registry,
        terminals: &Terminals,
        provider: &Provider,
    ) -> Result<Self, Error> {
        let total = terminals.total() as f64;
        let opts = Opts::new("terminals", "Requests that this proxy serves at a time.");
        register_gauge(registry, opts, move || total)?;
        let board = terminals.clone();
        let opts = Opts::new("terminals_active", "Terminals that serve a request now.");
        register_gauge(registry, opts, move || board.active() as f64)?;
        if let Some(breaker) = provider.breaker() {
            breaker.register_metrics(registry)?;
        }
        let processing = Histogram::with_opts(
            HistogramOpts::new(
                "weather_request_processing_seconds",
                "Time that the weather provider took for one request, failures and cut-offs included.",
            )
            .buckets(SECONDS.to_vec()),
        )?;
        registry.register(Box::new(processing.clone()))?;
        let errors = IntCounterVec::new(
            Opts::new(
                "weather_provider_errors_total",
                "Requests for which the weather provider gave no weather, by cause.",
            ),
            &["cause"],
        )?;
        registry.register(Box::new(errors.clone()))?;
        for cause in ProviderError::CAUSES {
            // From the start at 0, so that a first error is seen as a rise.
            errors.with_label_values(&[cause]);
        }
        Ok(Self { processing, errors })
    }

    pub(crate) fn provider_failed(&self, error: &ProviderError) {
        self.errors.with_label_values(&[error.cause()]).inc();
    }
}

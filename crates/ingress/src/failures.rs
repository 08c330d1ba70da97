//! The log of requests that got no weather.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::{telemetry::LogThrottle, trace::TraceContext};
use service::Correlation;

use crate::error::Error;

/// How often a failure that goes on is logged.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// The first failure of a kind is logged at once, then one in a while, so that an outage under load does
/// not bury everything else.
#[derive(Debug)]
pub(crate) struct Failures(Mutex<LogThrottle<&'static str>>);

impl Default for Failures {
    fn default() -> Self {
        Self(Mutex::new(LogThrottle::new(LOG_PERIOD)))
    }
}

impl Failures {
    /// Logs an error that the operator should hear of.
    pub(crate) fn log(&self, who: Correlation, error: &Error) {
        if !error.is_of_ours() {
            return;
        }
        let kind = error.problem().kind().uri;
        // A panic elsewhere leaves counts behind, which stay usable.
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = throttle.admit(kind, Instant::now()) {
            let trace_id = TraceContext::log_id(who.trace);
            let request_id = who.id;
            tracing::warn!(%request_id, trace_id, kind, %error, suppressed, "request not answered with weather");
        }
    }
}

//! Counts and times of HTTP requests, with bounded label values: a route is a template, not a path, and
//! whatever has no route or an unusual method is `other`.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use common::metrics::SECONDS;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// The status under which a request is counted whose caller left before the answer.
const CALLER_LEFT: &str = "499";

/// The statuses that show as zero from the start where [`HttpMetrics::foresee`] is asked to: a rate misses whatever a
/// counter counts before it is first seen, and these are what a burst of failures at the start would count.
const FORESEEN: [&str; 6] = ["200", CALLER_LEFT, "500", "502", "503", "504"];

/// The families of the HTTP server.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
}

impl HttpMetrics {
    /// Registers the families; refused where the registry has them already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "http_requests_total",
                    "Requests answered, by method, route and status; 499 is a caller that left before the answer.",
                ),
                &["method", "route", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "http_request_duration_seconds",
                    "Time from the request head to the response head, by method and route.",
                )
                .buckets(SECONDS.to_vec()),
                &["method", "route"],
            )?,
            in_flight: IntGauge::new(
                "http_requests_in_flight",
                "Requests that are being answered now.",
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        Ok(metrics)
    }

    /// Shows what becomes of requests to this route before the first comes.
    pub(crate) fn foresee(&self, method: &Method, route: &str) {
        let method = method_label(method);
        self.duration.with_label_values(&[method, route]);
        for status in FORESEEN {
            self.requests.with_label_values(&[method, route, status]);
        }
    }

    /// Starts the clock of one request. Dropped unanswered it counts as a caller that left.
    pub(crate) fn begin<'a>(&'a self, method: &Method, route: &'a str) -> Measurement<'a> {
        self.in_flight.inc();
        Measurement {
            metrics: self,
            method: method_label(method),
            route,
            begun: Instant::now(),
            answered: None,
        }
    }
}

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Measurement<'a> {
    metrics: &'a HttpMetrics,
    method: &'static str,
    route: &'a str,
    begun: Instant,
    /// Once it is answered: with what, and after which time.
    answered: Option<(StatusCode, Duration)>,
}

impl Measurement<'_> {
    /// The answer it gets, and how long it took.
    pub(crate) fn answered(&mut self, status: StatusCode) -> Duration {
        let elapsed = self.begun.elapsed();
        self.answered = Some((status, elapsed));
        elapsed
    }
}

impl Drop for Measurement<'_> {
    fn drop(&mut self) {
        let HttpMetrics {
            requests,
            duration,
            in_flight,
        } = self.metrics;
        let (method, route) = (self.method, self.route);
        let (status, elapsed) = match &self.answered {
            Some((status, elapsed)) => (status.as_str(), *elapsed),
            None => (CALLER_LEFT, self.begun.elapsed()),
        };
        in_flight.dec();
        duration
            .with_label_values(&[method, route])
            .observe(elapsed.as_secs_f64());
        requests.with_label_values(&[method, route, status]).inc();
    }
}

pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

//! Counts and times of HTTP requests, with bounded label values: a route is a template, not a path, and
//! whatever has no route or an unusual method is `other`.

use std::time::Instant;

use axum::http::Method;
use common::metrics::SECONDS;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// The status under which a request is counted whose caller left before the answer.
const CALLER_LEFT: u16 = 499;

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

    /// Starts the clock of one request. Dropped unanswered it counts as a caller that left.
    pub(crate) fn begin<'a>(&self, method: &Method, route: &'a str) -> Observed<'a> {
        self.in_flight.inc();
        let method = method_label(method);
        Observed {
            requests: self.requests.clone(),
            duration: self.duration.with_label_values(&[method, route]),
            in_flight: self.in_flight.clone(),
            method,
            route,
            begun: Instant::now(),
            status: CALLER_LEFT,
        }
    }
}

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    requests: IntCounterVec,
    duration: Histogram,
    in_flight: IntGauge,
    method: &'static str,
    route: &'a str,
    begun: Instant,
    status: u16,
}

impl Observed<'_> {
    /// The answer it gets.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    /// How long it has taken so far.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.begun.elapsed()
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        self.in_flight.dec();
        self.duration.observe(self.begun.elapsed().as_secs_f64());
        let mut digits = [b'0'; 3];
        for (digit, place) in digits.iter_mut().zip([100, 10, 1]) {
            *digit += u8::try_from(self.status / place % 10).unwrap_or(0);
        }
        let status = std::str::from_utf8(&digits).unwrap_or("other");
        self.requests
            .with_label_values(&[self.method, self.route, status])
            .inc();
    }
}

fn method_label(method: &Method) -> &'static str {
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

//! What `/metrics` needs besides the `prometheus` crate itself. Families are registered by the code that counts them,
//! on a registry that is handed to it; there is no registry of the process.

#[cfg(target_os = "linux")]
mod process;
mod scraped;

pub use scraped::{register_counter, register_gauge};

use prometheus::{Error, IntGauge, Opts, Registry, TextEncoder};

/// The `Content-Type` of what [`encode`] returns.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Histogram buckets for times in seconds, from a millisecond to the default deadline of a request: each bound is 2 to
/// 2.5 times the one before.
pub const SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0,
];

/// A registry with the families that every process has: `build_info` with the labels `service` and `version`, and on
/// Linux the `process_*` figures, read at each scrape.
pub fn registry(service: &str, version: &str) -> Result<Registry, Error> {
    let registry = Registry::new();
    let build_info = IntGauge::with_opts(
        Opts::new("build_info", "Which build this is; the value is always 1.")
            .const_label("service", service)
            .const_label("version", version),
    )?;
    build_info.set(1);
    registry.register(Box::new(build_info))?;
    #[cfg(target_os = "linux")]
    process::register(&registry)?;
    Ok(registry)
}

/// Everything in the registry in the Prometheus text format.
pub fn encode(registry: &Registry) -> Result<String, Error> {
    TextEncoder::new().encode_to_string(&registry.gather())
}

#[cfg(test)]
mod tests;

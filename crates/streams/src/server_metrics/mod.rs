//! The server's own figures as metrics, under names of their own, so that a memory that fills up or a save that fails
//! shows without an exporter.
//!
//! All are of one look, and shown as long as that is not old. What the server did not say, and everything before the
//! first look, is left out: a zero would be a lie that an alert believes. Totals are the server's, not this process's:
//! they fall when the server restarts, which Prometheus takes for the reset that it is.

mod families;

use std::sync::{Arc, Mutex};

use common::metrics::{register_counter, register_gauge};
use prometheus::{
    IntGauge, Opts, Registry,
    core::{Collector, Desc, Describer},
    proto::MetricFamily,
};
use tokio::time::{Duration, Instant};

use self::families::Kind;
pub(crate) use self::families::{FAMILIES, Family};
use crate::{error::ConfigError, metrics::refused, mutex::lock, wire::ServerFigures};

/// A look that is older than this is shown no more: two after it have failed, or Redis cannot be reached. Old figures
/// would hide that from whoever watches them.
const LIFETIME: Duration = Duration::from_secs(45);

/// The figures of the server, as the latest look found them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerMetrics {
    latest: Arc<Mutex<Option<Look>>>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    figures: ServerFigures,
}

impl ServerMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, ConfigError> {
        let metrics = Self::default();
        for Family {
            name,
            help,
            kind,
            read,
        } in FAMILIES
        {
            let opts = Opts::new(*name, *help);
            let source = metrics.clone();
            let read = move || source.fresh(*read).flatten().unwrap_or(f64::NAN);
            match kind {
                Kind::Gauge => register_gauge(registry, opts, read),
                Kind::Counter => register_counter(registry, opts, read),
            }
            .map_err(refused)?;
        }
        let info = ServerInfoMetric {
            desc: info_opts().describe().map_err(refused)?,
            source: metrics.clone(),
        };
        registry.register(Box::new(info)).map_err(refused)?;
        Ok(metrics)
    }

    pub(crate) fn set(&self, figures: ServerFigures) {
        *lock(&self.latest) = Some(Look {
            at: Instant::now(),
            figures,
        });
    }

    /// Something of the latest look, unless that is too old.
    fn fresh<T>(&self, read: impl FnOnce(&ServerFigures) -> T) -> Option<T> {
        let latest = lock(&self.latest);
        let look = latest.as_ref()?;
        (look.at.elapsed() < LIFETIME).then(|| read(&look.figures))
    }
}

/// The one metric whose labels are read as well.
struct ServerInfoMetric {
    desc: Desc,
    source: ServerMetrics,
}

const LABELS: [&str; 3] = ["version", "mode", "role"];

fn info_opts() -> Opts {
    let name = "redis_server_info";
    Opts::new(name, "Which server this is; the value is always 1.")
}

impl Collector for ServerInfoMetric {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let told = self
            .source
            .fresh(|seen| [&seen.version, &seen.mode, &seen.role].map(Clone::clone));
        let Some(values) = told else {
            return Vec::new();
        };
        let opts = LABELS
            .into_iter()
            .zip(values)
            .fold(info_opts(), |opts, (label, value)| {
                opts.const_label(label, value)
            });
        // Names of labels and of the metric are ours, so there is no error to hide.
        IntGauge::with_opts(opts).map_or_else(
            |_| Vec::new(),
            |info| {
                info.set(1);
                info.collect()
            },
        )
    }
}

#[cfg(test)]
mod tests;

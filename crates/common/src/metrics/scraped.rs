//! Metrics that are read when they are scraped, so that nobody has to keep a copy up to date. What cannot be read is
//! left out of that scrape: `read` says so by a NaN.

use prometheus::core::{Collector, Desc, Describer};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Error, Gauge, Opts, Registry};

/// Registers a gauge that is `read` at each scrape. Its labels are the constant labels of `opts`; gauges of the same
/// name with different values of the same labels make one family.
pub fn register_gauge(
    registry: &Registry,
    opts: Opts,
    read: impl Fn() -> f64 + Send + Sync + 'static,
) -> Result<(), Error> {
    register(registry, opts, read, |opts, value| {
        let gauge = Gauge::with_opts(opts)?;
        gauge.set(value);
        Ok(gauge.collect())
    })
}

/// Registers a counter that is `read` at each scrape, labelled like a [gauge](register_gauge). What `read` returns must
/// be zero or more, and fall only when what is counted begins anew: Prometheus takes it for that.
pub fn register_counter(
    registry: &Registry,
    opts: Opts,
    read: impl Fn() -> f64 + Send + Sync + 'static,
) -> Result<(), Error> {
    register(registry, opts, read, |opts, value| {
        let counter = Counter::with_opts(opts)?;
        counter.inc_by(value);
        Ok(counter.collect())
    })
}

/// Turns a value into the families of one sample.
type Sample = fn(Opts, f64) -> Result<Vec<MetricFamily>, Error>;

struct Scraped<F> {
    desc: Desc,
    opts: Opts,
    read: F,
    sample: Sample,
}

fn register(
    registry: &Registry,
    opts: Opts,
    read: impl Fn() -> f64 + Send + Sync + 'static,
    sample: Sample,
) -> Result<(), Error> {
    let desc = opts.describe()?;
    registry.register(Box::new(Scraped {
        desc,
        opts,
        read,
        sample,
    }))
}

impl<F: Fn() -> f64 + Send + Sync> Collector for Scraped<F> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let value = (self.read)();
        if value.is_nan() {
            return Vec::new();
        }
        // The options were checked when they were registered, so there is no error to hide.
        (self.sample)(self.opts.clone(), value).unwrap_or_default()
    }
}

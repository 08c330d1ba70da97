//! Spans on their way out of the process, by OTLP over HTTP.
//!
//! Whoever ends a span puts it into a bounded queue and goes on; if the queue is full the span is dropped and counted
//! ([`queue`]). One thread takes spans out and sends them together, at least once a second, on a connection of its own
//! ([`http`]). It is the only one that a collector can hold up: one that is dead, slow or hangs costs spans and nothing
//! else. What could not be sent is not sent again: by then there is more.

mod http;
mod queue;
mod sampler;

use std::{sync::Arc, time::Duration};

use common::trace::Tracer;
use opentelemetry::{InstrumentationScope, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::TelemetryResourceDetector,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanLimits},
};
use prometheus::Registry;
use uuid::Uuid;

use self::{
    http::Http,
    queue::{Bounded, Counted, Counts},
    sampler::Heads,
};
use crate::{
    ServiceError,
    settings::{Optional, Traces},
};

/// How many spans may wait. At about a kilobyte each that is less than ten megabytes.
const CAPACITY: usize = 8192;

/// How many spans are sent together at most.
const BATCH: usize = 512;

/// How long a span waits for others to be sent with.
const PERIOD: Duration = Duration::from_secs(1);

/// How long the end of the process may wait for its last spans.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Where OTLP wants traces below the URL of a collector.
const PATH: &str = "/v1/traces";

/// The way out of the process. Keep it until the end of `main`: dropping it sends the spans so far, within two seconds.
#[derive(Debug)]
#[must_use = "the last spans are lost without it"]
pub(crate) struct Exporting(Option<(SdkTracerProvider, Arc<Counts>)>);

/// Starts to export, where the settings say so; else the tracer is off and nothing is registered.
pub(crate) fn start(
    settings: &Traces,
    name: &'static str,
    version: &'static str,
    registry: &Registry,
) -> Result<(Tracer, Exporting), ServiceError> {
    let Optional(Some(endpoint)) = &settings.otel_exporter_otlp_endpoint else {
        return Ok((Tracer::default(), Exporting(None)));
    };
    let counts = Arc::new(Counts::register(registry)?);
    let http = Http::new(settings, Arc::clone(&counts))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(http)
        .with_endpoint(format!(
            "{}{PATH}",
            endpoint.to_string().trim_end_matches('/')
        ))
        .with_timeout(settings.otel_exporter_otlp_timeout)
        .with_retry_policy(RetryPolicy::default().with_max_retries(0))
        .build()
        .map_err(|error| ServiceError::Setting(format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}")))?;
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(CAPACITY)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(PERIOD)
        .build();
    let processor = BatchSpanProcessor::builder(Counted::new(exporter, Arc::clone(&counts)))
        .with_batch_config(batch)
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Heads::new(settings))
        .with_resource(resource(settings, name, version))
        // Else it would read variables of its own, which no document of ours names.
        .with_span_limits(SpanLimits::default())
        .with_span_processor(Bounded::new(processor, Arc::clone(&counts), CAPACITY))
        .build();
    tracing::info!(
        collector = %endpoint,
        sampler = ?settings.otel_traces_sampler,
        share = settings.otel_traces_sampler_arg,
        "recording traces"
    );
    let scope = InstrumentationScope::builder(name)
        .with_version(version)
        .build();
    let tracer = Tracer::new(provider.tracer_with_scope(scope));
    Ok((tracer, Exporting(Some((provider, counts)))))
}

impl Drop for Exporting {
    fn drop(&mut self) {
        if let Some((provider, counts)) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_LIMIT)
        {
            let spans = counts.waiting();
            tracing::warn!(%error, spans, "the last spans were not sent");
        }
    }
}

/// What is said of this process: the settings win.
fn resource(settings: &Traces, name: &'static str, version: &'static str) -> Resource {
    let Optional(service) = settings.otel_service_name.clone();
    let own = [
        KeyValue::new("service.version", version),
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
        KeyValue::new("service.name", name),
    ];
    let given = settings.otel_resource_attributes.0.iter().cloned();
    let given = given.map(|(name, value)| KeyValue::new(name, value));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(own.into_iter().chain(given))
        .with_attributes(service.map(|name| KeyValue::new("service.name", name)))
        .build()
}

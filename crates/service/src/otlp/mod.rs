//! Spans on their way out of the process, by OTLP over HTTP.
//!
//! Whoever ends a span puts it into a bounded queue and goes on; if the queue is full the span is dropped and counted
//! ([`queue`]). One thread takes spans out and sends them together, at least once a second, on a connection of its own
//! ([`http`]). It is the only one that a collector can hold up: one that is dead, slow or hangs costs spans and nothing
//! else. What could not be sent is not sent again.

mod http;
mod queue;

use std::{sync::Arc, time::Duration};

use common::trace::Tracer;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use prometheus::Registry;
use uuid::Uuid;

use self::{
    http::Http,
    queue::{Bounded, Counted, Counts},
};
use crate::{
    ServiceError,
    settings::{Endpoint, SamplerChoice, Traces},
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
pub(crate) struct Exporting(Option<SdkTracerProvider>);

/// Starts to export, where the settings say so; else the tracer is off and nothing is registered.
pub(crate) fn start(
    settings: &Traces,
    name: &'static str,
    version: &'static str,
    registry: &Registry,
) -> Result<(Tracer, Exporting), ServiceError> {
    let Endpoint(Some(endpoint)) = &settings.otel_exporter_otlp_endpoint else {
        return Ok((Tracer::default(), Exporting(None)));
    };
    let http = Http::new(settings)?;
    let headers = settings.otel_exporter_otlp_headers.0.iter().cloned();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(http)
        .with_endpoint(format!(
            "{}{PATH}",
            endpoint.to_string().trim_end_matches('/')
        ))
        .with_timeout(settings.otel_exporter_otlp_timeout)
        .with_headers(headers.collect())
        .build()
        .map_err(|error| ServiceError::Setting(format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}")))?;
    let counts = Arc::new(Counts::register(registry)?);
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(CAPACITY)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(PERIOD)
        .build();
    let processor = BatchSpanProcessor::builder(Counted::new(exporter, Arc::clone(&counts)))
        .with_batch_config(batch)
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler(settings))
        .with_resource(resource(settings, name, version))
        .with_span_processor(Bounded::new(processor, counts, CAPACITY))
        .build();
    tracing::info!(
        collector = %endpoint,
        sampler = ?settings.otel_traces_sampler,
        share = settings.otel_traces_sampler_arg,
        "recording traces"
    );
    Ok((
        Tracer::new(provider.tracer(name)),
        Exporting(Some(provider)),
    ))
}

impl Drop for Exporting {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_LIMIT)
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn sampler(settings: &Traces) -> Sampler {
    let share = Sampler::TraceIdRatioBased(settings.otel_traces_sampler_arg);
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    match settings.otel_traces_sampler {
        SamplerChoice::AlwaysOn => Sampler::AlwaysOn,
        SamplerChoice::AlwaysOff => Sampler::AlwaysOff,
        SamplerChoice::TraceIdRatio => share,
        SamplerChoice::ParentBasedAlwaysOn => parent_based(Sampler::AlwaysOn),
        SamplerChoice::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
        SamplerChoice::ParentBasedTraceIdRatio => parent_based(share),
    }
}

/// What is said of this process: the settings win.
fn resource(settings: &Traces, name: &'static str, version: &'static str) -> Resource {
    let service = settings.otel_service_name.clone();
    let service = service.filter(|name| !name.is_empty());
    let own = [
        KeyValue::new("service.version", version),
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
        KeyValue::new("service.name", name),
    ];
    let given = settings.otel_resource_attributes.0.iter().cloned();
    let given = given.map(|(name, value)| KeyValue::new(name, value));
    Resource::builder_empty()
        .with_attributes(own.into_iter().chain(given))
        .with_attributes(service.map(|name| KeyValue::new("service.name", name)))
        .build()
}

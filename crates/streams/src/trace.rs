//! What the engine records of a request whose trace is sampled. It continues the caller's trace and begins none.
//!
//! ```text
//! (the caller's span)
//! └─ send weather-requests         client: from the admission to the answer of Redis; its context travels
//!    ├─ queue weather-requests     worker: from the entry's time to the delivery, on Redis's clock
//!    ├─ process weather-requests   worker: the handler, which is given this context
//!    └─ send weather-responses     worker: from the end of the work until Redis has the reply;
//!                                  `send weather-responses:{client}` where the client has a stream of its own
//! ```
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for messaging, still in development there.
//! They know no system called `redis` and no span for the time in a queue; these two are ours.

use std::time::{Duration, SystemTime};

use common::trace::{KeyValue, Span, SpanBuilder, SpanKind, TraceContext, Tracer};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{keys::StreamNames, wire::EntryId};

/// Records the spans of one client or worker.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    tracer: Tracer,
    names: StreamNames,
}

/// A delivery whose trace is sampled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    parent: TraceContext,
    request: Uuid,
    entry: EntryId,
    deliveries: u64,
}

impl Traces {
    pub(crate) fn new(tracer: Tracer, names: StreamNames) -> Self {
        Self { tracer, names }
    }

    /// The trace that a request belongs to, if anything is recorded of it.
    pub(crate) fn sampled(&self, traceparent: Option<&str>) -> Option<TraceContext> {
        let context = traceparent.filter(|_| self.tracer.is_on());
        context
            .and_then(TraceContext::parse)
            .filter(TraceContext::is_sampled)
    }

    /// A request on its way to the stream.
    pub(crate) fn send(&self, parent: Option<TraceContext>, request: Uuid) -> Span {
        self.tracer.follow(parent, || {
            let stream = &self.names.requests;
            let attributes = about("send", Some("send"), stream, request);
            span("send", stream, SpanKind::Producer, attributes)
        })
    }

    /// A delivery, if anything is recorded of it.
    pub(crate) fn delivery(
        &self,
        traceparent: Option<&str>,
        request: Uuid,
        entry: EntryId,
        deliveries: u64,
    ) -> Option<Delivery> {
        self.sampled(traceparent).map(|parent| Delivery {
            parent,
            request,
            entry,
            deliveries,
        })
    }

    /// The time that a request waited on the stream until it was delivered; `failed` if it ends there.
    pub(crate) fn queued(
        &self,
        delivery: Option<&Delivery>,
        queued: Duration,
        delivered: Instant,
        failed: Option<&'static str>,
    ) {
        let Some(delivery) = delivery else { return };
        let end = before(SystemTime::now(), delivered.elapsed());
        let mut span = self.tracer.follow(Some(delivery.parent), || {
            let attributes = self.consumed("queue", None, delivery);
            span(
                "queue",
                &self.names.requests,
                SpanKind::Internal,
                attributes,
            )
            .with_start_time(before(end, queued))
        });
        if let Some(reason) = failed {
            span.fail(reason);
        }
        span.done_at(end);
    }

    /// The work on a request.
    pub(crate) fn process(&self, delivery: Option<&Delivery>) -> Span {
        delivery.map_or(Span::none(), |delivery| {
            self.tracer.follow(Some(delivery.parent), || {
                let attributes = self.consumed("process", Some("process"), delivery);
                span(
                    "process",
                    &self.names.requests,
                    SpanKind::Consumer,
                    attributes,
                )
            })
        })
    }

    /// A reply on its way to its stream.
    pub(crate) fn reply(&self, delivery: Option<&Delivery>, reply_to: Option<&str>) -> Span {
        delivery.map_or(Span::none(), |delivery| {
            self.tracer.follow(Some(delivery.parent), || {
                let shared = &self.names.responses;
                let stream = self.names.reply_stream(reply_to);
                let mut attributes = about("send", Some("send"), stream, delivery.request);
                let mut name = shared.clone();
                if stream != shared {
                    // Streams of single clients are without number, so that the span is named after all of them.
                    name = format!("{shared}:{{client}}");
                    attributes.extend([
                        KeyValue::new("messaging.destination.template", name.clone()),
                        KeyValue::new("messaging.destination.temporary", true),
                    ]);
                }
                span("send", &name, SpanKind::Producer, attributes)
            })
        })
    }

    fn consumed(
        &self,
        operation: &'static str,
        kind: Option<&'static str>,
        delivery: &Delivery,
    ) -> Vec<KeyValue> {
        let mut attributes = about(operation, kind, &self.names.requests, delivery.request);
        let deliveries = i64::try_from(delivery.deliveries).unwrap_or(i64::MAX);
        attributes.extend([
            KeyValue::new("messaging.message.id", delivery.entry.to_string()),
            KeyValue::new("messaging.consumer.group.name", self.names.group.clone()),
            KeyValue::new("messaging.redis.delivery_count", deliveries),
        ]);
        attributes
    }
}

fn span(operation: &str, stream: &str, kind: SpanKind, attributes: Vec<KeyValue>) -> SpanBuilder {
    SpanBuilder::from_name(format!("{operation} {stream}"))
        .with_kind(kind)
        .with_attributes(attributes)
}

/// What is said of every operation. The conventions have a type for some of them.
fn about(
    operation: &'static str,
    kind: Option<&'static str>,
    stream: &str,
    request: Uuid,
) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("messaging.system", "redis"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.destination.name", stream.to_owned()),
        KeyValue::new("messaging.message.conversation_id", request.to_string()),
    ];
    attributes.extend(kind.map(|kind| KeyValue::new("messaging.operation.type", kind)));
    attributes
}

fn before(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH)
}

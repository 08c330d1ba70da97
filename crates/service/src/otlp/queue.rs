//! Counts spans on their way out, and drops those for which there is no room.
//!
//! The processor of OpenTelemetry's SDK drops what does not fit into its queue and tells nobody how much. Here spans
//! are counted from their end until they are handed to the exporter, so that its queue never overflows.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The reasons why spans are dropped, as labels.
const QUEUE_FULL: &str = "queue-full";
const NOT_TAKEN: &str = "not-taken";

/// What becomes of spans.
#[derive(Debug)]
pub(super) struct Counts {
    waiting: AtomicUsize,
    /// Of the batch under way, those that the collector said it did not want.
    rejected: AtomicUsize,
    exported: IntCounter,
    dropped: IntCounterVec,
}

impl Counts {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counts = Self {
            waiting: AtomicUsize::new(0),
            rejected: AtomicUsize::new(0),
            exported: IntCounter::new(
                "trace_spans_exported_total",
                "Spans that the collector took.",
            )?,
            dropped: IntCounterVec::new(
                Opts::new(
                    "trace_spans_dropped_total",
                    "Spans that were lost: too many waited, or the collector did not take them.",
                ),
                &["reason"],
            )?,
        };
        for reason in [QUEUE_FULL, NOT_TAKEN] {
            counts.dropped.with_label_values(&[reason]);
        }
        registry.register(Box::new(counts.exported.clone()))?;
        registry.register(Box::new(counts.dropped.clone()))?;
        Ok(counts)
    }

    /// How many spans wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Of the batch under way the collector refused so many.
    pub(super) fn rejected(&self, spans: usize) {
        self.rejected.store(spans, Ordering::Relaxed);
    }

    fn dropped(&self, reason: &str, spans: usize) {
        let counter = self.dropped.with_label_values(&[reason]);
        counter.inc_by(spans as u64);
    }
}

/// The entrance: never waits.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: BatchSpanProcessor,
    counts: Arc<Counts>,
    capacity: usize,
}

impl Bounded {
    /// The queue of `inner` has room for `capacity`.
    pub(super) fn new(inner: BatchSpanProcessor, counts: Arc<Counts>, capacity: usize) -> Self {
        Self {
            inner,
            counts,
            capacity,
        }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let waiting = &self.counts.waiting;
        if waiting.fetch_add(1, Ordering::Relaxed) < self.capacity {
            self.inner.on_end(span);
        } else {
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.dropped(QUEUE_FULL, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The exit.
#[derive(Debug)]
pub(super) struct Counted<E> {
    inner: E,
    counts: Arc<Counts>,
}

impl<E> Counted<E> {
    pub(super) fn new(inner: E, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let spans = batch.len();
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        async move {
            let result = self.inner.export(batch).await;
            match &result {
                Ok(()) => {
                    let rejected = self.counts.rejected.swap(0, Ordering::Relaxed).min(spans);
                    self.counts.dropped(NOT_TAKEN, rejected);
                    self.counts.exported.inc_by((spans - rejected) as u64);
                }
                Err(_logged_where_it_is_known_why) => self.counts.dropped(NOT_TAKEN, spans),
            }
            result
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    };

    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::{
        error::OTelSdkError,
        trace::{BatchConfigBuilder, SdkTracerProvider},
    };

    use super::*;

    const CAPACITY: usize = 8;

    /// A collector that takes its time: as long as the test wants, and then says what the test wants.
    #[derive(Debug)]
    struct Slow {
        asked: Sender<usize>,
        answers: Mutex<Receiver<OTelSdkResult>>,
    }

    impl SpanExporter for Slow {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let _ = self.asked.send(batch.len());
            self.answers.lock().unwrap().recv().unwrap_or(Ok(()))
        }
    }

    #[test]
    fn a_collector_that_hangs_holds_up_nobody_and_what_is_lost_is_counted() {
        let registry = Registry::new();
        let counts = Arc::new(Counts::register(&registry).unwrap());
        let (asked, exports) = channel();
        let (answer, answers) = channel();
        let slow = Slow {
            asked,
            answers: Mutex::new(answers),
        };
        let batch = BatchConfigBuilder::default()
            .with_max_queue_size(CAPACITY)
            .with_max_export_batch_size(1)
            .build();
        let inner = BatchSpanProcessor::builder(Counted::new(slow, Arc::clone(&counts)))
            .with_batch_config(batch)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded::new(inner, Arc::clone(&counts), CAPACITY))
            .build();
        let tracer = provider.tracer("test");

        drop(tracer.start("first"));
        assert_eq!(
            exports.recv().unwrap(),
            1,
            "the collector has it, and hangs"
        );
        for _ in 0..CAPACITY + 5 {
            drop(tracer.start("more"));
        }
        let dropped = |reason| counts.dropped.with_label_values(&[reason]).get();
        assert_eq!(dropped(QUEUE_FULL), 5);

        let refusal = OTelSdkError::InternalFailure("full".into());
        answer.send(Err(refusal)).unwrap();
        for _ in 0..CAPACITY {
            answer.send(Ok(())).unwrap();
        }
        provider.force_flush().unwrap();
        assert_eq!((dropped(NOT_TAKEN), dropped(QUEUE_FULL)), (1, 5));
        assert_eq!(counts.exported.get(), CAPACITY as u64);
        assert_eq!(counts.waiting.load(Ordering::Relaxed), 0);
    }
}

//! What the engine records of a request.

use std::collections::HashMap;

use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status, TracerProvider},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use streams::{Client, ClientConfig, Failure, Options, ReplyStream, Tracer, WorkerConfig};
use testbed::eventually;

use crate::support::{PATIENCE, Service, Serving, serve};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// A client and a worker that record into one place.
struct Traced {
    service: Service,
    client: Client,
    _worker: Serving,
    spans: InMemorySpanExporter,
}

impl Traced {
    /// The worker answers with the context that it was given; `fail` fails.
    async fn start() -> Self {
        Self::answering_on(ReplyStream::Shared).await
    }

    async fn answering_on(reply_stream: ReplyStream) -> Self {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let tracer = Tracer::new(provider.tracer("test"));
        let service = Service::start().await;
        let config = WorkerConfig {
            tracer: tracer.clone(),
            ..service.worker_config()
        };
        let worker = serve(config, 5, |request| async move {
            match &request.body[..] {
                b"fail" => Err(Failure::new("no-luck", "as asked")),
                _ => Ok(request.traceparent.unwrap_or_default().into_bytes()),
            }
        })
        .await;
        let config = ClientConfig {
            tracer,
            reply_stream,
            ..service.client_config()
        };
        Self {
            client: Client::connect(config).await.unwrap(),
            service,
            _worker: worker,
            spans,
        }
    }

    /// So many spans, by name; no more come, since the request is settled.
    async fn recorded(&self, count: usize) -> HashMap<String, SpanData> {
        self.service.is_clean().await;
        eventually(PATIENCE, || async {
            let spans = self.spans.get_finished_spans()?;
            anyhow::ensure!(spans.len() == count, "{spans:#?}");
            Ok(spans)
        })
        .await
        .unwrap()
        .into_iter()
        .map(|span| (span.name.to_string(), span))
        .collect()
    }
}

#[tokio::test]
async fn a_sampled_request_is_recorded_from_the_caller_to_the_reply() {
    let traced = Traced::start().await;
    let options = Options::within(PATIENCE).traceparent(SAMPLED);
    let reply = traced.client.request("hello", options).await.unwrap();
    let spans = traced.recorded(4).await;
    let [send, queue, process, answer] = [
        "send test-requests",
        "queue test-requests",
        "process test-requests",
        "send test-responses",
    ]
    .map(|name| &spans[name]);

    assert_eq!(send.parent_span_id.to_string(), &SAMPLED[36..52]);
    for below in [queue, process, answer] {
        assert_eq!(
            below.parent_span_id,
            send.span_context.span_id(),
            "{below:?}"
        );
    }
    let kinds = [send, queue, process, answer].map(|span| span.span_kind.clone());
    let expected = [
        SpanKind::Producer,
        SpanKind::Internal,
        SpanKind::Consumer,
        SpanKind::Producer,
    ];
    assert_eq!(kinds, expected);
    for span in spans.values() {
        assert_eq!(span.span_context.trace_id().to_string(), &SAMPLED[3..35]);
        assert!(span.start_time <= span.end_time, "{span:?}");
        assert_eq!(span.status, Status::Unset);
        let request = KeyValue::new("messaging.message.conversation_id", reply.id.to_string());
        assert!(span.attributes.contains(&request), "{span:?}");
    }
    assert!(process.end_time <= answer.start_time);
    let entry = |span: &SpanData| {
        let mut attributes = span.attributes.iter();
        let id = attributes.find(|it| it.key.as_str() == "messaging.message.id");
        id.map(|it| it.value.to_string())
    };
    assert!(entry(send).is_some_and(|id| entry(process) == Some(id)));
    let given = format!(
        "00-{}-{}-01",
        process.span_context.trace_id(),
        process.span_context.span_id()
    );
    assert_eq!(
        reply.body, given,
        "what the handler does belongs below its work"
    );
}

/// Reply streams of single clients are without number; what is counted and listed by name has one for all.
#[tokio::test]
async fn a_reply_on_a_stream_of_the_clients_own_is_named_after_all_such_streams() {
    let traced = Traced::answering_on(ReplyStream::Dedicated).await;
    let options = Options::within(PATIENCE).traceparent(SAMPLED);
    traced.client.request("hello", options).await.unwrap();
    let spans = traced.recorded(4).await;
    let answer = &spans["send test-responses:{client}"];
    for told in [
        KeyValue::new("messaging.destination.template", "test-responses:{client}"),
        KeyValue::new("messaging.destination.temporary", true),
    ] {
        assert!(answer.attributes.contains(&told), "{answer:?}");
    }
}

#[tokio::test]
async fn a_failure_shows_where_it_happened() {
    let traced = Traced::start().await;
    let options = Options::within(PATIENCE).traceparent(SAMPLED);
    traced.client.request("fail", options).await.unwrap_err();
    let spans = traced.recorded(4).await;
    let failed = spans.values().filter(|span| span.status != Status::Unset);
    let failed: Vec<_> = failed.collect();
    let [process] = &failed[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(process.name, "process test-requests");
    assert_eq!(process.status, Status::error(""));
    let reason = KeyValue::new("error.type", "no-luck");
    assert!(process.attributes.contains(&reason));
}

#[tokio::test]
async fn nothing_is_recorded_of_what_is_not_sampled() {
    let traced = Traced::start().await;
    for (context, carried) in [
        (None, ""),
        (Some(UNSAMPLED), UNSAMPLED),
        (Some("nonsense"), "nonsense"),
    ] {
        let options = Options::within(PATIENCE);
        let options = match context {
            Some(context) => options.traceparent(context),
            None => options,
        };
        let reply = traced.client.request("hello", options).await.unwrap();
        assert_eq!(reply.body, carried);
    }
    assert!(traced.recorded(0).await.is_empty());
}

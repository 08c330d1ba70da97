//! What a trace says of the calls.

use common::trace::{TraceContext, Tracer};
use opentelemetry::{
    KeyValue, Value,
    trace::{SpanKind, TracerProvider},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

use super::{
    provider, soon,
    stub::{Answer, Stub},
};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let is_it = |it: &&KeyValue| it.key.as_str() == key;
    let found = span.attributes.iter().find(is_it);
    found.map(|it| Value::as_str(&it.value).into_owned())
}

#[tokio::test]
async fn each_request_is_a_span_and_tells_neither_the_city_nor_a_key() {
    let spans = InMemorySpanExporter::default();
    let tracing = SdkTracerProvider::builder()
        .with_simple_exporter(spans.clone())
        .build();
    let stub = Stub::start([Answer::status(503)]).await;
    let provider = provider(stub.config()).traced(Tracer::new(tracing.tracer("test")));
    let trace = TraceContext::parse(SAMPLED);
    provider.weather("Berlin", soon(), trace).await.unwrap();
    provider.weather("Berlin", soon(), None).await.unwrap();

    let spans = spans.get_finished_spans().unwrap();
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let of = |key| attribute(span, key);
            (
                of("http.response.status_code"),
                of("error.type"),
                of("http.request.resend_count"),
            )
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            (text("503"), text("503"), None),
            (text("200"), None, text("1")),
            (text("200"), None, None),
        ],
        "nothing of what is in no trace"
    );
    for span in spans {
        assert_eq!((&*span.name, &span.span_kind), ("GET", &SpanKind::Client));
        assert_eq!(span.parent_span_id.to_string(), &SAMPLED[36..52]);
        assert_eq!(attribute(&span, "server.address"), text("127.0.0.1"));
        let port = stub.port().to_string();
        assert_eq!(attribute(&span, "server.port"), Some(port));
        let said = format!("{:?}", span.attributes);
        assert!(!said.contains("Berlin") && !said.contains("52.5"), "{said}");
    }
}

//! A collector of traces in this process: what it takes can be looked at.

use std::{
    collections::BTreeMap,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
    serve::Listener,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode as SpanStatus},
};
use prost::Message;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::ServerTls;

/// How a collector treats those who send to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes what comes.
    Well,
    /// It takes what comes, after a while.
    Slow(Duration),
    /// It takes the request and says that it did not want so many of the spans.
    Rejects(u8),
    /// It answers 503.
    Refuses,
    /// It reads and never answers.
    Hangs,
}

/// A span as a collector sees it, with ids in hexadecimal and attributes as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSpan {
    /// `service.name` of the process.
    pub service: String,
    /// What else is said of the process.
    pub resource: BTreeMap<String, String>,
    /// What it is called.
    pub name: String,
    /// Its trace.
    pub trace: String,
    /// Itself.
    pub id: String,
    /// The span above it; empty where a trace begins.
    pub parent: String,
    /// OTLP's number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    /// When it began, in Unix time.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
    /// Whether it failed.
    pub failed: bool,
    /// What is said of it.
    pub attributes: BTreeMap<String, String>,
}

/// Listens on a free port until it is dropped.
#[derive(Debug)]
pub struct Collector {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Collector {
    /// Starts one.
    pub async fn start(mood: Mood) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self::serve(mood, url, listener))
    }

    /// Starts one that speaks TLS alone.
    pub async fn start_encrypted(tls: &ServerTls) -> anyhow::Result<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}", tcp.local_addr()?);
        let acceptor = tls.acceptor()?;
        Ok(Self::serve(Mood::Well, url, Encrypted { tcp, acceptor }))
    }

    fn serve<L: Listener<Addr = SocketAddr>>(mood: Mood, url: String, listener: L) -> Self {
        let shared = Arc::new(Shared {
            mood,
            asked: AtomicUsize::new(0),
            received: Mutex::default(),
        });
        let app = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            // It ends with the test, which sees what is missing.
            let _ = axum::serve(listener, app).await;
        });
        Self {
            url,
            shared,
            serving,
        }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often it was sent something.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// The headers that came with the latest.
    pub fn headers(&self) -> HeaderMap {
        self.shared.received().headers.clone()
    }

    /// What came so far.
    pub fn spans(&self) -> Vec<RecordedSpan> {
        self.shared.received().spans.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Debug)]
struct Shared {
    mood: Mood,
    asked: AtomicUsize,
    received: Mutex<Received>,
}

#[derive(Debug, Default)]
struct Received {
    /// Of the latest request.
    headers: HeaderMap,
    /// Of all of them.
    spans: Vec<RecordedSpan>,
}

impl Shared {
    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shakes hands before it gives a connection away; who fails at that is forgotten.
struct Encrypted {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = Listener::accept(&mut self.tcp).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    shared.received().headers = headers;
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let mut answer = ExportTraceServiceResponse::default();
    match shared.mood {
        Mood::Well => {}
        Mood::Slow(time) => tokio::time::sleep(time).await,
        Mood::Rejects(spans) => {
            answer.partial_success = Some(ExportTracePartialSuccess {
                rejected_spans: spans.into(),
                error_message: "as the test wants".into(),
            });
        }
        Mood::Refuses => return (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
        Mood::Hangs => pending().await,
    }
    match read(&body) {
        Ok(read) => {
            shared.received().spans.extend(read);
            (StatusCode::OK, answer.encode_to_vec())
        }
        Err(_) => (StatusCode::BAD_REQUEST, Vec::new()),
    }
}

fn read(body: &[u8]) -> anyhow::Result<Vec<RecordedSpan>> {
    let request = ExportTraceServiceRequest::decode(body).context("no OTLP")?;
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap_or_default();
        let mut resource = attributes(resource.attributes);
        let service = resource.remove("service.name");
        let service = service.context("no service.name")?;
        for span in of_resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            spans.push(recorded(service.clone(), resource.clone(), span));
        }
    }
    Ok(spans)
}

fn recorded(service: String, resource: BTreeMap<String, String>, span: Span) -> RecordedSpan {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    RecordedSpan {
        service,
        resource,
        name: span.name,
        trace: hex(span.trace_id),
        id: hex(span.span_id),
        parent: hex(span.parent_span_id),
        kind: span.kind,
        start: Duration::from_nanos(span.start_time_unix_nano),
        end: Duration::from_nanos(span.end_time_unix_nano),
        failed: span
            .status
            .is_some_and(|status| status.code() == SpanStatus::Error),
        attributes: attributes(span.attributes),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs
        .into_iter()
        .map(|pair| (pair.key, text(pair.value)))
        .collect()
}

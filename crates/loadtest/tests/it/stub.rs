//! A target that behaves as a test needs it to.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use loadtest::{Length, Limits, Load, Options, Progress, Protocol, Report, Stage, Stop};

/// A target on a port of its own. It is gone when the test's runtime is.
pub(crate) struct Stub {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    /// A healthy target whose weather is what `answer` makes of the number of the request (from 0) and its body.
    pub(crate) async fn start<Answer, Reply>(answer: Answer) -> Self
    where
        Answer: Fn(usize, Value) -> Reply + Clone + Send + Sync + 'static,
        Reply: Future<Output = Response> + Send + 'static,
    {
        let requests = Arc::new(AtomicUsize::new(0));
        let weather = move |State(requests): State<Arc<AtomicUsize>>, Json(body): Json<Value>| {
            answer(requests.fetch_add(1, Ordering::SeqCst), body)
        };
        let router = Router::new()
            .route("/WeatherForecast/city", post(weather))
            .route("/health/ready", get(|| async { StatusCode::OK }))
            .with_state(Arc::clone(&requests));
        Self::serve(router, requests).await
    }

    /// A target that answers everything right, at once.
    pub(crate) async fn well_behaved() -> Self {
        Self::start(|_, body| async move { weather(&body).into_response() }).await
    }

    /// A target that says about itself that it is not well.
    pub(crate) async fn unhealthy() -> Self {
        let health = json!({
            "status": "unhealthy",
            "parts": {
                "redis": {"status": "unhealthy", "reasons": ["it cannot be reached"]},
                "serving": {"status": "healthy"},
            },
        });
        let router = Router::new()
            .route(
                "/WeatherForecast/city",
                post(|Json(body): Json<Value>| async move { weather(&body) }),
            )
            .route(
                "/health/ready",
                get(|| async { StatusCode::SERVICE_UNAVAILABLE }),
            )
            .route(
                "/health",
                get(|| async { (StatusCode::SERVICE_UNAVAILABLE, Json(health)) }),
            );
        Self::serve(router, Arc::default()).await
    }

    async fn serve(router: Router, requests: Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self {
            url,
            requests,
            connections,
        }
    }

    /// How many requests for weather came in.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The right reply to a request.
pub(crate) fn weather(request: &Value) -> Json<Value> {
    Json(json!({
        "requestId": uuid::Uuid::now_v7().to_string(),
        "city": request["city"],
        "location": request["location"],
        "date": "2026-11-21",
        "temperatureC": 20,
        "temperatureF": 68,
        "summary": "Mild",
    }))
}

/// A target that reads a request and then does with the connection whatever `treat` does. Returns its address.
pub(crate) async fn raw_stub<Treat, Done>(treat: Treat) -> String
where
    Treat: Fn(TcpStream) -> Done + Send + 'static,
    Done: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            // The client may have left already.
            if stream.read(&mut request).await.is_ok() {
                tokio::spawn(treat(stream));
            }
        }
    });
    url
}

/// Writes these bytes, which a client that left does not get, and closes the connection.
pub(crate) async fn write_and_close(mut stream: TcpStream, bytes: Vec<u8>) {
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A sequential run of ten requests, to be changed as a test needs it.
pub(crate) fn options(url: &str) -> Options {
    Options {
        target: url.parse().unwrap(),
        load: Load::Sequential,
        length: Length::Count(10),
        warmup: std::time::Duration::ZERO,
        timeout: std::time::Duration::from_secs(30),
        tries: 1,
        protocol: Protocol::Http1,
        health_check: false,
        limits: Limits {
            max_p99: None,
            min_success: 100.0,
        },
        progress: Progress::Quiet,
    }
}

/// Runs to the planned end.
pub(crate) async fn run(options: Options) -> Report {
    loadtest::run(options, never()).await.unwrap()
}

/// A run that nobody stops.
pub(crate) fn never() -> Stop {
    tokio::sync::watch::channel(Stage::Running).1.into()
}

/// The address of a port that refuses connections, and keeps doing so while the socket is held: it is bound, so nobody
/// else gets it, but does not listen.
pub(crate) fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

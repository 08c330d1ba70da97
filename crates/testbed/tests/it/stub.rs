//! A weather service that does what the city it is asked for says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A running stub; it stops when it is dropped.
pub(crate) struct Stub {
    pub(crate) base: String,
    counts: Arc<Counts>,
    server: AbortHandle,
}

struct Counts {
    /// Tells this stub's replies from another's.
    stub: u32,
    served: AtomicUsize,
    /// Handlers that wait for ever, until their caller leaves.
    hanging: AtomicUsize,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        let counts = Counts {
            stub: fastrand::u32(..),
            served: 0.into(),
            hanging: 0.into(),
        };
        let counts = Arc::new(counts);
        let router = Router::new()
            .route("/WeatherForecast/city", post(weather))
            .route(
                "/metrics",
                get(async || "requests_total{status=\"200\"} 7\n"),
            )
            .route(
                "/moved",
                get(async || (StatusCode::FOUND, [("location", "/metrics")])),
            )
            .with_state(Arc::clone(&counts));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server =
            tokio::spawn(async { axum::serve(listener, router).await.unwrap() }).abort_handle();
        Self {
            base,
            counts,
            server,
        }
    }

    /// How many requests it has answered.
    pub(crate) fn served(&self) -> usize {
        self.counts.served.load(Ordering::SeqCst)
    }

    /// How many handlers wait for ever.
    pub(crate) fn hanging(&self) -> usize {
        self.counts.hanging.load(Ordering::SeqCst)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn weather(State(counts): State<Arc<Counts>>, Json(request): Json<Value>) -> Response {
    let number = counts.served.fetch_add(1, Ordering::SeqCst);
    let id = format!("{}-{number}", counts.stub);
    let city = request["city"].as_str().unwrap().to_owned();
    let reply = |city: &str, id: String| {
        Json(json!({
            "requestId": id, "city": city, "location": request["location"], "date": "2026-01-31",
            "temperatureC": 5, "temperatureF": 41, "summary": "Cool",
        }))
        .into_response()
    };
    match city.split(' ').next().unwrap() {
        "Crossed" => reply("Paris", id),
        "Doubled" => reply(&city, "always the same".into()),
        "Busy" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "Slow" => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            reply(&city, id)
        }
        "Hanging" => {
            let _hanging = Hanging::new(&counts);
            std::future::pending().await
        }
        _ => reply(&city, id),
    }
}

struct Hanging<'a>(&'a Counts);

impl<'a> Hanging<'a> {
    fn new(counts: &'a Counts) -> Self {
        counts.hanging.fetch_add(1, Ordering::SeqCst);
        Self(counts)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::SeqCst);
    }
}

//! How spans get to the collector: by POST, one connection for each.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use common::telemetry::{LogThrottle, error_text};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::runtime::{Builder, Runtime};

use super::queue::Counts;
use crate::{
    ServiceError, https,
    settings::{Optional, Traces},
};

/// The answer to spans has a few bytes.
const MAX_BODY: usize = 64 << 10;

/// How often the same complaint about a collector is worth a line.
const LOG_PERIOD: Duration = Duration::from_secs(60);

/// What is to be said of a collector.
const LOST: &str = "the collector does not take spans; they are lost";
const WARNED: &str = "the collector takes spans, and has something to say";

/// Sends one request at a time, on a runtime of its own: what the service does cannot hold it up, nor it the service.
#[derive(Debug)]
pub(super) struct Http {
    /// Gone when this is dropped.
    runtime: Option<Runtime>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
    counts: Arc<Counts>,
    log: Mutex<LogThrottle<&'static str>>,
}

impl Http {
    pub(super) fn new(settings: &Traces, counts: Arc<Counts>) -> Result<Self, ServiceError> {
        let timeout = settings.otel_exporter_otlp_timeout;
        let Optional(ca_file) = &settings.otel_exporter_otlp_certificate;
        let connector = https::connector(timeout, ca_file.as_deref()).map_err(|error| {
            let file = ca_file.clone().unwrap_or_default();
            let file = file.display();
            ServiceError::Setting(format!("OTEL_EXPORTER_OTLP_CERTIFICATE: {file} {error}"))
        })?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ServiceError::Failed(error.into()))?;
        // Between two requests nothing runs here, so that a kept connection would not notice its end.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.otel_exporter_otlp_headers.0 {
            // They were looked at when they were read.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.append(name, value);
            }
        }
        Ok(Self {
            runtime: Some(runtime),
            client,
            headers,
            timeout,
            counts,
            log: Mutex::new(LogThrottle::new(LOG_PERIOD)),
        })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        if !head.status.is_success() {
            self.complain(LOST, &format!("it answers {}", head.status));
        } else if let Ok(answer) = ExportTraceServiceResponse::decode(&*body)
            && let Some(partial) = answer.partial_success
        {
            let rejected = usize::try_from(partial.rejected_spans).unwrap_or_default();
            self.counts.rejected(rejected);
            let what = if rejected > 0 { LOST } else { WARNED };
            self.complain(what, &partial.error_message);
        }
        Ok(Response::from_parts(head, body))
    }

    fn complain(&self, what: &'static str, reason: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = log.admit(what, Instant::now()) {
            tracing::warn!(reason, suppressed, "{what}");
        }
    }
}

#[async_trait]
impl HttpClient for Http {
    /// Called on the exporting thread alone, which may wait. What the exporter would add from the environment beside
    /// the settings is left out.
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let kept = [header::CONTENT_TYPE, header::USER_AGENT];
        let kept = kept.map(|name| {
            request
                .headers_mut()
                .remove(&name)
                .map(|value| (name, value))
        });
        let headers = request.headers_mut();
        headers.clear();
        headers.extend(self.headers.clone());
        headers.extend(
            kept.into_iter()
                .flatten()
                .map(|(name, value)| (Some(name), value)),
        );
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let Some(runtime) = &self.runtime else {
            return Err("it is over".into());
        };
        let exchanged = runtime
            .block_on(async { tokio::time::timeout(self.timeout, self.exchange(request)).await });
        let exchanged = exchanged
            .unwrap_or_else(|_elapsed| Err(format!("no answer within {:?}", self.timeout).into()));
        exchanged.inspect_err(|error| self.complain(LOST, &error_text(&**error)))
    }
}

impl Drop for Http {
    /// Without waiting for what it began: a look-up of a name may take half a minute, and cannot be ended.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

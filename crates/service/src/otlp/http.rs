//! How spans get to the collector: by POST, one connection for each.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

use crate::{ServiceError, https, settings::Traces};

/// The answer to spans has a few bytes.
const MAX_BODY: usize = 64 << 10;

/// Sends one request at a time, on a runtime of its own: what the service does cannot hold it up, nor it the service.
#[derive(Debug)]
pub(super) struct Http {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(settings: &Traces) -> Result<Self, ServiceError> {
        let timeout = settings.otel_exporter_otlp_timeout;
        let ca_file = settings.otel_exporter_otlp_certificate.as_deref();
        let connector = https::connector(timeout, ca_file).map_err(|error| {
            let file = ca_file.unwrap_or("".as_ref()).display();
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
        Ok(Self {
            runtime,
            client,
            timeout,
        })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

#[async_trait]
impl HttpClient for Http {
    /// Called on the exporting thread alone, which may wait.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime
            .block_on(async { tokio::time::timeout(self.timeout, self.exchange(request)).await })?
    }
}

//! One GET of one small JSON document: bounded in time, in header and in body, and never redirected. Each is a span of
//! its own, after OpenTelemetry's conventions for HTTP clients; without the URL, which holds a city, and perhaps a key.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use common::trace::{KeyValue, Span, SpanBuilder, SpanKind, TraceContext, Tracer};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming, header};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use jiff::Timestamp;
use service::https::{self, TlsError};

use crate::providers::ProviderError;

/// The documents have a few hundred bytes.
const MAX_BODY: usize = 64 << 10;
const MAX_HEAD: usize = 16 << 10;
const USER_AGENT: &str = concat!("redis-stream-demo-proxy/", env!("CARGO_PKG_VERSION"));
/// Longer than the pause between two requests of a quiet service, shorter than servers keep connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Fetches documents over HTTP/1.1, with TLS for `https://`. Connections are kept and used again.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    tracer: Tracer,
}

impl Http {
    /// `connect_timeout` bounds the TCP connect; `ca_file` replaces the public certificate authorities,
    /// which are built in.
    pub(super) fn new(connect_timeout: Duration, ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let connector = https::connector(connect_timeout, ca_file)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_max_buf_size(MAX_HEAD)
            .build(connector);
        Ok(Self {
            client,
            tracer: Tracer::default(),
        })
    }

    pub(super) fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// The body of the answer to `GET uri`, if its status is 200; anything else is an error. Takes at most
    /// `timeout`, from the connect to the last byte. `resent` is how often it was asked for before, for the trace.
    pub(super) async fn get(
        &self,
        uri: Uri,
        timeout: Duration,
        trace: Option<TraceContext>,
        resent: u32,
    ) -> Result<Bytes, ProviderError> {
        let mut span = self.tracer.follow(trace, || describe(&uri, resent));
        let exchanged = tokio::time::timeout(timeout, self.exchange(uri, &mut span)).await;
        let result = exchanged.unwrap_or(Err(ProviderError::TimedOut));
        match &result {
            Ok(_) => span.done(),
            Err(error) => match error.status() {
                Some(status) => span.fail(status.to_string()),
                None => span.fail(error.cause()),
            },
        }
        result
    }

    async fn exchange(&self, uri: Uri, span: &mut Span) -> Result<Bytes, ProviderError> {
        let request = Request::get(uri)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| ProviderError::Malformed {
                reason: error.to_string(),
            })?;
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                ProviderError::Unreachable(error)
            } else {
                ProviderError::Interrupted(error.into())
            }
        })?;
        let status = i64::from(response.status().as_u16());
        span.set("http.response.status_code", status);
        refuse_status(&response)?;
        let body = Limited::new(response.into_body(), MAX_BODY)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    ProviderError::TooLarge { limit: MAX_BODY }
                } else {
                    ProviderError::Interrupted(error)
                }
            })?;
        Ok(body.to_bytes())
    }
}

fn describe(uri: &Uri, resent: u32) -> SpanBuilder {
    let usual = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let port = i64::from(uri.port_u16().unwrap_or(usual));
    let mut attributes = vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("server.address", uri.host().unwrap_or_default().to_owned()),
        KeyValue::new("server.port", port),
    ];
    if resent > 0 {
        attributes.push(KeyValue::new(
            "http.request.resend_count",
            i64::from(resent),
        ));
    }
    SpanBuilder::from_name("GET")
        .with_kind(SpanKind::Client)
        .with_attributes(attributes)
}

fn refuse_status(response: &Response<Incoming>) -> Result<(), ProviderError> {
    let status = response.status();
    if status == StatusCode::OK {
        Ok(())
    } else if status == StatusCode::TOO_MANY_REQUESTS {
        let value = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let retry_after = value.and_then(|value| retry_after(value, Timestamp::now()));
        Err(ProviderError::RateLimited { retry_after })
    } else if status.is_server_error() {
        Err(ProviderError::Failed {
            status: status.as_u16(),
        })
    } else {
        Err(ProviderError::Rejected {
            status: status.as_u16(),
        })
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date. What cannot be understood asks for nothing.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(value)
        .ok()?;
    // A date in the past asks for nothing either.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2025-10-21T07:28:00Z".parse().unwrap();
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("18446744073709551615", Some(u64::MAX)),
            ("Tue, 21 Oct 2025 07:28:30 GMT", Some(30)),
            ("Tue, 21 Oct 2025 07:27:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(
                retry_after(value, now),
                expected.map(Duration::from_secs),
                "{value:?}"
            );
        }
    }
}

//! One request and its reply.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use uuid::Uuid;

use crate::connection::{Connections, Slot, TlsError};
use crate::failure::Failure;
use crate::options::Protocol;
use crate::reply;
use crate::request::WeatherRequest;
use crate::target::Target;

/// Where the weather is asked for.
pub(crate) const WEATHER_PATH: &str = "/WeatherForecast/city";

/// Far more than any reply of the API needs.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// Asks one target.
#[derive(Debug)]
pub(crate) struct Client {
    connections: Connections,
    target: Target,
    protocol: Protocol,
    /// What all weather requests have in common.
    weather: Parts,
}

impl Client {
    pub(crate) fn new(target: &Target, protocol: Protocol) -> Result<Self, TlsError> {
        let mut weather = head(target, protocol, Method::POST, WEATHER_PATH);
        weather
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            connections: Connections::new(target.clone(), protocol)?,
            target: target.clone(),
            protocol,
            weather,
        })
    }

    /// Asks for the weather, and gives the request id of the reply if it is the right one.
    pub(crate) async fn ask(&self, request: &WeatherRequest) -> Result<Uuid, Failure> {
        let (status, body) = self
            .exchange(self.weather.clone(), request.to_json())
            .await?;
        match status {
            StatusCode::OK => reply::check(request, &body),
            status => Err(Failure::from_status(status.as_u16(), &body)),
        }
    }

    /// Reads a page of the target.
    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), Failure> {
        self.exchange(
            head(&self.target, self.protocol, Method::GET, path),
            Bytes::new(),
        )
        .await
    }

    /// Sends a request once. A kept connection that turns out to be closed before anything was written is not the
    /// target's failure: the request goes to the next one.
    async fn exchange(&self, head: Parts, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
        let mut request = Request::from_parts(head, Full::new(body));
        while let Some(mut slot) = self.connections.reuse().await {
            match slot.send(request).await {
                Ok(response) => return self.finish(slot, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::from_exchange(error.error())),
                },
            }
        }
        let mut slot = self.connections.open().await?;
        match slot.send(request).await {
            Ok(response) => self.finish(slot, response).await,
            Err(error) => Err(Failure::from_exchange(error.error())),
        }
    }

    async fn finish(
        &self,
        slot: Slot,
        response: Response<Incoming>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let status = response.status();
        match Limited::new(response.into_body(), MAX_REPLY_BYTES)
            .collect()
            .await
        {
            Ok(body) => {
                self.connections.give_back(slot);
                Ok((status, body.to_bytes()))
            }
            Err(error) if error.is::<LengthLimitError>() => Err(Failure::BadBody(format!(
                "longer than {MAX_REPLY_BYTES} bytes"
            ))),
            Err(error) => match error.downcast_ref::<hyper::Error>() {
                Some(error) => Err(Failure::from_exchange(error)),
                None => Err(Failure::Reset(error.to_string())),
            },
        }
    }
}

/// The head of a request: HTTP/1.1 wants a path and a `Host`, HTTP/2 the whole URL.
fn head(target: &Target, protocol: Protocol, method: Method, path: &str) -> Parts {
    let mut request = Request::new(());
    *request.method_mut() = method;
    let uri = match protocol {
        Protocol::Http1 => target.path(path),
        Protocol::Http2 => target.url(path),
    };
    // A target holds nothing that could not be part of a URL; `/` instead would be noticed at the health check.
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let headers = request.headers_mut();
    if protocol == Protocol::Http1
        && let Ok(host) = HeaderValue::from_str(target.authority())
    {
        headers.insert(HOST, host);
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("loadtest/", env!("CARGO_PKG_VERSION"))),
    );
    request.into_parts().0
}

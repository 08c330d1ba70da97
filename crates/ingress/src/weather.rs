//! `POST /WeatherForecast/city`: the story of one request, from its headers to its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::Response,
};
use common::message::WeatherRequest;
use futures_util::{
    FutureExt,
    future::{Either, ready},
};
use itoa::Buffer;
use service::{Correlation, read_body};
use streams::{Client, Options, Reply};

use crate::{
    config::Config,
    error::Error,
    failures::Failures,
    media_type,
    prefer::{self, Wait},
};

const JSON: &str = "application/json";
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What requests for weather need.
#[derive(Debug)]
pub(crate) struct Weather {
    client: Client,
    request_timeout: Duration,
    max_body: usize,
    body_timeout: Duration,
    failures: Failures,
}

/// What a caller asks for, and how long it waits for it if it said so.
struct Question {
    json: Vec<u8>,
    wait: Option<Wait>,
}

impl Weather {
    pub(crate) fn new(client: Client, config: &Config) -> Self {
        Self {
            client,
            request_timeout: config.requests.request_timeout,
            max_body: config.requests.max_body,
            body_timeout: config.requests.body_timeout,
            failures: Failures::default(),
        }
    }

    /// The weather, or why there is none.
    ///
    /// Nothing of the request is kept beyond the question in it: its parts lie in the buffer of its connection, which
    /// can be used again once they are gone.
    pub(crate) fn answer(
        self: Arc<Self>,
        who: Correlation,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        let began = Instant::now();
        self.question(request).then(move |question| async move {
            let answer = match question {
                Ok(question) => self.ask(who, began, question).await,
                Err(error) => Err(error),
            };
            answer.inspect_err(|error| self.failures.log(who, error))
        })
    }

    /// Asks for the weather and waits for it. Dropped, which hyper does when the caller hangs up, it takes
    /// the request back from the stream.
    async fn ask(
        &self,
        who: Correlation,
        began: Instant,
        Question { json, wait }: Question,
    ) -> Result<Response, Error> {
        let patience = self.patience(wait);
        let mut options = Options::within(patience.saturating_sub(began.elapsed()))
            .id(who.id)
            .content_type(JSON);
        if let Some(trace) = who.trace {
            options = options.traceparent(trace.to_string());
        }
        let reply = self.client.request(json, options).await?;
        Ok(answer(reply, began.elapsed(), wait))
    }

    /// How long a caller waits.
    fn patience(&self, wait: Option<Wait>) -> Duration {
        wait.map_or(self.request_timeout, |wait| wait.0)
    }

    /// What is asked.
    fn question(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Question, Error>> + Send + use<> {
        let (head, body) = request.into_parts();
        if let Err(refusal) = media_type::check(&head.headers) {
            return Either::Left(ready(Err(refusal.into())));
        }
        let wait = prefer::wait(&head.headers).filter(|wait| wait.0 < self.request_timeout);
        let limit = self.body_timeout.min(self.patience(wait));
        let body = read_body(&head.headers, body, self.max_body, limit);
        Either::Right(body.map(move |body| {
            let question = WeatherRequest::parse(&body?)?;
            // What is sent on is the question alone, not whatever else the caller put around it.
            let json = serde_json::to_vec(&question).map_err(Error::Internal)?;
            Ok(Question { json, wait })
        }))
    }
}

/// The weather in a city
pub(crate) async fn city(
    State(weather): State<Arc<Weather>>,
    Extension(who): Extension<Correlation>,
    request: Request,
) -> Result<Response, Error> {
    weather.answer(who, request).await
}

/// The reply's bytes as they are, with how long they took.
fn answer(reply: Reply, total: Duration, wait: Option<Wait>) -> Response {
    let timing = server_timing(reply.queue, reply.work, total);
    let mut response = Response::new(Body::from(reply.body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    insert(headers, SERVER_TIMING, timing);
    if let Some(wait) = wait {
        insert(headers, PREFERENCE_APPLIED, wait.to_string());
    }
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // Numbers and words of our own, so that there is always a value.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// How long the request waited on the stream, was worked on, and took in all, in milliseconds.
fn server_timing(queue: Duration, work: Duration, total: Duration) -> String {
    let mut timing = String::with_capacity(80);
    for (name, duration) in [
        ("queue;dur=", queue),
        (", work;dur=", work),
        (", total;dur=", total),
    ] {
        timing.push_str(name);
        push_millis(&mut timing, duration);
    }
    timing
}

/// Milliseconds to the microsecond. By whole numbers and without a format: either would be ten times as dear, and every
/// answer has this.
fn push_millis(text: &mut String, duration: Duration) {
    let micros = duration.as_micros() as u64;
    let mut digits = Buffer::new();
    text.push_str(digits.format(micros / 1000));
    text.push('.');
    // The one before the three digits keeps their zeros.
    text.push_str(&digits.format(1000 + micros % 1000)[1..]);
}

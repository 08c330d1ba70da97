//! What can go wrong for a caller, and what it is answered with. No other file of this crate knows a status.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::{
    message::{FailureCode, RequestDefect, Rule},
    telemetry::LogThrottle,
};
use service::{BodyError, Kind, Problem, RequestId};
use streams::{Failure, Fault, Refusal, RequestError};

use crate::media_type::UnsupportedMediaType;

/// The body is not JSON.
static INVALID_JSON: Kind = Kind::new(
    "/problems/invalid-json",
    StatusCode::BAD_REQUEST,
    "Invalid JSON",
);
/// The body broke off or its framing is malformed.
static UNREADABLE_BODY: Kind = Kind::new(
    "/problems/unreadable-body",
    StatusCode::BAD_REQUEST,
    "Unreadable body",
);
/// The weather provider knows no such city.
static CITY_UNKNOWN: Kind = Kind::new(
    "/problems/city-unknown",
    StatusCode::NOT_FOUND,
    "City unknown",
);
/// The body did not arrive in time.
static BODY_TIMEOUT: Kind = Kind::new(
    "/problems/body-timeout",
    StatusCode::REQUEST_TIMEOUT,
    "Body too slow",
);
/// The body is over its bound.
static BODY_TOO_LARGE: Kind = Kind::new(
    "/problems/body-too-large",
    StatusCode::PAYLOAD_TOO_LARGE,
    "Body too large",
);
/// The body is not JSON by what its headers say.
static UNSUPPORTED_MEDIA_TYPE: Kind = Kind::new(
    "/problems/unsupported-media-type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "Unsupported media type",
);
/// A field breaks a rule.
static INVALID_REQUEST: Kind = Kind::new(
    "/problems/invalid-request",
    StatusCode::UNPROCESSABLE_ENTITY,
    "Invalid request",
);
/// The weather provider failed.
static PROVIDER_FAILED: Kind = Kind::new(
    "/problems/provider-failed",
    StatusCode::BAD_GATEWAY,
    "Weather provider failed",
);
/// The terminal that served the request panicked.
static TERMINAL_FAILED: Kind = Kind::new(
    "/problems/terminal-failed",
    StatusCode::BAD_GATEWAY,
    "Terminal failed",
);
/// The request was given up after several tries.
static DEAD_LETTERED: Kind = Kind::new(
    "/problems/dead-lettered",
    StatusCode::BAD_GATEWAY,
    "Request given up",
);
/// More requests than can be served in time.
static OVERLOADED: Kind = Kind::new(
    "/problems/overloaded",
    StatusCode::SERVICE_UNAVAILABLE,
    "Overloaded",
);
/// The request could not be handed on.
static UNAVAILABLE: Kind = Kind::new(
    "/problems/unavailable",
    StatusCode::SERVICE_UNAVAILABLE,
    "Temporarily unavailable",
);
/// No reply by the deadline.
static TIMEOUT: Kind = Kind::new(
    "/problems/timeout",
    StatusCode::GATEWAY_TIMEOUT,
    "No reply in time",
);

/// When to try again where nobody can say: a restart or a failover takes about that long.
const SOON: Duration = Duration::from_secs(1);

/// How often a failure that goes on is logged.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// Why a request has no weather.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    MediaType(#[from] UnsupportedMediaType),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Defect(#[from] RequestDefect),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the question could not be written: {0}")]
    Internal(serde_json::Error),
}

impl Error {
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::MediaType(defect) => unsupported(*defect),
            Self::Body(BodyError::TooLarge { max }) => Problem::new(
                &BODY_TOO_LARGE,
                format!("Send a body of at most {max} bytes."),
            ),
            Self::Body(BodyError::TooSlow { limit }) => Problem::new(
                &BODY_TIMEOUT,
                format!(
                    "The body was not complete after {limit:?}; send the request again, and faster."
                ),
            ),
            Self::Body(BodyError::Broken) => Problem::new(
                &UNREADABLE_BODY,
                "The body broke off or its framing is malformed; send the request again.",
            ),
            Self::Defect(RequestDefect::NotJson { reason, .. }) => Problem::new(
                &INVALID_JSON,
                format!("Send a valid JSON text; this one is broken: {reason}."),
            ),
            Self::Defect(RequestDefect::Field { field, rule }) => Problem::new(
                &INVALID_REQUEST,
                format!("Correct the request: {field} {rule}."),
            )
            .field(field, rule.to_string()),
            Self::Request(error) => unanswered(error),
            Self::Internal(_) => Problem::internal(),
        }
    }

    /// Whether the operator should hear of it: what callers do wrong, and load that is shed, are counted
    /// and not logged one by one.
    fn is_of_ours(&self) -> bool {
        match self {
            Self::MediaType(_) | Self::Body(_) | Self::Defect(_) => false,
            Self::Request(RequestError::Refused { .. } | RequestError::Closed) => false,
            Self::Request(RequestError::Failed(failure)) => {
                code(failure) != Some(FailureCode::CityUnknown)
            }
            Self::Request(_) | Self::Internal(_) => true,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        if let Self::MediaType(UnsupportedMediaType::ContentEncoding) = self {
            response.headers_mut().insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            );
        }
        response
    }
}

fn unsupported(defect: UnsupportedMediaType) -> Problem {
    let detail = match defect {
        UnsupportedMediaType::ContentType => {
            "Send the body as JSON, with Content-Type: application/json."
        }
        UnsupportedMediaType::Charset => "Send the JSON in UTF-8; that is its only charset.",
        UnsupportedMediaType::ContentEncoding => {
            "Send the body as it is, without a Content-Encoding."
        }
    };
    Problem::new(&UNSUPPORTED_MEDIA_TYPE, detail)
}

fn unanswered(error: &RequestError) -> Problem {
    match error {
        RequestError::Refused { reason, retry_after } => {
            let kind = match reason {
                Refusal::CircuitOpen => &UNAVAILABLE,
                Refusal::InFlight | Refusal::StreamFull | Refusal::UnknownRate | Refusal::PredictedWait => &OVERLOADED,
            };
            let detail = format!("The request was not let in: {reason}. Try again after the time in Retry-After.");
            Problem::new(kind, detail).retry_after(*retry_after)
        }
        RequestError::Unavailable { retry_after, .. } => Problem::new(
            &UNAVAILABLE,
            "The request could not be handed on and was not worked on. Try again after the time in Retry-After.",
        )
        .retry_after(*retry_after),
        RequestError::Closed => Problem::new(
            &UNAVAILABLE,
            "This instance is going away; the request may have been worked on. Try again.",
        )
        .retry_after(SOON),
        RequestError::TimedOut => Problem::new(
            &TIMEOUT,
            "There was no reply in time; the request may have been worked on. Try again, or wait longer.",
        ),
        RequestError::Failed(failure) => failed(failure),
        RequestError::Panicked => Problem::new(
            &TERMINAL_FAILED,
            "The terminal failed at this request. Trying again may not help; report it with the request id.",
        ),
        RequestError::DeadLettered { .. } => Problem::new(
            &DEAD_LETTERED,
            "The request was given up after several tries. Trying again may not help; report it with the request id.",
        ),
        RequestError::TooLarge { max, .. } => {
            Problem::new(&BODY_TOO_LARGE, format!("Send a body of at most {max} bytes."))
        }
        RequestError::DuplicateId => Problem::internal(),
    }
}

fn failed(failure: &Failure) -> Problem {
    match code(failure) {
        // The message names the city that was looked for.
        Some(FailureCode::CityUnknown) => Problem::new(&CITY_UNKNOWN, failure.message.clone()),
        Some(FailureCode::ProviderTimeout) => Problem::new(
            &PROVIDER_FAILED,
            "The weather provider did not answer in time. Try again later.",
        ),
        Some(FailureCode::ProviderUnavailable) => Problem::new(
            &PROVIDER_FAILED,
            "The weather provider is not available at present. Try again later.",
        ),
        Some(FailureCode::ProviderFailed | FailureCode::RequestInvalid) | None => Problem::new(
            &PROVIDER_FAILED,
            "The weather provider could not answer this request. Try again later.",
        ),
    }
}

fn code(failure: &Failure) -> Option<FailureCode> {
    FailureCode::parse(&failure.code)
}

/// The log of failures: the first of a kind at once, then one in a while, so that an outage under load
/// does not bury everything else.
#[derive(Debug)]
pub(crate) struct Failures(Mutex<LogThrottle<&'static str>>);

impl Default for Failures {
    fn default() -> Self {
        Self(Mutex::new(LogThrottle::new(LOG_PERIOD)))
    }
}

impl Failures {
    /// Logs an error that the operator should hear of.
    pub(crate) fn log(&self, id: RequestId, error: &Error) {
        if !error.is_of_ours() {
            return;
        }
        let kind = error.problem().kind().uri;
        // A panic elsewhere leaves counts behind, which stay usable.
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = throttle.admit(kind, Instant::now()) {
            tracing::warn!(request_id = %id.0, kind, %error, suppressed, "request not answered with weather");
        }
    }
}

/// One of each, for the document that describes them.
pub(crate) fn samples() -> Vec<Error> {
    let failed = |code: FailureCode, message: &str| {
        Error::from(RequestError::Failed(Failure::new(code.as_str(), message)))
    };
    vec![
        RequestDefect::NotJson {
            line: 1,
            column: 9,
            reason: "expected value at line 1 column 9".into(),
        }
        .into(),
        BodyError::Broken.into(),
        failed(
            FailureCode::CityUnknown,
            "No city is called \"Atlantis\"; check the spelling.",
        ),
        BodyError::TooSlow {
            limit: Duration::from_secs(10),
        }
        .into(),
        BodyError::TooLarge { max: 16 << 10 }.into(),
        UnsupportedMediaType::ContentType.into(),
        RequestDefect::Field {
            field: "city",
            rule: Rule::NotEmpty,
        }
        .into(),
        failed(FailureCode::ProviderTimeout, "no answer after 5s"),
        RequestError::Panicked.into(),
        RequestError::DeadLettered {
            cause: "max-deliveries".into(),
        }
        .into(),
        RequestError::Refused {
            reason: Refusal::InFlight,
            retry_after: SOON,
        }
        .into(),
        RequestError::Unavailable {
            reason: Fault::OutOfMemory,
            retry_after: SOON,
        }
        .into(),
        RequestError::TimedOut.into(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn refused(reason: Refusal) -> Error {
        RequestError::Refused {
            reason,
            retry_after: Duration::from_millis(1500),
        }
        .into()
    }

    fn failed(code: &str) -> Error {
        RequestError::Failed(Failure::new(code, "10.0.0.7 said no")).into()
    }

    fn check(error: Error, status: u16, kind: &Kind, retry_after: Option<&str>) {
        let problem = error.problem();
        assert_eq!(problem.kind(), kind, "{error:?}");
        let response = error.into_response();
        assert_eq!(response.status(), status);
        let header = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after);
    }

    #[test]
    fn what_was_not_let_in_or_not_handed_on_says_when_to_come_back() {
        for reason in [
            Refusal::InFlight,
            Refusal::StreamFull,
            Refusal::UnknownRate,
            Refusal::PredictedWait,
        ] {
            check(refused(reason), 503, &OVERLOADED, Some("2"));
        }
        check(refused(Refusal::CircuitOpen), 503, &UNAVAILABLE, Some("2"));
        for reason in [
            Fault::OutOfMemory,
            Fault::Disconnected,
            Fault::Timeout,
            Fault::ReadOnly,
        ] {
            let error = RequestError::Unavailable {
                reason,
                retry_after: Duration::ZERO,
            };
            check(error.into(), 503, &UNAVAILABLE, Some("1"));
        }
        check(RequestError::Closed.into(), 503, &UNAVAILABLE, Some("1"));
    }

    #[test]
    fn what_the_worker_said_has_its_answer() {
        check(RequestError::TimedOut.into(), 504, &TIMEOUT, None);
        check(RequestError::Panicked.into(), 502, &TERMINAL_FAILED, None);
        check(
            RequestError::DeadLettered { cause: "x".into() }.into(),
            502,
            &DEAD_LETTERED,
            None,
        );
        check(failed("city-unknown"), 404, &CITY_UNKNOWN, None);
        for code in [
            "provider-failed",
            "provider-timeout",
            "provider-unavailable",
            "request-invalid",
            "of-tomorrow",
        ] {
            assert!(
                !failed(code)
                    .problem()
                    .document(uuid::Uuid::nil())
                    .detail
                    .contains("10.0.0.7"),
                "{code}"
            );
            check(failed(code), 502, &PROVIDER_FAILED, None);
        }
    }

    #[test]
    fn there_is_a_sample_of_every_kind_of_this_file() {
        let sampled: BTreeSet<_> = samples()
            .iter()
            .map(|error| error.problem().kind().uri)
            .collect();
        let declared: BTreeSet<_> = include_str!("error.rs")
            .split('"')
            .filter(|text| text.starts_with("/problems/") && text.len() > 10)
            .collect();
        assert_eq!(sampled, declared);
    }

    #[test]
    fn only_what_is_not_the_callers_fault_or_shed_is_logged() {
        assert!(Error::from(RequestError::TimedOut).is_of_ours());
        assert!(failed("provider-failed").is_of_ours());
        assert!(!failed("city-unknown").is_of_ours());
        assert!(!refused(Refusal::InFlight).is_of_ours());
        assert!(!Error::from(BodyError::Broken).is_of_ours());
    }
}

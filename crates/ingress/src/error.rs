//! What can go wrong for a caller, and what it is answered with. No other file of this crate knows a status.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::message::{FailureCode, FieldDefect, JsonDefect, MAX_DEPTH, RequestDefect, Rule};
use service::{BodyError, Kind, Problem};
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
            Self::Defect(defect) => wrong(defect),
            Self::Request(error) => unanswered(error),
            Self::Internal(_) => Problem::internal(),
        }
    }

    /// Whether the operator should hear of it: what callers do wrong, and load that is shed, are counted
    /// and not logged one by one.
    pub(crate) fn is_of_ours(&self) -> bool {
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

fn wrong(defect: &RequestDefect) -> Problem {
    match defect {
        RequestDefect::NotJson(defect) => not_json(defect),
        RequestDefect::Fields(defects) => {
            let detail = format!("Correct the request: {defect}.");
            let problem = Problem::new(&INVALID_REQUEST, detail);
            defects.iter().fold(problem, |problem, defect| {
                problem.field(defect.field, defect.rule.to_string())
            })
        }
    }
}

fn not_json(defect: &JsonDefect) -> Problem {
    let detail = match defect {
        JsonDefect::Empty => {
            r#"The body is empty; send a JSON object such as {"city": "New York", "location": "Downtown"}."#
                .into()
        }
        JsonDefect::TooDeep => {
            format!("Send flatter JSON; arrays and objects may nest at most {MAX_DEPTH} levels.")
        }
        JsonDefect::Syntax { reason, .. } => {
            format!("Send a valid JSON text; this one is broken: {reason}.")
        }
    };
    Problem::new(&INVALID_JSON, detail)
}

fn unanswered(error: &RequestError) -> Problem {
    match error {
        RequestError::Refused { reason, retry_after } => {
            let kind = match reason {
                Refusal::CircuitOpen => &UNAVAILABLE,
                Refusal::InFlight
                | Refusal::StreamFull
                | Refusal::UnknownRate
                | Refusal::Lag
                | Refusal::PredictedWait => &OVERLOADED,
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

/// One of each, for the document that describes them.
pub(crate) fn samples() -> Vec<Error> {
    let failed = |code: FailureCode, message: &str| {
        Error::from(RequestError::Failed(Failure::new(code.as_str(), message)))
    };
    vec![
        RequestDefect::NotJson(JsonDefect::Syntax {
            line: 1,
            column: 9,
            reason: "expected value at line 1 column 9".into(),
        })
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
        RequestDefect::Fields(vec![
            FieldDefect {
                field: "city",
                rule: Rule::NotEmpty,
            },
            FieldDefect {
                field: "location",
                rule: Rule::Text,
            },
        ])
        .into(),
        failed(FailureCode::ProviderTimeout, "no answer after 5s"),
        RequestError::Panicked.into(),
        RequestError::DeadLettered {
            cause: "deliveries".into(),
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
mod tests;

//! Errors as RFC 9457 `application/problem+json`.
//!
//! A [`Kind`] is a constant of the program: its `type` is what callers branch on and never changes, so
//! it is a path, stable under any host name. A [`Problem`] is one occurrence of it. The
//! [exchange layer](crate::Exchanges) writes the body, because only it knows the request's id.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Correlation;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A kind of problem: what all its occurrences share.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The `type`: a URI reference that identifies this kind for good, such as `/problems/city-unknown`.
    pub uri: &'static str,
    /// The status that it is answered with.
    pub status: StatusCode,
    /// A few words for people, the same at each occurrence.
    pub title: &'static str,
}

impl Kind {
    /// A kind to be kept in a `static`.
    pub const fn new(uri: &'static str, status: StatusCode, title: &'static str) -> Self {
        Self { uri, status, title }
    }
}

/// One occurrence of a [`Kind`], ready to be returned from a handler.
#[derive(Debug, Clone)]
pub struct Problem(Box<Occurrence>);

#[derive(Debug, Clone)]
struct Occurrence {
    kind: &'static Kind,
    detail: Cow<'static, str>,
    errors: BTreeMap<&'static str, Vec<String>>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of this kind; `detail` is a sentence that says what to do.
    pub fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Occurrence {
            kind,
            detail: detail.into(),
            errors: BTreeMap::new(),
            retry_after: None,
        }))
    }

    /// Names a field of the body that is at fault, and why; may be called again for the same field.
    #[must_use]
    pub fn field(mut self, name: &'static str, why: impl Into<String>) -> Self {
        self.0.errors.entry(name).or_default().push(why.into());
        self
    }

    /// Says when trying again is worthwhile; sent as `Retry-After` in whole seconds, rounded up, at least 1.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The kind it is of.
    pub fn kind(&self) -> &'static Kind {
        self.0.kind
    }

    /// When trying again is worthwhile, if that was said.
    pub fn retries_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The document for this request.
    pub fn document(&self, request: &Correlation) -> ProblemDocument {
        let Occurrence {
            kind,
            detail,
            errors,
            ..
        } = &*self.0;
        ProblemDocument {
            uri: kind.uri.into(),
            title: kind.title.into(),
            status: kind.status.as_u16(),
            detail: detail.clone(),
            request_id: request.id,
            trace_id: request.trace.map(|trace| trace.trace_id().to_string()),
            errors: errors
                .iter()
                .map(|(name, why)| ((*name).into(), why.clone()))
                .collect(),
        }
    }

    /// Writes the body of a response that carries this problem.
    pub(crate) fn write(&self, request: &Correlation, response: &mut Response) {
        // A document of strings and one map with string keys: serialising it cannot fail.
        let body = serde_json::to_vec(&self.document(request)).unwrap_or_default();
        *response.body_mut() = Body::from(body);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, PROBLEM_JSON);
    }
}

/// The kinds that every service has, whatever its routes.
impl Problem {
    /// No route has this path.
    pub fn not_found() -> Self {
        static KIND: Kind = Kind::new("/problems/not-found", StatusCode::NOT_FOUND, "Not found");
        Self::new(
            &KIND,
            "Nothing is served under this path; /swagger lists what is.",
        )
    }

    /// The route has other methods, which `Allow` names.
    pub fn method_not_allowed() -> Self {
        static KIND: Kind = Kind::new(
            "/problems/method-not-allowed",
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
        );
        Self::new(&KIND, "Use one of the methods that the Allow header names.")
    }

    /// The request head has more than so many fields, or more than so many bytes.
    pub fn headers_too_large(max_fields: usize, max_bytes: usize) -> Self {
        static KIND: Kind = Kind::new(
            "/problems/headers-too-large",
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Request headers too large",
        );
        let bounds = format!(
            "{max_fields} header fields and {max_bytes} bytes of request target and headers"
        );
        Self::new(&KIND, format!("Send at most {bounds}."))
    }

    /// A fault of the service itself.
    pub fn internal() -> Self {
        static KIND: Kind = Kind::new(
            "/problems/internal",
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
        );
        Self::new(
            &KIND,
            "This is a fault of the service; report it with the request id.",
        )
    }
}

impl IntoResponse for Problem {
    /// The status and the headers; the exchange layer writes the body.
    fn into_response(self) -> Response {
        let mut response = self.0.kind.status.into_response();
        if let Some(after) = self.0.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A problem as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Identifies the kind of problem; this is what programs branch on.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri-reference", example = "/problems/invalid-request")]
    pub uri: Cow<'static, str>,
    /// The kind of problem in a few words.
    #[schema(value_type = String, example = "Invalid request")]
    pub title: Cow<'static, str>,
    /// The status of the response.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong this time and what to do.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
    /// The id of this request; quote it when asking for help.
    pub request_id: Uuid,
    /// The trace that this request belongs to, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: Option<String>,
    /// What is wrong with each field of the body, by field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub errors: BTreeMap<String, Vec<String>>,
}

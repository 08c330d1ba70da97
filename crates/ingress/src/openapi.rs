//! The OpenAPI document, as Swagger UI shows it.

use service::document_problems;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use crate::error::{self, Error};

const PATH: &str = "/WeatherForecast/city";

/// The document for this version.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let operation = document
        .paths
        .paths
        .get_mut(PATH)
        .and_then(|item| item.post.as_mut());
    if let Some(operation) = operation {
        document_problems(operation, error::samples().iter().map(Error::problem));
    }
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ingress",
        description = "The weather in a city. A request waits on a Redis stream until a terminal has worked on it. \
                       Errors are problem documents (RFC 9457): branch on their `type`.",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(city),
    tags((name = "Weather", description = "What callers come for")),
)]
struct Document;

/// The weather in a city
#[utoipa::path(
    post,
    path = "/WeatherForecast/city",
    tag = "Weather",
    operation_id = "weatherInCity",
    params(
        ("Prefer" = Option<String>, Header, example = "wait=10",
            description = "`wait=N` shortens the time for an answer to N seconds; `Preference-Applied` says that it \
                           did. Ignored if it is malformed or not shorter."),
        ("X-Request-Id" = Option<String>, Header, example = "order-17",
            description = "Your own id of this request: 1 to 128 visible ASCII characters, or it is ignored. It is \
                           sent back; the request is tracked by an id of the service, which is the `requestId` of \
                           the answer."),
        ("traceparent" = Option<String>, Header,
            example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            description = "W3C trace context to carry along; ignored if it is malformed."),
    ),
    request_body(content = Question, content_type = "application/json",
        description = "JSON in UTF-8, not compressed. Other fields are ignored.",
        example = json!({"city": "New York", "location": "Downtown"})),
    responses(
        (status = 200, description = "The weather", body = Answer, content_type = "application/json", headers(
            ("X-Request-Id" = String, description = "Your id if you sent a well-formed one, else the `requestId`"),
            ("Server-Timing" = String, description = "How long the request waited (`queue`), was worked on (`work`) \
                and took in all (`total`), in milliseconds: `queue;dur=0.412, work;dur=150.210, total;dur=152.043`"),
            ("Preference-Applied" = String, description = "`wait=N` if that was asked for and shortened the time"),
        )),
    ),
)]
#[allow(
    dead_code,
    reason = "it describes a route; the code is `weather::city`"
)]
fn city() {}

/// Where to look.
#[derive(ToSchema)]
#[schema(as = WeatherRequest)]
#[allow(
    dead_code,
    reason = "it describes a type that knows nothing of OpenAPI"
)]
struct Question {
    #[schema(inline)]
    city: Text,
    #[schema(inline)]
    location: Text,
}

/// Text that is trimmed: no control characters, and something other than white space.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 256,
    pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
)]
#[allow(
    dead_code,
    reason = "it describes a rule of a type that knows nothing of OpenAPI"
)]
struct Text(String);

/// The weather there.
#[derive(ToSchema)]
#[schema(as = WeatherReply, rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "it describes a type that knows nothing of OpenAPI"
)]
struct Answer {
    /// The id of this request.
    request_id: Uuid,
    /// As it was asked for.
    #[schema(example = "New York")]
    city: String,
    /// As it was asked for.
    #[schema(example = "Downtown")]
    location: String,
    /// The day.
    #[schema(format = Date, example = "2026-11-21")]
    date: String,
    /// Whole degrees Celsius.
    #[schema(example = 7)]
    temperature_c: i32,
    /// The same in whole degrees Fahrenheit.
    #[schema(example = 45)]
    temperature_f: i32,
    /// In a word or two.
    #[schema(example = "Chilly")]
    summary: String,
}

//! What every operation of an OpenAPI document says of its answers.
//!
//! The problems in a document are not described by hand: each is made by the code that answers with it, so that
//! the document cannot say anything else.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::json;
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response,
    ResponseBuilder, Type,
    example::{Example, ExampleBuilder},
    path::{Operation, PathItem},
};

use crate::{Correlation, exchange::MAX_HEADER_FIELDS, problem::Problem};

/// The bound of the example that says how large a request head may be: the default of `MAX_HEADERS`.
const MAX_HEADERS: usize = 16 << 10;

/// Adds to an operation the answers that it gives with these problems and with those that every route has, each
/// with an example. An answer that is described already stays as it is.
pub fn document_problems(operation: &mut Operation, problems: impl IntoIterator<Item = Problem>) {
    let mut by_status: BTreeMap<StatusCode, Vec<Problem>> = BTreeMap::new();
    for problem in every_route().into_iter().chain(problems) {
        let others = by_status.entry(problem.kind().status).or_default();
        if others.iter().all(|other| other.kind() != problem.kind()) {
            others.push(problem);
        }
    }
    for (status, problems) in by_status {
        let responses = &mut operation.responses.responses;
        let described = responses.entry(status.as_str().to_owned());
        described.or_insert_with(|| answer(status, &problems).into());
    }
}

/// Adds to every operation the problems that every route has, and to every answer the header that it carries.
pub(crate) fn complete(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        document_problems(operation, []);
        for answer in operation.responses.responses.values_mut() {
            let RefOr::T(answer) = answer else { continue };
            answer
                .headers
                .entry("X-Request-Id".to_owned())
                .or_insert_with(|| {
                    header("Your id if you sent a well-formed one, else the id of this request")
                        .into()
                });
        }
    }
}

fn every_route() -> [Problem; 4] {
    [
        Problem::not_found(),
        Problem::method_not_allowed(),
        Problem::headers_too_large(MAX_HEADER_FIELDS, MAX_HEADERS),
        Problem::internal(),
    ]
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post].into_iter().flatten()
}

/// The answer with one status, with an example of each problem that has it.
fn answer(status: StatusCode, problems: &[Problem]) -> Response {
    let titles: Vec<_> = problems
        .iter()
        .map(|problem| problem.kind().title)
        .collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(problems.iter().map(example))
        .build();
    let mut answer = ResponseBuilder::new()
        .description(titles.join("; "))
        .content("application/problem+json", content);
    if problems
        .iter()
        .any(|problem| problem.retries_after().is_some())
    {
        answer = answer.header("Retry-After", header("When to try again, in seconds"));
    }
    let own = match status {
        StatusCode::METHOD_NOT_ALLOWED => Some(("Allow", "The methods that this path has")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Some(("Accept-Encoding", "`identity` if the body came encoded"))
        }
        _ => None,
    };
    if let Some((name, description)) = own {
        answer = answer.header(name, header(description));
    }
    answer.build()
}

fn example(problem: &Problem) -> (&'static str, Example) {
    let name = problem.kind().uri.rsplit('/').next().unwrap_or_default();
    let document = problem.document(&Correlation::default());
    (
        name,
        ExampleBuilder::new()
            .summary(problem.kind().title)
            .value(Some(json!(document)))
            .build(),
    )
}

fn header(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .build()
}

//! The OpenAPI document, as Swagger UI shows it.

use utoipa::OpenApi;

use crate::router;

/// The document for this version.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "proxy",
        description = "Serves weather requests from a Redis stream. Requests come in through the ingress; \
                       here is what the terminals are doing.",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(router::list_terminals),
    tags((name = "Terminals", description = "Each serves one request at a time")),
)]
struct Document;

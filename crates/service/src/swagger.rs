//! Swagger UI and the OpenAPI document that it shows.

use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{ProblemDocument, admin, openapi, problem::Problem};

const UI: &str = "/swagger";
const DOCUMENT: &str = "/swagger/v1/swagger.json";

/// The UI loads its own files and asks its own host, nobody else; it sets styles of elements and has images in its
/// style sheet.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `/swagger` (the UI, its files inside this binary), `/swagger/v1/swagger.json` (this document, with the
/// [admin routes](crate::admin_routes) and the answers that every route has added), and the way there from `/`.
pub fn swagger_routes(mut document: OpenApi) -> Router {
    document.merge(Document::openapi());
    document.merge(admin::document());
    openapi::complete(&mut document);
    // Made once and shared by all who ask, so that a flood of them takes neither time nor memory. Strings and maps
    // with string keys: this cannot fail.
    let text = Bytes::from(document.to_json().unwrap_or_default());
    let document = async move || ([(header::CONTENT_TYPE, "application/json")], text.clone());
    let ui: Router = SwaggerUi::new(UI).config(Config::from(DOCUMENT)).into();
    ui.layer(map_response(finished))
        .route(DOCUMENT, get(document))
        .route("/", get(entrance))
}

/// The part of a service's OpenAPI document that is about the root.
#[derive(utoipa::OpenApi)]
#[openapi(paths(entrance), components(schemas(ProblemDocument)))]
struct Document;

/// The way to this page
#[utoipa::path(get, path = "/", tag = "Admin", responses(
    (status = 307, description = "Swagger UI is there", headers(("Location" = String, description = "`/swagger`"))),
))]
async fn entrance() -> Redirect {
    Redirect::temporary(UI)
}

/// Its policy; and a problem in place of the bare status that the UI answers with where it has no such file.
async fn finished(mut response: Response) -> Response {
    match response.status() {
        StatusCode::NOT_FOUND => Problem::not_found().into_response(),
        StatusCode::INTERNAL_SERVER_ERROR => Problem::internal().into_response(),
        _ => {
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, POLICY);
            response
        }
    }
}

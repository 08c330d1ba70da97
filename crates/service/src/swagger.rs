//! Swagger UI and the OpenAPI document that it shows.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// `/swagger` (the UI, its files inside this binary) and `/swagger/v1/swagger.json` (the document).
pub fn swagger_routes(document: OpenApi) -> Router {
    SwaggerUi::new("/swagger")
        .url("/swagger/v1/swagger.json", document)
        .into()
}

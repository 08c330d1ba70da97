//! Swagger UI and the OpenAPI document that it shows.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::admin;

/// `/swagger` (the UI, its files inside this binary) and `/swagger/v1/swagger.json`: this document, with
/// the [admin routes](crate::admin_routes) added.
pub fn swagger_routes(mut document: OpenApi) -> Router {
    document.merge(admin::document());
    SwaggerUi::new("/swagger")
        .url("/swagger/v1/swagger.json", document)
        .into()
}

//! The floor: axum alone, answering from memory. No request/reply behind HTTP can cost less than this.

use axum::routing::post;
use axum::{Json, Router};
use benchmarks::peer::{self, Reply, Request};
use uuid::Uuid;

pub(crate) async fn run() -> anyhow::Result<()> {
    let router = Router::new().route(peer::PATH, post(city));
    let listener = peer::listen()?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn city(Json(request): Json<Request>) -> Json<Reply> {
    Json(Reply::new(Uuid::now_v7(), request))
}

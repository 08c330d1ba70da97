//! Request/reply over NATS core, with the client's own `request` and a queue group.
//!
//! A request lives in the memory of the server alone and is delivered at most once: nobody asks for it again when a
//! worker dies, and a message for a slow reader is dropped.

use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use benchmarks::peer::{self, Reply, Request, Role};
use futures_util::StreamExt;
use uuid::Uuid;

const SUBJECT: &str = "weather.city";
const GROUP: &str = "workers";

pub(crate) async fn run(role: Role) -> anyhow::Result<()> {
    let nats = async_nats::connect(peer::setting("NATS_URL")?).await?;
    match role {
        Role::Front => front(nats).await,
        Role::Worker => worker(nats).await,
    }
}

async fn front(nats: async_nats::Client) -> anyhow::Result<()> {
    let router = Router::new().route(peer::PATH, post(city)).with_state(nats);
    let listener = peer::listen()?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn city(
    State(nats): State<async_nats::Client>,
    Json(request): Json<Request>,
) -> Result<impl IntoResponse, StatusCode> {
    let payload = serde_json::to_vec(&request).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let reply = nats.request(SUBJECT, payload.into()).await;
    let reply = reply.map_err(|_| StatusCode::GATEWAY_TIMEOUT)?;
    Ok(([(CONTENT_TYPE, "application/json")], reply.payload))
}

/// Answers in line, which is the cheapest for work that takes no time; work that waits would be spawned.
async fn worker(nats: async_nats::Client) -> anyhow::Result<()> {
    let mut requests = nats.queue_subscribe(SUBJECT, GROUP.into()).await?;
    while let Some(message) = requests.next().await {
        let Some(to) = message.reply else { continue };
        let request: Request = serde_json::from_slice(&message.payload)?;
        let reply = serde_json::to_vec(&Reply::new(Uuid::now_v7(), request))?;
        nats.publish(to, reply.into()).await?;
    }
    Ok(())
}

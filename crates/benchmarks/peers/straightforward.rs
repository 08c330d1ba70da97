//! Request/reply over Redis Streams as tutorials have it.
//!
//! A request is an entry with an id of its own; workers read ten at a time through a consumer group and answer each
//! on one stream of replies, which every front reads from its end. Both streams are trimmed by length, so that a long
//! backlog loses its head; nobody takes over what a dead worker had; a request that nobody waits for any more is worked
//! on all the same; and a worker takes as many requests as there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use benchmarks::peer::{self, Reply, Request, Role};
use redis::AsyncTypedCommands;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamMaxlen, StreamReadOptions};
use tokio::sync::oneshot;
use uuid::Uuid;

const REQUESTS: &str = "requests";
const REPLIES: &str = "replies";
const GROUP: &str = "workers";
const MAXLEN: StreamMaxlen = StreamMaxlen::Approx(100_000);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of a read, in milliseconds.
const BLOCK: usize = 5_000;

pub(crate) async fn run(role: Role) -> anyhow::Result<()> {
    let client = redis::Client::open(peer::setting("REDIS_URL")?)?;
    match role {
        Role::Front => front(client).await,
        Role::Worker => worker(client).await,
    }
}

/// A connection for reads that block, which the crate's time limit for answers would cut short.
async fn for_reading(client: &redis::Client) -> redis::RedisResult<MultiplexedConnection> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

#[derive(Clone)]
struct Front {
    redis: MultiplexedConnection,
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>,
}

async fn front(client: redis::Client) -> anyhow::Result<()> {
    let front = Front {
        redis: client.get_multiplexed_async_connection().await?,
        waiting: Arc::default(),
    };
    let replies = tokio::spawn(read_replies(for_reading(&client).await?, front.clone()));
    let router = Router::new()
        .route(peer::PATH, post(city))
        .with_state(front);
    let listener = peer::listen()?;
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        ended = replies => ended?,
    }
}

async fn city(
    State(mut front): State<Front>,
    Json(request): Json<Request>,
) -> Result<impl IntoResponse, StatusCode> {
    let id = Uuid::now_v7().to_string();
    let payload = serde_json::to_string(&request).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let (sender, reply) = oneshot::channel();
    front.waiting().insert(id.clone(), sender);
    let fields = [("id", id.as_str()), ("payload", payload.as_str())];
    let added = front.redis.xadd_maxlen(REQUESTS, MAXLEN, "*", &fields);
    if added.await.is_err() {
        front.waiting().remove(&id);
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    match tokio::time::timeout(TIMEOUT, reply).await {
        Ok(Ok(reply)) => Ok(([(CONTENT_TYPE, "application/json")], reply)),
        _ => {
            front.waiting().remove(&id);
            Err(StatusCode::GATEWAY_TIMEOUT)
        }
    }
}

impl Front {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<String>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_replies(mut redis: MultiplexedConnection, front: Front) -> anyhow::Result<()> {
    let options = StreamReadOptions::default().block(BLOCK).count(100);
    let mut last = "$".to_owned();
    loop {
        let read = redis.xread_options(&[REPLIES], &[&last], &options).await?;
        for entry in read
            .into_iter()
            .flat_map(|read| read.keys)
            .flat_map(|key| key.ids)
        {
            let (id, payload) = fields(&entry)?;
            if let Some(waiting) = front.waiting().remove(&id) {
                let _ = waiting.send(payload);
            }
            last = entry.id;
        }
    }
}

async fn worker(client: redis::Client) -> anyhow::Result<()> {
    let redis = client.get_multiplexed_async_connection().await?;
    let mut reading = for_reading(&client).await?;
    // An error says that the group is there already.
    let _ = reading.xgroup_create_mkstream(REQUESTS, GROUP, "0").await;
    let consumer = Uuid::now_v7().to_string();
    let options = StreamReadOptions::default()
        .group(GROUP, consumer)
        .block(BLOCK)
        .count(10);
    loop {
        let read = reading.xread_options(&[REQUESTS], &[">"], &options).await?;
        for entry in read
            .into_iter()
            .flat_map(|read| read.keys)
            .flat_map(|key| key.ids)
        {
            tokio::spawn(serve(redis.clone(), entry));
        }
    }
}

async fn serve(mut redis: MultiplexedConnection, entry: StreamId) -> anyhow::Result<()> {
    let (id, payload) = fields(&entry)?;
    let request: Request = serde_json::from_str(&payload)?;
    let reply = serde_json::to_string(&Reply::new(id.parse()?, request))?;
    let fields = [("id", id.as_str()), ("payload", reply.as_str())];
    redis.xadd_maxlen(REPLIES, MAXLEN, "*", &fields).await?;
    redis.xack(REQUESTS, GROUP, &[&entry.id]).await?;
    Ok(())
}

fn fields(entry: &StreamId) -> anyhow::Result<(String, String)> {
    let id = entry.get("id").context("an entry without an id")?;
    let payload = entry.get("payload").context("an entry without a payload")?;
    Ok((id, payload))
}

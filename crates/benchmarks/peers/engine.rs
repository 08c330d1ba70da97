//! The engine alone, as others would use it for a backend of their own: axum in front, any bytes, which come back as
//! they are.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use benchmarks::peer::{self, Role};
use streams::{Client, ClientConfig, Failure, Options, Request, StreamNames, Worker, WorkerConfig};

const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn run(role: Role) -> anyhow::Result<()> {
    let redis = peer::setting("REDIS_URL")?;
    let names = StreamNames::for_service("echo");
    match role {
        Role::Front => front(ClientConfig::new(redis, names)).await,
        Role::Worker => {
            let worker = Worker::connect(WorkerConfig::new(redis, names)).await?;
            worker.serve(256, echo, std::future::pending()).await?;
            Ok(())
        }
    }
}

async fn front(config: ClientConfig) -> anyhow::Result<()> {
    let router = Router::new()
        .route(peer::PATH, post(ask))
        .with_state(Client::connect(config).await?);
    let listener = peer::listen()?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn ask(State(client): State<Client>, body: Bytes) -> Result<Bytes, StatusCode> {
    let reply = client.request(body, Options::within(TIMEOUT)).await;
    Ok(reply.map_err(|_| StatusCode::BAD_GATEWAY)?.body)
}

async fn echo(request: Request) -> Result<Bytes, Failure> {
    Ok(request.body)
}

//! An echo backend: answers each request with its own body, ten at a time, until Ctrl-C.
//!
//! `cargo run -p streams --example echo_worker -- redis://127.0.0.1:6379`

use streams::{Failure, Request, StreamNames, Worker, WorkerConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let redis = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    let worker =
        Worker::connect(WorkerConfig::new(redis, StreamNames::for_service("echo"))).await?;
    let shutdown = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    worker.serve(10, echo, shutdown).await?;
    Ok(())
}

async fn echo(request: Request) -> Result<Vec<u8>, Failure> {
    if request.body.is_empty() {
        return Err(Failure::new("nothing-to-echo", "send at least one byte"));
    }
    Ok(request.body.to_vec())
}

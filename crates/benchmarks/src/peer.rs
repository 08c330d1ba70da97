//! What the peers have in common: the request, the reply, the way to it, the runtime, the allocator.

use std::{env, io};

use anyhow::Context;
use clap::ValueEnum;
use mimalloc::MiMalloc;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

/// The one that our services have.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Where the weather is asked for.
pub const PATH: &str = "/WeatherForecast/city";

/// What a process of a system is there for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Role {
    /// The HTTP side.
    Front,
    /// The side that answers.
    Worker,
}

/// The question.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The city.
    pub city: String,
    /// The location within it.
    pub location: String,
}

/// The answer: the fields that our services answer with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    request_id: Uuid,
    city: String,
    location: String,
    date: String,
    temperature_c: i32,
    temperature_f: i32,
    summary: &'static str,
}

impl Reply {
    /// Today's weather, which takes no time to find out.
    pub fn new(request_id: Uuid, request: Request) -> Self {
        let now = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now());
        Self {
            request_id,
            city: request.city,
            location: request.location,
            date: now.date().to_string(),
            temperature_c: 20,
            temperature_f: 68,
            summary: "Mild",
        }
    }
}

/// A runtime of one thread, or of as many as `WORKER_THREADS` says.
///
/// # Errors
/// The operating system refused it.
pub fn runtime() -> io::Result<Runtime> {
    let threads = env::var("WORKER_THREADS").ok();
    match threads.and_then(|threads| threads.parse().ok()) {
        None | Some(1) => Builder::new_current_thread().enable_all().build(),
        Some(threads) => Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build(),
    }
}

/// The address that `LISTEN` has, where as many may wait to be accepted as with our services.
///
/// # Errors
/// It is not there, is no address, or cannot be listened on.
pub fn listen() -> anyhow::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(setting("LISTEN")?.parse()?)?;
    Ok(socket.listen(4096)?)
}

/// A setting that must be there, from the environment.
///
/// # Errors
/// It is not there.
pub fn setting(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

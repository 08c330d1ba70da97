//! What can go wrong, for whom, and whether trying again can help.

mod config;
mod fault;
mod refusal;
mod request;
mod worker;

pub use config::ConfigError;
pub use fault::Fault;
pub use refusal::Refusal;
pub use request::{Failure, Party, RequestError};
pub use worker::WorkerError;

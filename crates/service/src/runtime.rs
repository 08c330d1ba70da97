//! The tokio runtime of a service process.

use std::{future::Future, io};

use tokio::runtime::Builder;

/// Runs a service to its end on `threads` threads.
///
/// With one thread everything runs on the calling one: no work moves between cores, which costs
/// markedly less CPU per request. More cores are better used by more processes.
pub fn run_on<T>(threads: u32, service: impl Future<Output = T>) -> io::Result<T> {
    let mut builder = match threads {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads as usize);
    }
    Ok(builder.enable_all().build()?.block_on(service))
}

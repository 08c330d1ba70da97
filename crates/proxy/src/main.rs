//! The `proxy` binary: reads its settings, then hands over to [`proxy::run`].

use std::process::ExitCode;

use mimalloc::MiMalloc;
use proxy::Config;
use service::{Endpoints, run_process, settings::parse_or_exit};

/// A request costs dozens of small allocations, which the system's allocator is slower at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let config: Config = parse_or_exit(Config::check);
    let (log, threads) = (config.log.clone(), config.http.worker_threads);
    run_process(
        "proxy",
        env!("CARGO_PKG_VERSION"),
        &log,
        threads,
        |process| async move {
            let endpoints = Endpoints::bind(config.listen, config.http.admin_listen).await?;
            proxy::run(config, process, endpoints).await
        },
    )
}

//! The `ingress` binary: reads its settings, then hands over to [`ingress::run`].

use std::process::ExitCode;

use ingress::Config;
use mimalloc::MiMalloc;
use service::{Endpoints, Setup, run_process, settings::parse_or_exit};

/// A request costs dozens of small allocations, which the system's allocator is slower at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let config: Config = parse_or_exit(Config::check);
    let setup = Setup {
        name: "ingress",
        version: env!("CARGO_PKG_VERSION"),
        log: config.log.clone(),
        traces: config.traces.clone(),
        threads: config.http.worker_threads,
    };
    run_process(&setup, |process| async move {
        let endpoints = Endpoints::bind(config.listen, config.http.admin_listen)?;
        ingress::run(config, process, endpoints).await
    })
}

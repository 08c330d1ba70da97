//! The proxy from its settings to its end.
//!
//! The order of leaving, and why:
//! 1. The signal turns readiness off at once.
//! 2. For `DRAIN_DELAY` everything goes on, so that whoever watches readiness can notice first.
//! 3. The worker drains: it takes nothing new, finishes what runs within `DRAIN_TIMEOUT`, and hands the
//!    rest back to the group. Health, metrics and the terminals are still served, or nobody could watch.
//! 4. Only then does the HTTP server stop; its last answers are short, so it gets little time for them.

use std::{sync::Arc, time::Duration, time::Instant};

use service::{Endpoints, Exchanges, Process, ServiceError, server};
use streams::{Worker, WorkerError};
use tokio::sync::oneshot;

use crate::{
    config::Config, handler::Handler, health::Health, metrics::Metrics, router,
    terminals::Terminals,
};

/// How long answers that are under way when the worker has drained may take.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves until the process is told to leave and the drain is over.
///
/// Redis need not be there: it is waited for, and `/health/ready` says so.
pub async fn run(
    config: Config,
    process: Process,
    endpoints: Endpoints,
) -> Result<(), ServiceError> {
    let Process {
        registry,
        shutdown,
        tracer,
    } = process;
    let worker = Worker::connect(config.worker(&registry, tracer.clone())).await?;
    let provider = config.provider.provider().map_err(ServiceError::Setting)?;
    let terminals = Terminals::new(config.work.terminals as usize);
    let metrics = Metrics::register(&registry, &terminals, &provider)?;
    let exchanges = Exchanges::new(&registry, config.http.max_headers)?.traced(tracer.clone());
    let health = Health {
        monitor: worker.monitor(),
        terminals: terminals.clone(),
        shutdown: shutdown.clone(),
        provider: config.provider.weather_provider,
        breaker: provider.breaker().cloned(),
        started: Instant::now(),
    };
    let app = router::app(
        terminals.clone(),
        health.clone(),
        registry.clone(),
        &exchanges,
    );
    let admin = router::admin(health, registry, &exchanges);
    announce(&config);

    let (worker_left, until_worker_left) = oneshot::channel::<()>();
    let until_worker_left = async {
        // An error is as good as a message: either way the worker is gone.
        let _ = until_worker_left.await;
    };
    let drain = server::Drain {
        delay: Duration::ZERO,
        timeout: LAST_ANSWERS,
    };
    let http = endpoints.serve(
        app.into(),
        admin.into(),
        config.http.limits(),
        drain,
        until_worker_left,
    );

    let handler = Arc::new(Handler::new(provider, terminals, metrics, tracer));
    let leave = async {
        shutdown.started().await;
        tokio::time::sleep(config.drain.drain_delay).await;
    };
    let work = async {
        let handle = move |request| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(request).await }
        };
        let drained = worker
            .serve(config.work.terminals as usize, handle, leave)
            .await;
        drop(worker_left);
        drained
    };
    let (drained, answered) = tokio::join!(work, http);
    if answered.cut_off > 0 {
        tracing::warn!(
            connections = answered.cut_off,
            "cut off: the last answers took too long"
        );
    }
    match drained {
        Ok(_how) => Ok(()),
        Err(WorkerError::Config(error)) => Err(error.into()),
        Err(error) => Err(ServiceError::Failed(error.into())),
    }
}

fn announce(config: &Config) {
    let Config { work, provider, .. } = config;
    tracing::info!(
        terminals = work.terminals,
        provider = provider.weather_provider.as_str(),
        "serving"
    );
    if provider.simulated_faults {
        tracing::warn!(
            "SIMULATED_FAULTS is on: whoever asks for the city abort! ends this process; for experiments only"
        );
    }
}

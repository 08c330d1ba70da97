//! The ingress from its settings to its end.
//!
//! The order of leaving, and why:
//! 1. The signal turns readiness off at once.
//! 2. For `DRAIN_DELAY` everybody is served on, so that load balancers notice first.
//! 3. The server drains: nobody new is let in, who is in flight gets the answer, within `DRAIN_TIMEOUT`.
//! 4. Only then does the client end: until here replies come in for those who wait. Whoever still waits
//!    gets 503 from that, rather than a connection that breaks.
//!
//! A client that is closed before that has met a bug of its own and serves nobody any more. Then the process
//! ends with an error, so that whoever keeps it running starts another.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use service::{Endpoints, Exchanges, Process, ServiceError, server};
use streams::Client;
use tokio::time::{sleep, timeout};

use crate::{config::Config, health::Health, router, weather::Weather};

/// How long answers may take that say that there will be no other.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Serves until the process is told to leave and the drain is over.
///
/// Redis need not be there: it is waited for, and `/health/ready` says so.
pub async fn run(
    config: Config,
    process: Process,
    endpoints: Endpoints,
) -> Result<(), ServiceError> {
    let client = Client::connect(config.client(&process.registry, process.tracer.clone())).await?;
    serve(client, config, process, endpoints).await
}

async fn serve(
    client: Client,
    config: Config,
    process: Process,
    endpoints: Endpoints,
) -> Result<(), ServiceError> {
    let Process {
        registry,
        shutdown,
        tracer,
    } = process;
    let exchanges = Exchanges::new(&registry, config.http.max_headers)?.traced(tracer);
    let weather = Arc::new(Weather::new(client.clone(), &config));
    let health = Health {
        client: client.clone(),
        shutdown: shutdown.clone(),
        started: Instant::now(),
    };
    let app = router::app(weather, health.clone(), registry.clone(), &exchanges);
    let admin = router::admin(health, registry, &exchanges);
    let bound = config.drain.server();
    let drain = server::Drain {
        timeout: bound.timeout + LAST_ANSWERS,
        ..bound
    };
    let mut served = pin!(endpoints.serve(
        app,
        admin.into(),
        config.http.limits(),
        drain,
        shutdown.started()
    ));
    let out_of_time = async {
        shutdown.started().await;
        sleep(bound.delay + bound.timeout).await;
    };
    tokio::select! {
        _ = &mut served => client.close(),
        () = out_of_time => {
            tracing::warn!(waiting = client.in_flight(), "drain bound reached: who still waits gets 503");
            client.close();
            served.await;
        }
        () = client.closed() => {
            // Who waited has been told, and who comes now is: 503.
            let _ = timeout(LAST_ANSWERS, served).await;
            return Err(ServiceError::Failed("the client of the engine ended by itself".into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use common::{shutdown::Shutdown, trace::Tracer};
    use prometheus::Registry;
    use service::settings::parse_from;

    use super::*;

    #[tokio::test]
    async fn it_does_not_outlive_its_client() {
        let args = [
            "ingress",
            "--listen=127.0.0.1:0",
            "--redis-url=redis://127.0.0.1:1",
        ];
        let config: Config = parse_from(args.map(Into::into), Config::check).expect("good flags");
        let registry = Registry::new();
        let client = Client::connect(config.client(&registry, Tracer::default()))
            .await
            .expect("good settings");
        let endpoints = Endpoints::bind(config.listen, None).expect("a free port");
        let (_trigger, shutdown) = Shutdown::manual();
        let process = Process {
            registry,
            shutdown,
            tracer: Tracer::default(),
        };
        let serving = tokio::spawn(serve(client.clone(), config, process, endpoints));
        // As it does itself when one of its loops panics.
        client.close();
        let ended = timeout(Duration::from_secs(30), serving)
            .await
            .expect("it ends");
        let error = ended.expect("no panic").expect_err("it ended by itself");
        assert!(error.to_string().contains("ended by itself"), "{error}");
    }
}

//! The ingress from its settings to its end.
//!
//! The order of leaving, and why:
//! 1. The signal turns readiness off at once.
//! 2. For `DRAIN_DELAY` everybody is served on, so that load balancers notice first.
//! 3. The server drains: nobody new is let in, who is in flight gets the answer, within `DRAIN_TIMEOUT`.
//! 4. Only then does the client end: until here replies come in for those who wait. Whoever still waits
//!    gets 503 from that, rather than a connection that breaks.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use service::{Endpoints, Exchanges, Process, ServiceError, server};
use streams::Client;
use tokio::time::sleep;

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
    let Process { registry, shutdown } = process;
    let client = Client::connect(config.client(&registry)).await?;
    let exchanges = Exchanges::new(&registry, config.http.max_headers)?;
    let weather = Arc::new(Weather::new(client.clone(), &config));
    let health = Health {
        client: client.clone(),
        shutdown: shutdown.clone(),
        started: Instant::now(),
    };
    let app = router::app(weather, health.clone(), registry.clone(), &exchanges);
    let admin = router::admin(health, registry, &exchanges);
    let server::Drain { delay, timeout } = config.drain.server();
    let drain = server::Drain {
        delay,
        timeout: timeout + LAST_ANSWERS,
    };
    let mut served =
        pin!(endpoints.serve(app, admin, config.http.limits(), drain, shutdown.started()));
    let out_of_time = async {
        shutdown.started().await;
        sleep(delay + timeout).await;
    };
    tokio::select! {
        _ = &mut served => client.close(),
        () = out_of_time => {
            tracing::warn!(waiting = client.in_flight(), "drain bound reached: who still waits gets 503");
            client.close();
            served.await;
        }
    }
    Ok(())
}

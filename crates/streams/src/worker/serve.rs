//! A worker's life: its loops begin, serve, and end.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::Instant,
};

use super::{
    core::Core,
    drain::{self, Drained},
    fetch::{self, Fetch},
    janitor, lease,
    request::Handler,
    settle,
};
use crate::error::{ConfigError, WorkerError};

/// Serves until `shutdown` resolves, then drains.
pub(super) async fn serve(
    core: Arc<Core>,
    terminals: usize,
    handler: Handler,
    shutdown: impl Future<Output = ()>,
) -> Result<Drained, WorkerError> {
    if terminals == 0 || terminals > Semaphore::MAX_PERMITS {
        return Err(ConfigError::NoTerminals.into());
    }
    core.terminals.store(terminals, Ordering::Relaxed);
    let (stop_fetch, stop) = watch::channel(false);
    let (stop_lease, lease_stops) = watch::channel(false);
    let (client_id, reading) = watch::channel(None);
    let fetch = Fetch {
        core: Arc::clone(&core),
        handler,
        link: core.link("fetch", fetch::MAX_BLOCK),
        terminals: Arc::new(Semaphore::new(terminals)),
        stop,
        client_id,
        group_missing: false,
        group_seen: false,
        next_sweep: Instant::now(),
        last_chance: None,
    };
    let lease = lease::spawn(Arc::clone(&core), lease_stops).map_err(WorkerError::Thread)?;
    let fetch = tokio::spawn(fetch.run());
    let settle = tokio::spawn(settle::run(
        Arc::clone(&core),
        core.link("settle", Duration::ZERO),
    ));
    let janitor = tokio::spawn(janitor::run(
        Arc::clone(&core),
        core.link("janitor", Duration::ZERO),
    ));
    let loops = Loops {
        core: Arc::clone(&core),
        handles: [
            fetch.abort_handle(),
            settle.abort_handle(),
            janitor.abort_handle(),
        ],
    };

    shutdown.await;
    core.draining.store(true, Ordering::Relaxed);
    tracing::info!(
        in_hand = core.running.len(),
        "draining: no new work is taken"
    );
    stop_fetch.send_replace(true);
    let mut link = core.link("drain", Duration::ZERO);
    let finished = drain::finish(&core, &mut link, fetch, reading, core.drain_timeout).await;
    drop(loops);
    stop_lease.send_replace(true);
    // Ends at its next await, which is at once. A renewal after the hand-back would take it back.
    let _ = tokio::task::spawn_blocking(|| lease.join()).await;
    let drained = drain::say_goodbye(&core, &mut link).await;
    tracing::info!(
        handed_back = drained.handed_back,
        consumer_deleted = drained.consumer_deleted,
        in_time = finished,
        "drained"
    );
    Ok(drained)
}

/// Ends the loops and cuts what runs when the worker ends, also when its future is dropped: then others
/// take the work over once its leases have lapsed, and it must not go on here as well.
struct Loops {
    core: Arc<Core>,
    handles: [AbortHandle; 3],
}

impl Drop for Loops {
    fn drop(&mut self) {
        for running in &self.handles {
            running.abort();
        }
        self.core.running.cut();
        self.core.settle.close();
    }
}

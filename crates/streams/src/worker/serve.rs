//! A worker's life: its loops begin, serve, and end.
//!
//! None of the loops ends on its own before the drain. One that panics all the same would leave a worker that
//! looks alive and serves nobody, so that it ends the worker: others take its requests over when their
//! leases have lapsed, and whoever runs the worker can start it anew.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    select,
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{
    core::Core,
    drain::{self, Drained},
    fetch::Fetch,
    janitor,
    last_chance::LastChance,
    lease,
    request::Handler,
    settle,
};
use crate::{
    error::{ConfigError, WorkerError},
    follow::follow,
    read_limit::ReadLimit,
};

/// How long work that was cut may take to end; a handler that blocks its thread takes longer.
const CUT_ENDS: Duration = Duration::from_secs(1);

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
    let (stop_lease, lease_stops) = watch::channel(());
    let (client_id, reading) = watch::channel(None);
    let fetch = Fetch {
        core: Arc::clone(&core),
        handler,
        asks_here: Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread,
        done: Vec::new(),
        link: core.link("fetch"),
        terminals: Arc::new(Semaphore::new(terminals)),
        stop,
        client_id,
        limit: ReadLimit::new(terminals),
        group_missing: false,
        group_seen: false,
        next_sweep: Instant::now(),
        alone_until: Instant::now(),
        last_chance: LastChance::new(&core),
    };
    let lease = lease::spawn(Arc::clone(&core), lease_stops).map_err(WorkerError::Thread)?;
    let fetch = tokio::spawn(fetch.run());
    let settle = tokio::spawn(settle::run(Arc::clone(&core), core.link("settle")));
    let janitor = tokio::spawn(janitor::run(Arc::clone(&core), core.link("janitor")));
    let follow = tokio::spawn(follow(
        core.connector.clone(),
        Arc::clone(&core.status),
        core.metrics.links.failovers.clone(),
    ));
    let mut loops = Loops {
        core: Arc::clone(&core),
        fetch,
        settle,
        janitor,
        follow,
        stop_lease,
    };

    select! {
        () = shutdown => {}
        part = loops.one_ended() => return Err(WorkerError::Ended { part }),
    }
    core.draining.store(true, Ordering::Relaxed);
    tracing::info!(
        in_hand = core.running.len(),
        "draining: no new work is taken"
    );
    stop_fetch.send_replace(true);
    let mut link = core.link("drain");
    let finished = drain::finish(&core, &mut link, &mut loops.fetch, reading).await;
    drop(loops);
    // What was cut on another thread ends at its next await; handed back before that it would run twice.
    let _ = timeout(CUT_ENDS, core.running.empty()).await;
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
    fetch: JoinHandle<()>,
    settle: JoinHandle<()>,
    janitor: JoinHandle<()>,
    follow: JoinHandle<()>,
    /// The loop of the leases ends when this is dropped.
    stop_lease: watch::Sender<()>,
}

impl Loops {
    /// Resolves when one of them has ended, and tells which.
    async fn one_ended(&mut self) -> &'static str {
        select! {
            _ = &mut self.fetch => "fetch",
            _ = &mut self.settle => "settle",
            _ = &mut self.janitor => "janitor",
            _ = &mut self.follow => "sentinels",
            () = self.stop_lease.closed() => "lease",
        }
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.fetch.abort();
        self.settle.abort();
        self.janitor.abort();
        self.follow.abort();
        self.core.running.cut();
        self.core.settle.close();
        self.core.status.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::WorkerConfig, health::NotReady, keys::StreamNames};

    fn loops(fetch: impl Future<Output = ()> + Send + 'static) -> (Loops, watch::Receiver<()>) {
        let names = StreamNames::for_service("test");
        let core = Core::new(WorkerConfig::new("redis://127.0.0.1:1", names)).expect("valid");
        let (stop_lease, stops) = watch::channel(());
        let loops = Loops {
            core: Arc::new(core),
            fetch: tokio::spawn(fetch),
            settle: tokio::spawn(std::future::pending()),
            janitor: tokio::spawn(std::future::pending()),
            follow: tokio::spawn(std::future::pending()),
            stop_lease,
        };
        (loops, stops)
    }

    #[tokio::test]
    async fn a_loop_that_panics_is_named() {
        let (mut loops, lease) = loops(async { panic!("a bug") });
        assert_eq!(loops.one_ended().await, "fetch");
        let core = Arc::clone(&loops.core);
        drop(loops);
        assert_eq!(core.status.readiness(), Err(NotReady::Closed));
        assert!(
            lease.has_changed().is_err(),
            "the lease's loop is told to end"
        );
    }

    #[tokio::test]
    async fn so_is_the_one_with_a_thread_of_its_own() {
        let (mut loops, lease) = loops(std::future::pending());
        drop(lease);
        assert_eq!(loops.one_ended().await, "lease");
    }
}

//! The loop that renews leases, on a thread and a connection of its own: a handler that hogs the
//! worker's runtime keeps its lease all the same.
//!
//! A renewal is carried out on what still belongs to this worker, and on nothing else: one that comes late must not
//! take an entry from the worker that has taken it over. What has lapsed by our own clock is not renewed at all.

use std::{collections::HashSet, io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime, select,
    sync::watch,
    time::{Instant, sleep},
};

use super::core::Core;
use crate::{
    link::Link,
    wire::{EntryId, WireError},
};

/// Renews leases until the sender of `stop` is dropped.
pub(super) fn spawn(
    core: Arc<Core>,
    mut stop: watch::Receiver<()>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().name("lease".into()).spawn(move || {
        runtime.block_on(async {
            let link = core.link("lease");
            select! {
                () = run(core, link) => {}
                _ = stop.changed() => {}
            }
        });
        // A look-up of a name, or of the password's file, may still hang; nobody waits for it any more.
        runtime.shutdown_background();
    })
}

async fn run(core: Arc<Core>, mut link: Link) {
    let running = &core.running;
    // Looks four times in each interval, so that a renewal is late by a quarter of it at most.
    let look = running.renewal() / 4;
    // Before the first lease counts: connecting may take as long as a short one lasts. If it fails, the
    // first renewal will tell.
    let _ = link.connect().await;
    loop {
        running.filled().await;
        sleep(look).await;
        let due = running.due(Instant::now());
        if due.is_empty() {
            continue;
        }
        match renew(&core, &mut link, &due).await {
            Ok(()) => link.succeeded(),
            Err(error) => {
                link.failed(&error);
                // A pause of the usual length might outlast the lease.
                sleep(look.min(Duration::from_millis(100))).await;
            }
        }
    }
}

async fn renew(core: &Core, link: &mut Link, ids: &[EntryId]) -> Result<(), WireError> {
    let connection = link.connect().await?;
    let sent = Instant::now();
    let renewed = core.group.renew(connection, ids).await?;
    core.running.renewed(&renewed, sent);
    core.metrics.leases_renewed.inc_by(renewed.len() as u64);
    let renewed: HashSet<EntryId> = renewed.into_iter().collect();
    let lost = ids.iter().copied().filter(|id| !renewed.contains(id));
    let lost = core.running.lost(lost, sent);
    if lost > 0 {
        tracing::debug!(
            lost,
            "leases were lost: taken over, or withdrawn by their callers"
        );
    }
    Ok(())
}

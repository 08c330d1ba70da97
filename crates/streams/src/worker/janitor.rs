//! The loop that keeps house: announces this worker and its capacity, prunes announcements and
//! consumers of workers that are gone, and looks at the streams for the gauges.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::Core;
use crate::{
    link::Link,
    lock,
    wire::{Announcement, Observation, WireError},
};

/// Between two announcements; several fit into an announcement's lifetime.
const PERIOD: Duration = Duration::from_secs(2);

/// Rounds between two looks at the consumers and at the memory of the streams.
const ROUNDS_PER_SWEEP: u32 = 8;

/// A consumer counts as dead when it has nothing pending and was not heard of for this long, and for
/// many leases.
const CONSUMER_IDLE: Duration = Duration::from_secs(60);
const CONSUMER_IDLE_LEASES: u32 = 6;

/// Runs until it is aborted.
pub(super) async fn run(core: Arc<Core>, mut link: Link) {
    let mut round = 0;
    loop {
        match keep_house(&core, &mut link, round).await {
            Ok(()) => {
                link.succeeded();
                round = round.wrapping_add(1);
                // The first request that is served makes the rate known, and clients need it to admit by.
                let _ = timeout(PERIOD, core.metrics.first_served()).await;
            }
            Err(error) => {
                link.failed(&error);
                link.pause().await;
            }
        }
    }
}

async fn keep_house(core: &Core, link: &mut Link, round: u32) -> Result<(), WireError> {
    let names = &core.group.names;
    let connection = link.connect().await?;
    let announcement = Announcement {
        terminals: u32::try_from(core.terminals()).unwrap_or(u32::MAX),
        mean_work_us: core.metrics.mean_work_us(),
        served: core.metrics.served_total(),
    };
    announcement
        .publish(names, &core.group.consumer, connection)
        .await?;
    let observation = Observation::take(names, connection).await?;
    if !observation.stale.is_empty() {
        Announcement::revoke(names, &observation.stale, connection).await?;
    }
    core.metrics.streams.set_backlog(
        &observation.backlog,
        observation.workers.len(),
        &names.requests,
        &names.dead_letters(),
    );
    if round % ROUNDS_PER_SWEEP == 0 {
        let streams = [
            names.requests.clone(),
            names.responses.clone(),
            names.dead_letters(),
        ];
        for (stream, (entries, bytes)) in streams
            .iter()
            .zip(Observation::measure(connection, &streams).await?)
        {
            core.metrics.streams.set_size(stream, entries, bytes);
        }
        let idle = CONSUMER_IDLE.max(core.group.lease * CONSUMER_IDLE_LEASES);
        for consumer in core.group.idle_consumers(connection, idle).await? {
            let alive = consumer == core.group.consumer
                || observation
                    .workers
                    .iter()
                    .any(|worker| worker.consumer == consumer);
            if !alive && core.group.delete_consumer(connection, &consumer).await? {
                tracing::info!(consumer, "deleted the consumer of a worker that is gone");
            }
        }
    }
    *lock(&core.observation) = Some(observation);
    Ok(())
}

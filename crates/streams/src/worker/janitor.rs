//! The loop that keeps house: announces this worker and its capacity, prunes announcements and
//! consumers of workers that are gone, and looks at the streams and at the server for the gauges.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::core::Core;
use crate::{
    health::WorkerSummary,
    link::Link,
    mutex::lock,
    wire::{Announcement, Connection, Group, Observation, ServerFigures, Size, WireError},
};

/// Between two looks at the hold. Where it is not what was announced, it is announced at once: clients admit by it.
const PERIOD: Duration = Duration::from_millis(500);

/// Rounds between two announcements that say nothing new, and between two looks at the streams; several fit into an
/// announcement's lifetime.
const ROUNDS_PER_LOOK: u32 = 4;

/// Rounds between two looks at the consumers and at the memory of the streams.
const ROUNDS_PER_SWEEP: u32 = 8 * ROUNDS_PER_LOOK;

/// Between two looks at the server's own figures. Not counted in rounds, which stand still while announcements are
/// refused: that is when these figures matter most.
const SERVER_PERIOD: Duration = Duration::from_secs(15);

/// A consumer counts as dead when it has nothing pending and was not heard of for this long, and for
/// many leases.
const CONSUMER_IDLE: Duration = Duration::from_secs(60);
const CONSUMER_IDLE_LEASES: u32 = 6;

/// Most consumers deleted in one round, which must leave time for the next announcement.
const MOST_DELETED: usize = 100;

/// Runs until it is aborted.
pub(super) async fn run(core: Arc<Core>, mut link: Link) {
    let mut round = 0;
    let mut announced = None;
    let mut server_due = Instant::now();
    loop {
        match keep_house(&core, &mut link, round, &mut announced, &mut server_due).await {
            Ok(()) => {
                link.succeeded();
                round = round.wrapping_add(1);
                // The first request that is done with makes the rate known, and clients need it to admit by.
                let _ = timeout(PERIOD, core.running.occupancy.known()).await;
            }
            Err(error) => {
                link.failed(&error);
                if error.needs_reconnect() {
                    core.metrics.streams.forget();
                    round = 0; // Everything is looked at as soon as it can be.
                }
                link.pause().await;
            }
        }
    }
}

async fn keep_house(
    core: &Core,
    link: &mut Link,
    round: u32,
    announced: &mut Option<Announcement>,
    server_due: &mut Instant,
) -> Result<(), WireError> {
    let names = &core.group.names;
    let announcement = announcement(core);
    // After a failure nothing counts as announced, so that the next success is one. Until then rounds stand still, and
    // each of them looks.
    let known = announced.take();
    let look = round.is_multiple_of(ROUNDS_PER_LOOK) || known.is_none();
    if !look && known.is_some_and(|known| !announcement.differs(&known)) {
        *announced = known;
        return Ok(());
    }
    let connection = link.connect().await?;
    // Refused under memory pressure, when it is all the more important to look.
    let published = announce(core, announcement, connection).await;
    *announced = published.is_ok().then_some(announcement);
    if published.as_ref().is_err_and(WireError::needs_reconnect) {
        return published;
    }
    let looked = look_at_server(core, connection, server_due).await;
    if looked.as_ref().is_err_and(WireError::needs_reconnect) {
        return looked;
    }
    let published = published.and(looked);
    if !look {
        return published;
    }
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
    if round.is_multiple_of(ROUNDS_PER_SWEEP) {
        let streams = [
            names.requests.clone(),
            names.responses.clone(),
            names.dead_letters(),
        ];
        let sizes = Size::of_each(connection, &streams).await?;
        for (stream, size) in streams.iter().zip(sizes) {
            core.metrics.streams.set_size(stream, size);
        }
        if observation.has_group {
            delete_dead_consumers(core, connection, &observation.workers).await?;
        }
    }
    *lock(&core.observation) = Some(observation);
    published
}

/// Looks at the server's own figures when it is time. However that ends, the next look has its time again: were the
/// connection to break over each, nothing else would be done here.
async fn look_at_server(
    core: &Core,
    connection: &mut Connection,
    due: &mut Instant,
) -> Result<(), WireError> {
    if Instant::now() < *due {
        return Ok(());
    }
    *due = Instant::now() + SERVER_PERIOD;
    core.metrics
        .server
        .set(ServerFigures::take(connection).await?);
    Ok(())
}

/// Tells what this worker can do. One that drains does nothing more for anybody new.
async fn announce(
    core: &Core,
    announcement: Announcement,
    connection: &mut Connection,
) -> Result<(), WireError> {
    let Group {
        names, consumer, ..
    } = &core.group;
    if core.is_draining() {
        return Announcement::revoke(names, std::slice::from_ref(consumer), connection).await;
    }
    announcement.publish(names, consumer, connection).await
}

fn announcement(core: &Core) -> Announcement {
    Announcement {
        terminals: u32::try_from(core.terminals()).unwrap_or(u32::MAX),
        hold_us: core.running.occupancy.hold_us(),
        served: core.metrics.served.get(),
    }
}

async fn delete_dead_consumers(
    core: &Core,
    connection: &mut Connection,
    alive: &[WorkerSummary],
) -> Result<(), WireError> {
    let idle = CONSUMER_IDLE.max(core.group.lease * CONSUMER_IDLE_LEASES);
    let mut dead = core.group.idle_consumers(connection, idle).await?;
    dead.retain(|consumer| {
        *consumer != core.group.consumer && alive.iter().all(|worker| worker.consumer != *consumer)
    });
    let mut deleted = 0;
    for consumer in dead.iter().take(MOST_DELETED) {
        deleted += usize::from(core.group.delete_consumer(connection, consumer).await?);
    }
    if deleted > 0 {
        tracing::info!(deleted, "deleted the consumers of workers that are gone");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use testbed::RedisServer;

    use super::*;
    use crate::{config::WorkerConfig, error::Fault, keys::StreamNames};

    #[tokio::test]
    async fn while_announcements_are_refused_each_round_looks() {
        let redis = RedisServer::start().await.expect("starts");
        let names = StreamNames::for_service("test");
        let core = Core::new(WorkerConfig::new(redis.url(), names)).expect("valid");
        let mut link = core.link("janitor");
        let no_memory = ["CONFIG", "SET", "maxmemory", "1"];
        redis.command::<()>(&no_memory).await.expect("is set");
        // Not a round that looks of its own accord, and nothing counts as announced since the last refusal.
        let kept = keep_house(&core, &mut link, 1, &mut None, &mut Instant::now()).await;
        assert_eq!(kept.map_err(|error| error.fault), Err(Fault::OutOfMemory));
        assert!(lock(&core.observation).is_some(), "it looked all the same");
    }
}

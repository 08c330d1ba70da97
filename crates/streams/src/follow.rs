//! The loop that asks the sentinels whether another primary was chosen. An old primary may look as well as ever to
//! who is connected to it, while everything that is written there will be lost.

use std::{sync::Arc, time::Duration};

use prometheus::IntCounter;
use tokio::{select, time::sleep};

use crate::{
    status::Status,
    wire::{Connector, Followed, Lead},
};

/// Between two questions. A service is to be back within two seconds of a failover.
const PERIOD: Duration = Duration::from_secs(1);

/// The part of a client or worker that this is.
const PART: &str = "sentinels";

/// Runs until it is aborted. Without sentinels it has nothing to do.
pub(crate) async fn follow(connector: Connector, status: Arc<Status>, failovers: IntCounter) {
    if !connector.has_sentinels() {
        return std::future::pending().await;
    }
    select! {
        () = look(&connector, &status) => {}
        () = tell(connector.followed(), &failovers) => {}
    }
}

async fn look(connector: &Connector, status: &Status) {
    loop {
        match connector.look().await {
            Ok(()) => status.up(PART),
            // What is connected serves on.
            Err(error) => status.fault(PART, &error),
        }
        sleep(PERIOD).await;
    }
}

/// Counts and logs each change of the primary, whichever connection found it.
async fn tell(mut followed: Followed, failovers: &IntCounter) {
    let mut before: Option<Lead> = None;
    loop {
        let now = followed.borrow_and_update().clone();
        if let (Some(before), Some(now)) = (&before, &now)
            && let (Some(from), Some(to)) = (&before.primary, &now.primary)
            && !from.is_at(to)
        {
            failovers.inc();
            tracing::warn!(
                part = PART,
                %from,
                %to,
                "the sentinels name another primary; all connections follow, what only the old one had is lost"
            );
        }
        before = now;
        if followed.changed().await.is_err() {
            return;
        }
    }
}

//! A connection that one loop holds: opened when needed, given up when it is of no more use, with a
//! growing and jittered pause between failures so that no fault becomes a hot loop.

use std::{sync::Arc, time::Duration};

use common::retry::Backoff;
use tokio::time::sleep;

use crate::{
    error::Fault,
    metrics::LinkMetrics,
    status::Status,
    wire::{Connection, Connector, Followed, WireError},
};

/// The pauses after a failure: full jitter below 50 ms at first, below 1 s at most. The floor keeps a
/// fault that answers at once from being tried without a pause.
const BACKOFF: Backoff = {
    let backoff = match Backoff::new(Duration::from_millis(50), Duration::from_secs(1)) {
        Ok(backoff) => backoff.with_floor(Duration::from_millis(5)),
        Err(refused) => Err(refused),
    };
    match backoff {
        Ok(backoff) => backoff,
        // Checked when this is compiled.
        Err(_) => panic!("the bounds of the backoff contradict each other"),
    }
};

/// How long to wait after so many failures in a row.
pub(crate) fn pause_after(failures: u32) -> Duration {
    BACKOFF.delay(failures.saturating_sub(1))
}

/// What a loop needs to talk to Redis.
pub(crate) struct Link {
    part: &'static str,
    connector: Connector,
    status: Arc<Status>,
    metrics: LinkMetrics,
    followed: Followed,
    connection: Option<Connection>,
    failures: u32,
    connected_before: bool,
    proven: bool,
}

impl Link {
    pub(crate) fn new(
        part: &'static str,
        connector: &Connector,
        status: &Arc<Status>,
        metrics: &LinkMetrics,
    ) -> Self {
        // Shows as zero from the start, so that the first reconnect is seen as a rise.
        metrics.reconnects.with_label_values(&[part]);
        Self {
            part,
            connector: connector.clone(),
            status: Arc::clone(status),
            metrics: metrics.clone(),
            followed: connector.followed(),
            connection: None,
            failures: 0,
            connected_before: false,
            proven: false,
        }
    }

    /// The open connection, or one attempt to open it.
    pub(crate) async fn connect(&mut self) -> Result<&mut Connection, WireError> {
        if !self.is_open() {
            self.connection = None;
            self.proven = false;
            let connection = self.connector.open(self.part).await?;
            if self.connected_before {
                self.metrics
                    .reconnects
                    .with_label_values(&[self.part])
                    .inc();
            }
            self.connected_before = true;
            self.connection = Some(connection);
        }
        self.connection()
    }

    /// Whether there is a connection that [`connect`](Self::connect) would give as it is.
    pub(crate) fn is_open(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.leads_to(&self.followed))
    }

    /// Whether something succeeded on the connection since it was opened and since the last failure.
    /// Before that, what the loop knew of the server may no longer hold.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// The connection that [`connect`](Self::connect) gave, for the further commands of the same round:
    /// a new one in the middle of it would not know what the first commands found.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, WireError> {
        self.connection
            .as_mut()
            .ok_or_else(|| WireError::new(Fault::Disconnected, "no connection"))
    }

    /// The last commands succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.proven = true;
        // Each time: others may have met a fault of this part in the meantime.
        self.status.up(self.part);
    }

    /// Something failed: notes it, and gives the connection up where it is of no more use.
    pub(crate) fn failed(&mut self, error: &WireError) {
        self.failures = self.failures.saturating_add(1);
        self.proven = false;
        self.status.fault(self.part, error);
        if error.needs_reconnect() {
            self.connection = None;
        }
    }

    /// Waits before the next attempt; longer after each failure in a row.
    pub(crate) async fn pause(&self) {
        sleep(pause_after(self.failures)).await;
    }

    /// Resolves when another server took over from the one this connection leads to.
    pub(crate) fn overtaken(&self) -> impl Future<Output = WireError> + use<> {
        let mut followed = self.followed.clone();
        let run_id = self
            .connection
            .as_ref()
            .map(|connection| connection.server.run_id.clone());
        async move {
            let moved = followed
                .wait_for(|lead| {
                    run_id.is_some()
                        && lead.as_ref().map(|lead| &lead.server.run_id) != run_id.as_ref()
                })
                .await
                .is_ok();
            if !moved {
                std::future::pending::<()>().await;
            }
            WireError::new(Fault::Disconnected, "another server took over")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RedisConfig;

    /// As the observer does for the writer while the circuit is open.
    #[test]
    fn a_success_ends_a_fault_that_others_met_of_this_part() {
        let metrics = LinkMetrics::register(&prometheus::Registry::new(), "writer").expect("new");
        let status = Arc::new(Status::new(&[]));
        let connector = Connector::new(RedisConfig::new("redis://127.0.0.1:1"), "test");
        let mut link = Link::new("writer", &connector, &status, &metrics);
        link.succeeded();
        status.fault("writer", &WireError::new(Fault::Timeout, "slow"));
        link.succeeded();
        assert_eq!(status.fault_of("writer"), None);
    }
}

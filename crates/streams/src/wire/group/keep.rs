//! Keeping what was taken, and giving it back.

use std::time::Duration;

use redis::Value;

use super::{Group, PendingEntry, millis};
use crate::wire::{
    Connection, EntryId, WireError,
    entry::{array, text},
    fault::checked,
};

impl Group {
    /// Renews the lease of these entries and gives back those that it renewed. One that was touched less
    /// than `untouched_for` ago it leaves alone: that may have been another consumer.
    pub(crate) async fn renew(
        &self,
        connection: &mut Connection,
        ids: &[EntryId],
        untouched_for: Duration,
    ) -> Result<Vec<EntryId>, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("XCLAIM")
            .arg(&self.names.requests)
            .arg(&self.names.group)
            .arg(&self.consumer);
        pipe.arg(millis(untouched_for)).arg(ids).arg("JUSTID");
        array(checked(connection.one(&pipe).await?)?)?
            .into_iter()
            .filter(|id| *id != Value::Nil)
            .map(|id| text(id)?.parse())
            .collect()
    }

    /// Makes entries that were not finished claimable at once, as if this delivery had not been.
    pub(crate) async fn hand_back(
        &self,
        connection: &mut Connection,
        pending: &[PendingEntry],
    ) -> Result<(), WireError> {
        let mut pipe = redis::pipe();
        for row in pending {
            pipe.cmd("XCLAIM")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(&self.consumer);
            pipe.arg(0).arg(row.id).arg("IDLE").arg(millis(self.lease));
            pipe.arg("RETRYCOUNT")
                .arg(row.deliveries.saturating_sub(1))
                .arg("JUSTID");
        }
        for answer in connection.send(&pipe).await? {
            checked(answer)?;
        }
        Ok(())
    }
}

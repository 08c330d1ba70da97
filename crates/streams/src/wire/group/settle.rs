//! Settling what was taken: reply, delete, acknowledge.

use std::time::Duration;

use redis::{Pipeline, Value};
use uuid::Uuid;

use super::{Group, millis};
use crate::wire::{
    Connection, EntryId, WireError,
    entry::{array, count},
    fault::checked,
};

/// A finished piece of work on its way out.
#[derive(Debug)]
pub(crate) struct Settled<'a> {
    pub entry: EntryId,
    /// The stream, the request and the envelope of the reply; `None` where nobody waits for one.
    pub reply: Option<(&'a str, Uuid, &'a [u8])>,
    /// Whether the request is still to be deleted and acknowledged.
    pub ack: bool,
}

/// How a batch was taken.
#[derive(Debug)]
pub(crate) struct SettledBatch {
    /// The reply streams that refused, and why: those replies are still to be written.
    pub refused: Vec<(String, WireError)>,
    /// How many of the acknowledged requests were still pending.
    pub removed: u64,
    /// Why nothing was acknowledged.
    pub ack_failed: Option<WireError>,
}

impl Group {
    /// Writes replies, then deletes and acknowledges the requests they answer, in one write.
    /// The order matters in a crash: a request may be answered twice, never lost unanswered.
    pub(crate) async fn settle(
        &self,
        connection: &mut Connection,
        batch: &[Settled<'_>],
        reply_retention: Duration,
    ) -> Result<SettledBatch, WireError> {
        let mut pipe = redis::pipe();
        let mut streams: Vec<&str> = batch
            .iter()
            .filter_map(|item| item.reply.map(|(stream, ..)| stream))
            .collect();
        streams.sort_unstable();
        streams.dedup();
        let mut name = [0; uuid::fmt::Hyphenated::LENGTH];
        for stream in &streams {
            pipe.cmd("XADD").arg(stream).arg("*");
            for (_, id, value) in batch
                .iter()
                .filter_map(|item| item.reply)
                .filter(|(to, ..)| to == stream)
            {
                pipe.arg(&*id.hyphenated().encode_lower(&mut name))
                    .arg(value);
            }
        }
        let acked: Vec<EntryId> = batch
            .iter()
            .filter(|item| item.ack)
            .map(|item| item.entry)
            .collect();
        let with_delete = connection.server.acks_with_delete();
        if !acked.is_empty() {
            self.delete_and_ack(&mut pipe, &acked, with_delete);
        }
        for stream in streams
            .iter()
            .filter(|stream| self.names.is_dedicated(stream))
        {
            pipe.cmd("PEXPIRE").arg(stream).arg(millis(reply_retention));
        }
        let mut answers = connection.send(&pipe).await?.into_iter();

        let mut refused = Vec::new();
        for stream in &streams {
            if let Err(error) = checked(answers.next().unwrap_or_default()) {
                refused.push(((*stream).to_owned(), error));
            }
        }
        let mut settled = SettledBatch {
            refused,
            removed: 0,
            ack_failed: None,
        };
        if !acked.is_empty() {
            match self
                .removed(connection, &mut answers, &acked, with_delete)
                .await
            {
                Ok(removed) => settled.removed = removed,
                Err(error) => settled.ack_failed = Some(error),
            }
        }
        Ok(settled)
    }

    fn delete_and_ack(&self, pipe: &mut Pipeline, ids: &[EntryId], with_delete: bool) {
        if with_delete {
            pipe.cmd("XACKDEL")
                .arg(&self.names.requests)
                .arg(&self.names.group);
            pipe.arg("IDS").arg(ids.len()).arg(ids);
        } else {
            // Delete first: a crash in between leaves a reference that a sweep purges, while the other
            // order would leave an entry that no worker is ever given again.
            pipe.cmd("XDEL").arg(&self.names.requests).arg(ids);
            pipe.cmd("XACK")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(ids);
        }
    }

    /// How many of `acked` were still pending. What `XACKDEL` did not find pending it did not delete
    /// either: the group may have been lost, so those are deleted here.
    async fn removed(
        &self,
        connection: &mut Connection,
        answers: &mut impl Iterator<Item = Value>,
        acked: &[EntryId],
        with_delete: bool,
    ) -> Result<u64, WireError> {
        let first = checked(answers.next().unwrap_or_default());
        if !with_delete {
            let acks = checked(answers.next().unwrap_or_default())?;
            first?;
            return count(&acks);
        }
        let outcomes = array(first?)?;
        let missed: Vec<EntryId> = acked
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Value::Int(-1))
            .map(|(id, _)| *id)
            .collect();
        if !missed.is_empty() {
            let mut pipe = redis::pipe();
            pipe.cmd("XDEL").arg(&self.names.requests).arg(&missed);
            checked(connection.one(&pipe).await?)?;
        }
        Ok((acked.len() - missed.len()) as u64)
    }
}

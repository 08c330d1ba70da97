//! Every command of the consumer group, and nothing else issues one.
//!
//! Taking work: `XREADGROUP` (with `CLAIM` where there is one), `XPENDING`, `XCLAIM`. Keeping it:
//! `XCLAIM … JUSTID`. Settling it: the reply's `XADD`, then delete and acknowledge, in one write.
//! Giving it back: `XCLAIM … IDLE … RETRYCOUNT … JUSTID`.

use std::time::Duration;

use redis::{Pipeline, Value};
use uuid::Uuid;

use super::{
    Connection, Entry, EntryId, WireError,
    entry::{array, count, entries, integer, redis_time, streams, text},
    fault::checked,
};
use crate::{error::Fault, keys::StreamNames};

/// The group as one consumer uses it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub names: StreamNames,
    pub consumer: String,
    pub lease: Duration,
}

/// An entry that the server gave to this consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub entry: Entry,
    /// How often the entry was delivered, this delivery included.
    pub deliveries: u64,
}

/// What one fetch brought, and Redis's clock right behind it: the lease of each delivery starts then.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub deliveries: Vec<Delivery>,
    pub redis_time: Duration,
}

/// A row of `XPENDING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PendingEntry {
    pub id: EntryId,
    /// How long nobody touched it.
    pub idle: Duration,
    /// How often it has been delivered.
    pub deliveries: u64,
}

/// A finished piece of work on its way out.
#[derive(Debug)]
pub(crate) struct Settled<'a> {
    pub entry: EntryId,
    /// The stream, the request and the envelope of the reply; `None` where nobody waits for one.
    pub reply: Option<(&'a str, Uuid, &'a [u8])>,
    /// Whether the request is still to be deleted and acknowledged.
    pub ack: bool,
}

/// Whose pending entries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Everybodys,
    Own,
}

/// What a claim does to the delivery count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recount {
    /// This is one more delivery.
    Next,
    /// The delivery before never arrived, so this is the same one.
    Same,
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

/// Deletes a consumer unless something is pending for it; between the check and the deletion nothing
/// can be delivered to it, or those entries would be lost to the group.
///
/// KEYS\[1\] the request stream. ARGV\[1\] the group, ARGV\[2\] the consumer.
/// Returns 1 if the consumer is gone, 0 if something is pending for it.
const DELETE_CONSUMER: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1";

impl Group {
    /// Creates the group from the start of the stream, and the stream where it is missing; an existing
    /// group is left alone. Tells whether it was missing. From `0`, not `$`: what was added while there
    /// was no group must be served.
    pub(crate) async fn create(
        names: &StreamNames,
        connection: &mut Connection,
    ) -> Result<bool, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("XGROUP")
            .arg("CREATE")
            .arg(&names.requests)
            .arg(&names.group)
            .arg("0")
            .arg("MKSTREAM");
        match connection.one(&pipe).await? {
            Value::ServerError(error) if error.code() == "BUSYGROUP" => Ok(false),
            answer => checked(answer).map(|_ok| true),
        }
    }

    /// Reads up to `most` entries, waiting up to `block` for the first, or not at all. On servers with
    /// `CLAIM` this brings entries whose lease lapsed, first, together with new ones, if it is to `take_over`.
    pub(crate) async fn read(
        &self,
        connection: &mut Connection,
        most: usize,
        block: Option<Duration>,
        take_over: bool,
    ) -> Result<Fetched, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("XREADGROUP")
            .arg("GROUP")
            .arg(&self.names.group)
            .arg(&self.consumer);
        pipe.arg("COUNT").arg(most);
        if let Some(block) = block {
            // 0 would wait for ever.
            pipe.arg("BLOCK").arg(millis(block).max(1));
        }
        if take_over && connection.server.reads_with_claim() {
            pipe.arg("CLAIM").arg(millis(self.lease));
        }
        pipe.arg("STREAMS").arg(&self.names.requests).arg(">");
        let (answer, redis_time) = timed(connection, pipe).await?;
        let deliveries = streams(answer)?
            .into_iter()
            .map(|entry| Delivery {
                deliveries: entry.deliveries_before.unwrap_or(0) + 1,
                entry,
            })
            .collect();
        Ok(Fetched {
            deliveries,
            redis_time,
        })
    }

    /// Up to `most` pending entries, the oldest first, of all consumers or of this one, that were not
    /// touched for at least `idle`.
    pub(crate) async fn pending(
        &self,
        connection: &mut Connection,
        whose: Whose,
        idle: Duration,
        most: usize,
    ) -> Result<Vec<PendingEntry>, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("XPENDING")
            .arg(&self.names.requests)
            .arg(&self.names.group);
        pipe.arg("IDLE")
            .arg(millis(idle))
            .arg("-")
            .arg("+")
            .arg(most);
        if whose == Whose::Own {
            pipe.arg(&self.consumer);
        }
        array(checked(connection.one(&pipe).await?)?)?
            .into_iter()
            .map(|row| {
                let row = array(row)?;
                let [id, _consumer, idle, deliveries] = row.as_slice() else {
                    return Err(WireError::unexpected("XPENDING"));
                };
                Ok(PendingEntry {
                    id: text(id.clone())?.parse()?,
                    idle: Duration::from_millis(count(idle)?),
                    deliveries: count(deliveries)?,
                })
            })
            .collect()
    }

    /// Takes these entries over if they are still idle for `idle`. `recount` says what the delivery
    /// count becomes. References to entries that are gone are purged on the way: Redis does so itself
    /// from 7.0 on, before that they are acknowledged here.
    pub(crate) async fn claim(
        &self,
        connection: &mut Connection,
        pending: &[PendingEntry],
        idle: Duration,
        recount: Recount,
    ) -> Result<Fetched, WireError> {
        let mut pipe = redis::pipe();
        // Before the claims, so that no lease seems to start later than it did.
        pipe.cmd("TIME");
        for row in pending {
            pipe.cmd("XCLAIM")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(&self.consumer);
            pipe.arg(millis(idle)).arg(row.id);
            if recount == Recount::Same {
                pipe.arg("RETRYCOUNT").arg(row.deliveries);
            }
        }
        let mut answers = connection.send(&pipe).await?.into_iter();
        let redis_time = redis_time(answers.next().unwrap_or_default())?;
        let (mut deliveries, mut gone) = (Vec::with_capacity(pending.len()), Vec::new());
        for (row, answer) in pending.iter().zip(answers) {
            if answer == Value::Array(vec![Value::Nil]) {
                gone.push(row.id);
                continue;
            }
            let now = row.deliveries + u64::from(recount == Recount::Next);
            deliveries.extend(entries(answer)?.into_iter().map(|entry| Delivery {
                entry,
                deliveries: now,
            }));
        }
        if !gone.is_empty() {
            let mut pipe = redis::pipe();
            pipe.cmd("XACK")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(&gone);
            checked(connection.one(&pipe).await?)?;
        }
        Ok(Fetched {
            deliveries,
            redis_time,
        })
    }

    /// Renews the lease of these entries and gives back those that are still this consumer's. An entry
    /// that was touched less than `untouched_for` ago is not this consumer's any more.
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

    /// Deletes this consumer, or a dead one, unless something is pending for it.
    pub(crate) async fn delete_consumer(
        &self,
        connection: &mut Connection,
        consumer: &str,
    ) -> Result<bool, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("EVAL")
            .arg(DELETE_CONSUMER)
            .arg(1)
            .arg(&self.names.requests)
            .arg(&self.names.group)
            .arg(consumer);
        Ok(integer(&checked(connection.one(&pipe).await?)?)? == 1)
    }

    /// The consumers that have nothing pending and were idle for at least `idle`.
    pub(crate) async fn idle_consumers(
        &self,
        connection: &mut Connection,
        idle: Duration,
    ) -> Result<Vec<String>, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("XINFO")
            .arg("CONSUMERS")
            .arg(&self.names.requests)
            .arg(&self.names.group);
        let mut dead = Vec::new();
        for consumer in array(checked(connection.one(&pipe).await?)?)? {
            let (mut name, mut pending, mut idle_ms) = (String::new(), 0, 0);
            let mut fields = array(consumer)?.into_iter();
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                match text(field)?.as_str() {
                    "name" => name = text(value)?,
                    "pending" => pending = count(&value)?,
                    "idle" => idle_ms = count(&value)?,
                    _ => {}
                }
            }
            if pending == 0 && u128::from(idle_ms) >= idle.as_millis() {
                dead.push(name);
            }
        }
        Ok(dead)
    }

    /// The id by which [`unblock`](Self::unblock) can end a blocked read on this connection; none where
    /// the ACL forbids to ask. A drain then cannot wake the read and cuts it after a while.
    pub(crate) async fn client_id(connection: &mut Connection) -> Result<Option<i64>, WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("CLIENT").arg("ID");
        match checked(connection.one(&pipe).await?) {
            Ok(id) => integer(&id).map(Some),
            Err(error) if error.fault == Fault::NoPermission => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the blocked read of another connection as if its time were up.
    pub(crate) async fn unblock(
        connection: &mut Connection,
        client_id: i64,
    ) -> Result<(), WireError> {
        let mut pipe = redis::pipe();
        pipe.cmd("CLIENT").arg("UNBLOCK").arg(client_id);
        checked(connection.one(&pipe).await?).map(drop)
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

/// Sends one command with `TIME` behind it in the same write: the time tells when Redis carried the
/// command out, however late the answer is read.
async fn timed(
    connection: &mut Connection,
    mut pipe: Pipeline,
) -> Result<(Value, Duration), WireError> {
    pipe.cmd("TIME");
    let answers = connection.send(&pipe).await?;
    let [answer, time] =
        <[Value; 2]>::try_from(answers).map_err(|_| WireError::unexpected("a pipeline"))?;
    Ok((checked(answer)?, redis_time(time)?))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! Settling what was taken: reply, delete, acknowledge, all in one transaction.
//!
//! A transaction is refused as a whole where Redis refuses one of its commands as it comes: out of memory, or without
//! a right. Then a request stays on its stream, pending, as long as its reply has not been taken, and if its worker
//! dies meanwhile another one does the work again. What was refused as a whole is tried once more reply by reply
//! ([`one_by_one`](super::one_by_one)).
//!
//! A refused reply is kept by its worker alone, and lost with it, where Redis finds the fault only as it carries the
//! commands out, since it carries out the others all the same: the reply stream is a key of another type. So it is
//! without the right to `MULTI`, where the same commands go out as they are.

use std::time::Duration;

use uuid::Uuid;

use super::{Group, millis};
use crate::wire::{
    Connection, EntryId, WireError,
    answer::{array, count},
    fault::checked,
    resp::{Commands, Value},
    transaction::carried_out,
};

/// A finished piece of work on its way out.
#[derive(Debug)]
pub(crate) struct Settled<'a> {
    pub entry: EntryId,
    /// `None` where nobody waits for one.
    pub reply: Option<SettledReply<'a>>,
    /// Whether the request is still to be deleted and acknowledged.
    pub ack: bool,
}

/// A reply and the stream that it goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledReply<'a> {
    pub stream: &'a str,
    pub request: Uuid,
    pub envelope: &'a [u8],
}

/// What settles a batch: the same for the commands that go out and for what their answers mean.
#[derive(Debug)]
pub(crate) struct Settlement<'a> {
    pub(super) batch: &'a [Settled<'a>],
    /// Where the replies go, each stream once.
    pub(super) streams: Vec<&'a str>,
    /// The requests that are deleted and acknowledged.
    acked: Vec<EntryId>,
    /// Whether one command does both.
    pub(super) with_delete: bool,
}

/// How a batch was taken.
#[derive(Debug, Default)]
pub(crate) struct SettledBatch {
    /// The replies that were refused: they are still to be written.
    pub refused: Vec<RefusedReply>,
    /// How many of the acknowledged requests were still pending.
    pub removed: u64,
    /// Requests that `XACKDEL` did not find pending, and did not delete either: the group may have been lost. They are
    /// still to be deleted.
    pub missed: Vec<EntryId>,
    /// Requests that are still to be deleted and acknowledged.
    pub not_acked: Vec<EntryId>,
    /// Why, where there are any.
    pub ack_failed: Option<WireError>,
}

/// A reply that Redis did not take.
#[derive(Debug)]
pub(crate) struct RefusedReply {
    pub entry: EntryId,
    pub error: WireError,
}

/// How Redis answered a batch.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It carried the commands out, if not each with success.
    CarriedOut(SettledBatch),
    /// It refused the transaction, and carried nothing out.
    Refused(WireError),
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
        let settlement = Settlement::of(batch, connection);
        let mut commands = settlement.room();
        self.settling(&mut commands, &settlement, reply_retention);
        let answers = connection.send(commands).await?;
        match settlement.answered(answers)? {
            Answered::CarriedOut(settled) => Ok(self.delete_missed(connection, settled).await),
            Answered::Refused(refusal) => {
                self.settle_one_by_one(connection, &settlement, reply_retention, refusal)
                    .await
            }
        }
    }

    /// Adds the commands that settle a batch.
    pub(super) fn settling(
        &self,
        commands: &mut Commands,
        settlement: &Settlement<'_>,
        reply_retention: Duration,
    ) {
        let Settlement {
            batch,
            streams,
            acked,
            with_delete,
        } = settlement;
        if settlement.is_transaction() {
            commands.cmd("MULTI");
        }
        for stream in streams {
            commands.cmd("XADD").arg(stream).arg("*");
            let replies = batch.iter().filter_map(|item| item.reply);
            for reply in replies.filter(|reply| reply.stream == *stream) {
                commands.arg(reply.request).arg(reply.envelope);
            }
        }
        if !acked.is_empty() {
            self.delete_and_ack(commands, acked, *with_delete);
        }
        self.retain(commands, streams, reply_retention);
        if settlement.is_transaction() {
            commands.cmd("EXEC");
        }
    }

    /// Keeps reply streams of single clients for so long beyond their last reply.
    pub(super) fn retain(
        &self,
        commands: &mut Commands,
        streams: &[&str],
        reply_retention: Duration,
    ) {
        let dedicated = streams
            .iter()
            .filter(|stream| self.names.is_dedicated(stream));
        for stream in dedicated {
            commands
                .cmd("PEXPIRE")
                .arg(stream)
                .arg(millis(reply_retention));
        }
    }

    pub(super) fn delete_and_ack(
        &self,
        commands: &mut Commands,
        ids: &[EntryId],
        with_delete: bool,
    ) {
        if with_delete {
            commands
                .cmd("XACKDEL")
                .arg(&self.names.requests)
                .arg(&self.names.group);
            commands.arg("IDS").arg(ids.len()).arg(ids);
        } else {
            // Delete first: a crash in between leaves a reference that a sweep purges, while the other
            // order would leave an entry that no worker is ever given again.
            commands.cmd("XDEL").arg(&self.names.requests).arg(ids);
            commands
                .cmd("XACK")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(ids);
        }
    }

    /// Deletes what an acknowledgement that deletes did not find pending.
    pub(super) async fn delete_missed(
        &self,
        connection: &mut Connection,
        mut settled: SettledBatch,
    ) -> SettledBatch {
        if settled.missed.is_empty() {
            return settled;
        }
        let mut commands = Commands::new();
        commands
            .cmd("XDEL")
            .arg(&self.names.requests)
            .arg(&settled.missed[..]);
        match connection.one(commands).await.and_then(checked) {
            Ok(_deleted) => settled.missed.clear(),
            Err(error) => settled.leave_missed(error),
        }
        settled
    }
}

impl<'a> Settlement<'a> {
    /// On the server of this connection.
    pub(crate) fn of(batch: &'a [Settled<'a>], connection: &Connection) -> Self {
        Self::new(batch, connection.server.acks_with_delete())
    }

    fn new(batch: &'a [Settled<'a>], with_delete: bool) -> Self {
        let acked = batch.iter().filter(|item| item.ack);
        Self {
            batch,
            streams: reply_streams(batch),
            acked: acked.map(|item| item.entry).collect(),
            with_delete,
        }
    }

    /// No commands, with room for those that settle and a read.
    pub(super) fn room(&self) -> Commands {
        /// About what the words beside a reply take, and its acknowledgement.
        const BESIDE: usize = 64;
        let replies = self.batch.iter().filter_map(|item| item.reply);
        let replies: usize = replies.map(|reply| reply.envelope.len() + BESIDE).sum();
        Commands::with_capacity(replies + BESIDE * (self.batch.len() + 8))
    }

    /// What the answers to the commands say.
    pub(super) fn answered(&self, mut answers: Vec<Value>) -> Result<Answered, WireError> {
        if self.is_transaction() {
            match carried_out(answers)? {
                Ok(of_the_commands) => answers = of_the_commands,
                Err(refusal) => return Ok(Answered::Refused(refusal)),
            }
        }
        let mut answers = answers.into_iter();
        let mut settled = SettledBatch::default();
        for stream in &self.streams {
            if let Err(error) = checked(answers.next().unwrap_or_default()) {
                let to_it = self.batch.iter().filter(|item| item.replies_to(stream));
                settled.refused.extend(to_it.map(|item| RefusedReply {
                    entry: item.entry,
                    error: error.clone(),
                }));
            }
        }
        if !self.acked.is_empty() {
            settled.acknowledged(&mut answers, &self.acked, self.with_delete);
        }
        Ok(Answered::CarriedOut(settled))
    }

    fn is_transaction(&self) -> bool {
        !self.streams.is_empty() && !self.acked.is_empty()
    }
}

impl SettledBatch {
    /// Takes the answers to what deletes and acknowledges these.
    pub(super) fn acknowledged(
        &mut self,
        answers: &mut impl Iterator<Item = Value>,
        acked: &[EntryId],
        with_delete: bool,
    ) {
        match removed(answers, acked, with_delete) {
            Ok((removed, missed)) => {
                self.removed += removed;
                self.missed = missed;
            }
            Err(error) => self.leave(acked, error),
        }
    }

    /// What was not found pending is not deleted now, for this reason.
    pub(crate) fn leave_missed(&mut self, error: WireError) {
        let missed = std::mem::take(&mut self.missed);
        self.leave(&missed, error);
    }

    /// These are still to be deleted and acknowledged, for this reason.
    pub(super) fn leave(&mut self, entries: &[EntryId], error: WireError) {
        self.not_acked.extend(entries);
        self.ack_failed.get_or_insert(error);
    }
}

impl Settled<'_> {
    fn replies_to(&self, stream: &str) -> bool {
        self.reply.is_some_and(|reply| reply.stream == stream)
    }
}

/// How many of these were still pending, by the answers to what deletes and acknowledges them, and which of them
/// `XACKDEL` missed.
fn removed(
    answers: &mut impl Iterator<Item = Value>,
    acked: &[EntryId],
    with_delete: bool,
) -> Result<(u64, Vec<EntryId>), WireError> {
    let first = checked(answers.next().unwrap_or_default());
    if !with_delete {
        let acks = checked(answers.next().unwrap_or_default())?;
        first?;
        return Ok((count(&acks)?, Vec::new()));
    }
    let outcomes = array(first?)?;
    let missed = acked.iter().zip(&outcomes);
    let missed = missed.filter(|(_, outcome)| **outcome == Value::Int(-1));
    let missed: Vec<EntryId> = missed.map(|(id, _)| *id).collect();
    Ok(((acked.len() - missed.len()) as u64, missed))
}

/// Where the replies of a batch go, each stream once.
fn reply_streams<'a>(batch: &[Settled<'a>]) -> Vec<&'a str> {
    let mut streams: Vec<&str> = Vec::new();
    for reply in batch.iter().filter_map(|item| item.reply) {
        // Mostly it is the same for all.
        if streams.last() != Some(&reply.stream) {
            streams.push(reply.stream);
        }
    }
    streams.sort_unstable();
    streams.dedup();
    streams
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    const fn id(seq: u64) -> EntryId {
        EntryId { ms: 1, seq }
    }

    fn batch() -> [Settled<'static>; 3] {
        [1, 2, 3].map(|seq| Settled {
            entry: id(seq),
            reply: None,
            ack: true,
        })
    }

    fn carried_out(answers: Vec<Value>, with_delete: bool) -> SettledBatch {
        match Settlement::new(&batch(), with_delete).answered(answers) {
            Ok(Answered::CarriedOut(settled)) => settled,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_one_request_has_become_is_no_matter_of_the_others() {
        let outcomes = Value::Array([1, -1, 1].map(Value::Int).into());
        let mut settled = carried_out(vec![outcomes], true);
        assert_eq!((settled.removed, &settled.missed[..]), (2, &[id(2)][..]));
        settled.leave_missed(WireError::new(Fault::NoGroup, "gone"));
        assert_eq!((settled.removed, &settled.not_acked[..]), (2, &[id(2)][..]));
    }

    #[test]
    fn a_refused_acknowledgement_leaves_all_of_them() {
        let no = Value::Error("NOPERM this user has no permissions".into());
        let settled = carried_out(vec![Value::Int(3), no], false);
        assert_eq!((settled.removed, settled.not_acked.len()), (0, 3));
        let why = settled.ack_failed.map(|error| error.fault);
        assert_eq!(why, Some(Fault::NoPermission));
    }
}

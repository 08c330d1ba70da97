//! Reading what is new, and settling on the way what was done since the last read: both go out in one write, so that
//! Redis and the worker wake up once for them.
//!
//! The settling goes first. Redis carries it out and answers it before the read begins to wait, so that it is known
//! what became of it long before the read is over. Then no other command fits on the connection: what Redis refused is
//! for whoever has another one.

use std::time::Duration;

use super::{
    Group, millis,
    settle::{Answered, Settlement},
    take::{Delivery, Fetched},
};
use crate::wire::{Connection, WireError, answer::redis_time, entry::streams, fault::checked};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// Most entries.
    pub most: usize,
    /// How long to wait for the first, if at all.
    pub block: Option<Duration>,
    /// Whether what lapsed elsewhere is taken over, before what is new, where the server can do both (`CLAIM`).
    pub take_over: bool,
}

/// A read that was sent, with what was to be settled on the way.
#[derive(Debug)]
#[must_use = "its answers would be taken for those to the next commands"]
pub(crate) struct Reading {
    /// The answers to what was settled.
    ahead: usize,
    /// How long the server may wait before it answers the read.
    block: Duration,
}

impl Group {
    /// Sends a read, and before it what settles a batch, which may be empty.
    pub(crate) async fn read(
        &self,
        connection: &mut Connection,
        read: Read,
        settlement: &Settlement<'_>,
        reply_retention: Duration,
    ) -> Result<Reading, WireError> {
        let mut commands = settlement.room();
        self.settling(&mut commands, settlement, reply_retention);
        let ahead = commands.count();
        commands
            .cmd("XREADGROUP")
            .arg("GROUP")
            .arg(&self.names.group)
            .arg(&self.consumer);
        commands.arg("COUNT").arg(read.most);
        if let Some(block) = read.block {
            // 0 would wait for ever.
            commands.arg("BLOCK").arg(millis(block).max(1));
        }
        if read.take_over && connection.server.reads_with_claim() {
            commands.arg("CLAIM").arg(millis(self.lease));
        }
        commands.arg("STREAMS").arg(&self.names.requests).arg(">");
        // Tells when Redis carried the read out, however late its answer is read.
        commands.cmd("TIME");
        connection.begin(commands).await?;
        Ok(Reading {
            ahead,
            block: read.block.unwrap_or_default(),
        })
    }
}

impl Reading {
    /// What became of the batch that was settled on the way.
    pub(crate) async fn settled(
        &self,
        connection: &mut Connection,
        settlement: &Settlement<'_>,
    ) -> Result<Answered, WireError> {
        let answers = connection.answers(self.ahead, Duration::ZERO).await?;
        settlement.answered(answers)
    }

    /// What was read. Asked for last, when what was settled is known.
    pub(crate) async fn fetched(self, connection: &mut Connection) -> Result<Fetched, WireError> {
        let answers = connection.answers(2, self.block).await?;
        let mut answers = answers.into_iter();
        let time = answers.next_back().unwrap_or_default();
        let read = checked(answers.next_back().unwrap_or_default())?;
        let deliveries = streams(read)?
            .into_iter()
            .map(|entry| Delivery {
                deliveries: entry.deliveries_before.unwrap_or(0) + 1,
                entry,
            })
            .collect();
        Ok(Fetched {
            deliveries,
            redis_time: redis_time(time)?,
        })
    }
}

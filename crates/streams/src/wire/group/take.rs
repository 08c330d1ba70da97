//! Taking what is pending: what another worker let lapse, and what never arrived here.

use std::time::Duration;

use super::{Group, keep::OwnClaim, millis};
use crate::wire::{
    Connection, Entry, EntryId, WireError,
    answer::{array, count, redis_time},
    entry::{deliveries, entries, entry_id},
    fault::checked,
    resp::{Commands, Value},
};

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

/// Whose pending entries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Everybodys,
    Own,
}

/// What a claim takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// What nobody touched for a lease, as one more delivery.
    Lapsed,
    /// What is this consumer's own, as the same delivery: it never arrived.
    Own,
}

impl Group {
    /// Up to `most` pending entries, the oldest first, of all consumers or of this one, that were not
    /// touched for at least `idle`.
    pub(crate) async fn pending(
        &self,
        connection: &mut Connection,
        whose: Whose,
        idle: Duration,
        most: usize,
    ) -> Result<Vec<PendingEntry>, WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("XPENDING")
            .arg(&self.names.requests)
            .arg(&self.names.group);
        commands
            .arg("IDLE")
            .arg(millis(idle))
            .arg("-")
            .arg("+")
            .arg(most);
        if whose == Whose::Own {
            commands.arg(&self.consumer);
        }
        pending_entries(connection.one(commands).await?)
    }

    /// Takes those of these entries that are still what `claim` says. References to entries that are gone are
    /// purged on the way: Redis does so itself from 7.0 on, before that they are acknowledged here.
    pub(crate) async fn claim(
        &self,
        connection: &mut Connection,
        pending: &[PendingEntry],
        claim: Claim,
    ) -> Result<Fetched, WireError> {
        let mut commands = Commands::new();
        // Before the claims, so that no lease seems to start later than it did.
        commands.cmd("TIME");
        match claim {
            Claim::Lapsed => self.claim_lapsed(&mut commands, pending),
            Claim::Own => {
                let ids: Vec<_> = pending.iter().map(|row| row.id).collect();
                self.claim_own(&mut commands, OwnClaim::Again, &ids);
            }
        }
        let mut answers = connection.send(commands).await?.into_iter();
        let redis_time = redis_time(answers.next().unwrap_or_default())?;
        let answers = match claim {
            Claim::Lapsed => answers.collect(),
            Claim::Own => array(checked(answers.next().unwrap_or_default())?)?,
        };
        let (mut deliveries, mut gone) = (Vec::with_capacity(pending.len()), Vec::new());
        for (row, answer) in pending.iter().zip(answers) {
            if answer == Value::Array(vec![Value::Nil]) {
                gone.push(row.id);
                continue;
            }
            let now = row.deliveries + u64::from(claim == Claim::Lapsed);
            deliveries.extend(entries(answer)?.into_iter().map(|entry| Delivery {
                entry,
                deliveries: now,
            }));
        }
        if !gone.is_empty() {
            let mut commands = Commands::new();
            commands
                .cmd("XACK")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(&gone[..]);
            checked(connection.one(commands).await?)?;
        }
        Ok(Fetched {
            deliveries,
            redis_time,
        })
    }

    fn claim_lapsed(&self, commands: &mut Commands, pending: &[PendingEntry]) {
        for row in pending {
            commands
                .cmd("XCLAIM")
                .arg(&self.names.requests)
                .arg(&self.names.group)
                .arg(&self.consumer);
            commands.arg(millis(self.lease)).arg(row.id);
        }
    }
}

fn pending_entries(answer: Value) -> Result<Vec<PendingEntry>, WireError> {
    array(checked(answer)?)?
        .into_iter()
        .map(|row| {
            let row = array(row)?;
            let [id, _consumer, idle, delivered] = row.as_slice() else {
                return Err(WireError::unexpected("XPENDING"));
            };
            Ok(PendingEntry {
                id: entry_id(id)?,
                idle: Duration::from_millis(count(idle)?),
                deliveries: deliveries(delivered)?,
            })
        })
        .collect()
}

//! Looking at the streams from outside, and the hash in which workers announce themselves.

use std::time::Duration;

use super::{
    Connection, WireError,
    answer::{array, bytes, count, redis_time},
    entry::entries,
    fault::checked,
    resp::{Commands, Value},
};
use crate::{
    error::Fault,
    health::{Backlog, WorkerSummary},
    keys::StreamNames,
};

/// An announcement older than this counts as a dead worker's.
pub(crate) const ANNOUNCEMENT_LIFETIME: Duration = Duration::from_secs(10);

/// Everything that one look at the streams told.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub backlog: Backlog,
    pub workers: Vec<WorkerSummary>,
    /// Announcements of workers that are gone, to be pruned.
    pub stale: Vec<String>,
    /// Whether the stream has its group.
    pub has_group: bool,
}

/// What a worker says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announcement {
    pub terminals: u32,
    pub hold_us: u64,
    pub served: u64,
}

impl Observation {
    /// Takes one look. A stream or group that does not exist is an empty one.
    pub(crate) async fn take(
        names: &StreamNames,
        connection: &mut Connection,
    ) -> Result<Self, WireError> {
        let mut commands = Commands::new();
        commands.cmd("TIME");
        commands.cmd("XLEN").arg(&names.requests);
        commands.cmd("XLEN").arg(names.dead_letters());
        commands
            .cmd("XRANGE")
            .arg(&names.requests)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1_u64);
        commands.cmd("HGETALL").arg(names.workers());
        commands
            .cmd("XPENDING")
            .arg(&names.requests)
            .arg(&names.group);
        let answers = connection.send(commands).await?;
        let [time, length, dead, oldest, workers, pending] =
            <[Value; 6]>::try_from(answers).map_err(|_| WireError::unexpected("a pipeline"))?;
        let now = redis_time(time)?;
        let (pending, has_group) = match checked(pending) {
            Ok(summary) => (array(summary)?.first().map_or(Ok(0), count)?, true),
            Err(error) if error.fault == Fault::NoGroup => (0, false),
            Err(error) => return Err(error),
        };
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let oldest_age_ms = entries(oldest)?
            .first()
            .map_or(0, |entry| now_ms.saturating_sub(entry.id.ms));
        let backlog = Backlog {
            outstanding: count(&checked(length)?)?,
            pending,
            oldest_age_ms,
            dead_letters: count(&checked(dead)?)?,
        };
        let (workers, stale) = workers_of(workers, now_ms)?;
        Ok(Self {
            backlog,
            workers,
            stale,
            has_group,
        })
    }
}

impl Announcement {
    /// Whether a client that knows the other would now admit by a rate that is off by a tenth or more.
    pub(crate) fn differs(&self, known: &Self) -> bool {
        let off = self.hold_us.abs_diff(known.hold_us);
        self.terminals != known.terminals || off * 10 > known.hold_us
    }

    /// Writes the announcement of `consumer`. The hash expires when nobody announces any more.
    pub(crate) async fn publish(
        &self,
        names: &StreamNames,
        consumer: &str,
        connection: &mut Connection,
    ) -> Result<(), WireError> {
        let mut commands = Commands::new();
        commands.cmd("TIME");
        let now = redis_time(connection.one(commands).await?)?.as_millis();
        let Self {
            terminals,
            hold_us,
            served,
        } = self;
        let mut commands = Commands::new();
        commands
            .cmd("HSET")
            .arg(names.workers())
            .arg(consumer)
            .arg(format!("{now} {terminals} {hold_us} {served}"));
        commands
            .cmd("PEXPIRE")
            .arg(names.workers())
            .arg(ANNOUNCEMENT_LIFETIME.as_millis() as u64);
        for answer in connection.send(commands).await? {
            checked(answer)?;
        }
        Ok(())
    }

    /// Takes announcements back.
    pub(crate) async fn revoke(
        names: &StreamNames,
        consumers: &[String],
        connection: &mut Connection,
    ) -> Result<(), WireError> {
        let mut commands = Commands::new();
        commands.cmd("HDEL").arg(names.workers()).arg(consumers);
        checked(connection.one(commands).await?).map(drop)
    }
}

/// The living and the dead. An announcement from the future was made before the clock was set back. What
/// cannot be understood was not written by a worker of ours and is left alone; further numbers are a
/// newer worker's.
fn workers_of(hash: Value, now_ms: u64) -> Result<(Vec<WorkerSummary>, Vec<String>), WireError> {
    let (mut alive, mut stale) = (Vec::new(), Vec::new());
    let mut fields = array(checked(hash)?)?.into_iter();
    while let (Some(consumer), Some(value)) = (fields.next(), fields.next()) {
        let consumer = String::from_utf8_lossy(&bytes(consumer)?).into_owned();
        let value = String::from_utf8_lossy(&bytes(value)?).into_owned();
        let numbers: Vec<u64> = value
            .split(' ')
            .filter_map(|number| number.parse().ok())
            .collect();
        let [at_ms, terminals, hold_us, served, ..] = numbers[..] else {
            continue;
        };
        if u128::from(now_ms.abs_diff(at_ms)) > ANNOUNCEMENT_LIFETIME.as_millis() {
            stale.push(consumer);
        } else {
            let terminals = u32::try_from(terminals).unwrap_or(u32::MAX);
            alive.push(WorkerSummary {
                consumer,
                terminals,
                hold_us,
                served,
            });
        }
    }
    alive.sort_by(|a, b| a.consumer.cmp(&b.consumer));
    Ok((alive, stale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_age_and_foreign_fields_are_left_alone() {
        let bulk = |text: &str| Value::Text(text.to_owned().into());
        let hash = Value::Array(vec![
            bulk("old"),
            bulk("1000 5 150 7"),
            bulk("new"),
            bulk("95000 5 150 7 0"),
            bulk("future"),
            bulk("3700000 5 150 7"),
            bulk("foreign"),
            bulk("hello"),
        ]);
        let (alive, stale) = workers_of(hash, 100_000).expect("well formed");
        assert_eq!(
            alive,
            vec![WorkerSummary {
                consumer: "new".into(),
                terminals: 5,
                hold_us: 150,
                served: 7
            }]
        );
        assert_eq!(stale, vec!["old".to_owned(), "future".to_owned()]);
        assert_eq!(
            workers_of(Value::Nil, 0).expect("no hash"),
            (vec![], vec![])
        );
    }
}

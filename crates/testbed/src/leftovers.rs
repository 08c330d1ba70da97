use anyhow::Context;

use crate::history::{Invariant, Violation, Violations};
use crate::redis_server::RedisServer;

/// What stands in Redis when all is over. Read it through [`eventually`](crate::eventually()): sweeps take a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Entries in the request stream.
    pub outstanding: u64,
    /// Entries of the request stream that a consumer of the group has not acked.
    pub pending: u64,
    /// Consumers in the group.
    pub consumers: u64,
    /// Entries in the dead-letter stream.
    pub dead_letters: u64,
}

impl Leftovers {
    /// Reads them for this request stream and consumer group. A stream or group that is not there has nothing in
    /// it; dead letters are in `REQUESTS:dead`.
    pub async fn read(server: &RedisServer, requests: &str, group: &str) -> anyhow::Result<Self> {
        let mut leftovers = Self {
            outstanding: server.command(&["XLEN", requests]).await?,
            dead_letters: server
                .command(&["XLEN", &format!("{requests}:dead")])
                .await?,
            ..Self::default()
        };
        if server.command::<u64>(&["EXISTS", requests]).await? == 0 {
            return Ok(leftovers);
        }
        let groups: redis::streams::StreamInfoGroupsReply =
            server.command(&["XINFO", "GROUPS", requests]).await?;
        if let Some(group) = groups.groups.iter().find(|known| known.name == group) {
            leftovers.pending = group
                .pending
                .try_into()
                .context("more pending entries than fit")?;
            leftovers.consumers = group
                .consumers
                .try_into()
                .context("more consumers than fit")?;
        }
        Ok(leftovers)
    }

    /// Checks that nothing is left but at most these consumers and exactly these dead letters.
    ///
    /// # Errors
    ///
    /// What is left, as violations of [`Invariant::NothingLeft`].
    pub fn check(&self, max_consumers: u64, dead_letters: u64) -> Result<(), Violations> {
        let mut found = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                let (requests, timeline) = (Vec::new(), Vec::new());
                found.push(Violation {
                    invariant: Invariant::NothingLeft,
                    what,
                    requests,
                    timeline,
                });
            }
        };
        expect(
            self.outstanding == 0,
            format!(
                "{} entries are left in the request stream",
                self.outstanding
            ),
        );
        expect(
            self.pending == 0,
            format!("{} entries are pending", self.pending),
        );
        let consumers = self.consumers;
        expect(
            consumers <= max_consumers,
            format!("{consumers} consumers are left where {max_consumers} may be"),
        );
        let dead = self.dead_letters;
        expect(
            dead == dead_letters,
            format!("{dead} dead letters are there where {dead_letters} must be"),
        );
        Violations::none_or(found)
    }
}

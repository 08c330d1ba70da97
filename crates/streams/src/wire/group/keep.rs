//! Keeping what was taken, and giving it back.
//!
//! `XCLAIM` asks how long nobody touched an entry, and not whose it is. Between a look at the pending entries and a
//! claim that follows from it, or while a command is under way, a lease may lapse and another worker take the entry
//! over; a claim that comes late would then steal work that runs. So these commands are one script: it looks at the
//! owner and claims in the same step. The model in `crates/model` finds the thefts where it does not.

use super::{Group, millis};
use crate::wire::{
    Connection, EntryId, WireError,
    answer::array,
    entry::entry_id,
    fault::checked,
    resp::{Commands, Value},
};

/// Claims those entries that are pending for this consumer, and no others.
///
/// KEYS\[1\] the request stream. ARGV\[1\] the group, ARGV\[2\] the consumer, ARGV\[3\] an [`OwnClaim`], ARGV\[4\] a
/// lease in milliseconds; then the ids.
/// Returns for each id what `XCLAIM` answers, or nothing where the entry is not this consumer's.
const CLAIM_OWN: &str = "
local answers = {}
for i = 5, #ARGV do
  local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if rows.err then return rows end
  local answer = {}
  if rows[1] then
    local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i]}
    local deliveries = math.min(rows[1][4], 1000000000)
    if ARGV[3] == 'again' then
      claim[7], claim[8] = 'RETRYCOUNT', deliveries
    elseif ARGV[3] == 'back' then
      claim[7], claim[8] = 'IDLE', ARGV[4]
      claim[9], claim[10], claim[11] = 'RETRYCOUNT', math.max(deliveries - 1, 0), 'JUSTID'
    else
      claim[7] = 'JUSTID'
    end
    answer = redis.pcall(unpack(claim))
    if answer.err then return answer end
  end
  answers[#answers + 1] = answer
end
return answers";

/// What entries are claimed for by the consumer that has them.
#[derive(Debug, Clone, Copy)]
pub(super) enum OwnClaim {
    /// The lease starts anew.
    Renew,
    /// The entry is given out once more, as the same delivery.
    Again,
    /// The entry is claimable at once, as if it had not been delivered.
    Back,
}

/// Most entries of one script: Redis does nothing else meanwhile.
const MOST: usize = 1_000;

impl Group {
    /// Renews the leases of those entries that are this consumer's, and gives back which they are. What this takes
    /// counts from before it is sent.
    pub(crate) async fn renew(
        &self,
        connection: &mut Connection,
        ids: &[EntryId],
    ) -> Result<Vec<EntryId>, WireError> {
        let mut renewed = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST) {
            let mut commands = Commands::new();
            self.claim_own(&mut commands, OwnClaim::Renew, ids);
            for answer in array(checked(connection.one(commands).await?)?)? {
                let claimed = array(answer)?.into_iter().filter(|id| *id != Value::Nil);
                for id in claimed {
                    renewed.push(entry_id(&id)?);
                }
            }
        }
        Ok(renewed)
    }

    /// Makes those of these entries that are still this consumer's claimable at once, as if this delivery had not
    /// been, and tells how many they were.
    pub(crate) async fn hand_back(
        &self,
        connection: &mut Connection,
        ids: &[EntryId],
    ) -> Result<usize, WireError> {
        let mut handed_back = 0;
        for ids in ids.chunks(MOST) {
            let mut commands = Commands::new();
            self.claim_own(&mut commands, OwnClaim::Back, ids);
            for answer in array(checked(connection.one(commands).await?)?)? {
                handed_back += usize::from(!array(answer)?.is_empty());
            }
        }
        Ok(handed_back)
    }

    /// Adds the script to what is sent.
    pub(super) fn claim_own(&self, commands: &mut Commands, claim: OwnClaim, ids: &[EntryId]) {
        let what_for = match claim {
            OwnClaim::Renew => "renew",
            OwnClaim::Again => "again",
            OwnClaim::Back => "back",
        };
        commands
            .cmd("EVAL")
            .arg(CLAIM_OWN)
            .arg(1_u64)
            .arg(&self.names.requests)
            .arg(&self.names.group)
            .arg(&self.consumer)
            .arg(what_for)
            .arg(millis(self.lease))
            .arg(ids);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use testbed::RedisServer;

    use super::*;
    use crate::{
        config::RedisConfig,
        keys::StreamNames,
        wire::{Claim, Connector, Read, Settlement, Whose},
    };

    const LEASE: Duration = Duration::from_secs(60);

    /// A worker with one entry in hand, and another worker.
    struct Scene {
        redis: RedisServer,
        connection: Connection,
        mine: Group,
        other: Group,
        entry: EntryId,
    }

    impl Scene {
        async fn set() -> Self {
            let redis = RedisServer::start().await.expect("starts");
            let connector = Connector::new(RedisConfig::new(redis.url()), "test");
            let mut connection = connector.open("test").await.expect("opens");
            let names = StreamNames::for_service("test");
            Group::create(&names, &mut connection)
                .await
                .expect("creates");
            let [mine, other] = ["mine", "other"].map(|consumer| Group {
                names: names.clone(),
                consumer: consumer.to_owned(),
                lease: LEASE,
            });
            redis
                .command::<String>(&["XADD", &names.requests, "*", "a", "b"])
                .await
                .expect("adds");
            let one = Read {
                most: 1,
                block: None,
                take_over: false,
            };
            let nothing = Settlement::of(&[], &connection);
            let reading = mine.read(&mut connection, one, &nothing, Duration::ZERO);
            let fetched = reading.await.expect("sent").fetched(&mut connection).await;
            let entry = fetched.expect("reads").deliveries[0].entry.id;
            Self {
                redis,
                connection,
                mine,
                other,
                entry,
            }
        }

        /// Owner, idle time and deliveries of the entry.
        async fn row(&mut self) -> (bool, Duration, u64) {
            let mut of = async |whose| {
                let rows = self
                    .mine
                    .pending(&mut self.connection, whose, Duration::ZERO, 10);
                rows.await.expect("is asked")
            };
            let is_mine = !of(Whose::Own).await.is_empty();
            let row = of(Whose::Everybodys).await[0];
            (is_mine, row.idle, row.deliveries)
        }

        async fn claim_own(&mut self, group: &Group) -> usize {
            let rows = group.pending(&mut self.connection, Whose::Everybodys, Duration::ZERO, 10);
            let rows = rows.await.expect("is asked");
            let claimed = group.claim(&mut self.connection, &rows, Claim::Own).await;
            claimed.expect("is asked").deliveries.len()
        }
    }

    #[tokio::test]
    async fn what_is_ones_own_is_renewed_taken_again_and_handed_back() {
        let mut scene = Scene::set().await;
        let (mine, ids) = (scene.mine.clone(), [scene.entry]);
        let renewed = mine.renew(&mut scene.connection, &ids).await;
        assert_eq!(renewed.expect("renews"), ids);
        assert_eq!(scene.claim_own(&mine).await, 1);
        let (is_mine, idle, deliveries) = scene.row().await;
        assert!(is_mine && idle < LEASE);
        assert_eq!(deliveries, 1, "the same delivery");
        let handed_back = mine.hand_back(&mut scene.connection, &ids).await;
        assert_eq!(handed_back.expect("hands back"), 1);
        let (_, idle, deliveries) = scene.row().await;
        assert!(idle >= LEASE, "claimable at once");
        assert_eq!(deliveries, 0, "not counted");
    }

    /// It was taken over a moment ago, by a worker that has not touched it since: nothing takes it back.
    #[tokio::test]
    async fn what_is_anothers_by_now_is_left_alone() {
        let mut scene = Scene::set().await;
        let (mine, other, ids) = (scene.mine.clone(), scene.other.clone(), [scene.entry]);
        let handed_back = mine.hand_back(&mut scene.connection, &ids).await;
        assert_eq!(handed_back.expect("hands back"), 1);
        let rows = other.pending(&mut scene.connection, Whose::Everybodys, LEASE, 1);
        let rows = rows.await.expect("is asked");
        let taken = other.claim(&mut scene.connection, &rows, Claim::Lapsed);
        assert_eq!(taken.await.expect("takes over").deliveries.len(), 1);
        let theirs = scene.row().await;
        assert!(!theirs.0);

        let renewed = mine.renew(&mut scene.connection, &ids).await;
        assert_eq!(renewed.expect("is asked"), []);
        assert_eq!(scene.claim_own(&mine).await, 0);
        let handed_back = mine.hand_back(&mut scene.connection, &ids).await;
        assert_eq!(handed_back.expect("is asked"), 0);
        let (is_mine, _, deliveries) = scene.row().await;
        assert_eq!((is_mine, deliveries), (false, theirs.2));
    }

    #[tokio::test]
    async fn a_lost_group_is_said() {
        let mut scene = Scene::set().await;
        let mine = scene.mine.clone();
        let ids = [scene.entry];
        let destroy = ["XGROUP", "DESTROY", &mine.names.requests, &mine.names.group];
        scene.redis.command::<()>(&destroy).await.expect("destroys");
        let renewed = mine.renew(&mut scene.connection, &ids).await;
        assert_eq!(
            renewed.expect_err("no group").fault,
            crate::error::Fault::NoGroup
        );
    }
}

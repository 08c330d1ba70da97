//! Redis goes, stands still, forgets, or refuses. The commands go over a way of the test's own, with all rights.

use std::ops::RangeInclusive;

use super::{Place, Use};
use crate::chaos::round::Field;
use crate::{GROUP, REQUESTS, RESPONSES};

/// What is done to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisFault {
    /// SIGKILL, and started again with its append-only file.
    Kill,
    /// SIGSTOP and SIGCONT.
    Stop,
    /// `CLIENT PAUSE`: no command is carried out.
    Pause,
    /// `CLIENT KILL`: all connections are closed.
    KillConnections,
    /// All data is gone.
    FlushAll,
    /// The consumer group is gone.
    DestroyGroup,
    /// The request stream is gone, and the group with it.
    DeleteRequests,
    /// The reply stream is gone.
    DeleteResponses,
    /// All requests are gone, and those that were given out stay pending.
    TrimRequests,
    /// A string stands in the place of the request stream.
    AnotherType,
    /// Additions are refused (OOM).
    OutOfMemory,
    /// Writes are refused (NOREPLICAS).
    TooFewReplicas,
    /// Everybody is refused.
    UserOff,
    /// A command is refused (NOPERM).
    NoRight(&'static str),
}

impl RedisFault {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Kill => "kill of Redis",
            Self::Stop => "stop of Redis",
            Self::Pause => "CLIENT PAUSE",
            Self::KillConnections => "CLIENT KILL",
            Self::FlushAll => "FLUSHALL",
            Self::DestroyGroup => "XGROUP DESTROY",
            Self::DeleteRequests => "DEL of the requests",
            Self::DeleteResponses => "DEL of the replies",
            Self::TrimRequests => "XTRIM of the requests",
            Self::AnotherType => "requests of another type",
            Self::OutOfMemory => "maxmemory",
            Self::TooFewReplicas => "min-replicas",
            Self::UserOff => "user off",
            Self::NoRight("xadd") => "no right to XADD",
            Self::NoRight(_) => "no right to XREADGROUP",
        }
    }

    pub(super) fn lasts_ms(&self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::Kill | Self::Stop | Self::Pause => Some(100..=2_500),
            Self::AnotherType => Some(100..=1_500),
            Self::OutOfMemory | Self::TooFewReplicas | Self::UserOff | Self::NoRight(_) => {
                Some(300..=2_500)
            }
            Self::KillConnections
            | Self::FlushAll
            | Self::DestroyGroup
            | Self::DeleteRequests
            | Self::DeleteResponses
            | Self::TrimRequests => None,
        }
    }

    pub(super) fn takes(&self) -> Vec<(Place, Use)> {
        let answers = (Place::Redis, Use::Shared);
        match self {
            Self::Kill | Self::Stop | Self::Pause => vec![(Place::Redis, Use::Alone)],
            Self::KillConnections => vec![answers],
            Self::FlushAll
            | Self::DestroyGroup
            | Self::DeleteRequests
            | Self::DeleteResponses
            | Self::TrimRequests => {
                let (writes, stream) = ((Place::Writes, Use::Shared), (Place::Stream, Use::Shared));
                vec![answers, writes, stream]
            }
            Self::AnotherType => {
                let (writes, stream) = ((Place::Writes, Use::Shared), (Place::Stream, Use::Alone));
                vec![answers, writes, stream]
            }
            Self::OutOfMemory | Self::TooFewReplicas => vec![answers, (Place::Writes, Use::Alone)],
            Self::UserOff | Self::NoRight(_) => vec![answers, (Place::Rights, Use::Alone)],
        }
    }

    pub(super) async fn begin(&self, field: &mut Field, lasts_ms: u64) -> anyhow::Result<()> {
        let redis = field.system.redis();
        let lasts_ms = lasts_ms.to_string();
        let command: &[&str] = match self {
            Self::Kill => return redis.kill_hard().await,
            Self::Stop => return redis.freeze().await,
            // It ends by itself: it holds up the command that would end it, too.
            Self::Pause => &["CLIENT", "PAUSE", &lasts_ms, "ALL"],
            Self::KillConnections => &["CLIENT", "KILL", "TYPE", "normal"],
            Self::FlushAll => &["FLUSHALL"],
            Self::DestroyGroup => &["XGROUP", "DESTROY", REQUESTS, GROUP],
            Self::DeleteRequests => &["DEL", REQUESTS],
            Self::DeleteResponses => &["DEL", RESPONSES],
            Self::TrimRequests => &["XTRIM", REQUESTS, "MAXLEN", "0"],
            Self::AnotherType => &["SET", REQUESTS, "hello"],
            Self::OutOfMemory => &["CONFIG", "SET", "maxmemory", "1"],
            Self::TooFewReplicas => &["CONFIG", "SET", "min-replicas-to-write", "1"],
            Self::UserOff => &["ACL", "SETUSER", "default", "off"],
            Self::NoRight(command) => {
                let right = format!("-{command}");
                return redis.command(&["ACL", "SETUSER", "default", &right]).await;
            }
        };
        // Where another fault took the stream, the group went with it.
        let exists = redis.command::<bool>(&["EXISTS", REQUESTS]);
        if *self == Self::DestroyGroup && !exists.await? {
            return Ok(());
        }
        redis.command::<()>(command).await?;
        if *self == Self::UserOff {
            // Who is in stays in.
            let killed = redis.command::<()>(&["CLIENT", "KILL", "TYPE", "normal"]);
            killed.await?;
        }
        Ok(())
    }

    pub(super) async fn end(&self, field: &mut Field) -> anyhow::Result<()> {
        let redis = field.system.redis();
        let command: &[&str] = match self {
            Self::Kill => return redis.start_again().await,
            Self::Stop => return redis.thaw(),
            Self::AnotherType => &["DEL", REQUESTS],
            Self::OutOfMemory => &["CONFIG", "SET", "maxmemory", "0"],
            Self::TooFewReplicas => &["CONFIG", "SET", "min-replicas-to-write", "0"],
            Self::UserOff => &["ACL", "SETUSER", "default", "on"],
            Self::NoRight(command) => {
                let right = format!("+{command}");
                return redis.command(&["ACL", "SETUSER", "default", &right]).await;
            }
            _ => return Ok(()),
        };
        redis.command(command).await
    }
}

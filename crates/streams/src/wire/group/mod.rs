//! Every command of the consumer group, and nothing else issues one.
//!
//! Taking work: what is new ([`read`]) by `XREADGROUP` (with `CLAIM` where there is one), what is pending ([`take`]) by
//! `XPENDING` and `XCLAIM`. Keeping it, or giving it back ([`keep`]): `XCLAIM` by a script that looks at the owner.
//! Settling it ([`settle`], [`one_by_one`]): the reply's `XADD`, then delete and acknowledge, in one write, which may
//! be that of a read. Tidying up after workers that are gone ([`consumers`]).

mod consumers;
mod keep;
mod one_by_one;
mod read;
mod settle;
mod take;

use std::time::Duration;

use super::{
    Connection, WireError,
    fault::checked,
    resp::{Commands, Value},
};
use crate::keys::StreamNames;

pub(crate) use read::Read;
pub(crate) use settle::{Answered, Settled, SettledBatch, SettledReply, Settlement};
pub(crate) use take::{Claim, Delivery, Fetched, PendingEntry, Whose};

/// The group as one consumer uses it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub names: StreamNames,
    pub consumer: String,
    pub lease: Duration,
}

impl Group {
    /// Creates the group from the start of the stream, and the stream where it is missing; an existing
    /// group is left alone. Tells whether it was missing. From `0`, not `$`: what was added while there
    /// was no group must be served.
    pub(crate) async fn create(
        names: &StreamNames,
        connection: &mut Connection,
    ) -> Result<bool, WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("XGROUP")
            .arg("CREATE")
            .arg(&names.requests)
            .arg(&names.group)
            .arg("0")
            .arg("MKSTREAM");
        match connection.one(commands).await? {
            Value::Error(words) if words.starts_with(b"BUSYGROUP") => Ok(false),
            answer => checked(answer).map(|_ok| true),
        }
    }
}

/// Whole milliseconds, as Redis takes them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

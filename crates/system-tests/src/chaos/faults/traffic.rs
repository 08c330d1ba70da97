//! Requests that do harm, callers who leave or come all at once, and entries that none of the services wrote.

use std::ops::RangeInclusive;
use std::time::Duration;

use testbed::Load;
use tokio::time::timeout;

use super::{Place, Use};
use crate::chaos::round::Field;
use crate::{REQUESTS, RESPONSES};

/// Unlike any id that a service makes.
const NOBODYS_ID: &str = "01980000-0000-7000-8000-000000000000";

/// What comes beside honest callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A request that does harm to the proxy that works on it.
    Poison {
        /// The city that does it.
        city: &'static str,
        /// The ingress that is asked.
        ingress: usize,
        /// Tells it from others of its kind.
        number: u32,
    },
    /// So many callers, who leave before they can have an answer, or about then.
    Leavers(u8),
    /// So many requests per second more.
    Burst(u16),
    /// Entries on the request stream that are no requests.
    Undecodable,
    /// Replies that nobody waits for, and some that are none.
    ForgedReplies,
}

impl Traffic {
    pub(super) fn panic(ingress: usize, number: u32) -> Self {
        let city = "panic!";
        Self::Poison {
            city,
            ingress,
            number,
        }
    }

    pub(super) fn crash(ingress: usize, number: u32) -> Self {
        let city = "abort!";
        Self::Poison {
            city,
            ingress,
            number,
        }
    }

    pub(super) fn hang(ingress: usize, number: u32) -> Self {
        let city = "hang!";
        Self::Poison {
            city,
            ingress,
            number,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Poison { city: "panic!", .. } => "a request that panics",
            Self::Poison { city: "abort!", .. } => "a request that crashes",
            Self::Poison { .. } => "a request that hangs",
            Self::Leavers(_) => "callers who leave",
            Self::Burst(_) => "a burst",
            Self::Undecodable => "undecodable entries",
            Self::ForgedReplies => "forged replies",
        }
    }

    pub(super) fn lasts_ms(&self) -> Option<RangeInclusive<u64>> {
        matches!(self, Self::Burst(_)).then_some(300..=1_000)
    }

    pub(super) fn takes(&self) -> Vec<(Place, Use)> {
        match self {
            Self::Poison { .. } | Self::Leavers(_) => Vec::new(),
            Self::Burst(_) => vec![(Place::Burst, Use::Alone)],
            Self::Undecodable | Self::ForgedReplies => [Place::Redis, Place::Writes, Place::Stream]
                .map(|place| (place, Use::Shared))
                .into(),
        }
    }

    pub(super) async fn begin(&self, field: &mut Field) -> anyhow::Result<()> {
        match self {
            Self::Poison {
                city,
                ingress,
                number,
            } => field.poison(*ingress, city, *number),
            Self::Leavers(count) => leave(field, *count),
            Self::Burst(rate) => {
                let per_second = f64::from(*rate);
                field.burst = Some(field.system.load(Load::Open { per_second }));
            }
            Self::Undecodable => {
                add(field, REQUESTS, &["city", "Oslo"]).await?;
                add(field, REQUESTS, &[NOBODYS_ID, "{\"v\":1}"]).await?;
            }
            Self::ForgedReplies => {
                let reply =
                    "{\"v\":1,\"status\":\"ok\",\"queue_us\":1,\"work_us\":1,\"deliveries\":1}\n{}";
                add(field, RESPONSES, &[NOBODYS_ID, reply]).await?;
                add(field, RESPONSES, &[NOBODYS_ID, "garbage"]).await?;
                add(field, RESPONSES, &["no id", reply]).await?;
            }
        }
        Ok(())
    }

    pub(super) fn end(&self, field: &mut Field) -> anyhow::Result<()> {
        if let Some(burst) = field.burst.take() {
            field.callers.spawn(burst.stop());
        }
        Ok(())
    }
}

fn leave(field: &mut Field, count: u8) {
    for number in 0..count {
        let (recorder, base) = field.caller_of(number.into());
        // From before the request is written to after it is answered.
        let patience = Duration::from_millis(u64::from(number) * 8);
        field.callers.spawn(async move {
            let _ = timeout(patience, recorder.send(&base)).await;
            Ok(())
        });
    }
}

async fn add(field: &Field, stream: &str, fields: &[&str]) -> anyhow::Result<()> {
    let command = [&["XADD", stream, "*"], fields].concat();
    field.system.redis().command(&command).await
}

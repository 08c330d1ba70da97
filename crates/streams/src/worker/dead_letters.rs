//! Requests that cannot be worked on: kept with their raw fields, the cause and the count, and taken off
//! the request stream.
//!
//! The letter is written first and the request removed only when Redis took it: under memory
//! pressure an addition is refused while deletions go on, and one write for both would lose the request.
//! Where the letter is refused the request is left pending; it comes back when its lease has lapsed.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    core::Core,
    finished::{AddressedReply, Finished},
    running::InHand,
};
use crate::{
    envelope::{Outcome, ReplyEnvelope, RequestEnvelope},
    link::Link,
    mutex::lock,
    wire::{DeadLetter, Entry, WireError},
};

/// Why a request is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// It was delivered as often as it may be and never finished.
    Deliveries,
    /// Its fields are no request.
    Undecodable,
    /// It names a reply stream that is none.
    ReplyTo,
}

impl Cause {
    pub(super) const ALL: [Self; 3] = [Self::Deliveries, Self::Undecodable, Self::ReplyTo];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Undecodable => "undecodable",
            Self::ReplyTo => "reply-to",
        }
    }
}

/// A request found dead, with whom to tell where that is known.
pub(super) struct Found {
    pub entry: Entry,
    pub cause: Cause,
    pub detail: String,
    /// Deliveries before this one.
    pub deliveries: u64,
    pub caller: Option<(Uuid, RequestEnvelope)>,
}

/// Moves one request to the dead letters and tells its caller. All burials share one connection, since
/// a poisoned stream can bring many.
pub(super) async fn bury(core: Arc<Core>, found: Found, in_hand: InHand) {
    let Found {
        entry,
        cause,
        detail,
        deliveries,
        caller,
    } = found;
    let fields = entry.fields.unwrap_or_default();
    let letter = DeadLetter {
        entry: entry.id,
        cause: cause.as_str(),
        detail: &detail,
        deliveries,
        consumer: &core.group.consumer,
        fields: &fields,
    };
    {
        let mut link = core.dead_letters.lock().await;
        // Now that it is its turn, which it may have waited for.
        if !core.running.may_start(&in_hand, Instant::now()) {
            core.metrics.lapsed.inc(); // Stopped since the delivery; somebody else buries it.
            return;
        }
        if let Err(error) = write(&core, &letter, &mut link).await {
            link.failed(&error);
            return;
        }
        link.succeeded();
    }
    core.metrics
        .dead_letters
        .with_label_values(&[cause.as_str()])
        .inc();
    let admitted = lock(&core.buried).admit(cause, Instant::now().into_std());
    if let Some(suppressed) = admitted {
        tracing::error!(
            entry = %entry.id,
            cause = cause.as_str(),
            detail,
            deliveries,
            suppressed,
            "request moved to the dead letters"
        );
    }
    let reply = caller.map(|(request, envelope)| {
        let outcome = Outcome::DeadLettered {
            cause: cause.as_str().to_owned(),
        };
        let reply = ReplyEnvelope {
            outcome,
            queue: Default::default(),
            work: Default::default(),
            deliveries,
        };
        AddressedReply {
            stream: envelope.reply_to,
            request,
            envelope: reply.encode(),
        }
    });
    core.settle
        .push(Finished::new(in_hand, reply, core.settle_by()));
}

async fn write(core: &Core, letter: &DeadLetter<'_>, link: &mut Link) -> Result<(), WireError> {
    let connection = link.connect().await?;
    letter
        .write(&core.group.names, core.max_dead_letters, connection)
        .await
}

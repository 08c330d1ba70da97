//! What becomes of a delivery: work, a dead letter, or nothing that anybody still wants.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

use super::{
    core::Core,
    dead_letters::{Cause, Found, bury},
    finished::Finished,
    metrics::EXPIRED_QUEUED,
    request::Request,
    work::{EXPIRED, Work},
};
use crate::{
    envelope::RequestEnvelope,
    wire::{Delivery, Entry},
};

/// Why a trace ends whose request was delivered too often.
const DEAD: &str = "dead-letter";

/// When a delivery was made.
#[derive(Clone, Copy)]
pub(super) struct Delivered {
    /// On our clock.
    pub at: Instant,
    /// How old the entry was by then.
    pub age: Duration,
    /// Since when its terminal was free, in the read that brought it.
    pub free_since: Instant,
}

/// Takes one delivery in hand. What cannot or need not be worked on is settled; the rest is given back, and holds the
/// terminal until the reply is written.
pub(super) fn take(
    core: &Arc<Core>,
    delivery: Delivery,
    when: Delivered,
    terminal: OwnedSemaphorePermit,
) -> Option<Work> {
    let Delivery { entry, deliveries } = delivery;
    let (delivered, age, since) = (when.at, when.age, when.free_since);
    let id = entry.id;
    // It could have had it from then on, or from when there was something to read.
    let waited_since = delivered
        .checked_sub(age)
        .map_or(since, |added| added.max(since));
    // Nothing if it runs here already: then the server only gave it to us again.
    let in_hand = core.running.begin(id, delivered, waited_since, terminal)?;
    if deliveries > 1 {
        core.metrics.reclaimed.inc();
    }
    let Some(fields) = &entry.fields else {
        // Withdrawn by its caller between two deliveries: only the reference is left to remove.
        core.settle.push(Finished::unanswered(core, in_hand));
        return None;
    };
    match classify(core, &entry, fields, deliveries) {
        Ok((request_id, envelope)) => {
            core.metrics.queue.observe(age.as_secs_f64());
            let traced =
                core.traces
                    .delivery(envelope.traceparent.as_deref(), request_id, id, deliveries);
            let expired = age >= envelope.ttl;
            let end = expired.then_some(EXPIRED);
            core.traces.queued(traced.as_ref(), age, delivered, end);
            if expired {
                core.metrics
                    .expired
                    .with_label_values(&[EXPIRED_QUEUED])
                    .inc();
                core.settle.push(Finished::unanswered(core, in_hand));
                return None;
            }
            let request = Request {
                id: request_id,
                body: envelope.body,
                content_type: envelope.content_type,
                traceparent: envelope.traceparent,
                deadline: delivered + (envelope.ttl - age),
                queued: age,
                deliveries,
            };
            Some(Work {
                in_hand,
                request,
                reply_to: envelope.reply_to,
                traced,
            })
        }
        Err(found) => {
            if let Some((request_id, envelope)) = &found.caller {
                let context = envelope.traceparent.as_deref();
                let traced = core.traces.delivery(context, *request_id, id, deliveries);
                core.traces
                    .queued(traced.as_ref(), age, delivered, Some(DEAD));
            }
            let burial = tokio::spawn(bury(Arc::clone(core), *found, in_hand));
            core.running.works(id, burial.abort_handle());
            None
        }
    }
}

/// Tells a request from what has to go to the dead letters.
fn classify(
    core: &Core,
    entry: &Entry,
    fields: &[(Bytes, Bytes)],
    deliveries: u64,
) -> Result<(Uuid, RequestEnvelope), Box<Found>> {
    let before = deliveries.saturating_sub(1);
    let dead = |cause, detail: String, caller| {
        Box::new(Found {
            entry: entry.clone(),
            cause,
            detail,
            deliveries: before,
            caller,
        })
    };
    match RequestEnvelope::decode(fields) {
        Err(error) => Err(dead(Cause::Undecodable, error.to_string(), None)),
        Ok((id, envelope)) if !core.group.names.takes_replies(envelope.reply_to.as_deref()) => {
            let detail = format!("request {id} names a reply stream that is none of this service");
            Err(dead(Cause::ReplyTo, detail, None))
        }
        Ok((id, envelope)) if before >= core.max_deliveries => {
            let detail = format!("request {id} was delivered {before} times and never finished");
            Err(dead(Cause::Deliveries, detail, Some((id, envelope))))
        }
        Ok(request) => Ok(request),
    }
}

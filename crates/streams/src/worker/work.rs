//! The story of one entry, from its delivery to the queue of finished work.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{telemetry::panic_text, trace::TraceContext};
use futures_util::FutureExt;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    core::Core,
    dead_letters::{Cause, Found, bury},
    metrics::{EXPIRED_QUEUED, EXPIRED_RUNNING},
    request::{Handler, Request},
    running::InHand,
    settle::Finished,
};
use crate::{
    envelope::{Outcome, ReplyEnvelope, RequestEnvelope, cut},
    error::Failure,
    mutex::lock,
    trace,
    wire::{Delivery, Entry},
};

/// Why a trace ends whose request has passed its deadline.
const EXPIRED: &str = "expired";

/// Why one ends whose request was delivered too often.
const DEAD: &str = "dead-letter";

/// The code of the failure that is answered when a handler's reply is too large.
const REPLY_TOO_LARGE: &str = "reply-too-large";

/// Takes one delivery in hand. What cannot or need not be worked on is settled at once; the rest is given
/// to a task of its own, which holds the terminal until the reply is written. The read that brought it was `sent` then.
pub(super) fn take(
    core: &Arc<Core>,
    handler: &Handler,
    delivery: Delivery,
    sent: Instant,
    redis_time: Duration,
    terminal: OwnedSemaphorePermit,
) {
    let Delivery { entry, deliveries } = delivery;
    let (delivered, age) = {
        let clock = lock(&core.clock);
        (clock.local(redis_time), clock.age(entry.id, redis_time))
    };
    let id = entry.id;
    // The terminal was free for it from the read on, or from when there was something to read.
    let waited_since = delivered
        .checked_sub(age)
        .map_or(sent, |added| added.max(sent));
    let begun = core.running.begin(id, delivered, waited_since, terminal);
    let Some(in_hand) = begun else {
        return; // It runs here already; the server only gave it to us again.
    };
    if deliveries > 1 {
        core.metrics.reclaimed.inc();
    }
    let Some(fields) = &entry.fields else {
        // Withdrawn by its caller between two deliveries: only the reference is left to remove.
        core.settle
            .push(Finished::new(in_hand, None, core.settle_by()));
        return;
    };
    match classify(core, &entry, fields, deliveries) {
        Ok((request_id, envelope)) => {
            core.metrics.queue.observe(age.as_secs_f64());
            let traced =
                core.traces
                    .delivery(envelope.traceparent.as_deref(), request_id, id, deliveries);
            let expired = age >= envelope.ttl;
            core.traces.queued(
                traced.as_ref(),
                age,
                delivered.elapsed(),
                expired.then_some(EXPIRED),
            );
            if expired {
                core.metrics
                    .expired
                    .with_label_values(&[EXPIRED_QUEUED])
                    .inc();
                core.settle
                    .push(Finished::new(in_hand, None, core.settle_by()));
                return;
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
            let work = work(
                Arc::clone(core),
                Arc::clone(handler),
                in_hand,
                request,
                envelope.reply_to,
                traced,
            );
            core.running.works(id, tokio::spawn(work).abort_handle());
        }
        Err(found) => {
            if let Some((request_id, envelope)) = &found.caller {
                let context = envelope.traceparent.as_deref();
                let traced = core.traces.delivery(context, *request_id, id, deliveries);
                let ago = delivered.elapsed();
                core.traces.queued(traced.as_ref(), age, ago, Some(DEAD));
            }
            let burial = tokio::spawn(bury(Arc::clone(core), *found, in_hand));
            core.running.works(id, burial.abort_handle());
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

async fn work(
    core: Arc<Core>,
    handler: Handler,
    mut in_hand: InHand,
    mut request: Request,
    reply_to: Option<String>,
    traced: Option<trace::Delivery>,
) {
    let started = Instant::now();
    // This process may have been stopped since the delivery; then the entry is somebody else's by now.
    if !core.running.may_start(&in_hand, started) {
        core.metrics.lapsed.inc();
        return;
    }
    let (id, deadline, queue, deliveries) = (
        request.id,
        request.deadline,
        request.queued,
        request.deliveries,
    );
    let mut span = core.traces.process(traced.as_ref());
    if let Some(traceparent) = span.traceparent() {
        request.traceparent = Some(traceparent);
    }
    // The handler is called inside the future, so that a panic before its first await is caught too.
    let handled = AssertUnwindSafe(async move { handler(request).await }).catch_unwind();
    let handled = timeout_at(deadline, handled).await;
    let work = started.elapsed();
    in_hand.worked = true;
    let outcome = match handled {
        Ok(Ok(Ok(body))) if body.len() > core.max_body => {
            let message = format!(
                "the reply has {} bytes, the most is {}",
                body.len(),
                core.max_body
            );
            span.fail(REPLY_TOO_LARGE);
            Outcome::Failed {
                code: REPLY_TOO_LARGE.into(),
                message,
            }
        }
        Ok(Ok(Ok(body))) => Outcome::Ok(body),
        Ok(Ok(Err(Failure { code, message }))) => {
            span.fail(code.clone());
            Outcome::Failed {
                message: cut(&message, core.max_body).to_owned(),
                code,
            }
        }
        Ok(Err(panic)) => {
            core.metrics.panicked.inc();
            span.fail("panic");
            let trace_id = TraceContext::log_id(span.context());
            let (entry, panic) = (in_hand.entry, panic_text(&*panic));
            tracing::error!(request = %id, trace_id, %entry, panic, "the handler panicked");
            Outcome::Panicked
        }
        Err(_elapsed) => {
            span.fail(EXPIRED);
            core.metrics
                .expired
                .with_label_values(&[EXPIRED_RUNNING])
                .inc();
            core.settle
                .push(Finished::new(in_hand, None, core.settle_by()));
            return;
        }
    };
    span.done();
    core.metrics.served.inc();
    let sending = core.traces.reply(traced.as_ref(), reply_to.as_deref());
    let reply = ReplyEnvelope {
        outcome,
        queue,
        work,
        deliveries,
    }
    .encode()
    .freeze();
    let finished = Finished::new(in_hand, Some((reply_to, id, reply)), deadline);
    core.settle.push(finished.traced(sending));
}

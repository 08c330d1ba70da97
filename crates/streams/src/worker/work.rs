//! The work on one request, from the call of the handler to what is left to settle.
//!
//! A handler that is done as soon as it is called needs no task: what comes of it is settled along with the next read.
//! That is tried on a runtime of one thread alone. There a task would run on the same thread and in the same order, and
//! do nothing but cost more; where there are more threads handlers are to run on all of them.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use common::{
    telemetry::panic_text,
    trace::{Span, TraceContext},
};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{
    core::Core,
    finished::{AddressedReply, Finished},
    metrics::EXPIRED_RUNNING,
    request::{Handler, Request},
    running::InHand,
};
use crate::{
    envelope::{Outcome, ReplyEnvelope, cut},
    error::Failure,
    trace,
};

/// Why a trace ends whose request has passed its deadline.
pub(super) const EXPIRED: &str = "expired";

/// The code of the failure that is answered when a handler's reply is too large.
const REPLY_TOO_LARGE: &str = "reply-too-large";

/// A request in hand that a handler is to be called for.
pub(super) struct Work {
    pub in_hand: InHand,
    pub request: Request,
    pub reply_to: Option<String>,
    pub traced: Option<trace::Delivery>,
}

/// A request whose handler was called.
struct Called {
    core: Arc<Core>,
    in_hand: InHand,
    id: Uuid,
    reply_to: Option<String>,
    deadline: Instant,
    queue: Duration,
    deliveries: u64,
    started: Instant,
    span: Span,
    traced: Option<trace::Delivery>,
}

/// What a handler gave, unless it panicked.
type Handled = Result<Result<Bytes, Failure>, Box<dyn Any + Send>>;

impl Work {
    /// Calls the handler, in a task of its own unless it is done before that and it is not too late for it: then what
    /// is left to settle is given back.
    pub(super) fn start(
        self,
        core: &Arc<Core>,
        handler: &Handler,
        here_until: Option<Instant>,
    ) -> Option<Finished> {
        let Self {
            in_hand,
            mut request,
            reply_to,
            traced,
        } = self;
        let started = Instant::now();
        // This process may have been stopped since the delivery; then the entry is somebody else's by now.
        if !core.running.may_start(&in_hand, started) {
            core.metrics.lapsed.inc();
            return None;
        }
        let span = core.traces.process(traced.as_ref());
        if let Some(traceparent) = span.traceparent() {
            request.traceparent = Some(traceparent);
        }
        let called = Called {
            core: Arc::clone(core),
            in_hand,
            id: request.id,
            reply_to,
            deadline: request.deadline,
            queue: request.queued,
            deliveries: request.deliveries,
            started,
            span,
            traced,
        };
        let handled = match catch_unwind(AssertUnwindSafe(|| handler(request))) {
            Ok(handled) => handled,
            Err(panic) => return Some(called.handled(Err(panic))),
        };
        let mut handled = AssertUnwindSafe(handled).catch_unwind();
        if here_until.is_some_and(|until| started < until) {
            // Nobody is woken by it: one that waits is asked again by its task.
            let mut nobody = Context::from_waker(Waker::noop());
            if let Poll::Ready(handled) = handled.poll_unpin(&mut nobody) {
                return Some(called.handled(handled));
            }
        }
        let entry = called.in_hand.entry;
        let work = async move {
            let core = Arc::clone(&called.core);
            let finished = match timeout_at(called.deadline, handled).await {
                Ok(handled) => called.handled(handled),
                Err(_elapsed) => called.expired(),
            };
            core.settle.push(finished);
        };
        core.running.works(entry, tokio::spawn(work).abort_handle());
        None
    }
}

impl Called {
    /// The handler is done.
    fn handled(mut self, handled: Handled) -> Finished {
        let core = &self.core;
        let work = self.started.elapsed();
        let outcome = match handled {
            Ok(Ok(body)) if body.len() > core.max_body => {
                self.span.fail(REPLY_TOO_LARGE);
                Outcome::Failed {
                    code: REPLY_TOO_LARGE.into(),
                    message: format!(
                        "the reply has {} bytes, the most is {}",
                        body.len(),
                        core.max_body
                    ),
                }
            }
            Ok(Ok(body)) => Outcome::Ok(body),
            Ok(Err(Failure { code, message })) => {
                self.span.fail(code.clone());
                Outcome::Failed {
                    message: cut(&message, core.max_body).to_owned(),
                    code,
                }
            }
            Err(panic) => {
                core.metrics.panicked.inc();
                self.span.fail("panic");
                let trace_id = TraceContext::log_id(self.span.context());
                let (request, entry, panic) = (self.id, self.in_hand.entry, panic_text(&*panic));
                tracing::error!(%request, trace_id, %entry, panic, "the handler panicked");
                Outcome::Panicked
            }
        };
        self.span.done();
        core.metrics.served.inc();
        let sending = core
            .traces
            .reply(self.traced.as_ref(), self.reply_to.as_deref());
        let envelope = ReplyEnvelope {
            outcome,
            queue: self.queue,
            work,
            deliveries: self.deliveries,
        }
        .encode();
        self.in_hand.worked = true;
        let reply = AddressedReply {
            stream: self.reply_to,
            request: self.id,
            envelope,
        };
        Finished::new(self.in_hand, Some(reply), self.deadline).traced(sending)
    }

    /// Nobody waits for it any more.
    fn expired(mut self) -> Finished {
        let expired = &self.core.metrics.expired;
        expired.with_label_values(&[EXPIRED_RUNNING]).inc();
        self.span.fail(EXPIRED);
        self.in_hand.worked = true;
        Finished::unanswered(&self.core, self.in_hand)
    }
}

//! What one connection is doing, and until when it may.
//!
//! hyper counts the idle time of a connection as time of the next request head, and its automatic
//! version detection has no time limit at all; so time is kept here. Bytes read and exchanges begun,
//! answered and ended are noted as they happen; whoever drives the connection asks for the deadline.
//!
//! | the connection … | may do so for |
//! |---|---|
//! | has not sent its first request head | header timeout, from the accept |
//! | is sending a later head (HTTP/1 only: in HTTP/2 bytes without a request are housekeeping) | header timeout, from the first byte |
//! | waits for a handler | as long as the handler sets itself |
//! | does not take its responses | write timeout, from the last response that moved |
//! | is idle | keep-alive timeout, or one linger where the server is draining |

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::Limits;

/// How long an idle connection stays open once the server drains: a request that crosses with the
/// signal is still answered, and told that it was the last.
const LINGER: Duration = Duration::from_secs(1);

/// A shared view of one connection.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// When the present phase began.
    since: Instant,
    phase: Phase,
    /// Requests that a handler works on.
    handling: usize,
    /// Responses that are not handed over completely.
    writing: usize,
    http2: bool,
    draining: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request head has arrived yet.
    First,
    /// Between exchanges.
    Idle,
    /// Bytes of a further request head have arrived.
    Head,
    /// At least one exchange is open.
    Busy,
}

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It sent no request head in time.
    Head,
    /// It did not take its responses in time.
    Write,
    /// It was idle for long enough.
    Idle,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            since: Instant::now(),
            phase: Phase::First,
            handling: 0,
            writing: 0,
            http2: false,
            draining: false,
        })))
    }

    /// Bytes have arrived.
    pub(super) fn heard(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Idle && !state.http2 {
            state.enter(Phase::Head);
        }
    }

    /// A request head is complete; the handler works until the guard is answered or dropped.
    pub(super) fn begin(&self, http2: bool) -> Handling {
        let mut state = self.lock();
        state.http2 = http2;
        state.handling += 1;
        state.enter(Phase::Busy);
        Handling(self.clone())
    }

    /// The server is leaving: idle time is short from now on.
    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        if matches!(state.phase, Phase::First | Phase::Idle) {
            state.since = Instant::now();
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Whether the peer understands a GOAWAY and should get one. An HTTP/1 peer is told by the
    /// `Connection: close` of its next response.
    pub(super) fn wants_goaway(&self) -> bool {
        let state = self.lock();
        state.draining && state.http2
    }

    /// When the connection must end unless something happens, and why. `None` while only handlers are waited for.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let state = self.lock();
        let idle = if state.draining {
            LINGER.min(limits.keep_alive_timeout)
        } else {
            limits.keep_alive_timeout
        };
        let (allowed, overdue) = match state.phase {
            Phase::First if state.draining => (LINGER.min(limits.header_timeout), Overdue::Head),
            Phase::First | Phase::Head => (limits.header_timeout, Overdue::Head),
            Phase::Idle => (idle, Overdue::Idle),
            Phase::Busy if state.writing > 0 => (limits.write_timeout, Overdue::Write),
            Phase::Busy => return None,
        };
        Some((state.since + allowed, overdue))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves plain numbers behind, which stay usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    fn ended(&mut self) {
        let phase = if self.handling + self.writing == 0 {
            Phase::Idle
        } else {
            Phase::Busy
        };
        self.enter(phase);
    }
}

/// One request with its handler. Dropped early where the caller leaves.
#[derive(Debug)]
pub(super) struct Handling(Activity);

impl Handling {
    /// The handler has answered; the exchange lasts until this body is handed over.
    pub(super) fn answered(self, body: Body) -> Answer {
        let activity = self.0.clone();
        activity.lock().writing += 1;
        drop(self);
        Answer { body, activity }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.handling -= 1;
        state.ended();
    }
}

/// The body of a response that tells when it has been handed over.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    activity: Activity,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.activity.lock().enter(Phase::Busy);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.writing -= 1;
        state.ended();
    }
}

//! What one connection is doing, and until when it may.
//!
//! hyper counts the idle time of a connection as time of the next request head, and its automatic
//! version detection has no time limit at all; so time is kept here. Bytes read and handlers begun and
//! ended are noted as they happen; whoever drives the connection asks for the deadline.
//!
//! | the connection … | may do so for |
//! |---|---|
//! | has not sent its first request head | header timeout, from the accept |
//! | is sending a later head (HTTP/1 only) | header timeout, from the first byte |
//! | waits for a handler | as long as the handler sets itself |
//! | is idle, or does not take its last response | keep-alive timeout; the linger once it was told to leave |
//!
//! In HTTP/2 bytes without a request are housekeeping, and no head.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Limits;

/// A shared view of one connection.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// When the present phase began, or an earlier one where only handlers are waited for.
    since: Instant,
    phase: Phase,
    /// Requests that a handler works on.
    handling: usize,
    http2: bool,
    draining: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request head has arrived yet.
    First,
    /// No handler is at work; its last response may still be on the way.
    Idle,
    /// Bytes of a further request head have arrived.
    Head,
    /// A handler is at work.
    Busy,
}

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It sent no request head in time.
    Head,
    /// It was idle for long enough.
    Idle,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            since: Instant::now(),
            phase: Phase::First,
            handling: 0,
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

    /// A request head is complete; the handler works until the guard is dropped.
    pub(super) fn begin(&self, http2: bool) -> Handling {
        let mut state = self.lock();
        state.http2 = http2;
        state.handling += 1;
        state.phase = Phase::Busy;
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
        let (allowed, overdue) = match state.phase {
            Phase::First | Phase::Idle if state.draining => (limits.linger, Overdue::Idle),
            Phase::First | Phase::Head => (limits.header_timeout, Overdue::Head),
            Phase::Idle => (limits.keep_alive_timeout, Overdue::Idle),
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
}

/// One request with its handler. Dropped unanswered where the caller leaves.
#[derive(Debug)]
pub(super) struct Handling(Activity);

impl Handling {
    pub(super) fn is_draining(&self) -> bool {
        self.0.is_draining()
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.handling -= 1;
        if state.handling == 0 {
            state.enter(Phase::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        max_headers: 1,
        header_timeout: Duration::from_secs(10),
        keep_alive_timeout: Duration::from_secs(75),
        linger: Duration::from_secs(1),
    };

    /// In how many seconds the connection is overdue, and for what.
    fn left(activity: &Activity) -> Option<(u64, Overdue)> {
        let (deadline, overdue) = activity.deadline(&LIMITS)?;
        Some((deadline.duration_since(Instant::now()).as_secs(), overdue))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_goes_through_its_phases() {
        let activity = Activity::new();
        assert_eq!(left(&activity), Some((10, Overdue::Head)));
        advance(Duration::from_secs(4)).await;
        activity.heard();
        assert_eq!(
            left(&activity),
            Some((6, Overdue::Head)),
            "the first head counts from the accept"
        );
        let handling = activity.begin(false);
        assert_eq!(left(&activity), None);
        drop(handling);
        assert_eq!(left(&activity), Some((75, Overdue::Idle)));
        advance(Duration::from_secs(70)).await;
        activity.heard();
        assert_eq!(
            left(&activity),
            Some((10, Overdue::Head)),
            "a later head counts from its first byte"
        );
        advance(Duration::from_secs(4)).await;
        activity.heard();
        assert_eq!(
            left(&activity),
            Some((6, Overdue::Head)),
            "and further bytes do not put it off"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_of_several_requests_makes_it_idle() {
        let activity = Activity::new();
        let first = activity.begin(true);
        let second = activity.begin(true);
        drop(first);
        assert_eq!(left(&activity), None);
        drop(second);
        assert_eq!(left(&activity), Some((75, Overdue::Idle)));
        activity.heard();
        assert_eq!(
            left(&activity),
            Some((75, Overdue::Idle)),
            "bytes of HTTP/2 need not be a request"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_drain_idle_connections_linger_from_the_signal_on() {
        let fresh = Activity::new();
        let idle = Activity::new();
        drop(idle.begin(false));
        let busy = Activity::new();
        let handling = busy.begin(true);
        advance(Duration::from_secs(5)).await;
        for activity in [&fresh, &idle, &busy] {
            activity.drain();
        }
        assert_eq!(left(&fresh), Some((1, Overdue::Idle)));
        assert_eq!(left(&idle), Some((1, Overdue::Idle)));
        assert_eq!(left(&busy), None);
        assert_eq!(
            [&fresh, &idle, &busy].map(Activity::wants_goaway),
            [false, false, true]
        );
        drop(handling);
        assert_eq!(left(&busy), Some((1, Overdue::Idle)));
    }
}

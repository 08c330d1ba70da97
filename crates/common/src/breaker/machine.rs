//! The state diagram itself: no lock, no clock and no log, so that a test can walk every path.

use std::time::Duration;

use tokio::time::Instant;

use super::State;
use super::config::{BreakerConfig, InvalidBreaker};
use super::window::Window;
use crate::retry::Backoff;

#[derive(Debug)]
pub(super) struct Machine {
    config: BreakerConfig,
    /// How long to stay open, by the number of failed probes.
    open_for: Backoff,
    phase: Phase,
    /// Rises with each change of state, so that a ticket of an earlier state can be told.
    generation: u64,
    /// Probes that failed since the breaker was last closed.
    failed_probes: u32,
    /// In the order of [`State::ALL`].
    transitions: [u64; 3],
    /// What the last step changed, until it is taken.
    change: Option<Change>,
}

#[derive(Debug)]
enum Phase {
    Closed {
        failures_in_a_row: u32,
        window: Window,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        probe_out: bool,
    },
}

/// What a permit knows of its origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    generation: u64,
    taken: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Failure,
    Cancelled,
}

/// A change of state, with what a log line should say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened {
        cause: &'static str,
        open_for: Duration,
    },
    HalfOpened,
    /// The probe failed.
    Reopened {
        open_for: Duration,
    },
    Closed,
}

impl Machine {
    pub(super) fn new(config: BreakerConfig, now: Instant) -> Result<Self, InvalidBreaker> {
        config.validate()?;
        Ok(Self {
            open_for: Backoff::new(config.open_for, config.open_for_max)?,
            phase: Phase::closed(&config, now),
            config,
            generation: 0,
            failed_probes: 0,
            transitions: [0; 3],
            change: None,
        })
    }

    /// A ticket for one call, or how long to wait before asking again.
    pub(super) fn acquire(&mut self, now: Instant) -> Result<Ticket, Duration> {
        self.end_open(now);
        match &mut self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until } => return Err(*until - now),
            Phase::HalfOpen { probe_out: true } => {
                return Err(self.config.slow_call.min(self.config.open_for));
            }
            Phase::HalfOpen { probe_out } => *probe_out = true,
        }
        Ok(Ticket {
            generation: self.generation,
            taken: now,
        })
    }

    /// Takes the verdict of one ticket into account.
    pub(super) fn settle(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) {
        if ticket.generation != self.generation {
            return;
        }
        let slow = now.saturating_duration_since(ticket.taken) > self.config.slow_call;
        let verdict = if slow { Verdict::Failure } else { verdict };
        match (&mut self.phase, verdict) {
            (
                Phase::Closed {
                    failures_in_a_row,
                    window,
                },
                Verdict::Success,
            ) => {
                *failures_in_a_row = 0;
                window.record(false, now);
            }
            (
                Phase::Closed {
                    failures_in_a_row,
                    window,
                },
                Verdict::Failure,
            ) => {
                *failures_in_a_row += 1;
                window.record(true, now);
                if let Some(cause) = self.cause_to_open(now) {
                    self.open(Some(cause), now);
                }
            }
            (Phase::Closed { .. }, Verdict::Cancelled) => {}
            (Phase::HalfOpen { .. }, Verdict::Success) => self.close(now),
            (Phase::HalfOpen { .. }, Verdict::Failure) => {
                self.failed_probes = self.failed_probes.saturating_add(1);
                self.open(None, now);
            }
            (Phase::HalfOpen { probe_out }, Verdict::Cancelled) => *probe_out = false,
            // No ticket is of this generation: an open breaker gives none out.
            (Phase::Open { .. }, _) => {}
        }
    }

    pub(super) fn state(&mut self, now: Instant) -> State {
        self.end_open(now);
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Open { .. } => State::Open,
        }
    }

    pub(super) fn transitions(&mut self, to: State, now: Instant) -> u64 {
        self.end_open(now);
        self.transitions[to as usize]
    }

    /// What the step just made changed. A step changes the state at most once.
    pub(super) fn take_change(&mut self) -> Option<Change> {
        self.change.take()
    }

    fn cause_to_open(&mut self, now: Instant) -> Option<&'static str> {
        let Phase::Closed {
            failures_in_a_row,
            window,
        } = &mut self.phase
        else {
            return None;
        };
        if *failures_in_a_row >= self.config.consecutive_failures {
            return Some("consecutive failures");
        }
        let lately = window.total(now);
        let enough = lately.calls >= u64::from(self.config.minimum_calls);
        let share = lately.failures as f64 / lately.calls as f64;
        (enough && share >= self.config.failure_ratio).then_some("failure ratio")
    }

    /// Without a cause it was open just before.
    fn open(&mut self, cause: Option<&'static str>, now: Instant) {
        let longest = self.open_for.ceiling(self.failed_probes);
        let open_for = longest.mul_f64(0.5 + 0.5 * fastrand::f64());
        let phase = Phase::Open {
            until: now + open_for,
        };
        let change = match cause {
            Some(cause) => Change::Opened { cause, open_for },
            None => Change::Reopened { open_for },
        };
        self.enter(State::Open, phase, change);
    }

    fn end_open(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open { until } if until <= now) {
            let phase = Phase::HalfOpen { probe_out: false };
            self.enter(State::HalfOpen, phase, Change::HalfOpened);
        }
    }

    fn close(&mut self, now: Instant) {
        self.failed_probes = 0;
        self.enter(
            State::Closed,
            Phase::closed(&self.config, now),
            Change::Closed,
        );
    }

    fn enter(&mut self, state: State, phase: Phase, change: Change) {
        self.phase = phase;
        self.generation += 1;
        self.transitions[state as usize] += 1;
        self.change = Some(change);
    }
}

impl Phase {
    /// Closed, with a clean record.
    fn closed(config: &BreakerConfig, now: Instant) -> Self {
        Phase::Closed {
            failures_in_a_row: 0,
            window: Window::new(config.window, now),
        }
    }
}

#[cfg(test)]
mod tests;

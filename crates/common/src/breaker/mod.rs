//! A circuit breaker: stops calling what does not answer, and finds out by single probes when it does again.
//!
//! ```text
//!                 too many failures
//!    +--------+ --------------------> +--------+
//!    | closed |                       |  open  | <--------+
//!    +--------+                       +--------+          |
//!        ^                                | time is up    | probe failed:
//!        |        probe succeeded         v               | open for longer
//!        |                          +-----------+         |
//!        +------------------------- | half-open | --------+
//!                                   +-----------+
//! ```
//!
//! **Closed.** Every call gets a permit. The breaker opens on a failure that is the
//! [`consecutive_failures`](BreakerConfig::consecutive_failures)th in a row (a target that is down is noticed after a
//! few calls), or that makes at least [`failure_ratio`](BreakerConfig::failure_ratio) of the calls of the last
//! [`window`](BreakerConfig::window) failures, once there were
//! [`minimum_calls`](BreakerConfig::minimum_calls) (a target that answers every second call never fails five times in
//! a row). A success never opens it.
//!
//! **Open.** No call gets a permit; the refusal says when to ask again. The state lasts
//! [`open_for`](BreakerConfig::open_for), doubled with each probe that failed since the breaker was last closed, up to
//! [`open_for_max`](BreakerConfig::open_for_max). Each time is drawn from the upper half of that, so that many
//! processes do not probe together. When it is over, whoever looks first (a call, or [`CircuitBreaker::state`]) finds
//! the breaker half-open: no traffic is needed, so readiness may depend on the state.
//!
//! **Half-open.** Exactly one permit is out at a time, the probe; all others are refused. Its success closes the
//! breaker with a clean record, its failure opens it again. A probe without verdict makes room for the next.
//!
//! **Slow calls are failures.** A success later than [`slow_call`](BreakerConfig::slow_call) after its permit counts
//! as a failure: a target that answers after everybody stopped waiting is down. Take the permit right before the
//! call, not before a queue.
//!
//! **Cancelled calls.** A permit that is dropped gives no verdict (the caller left, which says nothing of the target)
//! unless it was out for longer than `slow_call`: then it was a slow call, whoever gave up on it. A call that the
//! caller itself cut off for taking too long is a failure, and must be reported as such.
//!
//! **Late results.** A permit belongs to the state that gave it out. What it reports after the state changed is
//! ignored: a call that hung since before the breaker opened neither closes it nor keeps it open. A probe has no time
//! limit here, so a call has to have one of its own; a permit kept for ever would keep the breaker half-open for ever.

mod config;
mod machine;
mod metrics;
mod window;

pub use config::{BreakerConfig, InvalidBreaker};

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use machine::{Change, Machine, Ticket, Verdict};

/// Where a breaker is in its diagram. Displayed as `closed`, `half-open` and `open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls go through.
    Closed,
    /// One call at a time goes through, to see how the target is.
    HalfOpen,
    /// Calls are refused.
    Open,
}

/// The refusal of a breaker that is open, or half-open with its probe out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the circuit breaker is open")]
pub struct Open {
    /// How long the breaker stays open for; while a probe is out, how soon its verdict can be expected.
    pub retry_after: Duration,
}

/// A circuit breaker with a name; clones share its state.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    /// Never held across an await or a log line. A panic cannot leave it half changed, so poison is ignored.
    machine: Mutex<Machine>,
}

/// The right to make one call. Report how it went by [`success`](Permit::success) or [`failure`](Permit::failure);
/// dropped, it gives no verdict unless it was out for longer than `slow_call`.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once protects nothing"]
pub struct Permit {
    breaker: CircuitBreaker,
    /// Taken by whatever settles the permit first, so that dropping it afterwards does nothing.
    ticket: Option<Ticket>,
}

impl CircuitBreaker {
    /// A closed breaker. The name appears in logs and as the `name` label of metrics: a few fixed words.
    pub fn new(name: impl Into<String>, config: BreakerConfig) -> Result<Self, InvalidBreaker> {
        let machine = Machine::new(config, Instant::now())?;
        Ok(Self {
            shared: Arc::new(Shared {
                name: name.into(),
                machine: Mutex::new(machine),
            }),
        })
    }

    /// Asks to make one call, which starts now.
    pub fn acquire(&self) -> Result<Permit, Open> {
        match self.step(Machine::acquire) {
            Ok(ticket) => Ok(Permit {
                breaker: self.clone(),
                ticket: Some(ticket),
            }),
            Err(retry_after) => Err(Open { retry_after }),
        }
    }

    /// The state at this moment.
    pub fn state(&self) -> State {
        self.step(Machine::state)
    }

    /// The name given at construction.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// How often the breaker changed to `state` since it was made.
    pub fn transitions(&self, state: State) -> u64 {
        self.step(|machine, now| machine.transitions(state, now))
    }

    /// Runs one step of the machine; what it changed is logged after the lock was given back.
    fn step<T>(&self, step: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let (result, change) = {
            let mut machine = self
                .shared
                .machine
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // The clock is read under the lock, so that the machine sees time in order.
            let result = step(&mut machine, Instant::now());
            (result, machine.take_change())
        };
        if let Some(change) = change {
            self.log(change);
        }
        result
    }

    fn log(&self, change: Change) {
        let breaker = self.name();
        match change {
            Change::Opened { cause, open_for } => {
                let open_for_ms = open_for.as_millis() as u64;
                tracing::warn!(breaker, cause, open_for_ms, "circuit breaker opened");
            }
            // An outage of an hour is told when it begins and when it ends, not at each probe.
            Change::HalfOpened => tracing::debug!(breaker, "circuit breaker lets a probe through"),
            Change::Reopened { open_for } => {
                let open_for_ms = open_for.as_millis() as u64;
                tracing::debug!(breaker, open_for_ms, "circuit breaker stays open");
            }
            Change::Closed => tracing::info!(breaker, "circuit breaker closed"),
        }
    }
}

impl Permit {
    /// The call did what it should; if it took longer than `slow_call`, that is a failure all the same.
    pub fn success(mut self) {
        self.settle(Verdict::Success);
    }

    /// The call failed in a way that is the target's fault, its slowness included.
    pub fn failure(mut self) {
        self.settle(Verdict::Failure);
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker
                .step(|machine, now| machine.settle(ticket, verdict, now));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.settle(Verdict::Cancelled);
    }
}

impl State {
    /// Every state, in the order of the gauge that shows it: 0 closed, 1 half-open, 2 open.
    pub const ALL: [State; 3] = [State::Closed, State::HalfOpen, State::Open];

    /// The word for the state: `closed`, `half-open` or `open`.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::HalfOpen => "half-open",
            State::Open => "open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests;

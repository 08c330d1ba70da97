//! What callers saw, event by event, to be judged after the run.
//!
//! A history is written while a test runs and read when it is over: nothing is judged on the way, so a fault
//! cannot hide in the order of two tasks. It can be saved and loaded, so that one that broke an invariant can be
//! looked at later.

mod checker;
mod expectations;
mod recorder;
mod report;
mod story;
mod summary;

pub use checker::check;
pub use expectations::{Expectations, Outage};
pub use recorder::Recorder;
pub(crate) use report::TOLD;
pub use report::{Invariant, Violation, Violations};
pub(crate) use story::{Story, stories, timeline};
pub use summary::Summary;

use std::fmt;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::http::Failure;

/// The record of one run; a cheap clone adds to the same record.
#[derive(Clone, Debug)]
pub struct History(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// The same moment on the clock that Redis shares.
    start_on_clock: SystemTime,
    next_request: AtomicU64,
    // As long as the run: a test's requests are counted in thousands.
    events: Mutex<Vec<Event>>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, in microseconds since the history began.
    pub at_us: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum What {
    /// A caller sent a request.
    Sent {
        /// Its number, unique in the history.
        request: u64,
        /// The service it was sent to, e.g. `http://127.0.0.1:5009`.
        target: String,
        /// The city it asks for.
        city: String,
        /// The location it asks for.
        location: String,
        /// How long it may take, in milliseconds.
        deadline_ms: u64,
    },
    /// The request came to an end for its caller.
    Ended {
        /// Its number.
        request: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// Something else worth knowing when a request's story is told, such as a fault.
    Note {
        /// What happened, in words.
        text: String,
    },
}

/// How a request ended for its caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// With an HTTP answer.
    Answer {
        /// The status code.
        status: u16,
        /// The `requestId` in the body of a 200.
        request_id: Option<String>,
        /// What in the body of a 200 does not belong to the request.
        mismatch: Option<String>,
    },
    /// Without one.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// The caller left on purpose.
    Left,
}

impl History {
    /// An empty history that begins now.
    pub fn new() -> Self {
        Self::with_events(Vec::new())
    }

    /// A number for the next request.
    pub fn next_request(&self) -> u64 {
        self.0.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// How long ago it began.
    pub fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// Adds an event that happens now.
    pub fn record(&self, what: What) {
        let mut events = self.lock();
        // Under the lock, so that the events are in the order of their times.
        let at_us = self
            .0
            .start
            .elapsed()
            .as_micros()
            .try_into()
            .unwrap_or(u64::MAX);
        events.push(Event { at_us, what });
    }

    /// Notes a fault or another thing that happens now, for the time lines of the requests around it.
    pub fn note(&self, text: impl Into<String>) {
        self.record(What::Note { text: text.into() });
    }

    /// When something happened that another process on this machine timed, in milliseconds of Unix time; the
    /// beginning, if it was before that.
    pub(crate) fn at(&self, unix_ms: u64) -> Duration {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms);
        at.duration_since(self.0.start_on_clock).unwrap_or_default()
    }

    /// All events so far, in the order of their times.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    /// Writes it to a file, one JSON object a line.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let save = || {
            let mut file = BufWriter::new(std::fs::File::create(path)?);
            for event in self.events() {
                serde_json::to_writer(&mut file, &event)?;
                file.write_all(b"\n")?;
            }
            anyhow::Ok(file.flush()?)
        };
        save().with_context(|| format!("could not save the history to {}", path.display()))
    }

    /// Reads what [`save`](Self::save) wrote.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let load = || {
            let file = BufReader::new(std::fs::File::open(path)?);
            file.lines()
                .map(|line| anyhow::Ok(serde_json::from_str(&line?)?))
                .collect::<anyhow::Result<Vec<Event>>>()
        };
        let events =
            load().with_context(|| format!("could not load a history from {}", path.display()))?;
        Ok(events.into_iter().collect())
    }

    fn with_events(events: Vec<Event>) -> Self {
        let numbers = events.iter().filter_map(|event| event.what.request());
        let next_request = numbers.max().map_or(0, |last| last + 1);
        Self(Arc::new(Inner {
            start: Instant::now(),
            start_on_clock: SystemTime::now(),
            next_request: next_request.into(),
            events: events.into(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

/// A history written by hand, for tests of a check.
impl FromIterator<Event> for History {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        Self::with_events(events.into_iter().collect())
    }
}

impl Event {
    /// When it happened, since the history began.
    pub fn at(&self) -> Duration {
        Duration::from_micros(self.at_us)
    }
}

impl What {
    /// The request it is about, if it is about one.
    pub fn request(&self) -> Option<u64> {
        match self {
            Self::Sent { request, .. } | Self::Ended { request, .. } => Some(*request),
            Self::Note { .. } => None,
        }
    }
}

impl Outcome {
    /// The status of the HTTP answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            Self::Failed { .. } | Self::Left => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3}s  {}", self.at().as_secs_f64(), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                request,
                target,
                city,
                location,
                deadline_ms,
            } => {
                write!(
                    f,
                    "#{request} sent to {target}: {city}, {location}, within {deadline_ms} ms"
                )
            }
            Self::Ended { request, outcome } => write!(f, "#{request} {outcome}"),
            Self::Note { text } => f.write_str(text),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer {
                status,
                request_id,
                mismatch,
            } => {
                write!(f, "answered {status}")?;
                request_id
                    .iter()
                    .try_for_each(|id| write!(f, ", request id {id}"))?;
                mismatch.iter().try_for_each(|what| write!(f, ", {what}"))
            }
            Self::Failed { failure } => write!(f, "failed: {failure}"),
            Self::Left => f.write_str("left by its caller"),
        }
    }
}

//! One run from the health check to the report.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::caller::Caller;
use crate::client::Client;
use crate::connection::TlsError;
use crate::health::{self, NotReady};
use crate::options::{Load, Options};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::stop::Stop;
use crate::{closed_loop, open_loop, progress};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The target is not fit to be loaded.
    #[error("the target is not ready: {0}")]
    NotReady(#[from] NotReady),
    /// The target cannot be talked to over TLS.
    #[error("the target cannot be reached over TLS: {0}")]
    Tls(#[from] TlsError),
    /// The user stopped it during the health check.
    #[error("stopped before the first request")]
    Stopped,
}

/// What a loop knows when it ends.
#[derive(Debug)]
pub(crate) struct Ending {
    /// When the last request was to be sent, if that was known in advance.
    pub(crate) sending_ended: Option<Instant>,
    /// When the user stopped it, if there was more to do.
    pub(crate) cut_short: Option<Instant>,
    /// Requests that stood in line then.
    pub(crate) never_begun: u64,
}

/// Everything that the report is made of.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) started_at: SystemTime,
    pub(crate) measured_from: Instant,
    pub(crate) ending: Ending,
    pub(crate) recorder: Recorder,
    /// How long the whole run took, warm-up and last replies included.
    pub(crate) took: Duration,
    /// The processor time that this process spent meanwhile.
    pub(crate) processor: Duration,
}

/// Loads the target as the options say, and reports. Ends within the length of the run plus the time limit of a
/// request, the health check (10 s at most) not counted; or early, when `stop` says so.
///
/// # Errors
/// Nothing was measured: the target is not ready, or cannot be talked to.
pub async fn run(options: Options, stop: Stop) -> Result<Report, RunError> {
    let client = Client::new(&options.target, options.protocol)?;
    if options.health_check {
        tokio::select! {
            ready = health::check(&client, &options.target) => ready?,
            () = stop.finishing() => return Err(RunError::Stopped),
        }
    }

    let (started_at, spent_before) = (SystemTime::now(), processor_time());
    let began = Instant::now();
    let (measured_from, arrivals) = match options.load {
        Load::Sequential => (began + options.warmup, Arrivals::Closed { concurrency: 1 }),
        Load::Concurrent { concurrency } => {
            (began + options.warmup, Arrivals::Closed { concurrency })
        }
        Load::Open {
            rate,
            max_in_flight,
        } => {
            let schedule = Schedule::new(rate, options.warmup, options.length);
            (
                began + schedule.due(schedule.warmup()),
                Arrivals::Open {
                    schedule,
                    max_in_flight,
                },
            )
        }
    };
    let caller = Arc::new(Caller::new(
        client,
        options.timeout,
        options.tries,
        measured_from,
    ));
    let progress = progress::show(
        options.progress,
        options.length,
        measured_from,
        &caller,
        &stop,
    );
    let ending = match arrivals {
        Arrivals::Closed { concurrency } => {
            closed_loop::run(&caller, concurrency, measured_from, options.length, &stop).await
        }
        Arrivals::Open {
            schedule,
            max_in_flight,
        } => open_loop::run(&caller, schedule, max_in_flight, began, &stop).await,
    };
    drop(progress);

    let outcome = Outcome {
        started_at,
        measured_from,
        ending,
        recorder: caller.take_recorder(),
        took: began.elapsed(),
        processor: processor_time().saturating_sub(spent_before),
    };
    Ok(Report::new(&options, outcome))
}

/// The loop that makes the requests, with what only it needs.
enum Arrivals {
    Closed {
        concurrency: usize,
    },
    Open {
        schedule: Schedule,
        max_in_flight: usize,
    },
}

/// User and system time of this process so far.
fn processor_time() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    })
}

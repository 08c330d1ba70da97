//! What is shown on stderr while the run goes on.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::caller::Caller;
use crate::options::{Length, Progress};
use crate::recorder::seconds;
use crate::report::units::{count, duration, rate};
use crate::stop::Stop;

/// Shows the progress until it is dropped.
#[derive(Debug)]
pub(crate) struct Shown {
    task: JoinHandle<()>,
    display: Display,
}

/// Where it is shown.
#[derive(Clone, Debug)]
enum Display {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

/// Starts to show how far the run is.
pub(crate) fn show(
    progress: Progress,
    length: Length,
    measured_from: Instant,
    caller: &Arc<Caller>,
    stop: &Stop,
) -> Shown {
    let (display, period) = match progress {
        Progress::Quiet => (Display::Quiet, Duration::from_secs(3600)),
        Progress::Lines => (Display::Lines, Duration::from_secs(5)),
        Progress::Bar => (
            Display::Bar(ProgressBar::new(1000).with_style(style())),
            Duration::from_millis(250),
        ),
    };
    let watch = Watch {
        caller: Arc::clone(caller),
        length,
        measured_from,
        answered_before: 0,
        looked: Instant::now(),
    };
    let task = tokio::spawn(show_from_time_to_time(
        watch,
        period,
        display.clone(),
        stop.clone(),
    ));
    Shown { task, display }
}

async fn show_from_time_to_time(mut watch: Watch, period: Duration, display: Display, stop: Stop) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut told = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let (permille, line) = watch.look();
                display.update(permille, line);
            }
            () = stop.finishing(), if !told => {
                display.tell("stopping: waiting for the requests in flight; stop again to give them up");
                told = true;
            }
        }
    }
}

impl Display {
    fn update(&self, permille: u64, line: String) {
        match self {
            Self::Quiet => {}
            Self::Lines => self.tell(&format!("{:>3} %  {line}", permille / 10)),
            Self::Bar(bar) => {
                bar.set_message(line);
                bar.set_position(permille);
            }
        }
    }

    /// A line that stays.
    fn tell(&self, line: &str) {
        match self {
            Self::Quiet => {}
            // Whoever closed stderr does not want to know.
            Self::Lines => drop(writeln!(std::io::stderr(), "{line}")),
            Self::Bar(bar) => bar.println(line),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{elapsed:>4} {bar:32.cyan/blue} {percent:>3} %  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Looks at the run from time to time.
struct Watch {
    caller: Arc<Caller>,
    length: Length,
    measured_from: Instant,
    answered_before: u64,
    looked: Instant,
}

impl Watch {
    /// How much of the run is done, in thousandths, and how it goes.
    fn look(&mut self) -> (u64, String) {
        let now = Instant::now();
        let recorder = self.caller.recorder();
        let measured = recorder.ended - recorder.warmup;
        let since = now.duration_since(self.looked).as_secs_f64();
        let pace = rate((recorder.ended - self.answered_before) as f64 / since.max(f64::EPSILON));
        (self.answered_before, self.looked) = (recorder.ended, now);

        let mut line = if now < self.measured_from {
            format!(
                "warming up, {pace}, {} in flight",
                count(recorder.in_flight())
            )
        } else {
            let (succeeded, failed) = (recorder.successes.len(), recorder.failures.len());
            format!(
                "{} ok, {} failed, {pace}, {} in flight",
                count(succeeded),
                count(failed),
                count(recorder.in_flight())
            )
        };
        if !recorder.successes.is_empty() {
            line += &format!(
                ", p99 {}",
                duration(seconds(recorder.successes.value_at_quantile(0.99)))
            );
        }
        (
            permille(
                self.length,
                measured,
                now.duration_since(self.measured_from),
            ),
            line,
        )
    }
}

fn permille(length: Length, measured: u64, elapsed: Duration) -> u64 {
    let done = match length {
        Length::Count(count) => measured as f64 / count as f64,
        Length::Duration(duration) => elapsed.as_secs_f64() / duration.as_secs_f64(),
    };
    (done.min(1.0) * 1000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_share_of_the_whole() {
        assert_eq!(permille(Length::Count(200), 50, Duration::ZERO), 250);
        let minute = Length::Duration(Duration::from_secs(60));
        assert_eq!(permille(minute, 0, Duration::from_secs(6)), 100);
        assert_eq!(
            permille(minute, 0, Duration::from_secs(90)),
            1000,
            "the last replies come after the end"
        );
    }
}

//! The command line, and what it may not say.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};

use crate::options::{Length, Limits, Load, Options, Progress, Protocol};
use crate::target::Target;
use crate::values::{duration, percentage, positive_duration, rate, request_timeout};

/// A run, and where its report goes besides stdout.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The run.
    pub options: Options,
    /// Where to write the machine-readable report.
    pub json: Option<PathBuf>,
    /// Where to write the page.
    pub html: Option<PathBuf>,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub enum Refusal {
    /// The user asked for the help or the version: this text.
    Answer(String),
    /// The arguments make no sense: one line that names the flag.
    Usage(String),
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// There is nothing to run, either because help was asked for or because the arguments make no sense.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, Refusal> {
    let arguments = Arguments::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Refusal::Answer(error.render().to_string())
        }
        _ => Refusal::Usage(one_line(&error)),
    })?;
    arguments.check().map_err(|(kind, text)| {
        Refusal::Usage(one_line(&Arguments::command().error(kind, text)))
    })?;
    Ok(arguments.into_invocation())
}

/// Loads the weather service and says whether it kept up.
///
/// Every reply is checked to be the answer to its own request. Ctrl-C ends the run early and still reports; a second
/// one does not wait for the requests in flight. Exit code: 0 passed, 1 failed, 2 wrong usage, 3 target not ready.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, max_term_width = 100)]
struct Arguments {
    /// Base address of the service
    #[arg(long, default_value = "http://127.0.0.1:5009")]
    url: Target,

    /// How requests arrive: one at a time, from a number of callers that wait for their answers, or on a schedule that
    /// does not wait
    #[arg(long, value_enum, default_value = "concurrent")]
    mode: Mode,

    /// Measure this many requests [default: measure for 10s]
    #[arg(long, value_name = "N", conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    count: Option<u64>,

    /// Measure for this long, such as 30s or 5m
    #[arg(long, value_parser = positive_duration)]
    duration: Option<Duration>,

    /// Number of callers, for --mode concurrent [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    concurrency: Option<u32>,

    /// Arrivals per second, for --mode open
    #[arg(long, value_name = "R", required_if_eq("mode", "open"), value_parser = rate)]
    rate: Option<f64>,

    /// Bound on requests in flight, for --mode open; arrivals beyond it wait, and their latency counts the wait
    /// [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_in_flight: Option<u32>,

    /// Time limit of each request, from the moment it was due
    #[arg(long, default_value = "30s", value_parser = request_timeout)]
    timeout: Duration,

    /// Send a request up to this often: again, at once, when it was refused (429, 503) or its connection failed. The
    /// time limit covers all tries
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,

    /// Send requests for this long before measuring
    #[arg(long, default_value = "0s", value_parser = duration)]
    warmup: Duration,

    /// Fail if the 99th percentile of the latency of successes is above this
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    max_p99: Option<Duration>,

    /// Fail if fewer requests than this succeed, in percent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = percentage)]
    min_success: f64,

    /// Speak HTTP/2 (by prior knowledge where the address starts with http://) instead of HTTP/1.1
    #[arg(long)]
    http2: bool,

    /// Start even if the target does not say that it is ready
    #[arg(long)]
    no_health_check: bool,

    /// Write a machine-readable report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a report as a page with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Sequential,
    Concurrent,
    Open,
}

impl Arguments {
    /// A flag that would have no effect is refused: whoever gave it believes that it has one.
    fn check(&self) -> Result<(), (ErrorKind, String)> {
        let only = |flag: &str, mode: &str| {
            Err((
                ErrorKind::ArgumentConflict,
                format!("{flag} is for --mode {mode} only"),
            ))
        };
        if self.concurrency.is_some() && self.mode != Mode::Concurrent {
            return only("--concurrency", "concurrent");
        }
        if self.rate.is_some() && self.mode != Mode::Open {
            return only("--rate", "open");
        }
        if self.max_in_flight.is_some() && self.mode != Mode::Open {
            return only("--max-in-flight", "open");
        }
        Ok(())
    }

    fn into_invocation(self) -> Invocation {
        let load = match self.mode {
            Mode::Sequential => Load::Sequential,
            Mode::Concurrent => Load::Concurrent {
                concurrency: self.concurrency.unwrap_or(10) as usize,
            },
            Mode::Open => Load::Open {
                // Present in this mode, or the parser would have refused.
                rate: self.rate.unwrap_or(1.0),
                max_in_flight: self.max_in_flight.unwrap_or(10_000) as usize,
            },
        };
        let length = match (self.count, self.duration) {
            (Some(count), _) => Length::Count(count),
            (None, duration) => Length::Duration(duration.unwrap_or(Duration::from_secs(10))),
        };
        let options = Options {
            target: self.url,
            load,
            length,
            warmup: self.warmup,
            timeout: self.timeout,
            tries: self.tries,
            protocol: if self.http2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            },
            health_check: !self.no_health_check,
            limits: Limits {
                max_p99: self.max_p99,
                min_success: self.min_success,
            },
            progress: match self.quiet {
                true => Progress::Quiet,
                false if std::io::stderr().is_terminal() => Progress::Bar,
                false => Progress::Lines,
            },
        };
        Invocation {
            options,
            json: self.json,
            html: self.html,
        }
    }
}

/// The first paragraph of an error as one line; the rest is advice that `--help` gives better.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim);
    lines
        .collect::<Vec<_>>()
        .join(" ")
        .trim_start_matches("error: ")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Invocation, Refusal> {
        parse(
            std::iter::once("loadtest")
                .chain(line.split_whitespace())
                .map(OsString::from),
        )
    }

    fn refusal(line: &str) -> String {
        match parse_line(line) {
            Err(Refusal::Usage(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn defaults_make_a_short_run_that_tolerates_no_failure() {
        let options = parse_line("").unwrap().options;
        assert_eq!(options.target.to_string(), "http://127.0.0.1:5009");
        assert_eq!(options.load, Load::Concurrent { concurrency: 10 });
        assert_eq!(options.length, Length::Duration(Duration::from_secs(10)));
        assert_eq!(options.timeout, Duration::from_secs(30));
        assert_eq!(
            options.limits,
            Limits {
                max_p99: None,
                min_success: 100.0
            }
        );
        assert!(options.health_check);
    }

    #[test]
    fn every_flag_arrives() {
        let line = "--url http://h:1 --mode open --count 5 --rate 2.5 --max-in-flight 3 --timeout 200ms --tries 3 \
                    --warmup 1s --max-p99 90ms --min-success 99.5% --http2 --no-health-check --json a --html b --quiet";
        let Invocation {
            options,
            json,
            html,
        } = parse_line(line).unwrap();
        assert_eq!(
            options.load,
            Load::Open {
                rate: 2.5,
                max_in_flight: 3
            }
        );
        assert_eq!(
            (options.length, options.tries, options.protocol),
            (Length::Count(5), 3, Protocol::Http2)
        );
        assert_eq!(
            (options.timeout, options.warmup),
            (Duration::from_millis(200), Duration::from_secs(1))
        );
        assert_eq!(
            options.limits,
            Limits {
                max_p99: Some(Duration::from_millis(90)),
                min_success: 99.5
            }
        );
        assert_eq!(
            (options.health_check, options.progress),
            (false, Progress::Quiet)
        );
        assert_eq!((json, html), (Some("a".into()), Some("b".into())));

        let options = parse_line("--mode sequential --duration 1m")
            .unwrap()
            .options;
        assert_eq!(
            (options.load, options.length),
            (Load::Sequential, Length::Duration(Duration::from_secs(60)))
        );
    }

    #[test]
    fn nonsense_is_refused_in_one_line_that_names_the_flag() {
        let check = |line: &str, flag: &str, reason: &str| {
            let text = refusal(line);
            assert!(
                text.contains(flag) && text.contains(reason) && !text.contains('\n'),
                "{line}: {text}"
            );
        };
        check("--timeout 30", "--timeout", "needs a unit, such as 30s");
        check("--timeout 0", "--timeout", "needs a unit");
        check("--timeout 0s", "--timeout", "longer than nothing");
        check("--timeout 2h", "--timeout", "at most 1h");
        check("--timeout soon", "--timeout", "soon");
        check("--duration 0ms", "--duration", "longer than nothing");
        check("--duration 30d", "--duration", "at most 7 days");
        check("--max-p99 100", "--max-p99", "needs a unit");
        check("--count 0", "--count", "0 is not in");
        check("--count 5 --duration 5s", "--count", "cannot be used with");
        check("--mode open", "--rate", "not provided");
        check("--mode open --rate 0", "--rate", "from 0.001");
        check("--mode open --rate NaN", "--rate", "from 0.001");
        check(
            "--mode fast",
            "--mode",
            "possible values: sequential, concurrent, open",
        );
        check("--rate 5", "--rate", "--mode open only");
        check("--max-in-flight 5", "--max-in-flight", "--mode open only");
        check(
            "--mode open --rate 5 --concurrency 5",
            "--concurrency",
            "--mode concurrent only",
        );
        check("--concurrency 0", "--concurrency", "0 is not in");
        check("--min-success 101", "--min-success", "from 0 to 100");
        check("--url localhost:5009", "--url", "must start with http://");
        check("--colour", "--colour", "unexpected");
        check("extra", "extra", "unexpected");
    }

    #[test]
    fn help_is_not_an_error() {
        let Err(Refusal::Answer(help)) = parse_line("--help") else {
            panic!("no help")
        };
        assert!(
            help.contains("--max-in-flight") && help.contains("Exit code"),
            "{help}"
        );
        assert!(matches!(parse_line("--version"), Err(Refusal::Answer(_))));
    }
}

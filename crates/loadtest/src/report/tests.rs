use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use uuid::Uuid;

use super::Report;
use crate::failure::Failure;
use crate::options::{Length, Limits, Load, Options, Progress, Protocol};
use crate::recorder::{Recorder, Sample};
use crate::run::{Ending, Outcome};

const OPEN: Load = Load::Open {
    rate: 100.0,
    max_in_flight: 1000,
};

/// A run of ten seconds, planned or cut, of requests that were due at, and took, so many milliseconds.
fn report(
    load: Load,
    cut: bool,
    requests: impl IntoIterator<Item = (u64, u64, Result<(), Failure>)>,
) -> Report {
    let start = Instant::now();
    let mut recorder = Recorder::new(start);
    for (index, (due, took, result)) in requests.into_iter().enumerate() {
        let due = start + Duration::from_millis(due);
        let id = Uuid::from_u128(index as u128);
        recorder.begun += 1;
        recorder.record(Sample {
            due,
            sent: due,
            ended: due + Duration::from_millis(took),
            result: result.map(|()| id),
        });
    }
    let end = start + Duration::from_secs(10);
    let options = Options {
        target: "http://127.0.0.1:5009/a&b".parse().unwrap(),
        load,
        length: Length::Duration(Duration::from_secs(if cut { 3600 } else { 10 })),
        warmup: Duration::ZERO,
        timeout: Duration::from_secs(30),
        tries: 1,
        protocol: Protocol::Http1,
        health_check: true,
        limits: Limits {
            max_p99: Some(Duration::from_secs(1)),
            min_success: 99.0,
        },
        progress: Progress::Quiet,
    };
    let outcome = Outcome {
        started_at: SystemTime::UNIX_EPOCH,
        measured_from: start,
        ending: Ending {
            sending_ended: Some(if cut {
                start + Duration::from_secs(3600)
            } else {
                end
            }),
            cut_short: cut.then_some(end),
            never_begun: if cut { 7 } else { 0 },
        },
        recorder,
        took: Duration::from_secs(10),
        processor: Duration::from_millis(9500),
    };
    Report::new(&options, outcome)
}

/// A hundred requests a second, one in a hundred of which fails, with texts that want to be more than texts.
fn eventful() -> Report {
    let problem =
        br#"{"type":"/p?a=1&b=2","title":"<script>alert(1)</script>","detail":"\"'<b>\u001b[2J"}"#;
    report(
        OPEN,
        false,
        (0..1000u64).map(|index| {
            let result = if index % 100 == 7 {
                Err(Failure::from_status(503, problem))
            } else {
                Ok(())
            };
            (index * 10, 100 + index % 50, result)
        }),
    )
}

fn nothing() -> Report {
    report(Load::Sequential, true, [])
}

/// The paths of all fields, elements of a list taken as one.
fn paths(value: &Value, prefix: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{prefix}.{name}");
                self::paths(field, &path, paths);
                paths.insert(path);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                self::paths(element, &format!("{prefix}[]"), paths);
            }
        }
        _ => {}
    }
}

#[test]
fn the_documented_json_has_exactly_the_fields_of_the_real_one() {
    let readme = include_str!("../../README.md");
    let example = readme
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example");
    let (mut documented, mut real) = (BTreeSet::new(), BTreeSet::new());
    paths(
        &serde_json::from_str(example).expect("an example that is JSON"),
        "",
        &mut documented,
    );
    paths(
        &serde_json::from_str(&eventful().to_json()).unwrap(),
        "",
        &mut real,
    );
    assert_eq!(documented, real);
    assert!(real.contains(".latency.successes.p999") && real.contains(".timeline.intervals[].p99"));
}

#[test]
fn figures_add_up() {
    let report = eventful();
    assert_eq!(
        (
            report.requests.succeeded,
            report.requests.failed,
            report.requests.unfinished
        ),
        (990, 10, 0)
    );
    assert!(report.verdict.passed);
    let latency = report.latency.successes.unwrap();
    assert!(
        latency.min < 0.101 && (latency.p50 - 0.125).abs() < 0.002 && latency.max > 0.148,
        "{latency:?}"
    );
    assert_eq!(
        report.distribution.iter().map(|bin| bin.count).sum::<u64>(),
        990
    );
    let intervals = &report.timeline.intervals;
    assert_eq!(
        intervals
            .iter()
            .map(|interval| interval.succeeded)
            .sum::<u64>(),
        990
    );
    assert_eq!(
        intervals
            .iter()
            .map(|interval| interval.failed)
            .sum::<u64>(),
        10
    );
    assert_eq!(report.percentiles.first().unwrap().percentile, 0.0);
    assert_eq!(report.percentiles.last().unwrap().latency, latency.max);
}

#[test]
fn percentiles_never_fall() {
    let report = eventful();
    assert!(report.percentiles.len() > 40);
    for pair in report.percentiles.windows(2) {
        assert!(
            pair[0].percentile < pair[1].percentile && pair[0].latency <= pair[1].latency,
            "{pair:?}"
        );
    }
}

#[test]
fn a_failure_after_the_end_does_not_dilute_the_throughput_but_a_late_success_counts() {
    let steady = |late: (u64, u64, Result<(), Failure>)| {
        report(
            OPEN,
            false,
            (0..1000).map(|index| (index * 10, 5, Ok(()))).chain([late]),
        )
    };
    let with_timeout = steady((9990, 30_000, Err(Failure::Timeout)));
    assert_eq!(
        (with_timeout.elapsed, with_timeout.throughput),
        (10.0, 100.0)
    );
    let with_late_success = steady((9990, 10_010, Ok(())));
    assert_eq!(
        (with_late_success.elapsed, with_late_success.throughput),
        (20.0, 1001.0 / 20.0)
    );
}

#[test]
fn a_run_that_was_cut_short_says_so_everywhere() {
    let report = report(OPEN, true, (0..1000).map(|index| (index * 10, 5, Ok(()))));
    assert_eq!((report.elapsed, report.requests.unfinished), (10.0, 7));
    assert!(report.to_text().contains("cut short") && report.to_text().contains("7 unfinished"));
    assert!(report.to_html().contains("Cut short"));
    assert!(report.to_json().contains("\"cutShort\": true"));
}

#[test]
fn the_text_fits_a_terminal_and_cannot_take_it_over() {
    let text = eventful().to_text();
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    for part in [
        "PASS",
        "990 succeeded, 10 failed",
        "status 503",
        "1 %",
        "95 % of a core: it may be",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn the_page_stands_alone_and_runs_nothing() {
    for page in [eventful().to_html(), nothing().to_html()] {
        for forbidden in ["<script", "<b>\u{fffd}", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
    let page = eventful().to_html();
    for escaped in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&quot;&#39;&lt;b&gt;",
        "a=1&amp;b=2",
        "5009/a&amp;b",
    ] {
        assert!(page.contains(escaped), "{escaped}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(
        !page.contains("NaN") && !page.contains("inf"),
        "every mark has a place"
    );
}

#[test]
fn a_run_without_requests_can_still_be_reported() {
    let report = nothing();
    assert!(!report.verdict.passed);
    assert!(
        report.to_text().contains("no request was measured"),
        "{}",
        report.to_text()
    );
    assert!(!report.to_html().contains("NaN"));
    assert!(serde_json::from_str::<Value>(&report.to_json()).is_ok());
}

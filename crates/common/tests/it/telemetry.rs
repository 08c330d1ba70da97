use std::io::{Read, Write};
use std::process::exit;
use std::time::Duration;

use common::telemetry::{LogFilter, LogFormat, Logs, TelemetryError, init};
use serde_json::Value;

use crate::child::{self, Child};

fn logs(filter: &str) -> Logs {
    child::give_up_after(Duration::from_secs(60));
    init(LogFormat::Auto, &filter.parse().unwrap()).unwrap()
}

/// The JSON lines of a child, without what its test harness prints: the first of them may begin in the middle of a
/// line of the harness.
fn events(child: &mut Child) -> Vec<Value> {
    let json = |line: String| serde_json::from_str(&line[line.find('{')?..]).ok();
    child.lines().filter_map(json).collect()
}

fn read_stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn a_pipe_gets_json_up_to_the_last_line() {
    if child::role().is_some() {
        let logs = logs("info");
        for number in 0..1000 {
            tracing::info!(number, "counting");
        }
        tracing::debug!("not shown");
        let again = init(LogFormat::Auto, &LogFilter::default());
        assert!(matches!(again, Err(TelemetryError::AlreadySet)));
        drop(logs);
        exit(0);
    }
    let mut child = child::spawn("telemetry::a_pipe_gets_json_up_to_the_last_line", "log");
    let events = events(&mut child);
    assert_eq!(child.status().code(), Some(0));
    assert_eq!(events.len(), 1000);
    assert_eq!(events[999]["number"], 999);
    assert_eq!(events[999]["message"], "counting");
}

#[test]
fn a_panic_is_one_line() {
    if child::role().is_some() {
        let logs = logs("info");
        let handler = std::thread::Builder::new().name("handler".into());
        let ended = handler
            .spawn(|| panic!("first line\nsecond: {}", 5))
            .unwrap()
            .join();
        assert!(ended.is_err());
        drop(logs);
        exit(0);
    }
    let mut child = child::spawn("telemetry::a_panic_is_one_line", "panic");
    let events = events(&mut child);
    assert_eq!(child.status().code(), Some(0));
    let [panic] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(panic["level"], "ERROR");
    assert_eq!(panic["message"], "panicked: first line\nsecond: 5");
    assert_eq!(panic["thread"], "handler");
    assert!(
        panic["location"]
            .as_str()
            .unwrap()
            .contains("telemetry.rs:"),
        "{panic}"
    );
    assert_eq!(read_stderr(&mut child), "");
}

#[test]
fn a_panic_that_the_filter_keeps_out_is_printed() {
    if child::role().is_some() {
        let _logs = logs("streams=debug");
        assert!(std::thread::spawn(|| panic!("unheard")).join().is_err());
        exit(0);
    }
    let test = "telemetry::a_panic_that_the_filter_keeps_out_is_printed";
    let mut child = child::spawn(test, "panic");
    assert!(events(&mut child).is_empty());
    let printed = read_stderr(&mut child);
    assert!(printed.contains("unheard"), "{printed}");
}

#[test]
fn a_pipe_that_nobody_reads_holds_nothing_up() {
    if child::role().is_some() {
        let logs = logs("info");
        for number in 0..50_000 {
            tracing::info!(
                number,
                "a line that is long enough to fill a pipe sooner or later"
            );
        }
        let dropped = logs.dropped();
        writeln!(std::io::stderr(), "dropped {dropped}").unwrap();
        drop(logs);
        exit(0);
    }
    let mut child = child::spawn(
        "telemetry::a_pipe_that_nobody_reads_holds_nothing_up",
        "blocked",
    );
    // Its standard output stays open and unread until it has ended.
    assert_eq!(child.status().code(), Some(0));
    let told = read_stderr(&mut child);
    let dropped: usize = told
        .trim()
        .strip_prefix("dropped ")
        .unwrap()
        .parse()
        .unwrap();
    assert!(dropped > 40_000, "{dropped}");
    let events = events(&mut child);
    assert!(
        !events.is_empty() && events.len() + dropped <= 50_000,
        "{}",
        events.len()
    );
}

#[test]
fn a_closed_pipe_ends_nothing() {
    if child::role().is_some() {
        let logs = logs("info");
        child::say("ready");
        // The other end of standard output is closed when this returns.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        tracing::info!("into the void");
        while logs.dropped() == 0 {
            std::thread::yield_now();
        }
        tracing::info!("and on");
        drop(logs);
        exit(7);
    }
    let mut child = child::spawn("telemetry::a_closed_pipe_ends_nothing", "closed");
    assert!(child.lines().any(|line| line.ends_with("ready")));
    drop(child.stdin.take());
    assert_eq!(child.status().code(), Some(7));
}

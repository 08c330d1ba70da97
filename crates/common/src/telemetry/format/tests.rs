use super::*;
use crate::telemetry::LogFilter;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tracing::{error, info, info_span};

/// What was written, call by call.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<Vec<u8>>>>);

impl io::Write for Written {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `log` writes in a style, each without its end.
fn lines(style: Style, filter: &str, log: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let filter: LogFilter = filter.parse().unwrap();
    let subscriber = subscriber(style, filter.build(), written.clone());
    tracing::subscriber::with_default(subscriber, log);
    let calls = written.0.lock().unwrap();
    calls
        .iter()
        .map(|call| {
            let line = str::from_utf8(call).unwrap();
            line.strip_suffix('\n').unwrap().to_owned()
        })
        .collect()
}

const TEXT: Style = Style::Text { colour: false };
const NASTY: &str = "a\r\nb\u{1b}[2Jc\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\0d";

fn log_nasty_values() {
    let span = info_span!("request", path = NASTY, query = %NASTY);
    let _entered = span.enter();
    info!(text = NASTY, shown = %NASTY, debugged = ?NASTY, "{NASTY}");
    let cause: &dyn std::error::Error = &io::Error::other(NASTY);
    error!(cause, "it failed");
}

#[test]
fn a_json_line_is_flat_and_complete() {
    let [line] = &lines(Style::Json, "info", || {
        info!(
            attempt = 2,
            ratio = 0.5,
            slow = true,
            city = "Ulm",
            "a retry"
        );
    })[..] else {
        panic!("not one line");
    };
    let mut line: Value = serde_json::from_str(line).unwrap();
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    let timestamp = timestamp.as_str().unwrap();
    assert!(
        timestamp.starts_with("20") && timestamp.ends_with('Z'),
        "{timestamp}"
    );
    assert_eq!(
        line,
        json!({
            "level": "INFO",
            "target": "common::telemetry::format::tests",
            "message": "a retry",
            "attempt": 2,
            "ratio": 0.5,
            "slow": true,
            "city": "Ulm",
        })
    );
}

#[test]
fn a_text_line_reads_from_left_to_right() {
    let [line] = &lines(TEXT, "info", || {
        info!(attempt = 2, city = "Ulm", r#type = %"kind", "a retry");
    })[..] else {
        panic!("not one line");
    };
    let (timestamp, rest) = line.split_once(' ').unwrap();
    assert!(timestamp.ends_with('Z'), "{timestamp}");
    assert_eq!(
        rest,
        " INFO common::telemetry::format::tests: a retry attempt=2 city=\"Ulm\" type=kind"
    );
}

#[test]
fn a_line_stays_one_line() {
    for style in [TEXT, Style::Json] {
        let lines = lines(style, "info", log_nasty_values);
        assert_eq!(lines.len(), 2);
        for line in lines {
            let bad = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
            assert!(!line.contains(bad), "{line:?}");
        }
    }
}

#[test]
fn a_json_line_keeps_every_character_of_a_value() {
    let lines = lines(Style::Json, "info", log_nasty_values);
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    for value in [
        &line["message"],
        &line["text"],
        &line["shown"],
        &line["span"]["path"],
        &line["span"]["query"],
    ] {
        assert_eq!(value, NASTY);
    }
    assert_eq!(line["debugged"], format!("{NASTY:?}"));
}

#[test]
fn colours_are_for_terminals_and_never_for_values() {
    let coloured = Style::Text { colour: true };
    let plain = lines(TEXT, "info", || info!(value = NASTY, "plain"));
    assert!(!plain[0].contains('\u{1b}'));
    let lines = lines(coloured, "info", || info!(value = NASTY, "coloured"));
    assert!(
        lines[0].contains("\u{1b}[32m INFO\u{1b}[0m"),
        "{:?}",
        lines[0]
    );
    assert!(!lines[0].contains("\u{1b}[2J"), "{:?}", lines[0]);
}

#[test]
fn only_what_passes_the_filter_is_logged() {
    fn count(filter: &str) -> usize {
        lines(TEXT, filter, || {
            tracing::debug!("detail");
            info!("news");
            error!("trouble");
            info!(target: "noisy", "news");
        })
        .len()
    }
    assert_eq!(count("info"), 3);
    assert_eq!(count(""), 3);
    assert_eq!(count("debug"), 4);
    assert_eq!(count("info,noisy=warn"), 2);
    assert_eq!(count("noisy=info"), 1);
    assert_eq!(count("error"), 1);
    assert_eq!(count("off"), 0);
}

#[test]
fn a_filter_that_cannot_be_understood_is_refused() {
    for filter in ["info,=debug", "streams=loud", "[unclosed"] {
        let error = filter.parse::<LogFilter>().unwrap_err();
        assert!(error.to_string().starts_with("not a log filter"), "{error}");
    }
}

#[test]
fn formats_are_words() {
    for (word, format) in [
        ("auto", LogFormat::Auto),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
    ] {
        assert_eq!(word.parse(), Ok(format));
        assert_eq!(format.to_string(), word);
    }
    assert_eq!("JSON".parse::<LogFormat>(), Err(InvalidLogFormat));
    assert_eq!(LogFormat::Auto.on(false), Style::Json);
    assert_eq!(LogFormat::Text.on(false), TEXT);
    assert_eq!(LogFormat::Json.on(true), Style::Json);
    assert!(matches!(LogFormat::Auto.on(true), Style::Text { .. }));
}

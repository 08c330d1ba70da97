//! What services log: one JSON object a line.

use serde_json::Value;

/// How many lines of a log a failing test shows.
const TAIL: usize = 30;

/// One line of a log.
pub(super) struct Line<'a> {
    text: &'a str,
    level: Option<String>,
}

/// The lines of a log.
pub(super) fn lines(log: &str) -> impl Iterator<Item = Line<'_>> {
    log.lines().map(|text| {
        let line: Option<Value> = serde_json::from_str(text).ok();
        let level = line.and_then(|line| line["level"].as_str().map(str::to_owned));
        Line { text, level }
    })
}

/// The end of a log.
pub(super) fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

impl Line<'_> {
    /// Whether it tells of an error, or is no line of the log at all, such as what a crash prints.
    pub(super) fn is_error(&self) -> bool {
        self.level.as_deref().is_none_or(|level| level == "ERROR")
    }

    pub(super) fn text(&self) -> &str {
        self.text
    }
}

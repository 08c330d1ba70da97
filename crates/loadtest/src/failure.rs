//! Why a request did not succeed, and how failures are grouped.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Deserialize;

use crate::recorder::micros;

/// Why one request did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No complete reply within the time limit.
    Timeout,
    /// Its time limit passed while it waited for one of the requests in flight to end.
    NotStarted,
    /// No connection; says why.
    Connect(String),
    /// The connection ended before the reply was complete; says how.
    Reset(String),
    /// A status other than 200.
    Status { code: u16, problem: Problem },
    /// The reply to another request; says which.
    Crossed(String),
    /// Not the reply that the API promises; says what is wrong.
    BadBody(String),
}

/// What an error reply said about itself (RFC 9457), empty where it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) r#type: String,
    pub(crate) title: String,
    pub(crate) detail: String,
}

/// Failures that are one and the same to a reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) cause: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) problem_type: Option<String>,
    pub(crate) description: String,
}

/// How many requests failed in which way. Holds at most [`Failures::MAX_GROUPS`] groups and one for the rest.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    groups: BTreeMap<Group, Failed>,
}

/// What is known of the failures of one group.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What the first of them said in particular.
    pub(crate) example: Option<String>,
    /// How long they took, in microseconds, right to two digits: there may be many groups.
    pub(crate) latency: Histogram<u64>,
}

impl Failure {
    /// A reply whose status is not 200; the body may say more.
    pub(crate) fn from_status(code: u16, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        Self::Status { code, problem }
    }

    /// What went wrong on a connection once there was one.
    pub(crate) fn from_exchange(error: &hyper::Error) -> Self {
        if error.is_parse() {
            Self::BadBody(format!("not HTTP: {error}"))
        } else {
            Self::Reset(innermost(error))
        }
    }

    /// Whether an impatient caller asks again.
    pub(crate) fn invites_retry(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Reset(_) => true,
            Self::Status { code, .. } => matches!(code, 429 | 503),
            _ => false,
        }
    }

    fn group(&self) -> (Group, Option<String>) {
        let group = |cause, description: &str| Group {
            cause,
            status: None,
            problem_type: None,
            description: description.to_owned(),
        };
        match self {
            Self::Timeout => (group("timeout", ""), None),
            Self::NotStarted => (group("not started in time", ""), None),
            Self::Connect(why) => (group("connect", &printable(why)), None),
            Self::Reset(how) => (group("reset", &printable(how)), None),
            Self::Status { code, problem } => {
                let group = Group {
                    status: Some(*code),
                    problem_type: Some(printable(&problem.r#type)).filter(|name| !name.is_empty()),
                    ..group("status", &printable(&problem.title))
                };
                (
                    group,
                    Some(printable(&problem.detail)).filter(|detail| !detail.is_empty()),
                )
            }
            // What exactly was wrong differs from reply to reply, so the first stands for all.
            Self::Crossed(which) => (group("crossed reply", ""), Some(printable(which))),
            Self::BadBody(what) => (group("bad body", ""), Some(printable(what))),
        }
    }
}

impl Failures {
    /// More kinds of failure than anybody reads; servers may put anything into a title.
    pub(crate) const MAX_GROUPS: usize = 64;

    /// Counts one failure that took so long.
    pub(crate) fn add(&mut self, failure: &Failure, took: Duration) {
        let (group, example) = failure.group();
        let known = self.groups.contains_key(&group) || self.groups.len() < Self::MAX_GROUPS;
        let group = if known { group } else { Self::rest() };
        let failed = self.groups.entry(group).or_insert_with(|| Failed {
            example,
            latency: coarse_histogram(),
        });
        failed.latency.saturating_record(micros(took));
    }

    /// Each group, the most frequent first.
    pub(crate) fn groups(&self) -> Vec<(&Group, &Failed)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, failed)| std::cmp::Reverse(failed.latency.len()));
        groups
    }

    fn rest() -> Group {
        Group {
            cause: "other",
            status: None,
            problem_type: None,
            description: "beyond the first 64 kinds".to_owned(),
        }
    }
}

/// An empty histogram of microseconds up to two hours, right to two digits. Takes about 30 KiB.
#[allow(
    clippy::expect_used,
    reason = "constant bounds, which every test passes through"
)]
fn coarse_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 7_200_000_000, 2).expect("the bounds are valid")
}

/// Text from outside, made safe for a terminal and a report: one line, no control characters, not endless.
pub(crate) fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 160;
    let mut printable: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        printable.push('…');
    }
    printable
}

/// The text of the innermost error: the outer ones only say on which layer it happened.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_grouped_by_what_they_mean() {
        let mut failures = Failures::default();
        let busy = br#"{"type":"/problems/busy","title":"Too busy","detail":"try later"}"#;
        for _ in 0..3 {
            failures.add(&Failure::from_status(503, busy), Duration::from_millis(2));
        }
        failures.add(&Failure::from_status(503, b"<html>"), Duration::ZERO);
        failures.add(&Failure::Crossed("1 for 2".to_owned()), Duration::ZERO);
        failures.add(&Failure::Crossed("3 for 4".to_owned()), Duration::ZERO);

        let groups = failures.groups();
        assert_eq!(groups.len(), 3);
        let (group, failed) = groups[0];
        let example = failed.example.as_deref();
        assert_eq!(
            (group.cause, group.status, failed.latency.len(), example),
            ("status", Some(503), 3, Some("try later"))
        );
        assert!(failed.latency.equivalent(failed.latency.max(), 2_000));
        assert_eq!(
            (group.description.as_str(), group.problem_type.as_deref()),
            ("Too busy", Some("/problems/busy"))
        );
        assert_eq!(
            (
                groups[1].0.cause,
                groups[1].1.latency.len(),
                groups[1].1.example.as_deref()
            ),
            ("crossed reply", 2, Some("1 for 2"))
        );
        assert_eq!(
            (groups[2].0.description.as_str(), groups[2].1.latency.len()),
            ("", 1)
        );
    }

    #[test]
    fn endlessly_many_kinds_share_the_last_group() {
        let mut failures = Failures::default();
        for n in 0..1000 {
            failures.add(&Failure::Connect(format!("error {n}")), Duration::ZERO);
        }
        assert_eq!(failures.groups().len(), Failures::MAX_GROUPS + 1);
        assert_eq!(
            failures.groups()[0].1.latency.len(),
            1000 - Failures::MAX_GROUPS as u64
        );
        assert_eq!(
            failures
                .groups()
                .iter()
                .map(|group| group.1.latency.len())
                .sum::<u64>(),
            1000
        );
    }

    #[test]
    fn text_from_outside_cannot_take_over_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable(&"x".repeat(10_000)).chars().count(), 161);
    }
}

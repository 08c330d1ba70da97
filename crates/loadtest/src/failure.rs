//! Why a request did not succeed, and how failures are grouped.

use std::collections::BTreeMap;

use serde::Deserialize;

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
    groups: BTreeMap<Group, (u64, Option<String>)>,
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

    /// Counts one failure.
    pub(crate) fn add(&mut self, failure: &Failure) {
        let (group, example) = failure.group();
        let known = self.groups.contains_key(&group) || self.groups.len() < Self::MAX_GROUPS;
        let group = if known { group } else { Self::rest() };
        self.groups.entry(group).or_insert((0, example)).0 += 1;
    }

    /// Each group with its count and an example, the most frequent first.
    pub(crate) fn groups(&self) -> Vec<(&Group, u64, Option<&str>)> {
        let mut groups: Vec<_> = self
            .groups
            .iter()
            .map(|(group, (count, example))| (group, *count, example.as_deref()))
            .collect();
        groups.sort_by_key(|&(_, count, _)| std::cmp::Reverse(count));
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
            failures.add(&Failure::from_status(503, busy));
        }
        failures.add(&Failure::from_status(503, b"<html>"));
        failures.add(&Failure::Crossed("1 for 2".to_owned()));
        failures.add(&Failure::Crossed("3 for 4".to_owned()));

        let groups = failures.groups();
        assert_eq!(groups.len(), 3);
        let (group, count, example) = groups[0];
        assert_eq!(
            (group.cause, group.status, count, example),
            ("status", Some(503), 3, Some("try later"))
        );
        assert_eq!(
            (group.description.as_str(), group.problem_type.as_deref()),
            ("Too busy", Some("/problems/busy"))
        );
        assert_eq!(
            (groups[1].0.cause, groups[1].1, groups[1].2),
            ("crossed reply", 2, Some("1 for 2"))
        );
        assert_eq!((groups[2].0.description.as_str(), groups[2].1), ("", 1));
    }

    #[test]
    fn endlessly_many_kinds_share_the_last_group() {
        let mut failures = Failures::default();
        for n in 0..1000 {
            failures.add(&Failure::Connect(format!("error {n}")));
        }
        assert_eq!(failures.groups().len(), Failures::MAX_GROUPS + 1);
        assert_eq!(failures.groups()[0].1, 1000 - Failures::MAX_GROUPS as u64);
        assert_eq!(
            failures.groups().iter().map(|group| group.1).sum::<u64>(),
            1000
        );
    }

    #[test]
    fn text_from_outside_cannot_take_over_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable(&"x".repeat(10_000)).chars().count(), 161);
    }
}

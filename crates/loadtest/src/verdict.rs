//! Whether the run passed, and by what.

use serde::Serialize;

use crate::options::Limits;
use crate::report::units::{count, duration, percent};

/// Whether the run passed: every check has to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The conjunction of the checks.
    pub passed: bool,
    /// What was checked, failed or not.
    pub checks: Vec<Check>,
}

/// One condition of passing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// `success`, `crossed`, `p99`, or `finished` where a run was given up.
    pub name: &'static str,
    /// Whether it holds.
    pub passed: bool,
    /// What was found and what was asked for, for people.
    pub text: String,
}

/// What the checks look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Findings {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) crossed: u64,
    /// Requests whose end nobody waited for.
    pub(crate) unfinished: u64,
    /// Seconds; nothing if nothing succeeded.
    pub(crate) p99: Option<f64>,
}

impl Verdict {
    /// Judges a run. One that measured nothing does not pass.
    pub(crate) fn new(limits: Limits, found: Findings) -> Self {
        let mut checks = vec![success(limits.min_success, found), crossed(found)];
        checks.extend(limits.max_p99.map(|max| p99(max.as_secs_f64(), found)));
        checks.extend((found.unfinished > 0).then(|| unfinished(found)));
        Self {
            passed: checks.iter().all(|check| check.passed),
            checks,
        }
    }
}

fn success(min: f64, found: Findings) -> Check {
    let total = found.succeeded + found.failed;
    let share = found.succeeded as f64 / total as f64 * 100.0;
    let text = if total == 0 {
        "no request was measured".to_owned()
    } else {
        format!(
            "{} succeeded, at least {min} % asked for",
            percent(found.succeeded, total)
        )
    };
    Check {
        name: "success",
        passed: total > 0 && share >= min,
        text,
    }
}

fn crossed(found: Findings) -> Check {
    let text = match found.crossed {
        0 => "every reply belongs to its request".to_owned(),
        1 => "1 reply belongs to another request".to_owned(),
        many => format!("{many} replies belong to other requests"),
    };
    Check {
        name: "crossed",
        passed: found.crossed == 0,
        text,
    }
}

fn p99(max: f64, found: Findings) -> Check {
    let text = match found.p99 {
        Some(p99) => format!(
            "p99 is {}, at most {} asked for",
            duration(p99),
            duration(max)
        ),
        None => format!("p99 is unknown, at most {} asked for", duration(max)),
    };
    Check {
        name: "p99",
        passed: found.p99.is_some_and(|p99| p99 <= max),
        text,
    }
}

fn unfinished(found: Findings) -> Check {
    let text = format!(
        "{} requests were given up, and may have failed",
        count(found.unfinished)
    );
    Check {
        name: "finished",
        passed: false,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const GOOD: Findings = Findings {
        succeeded: 1000,
        failed: 0,
        crossed: 0,
        unfinished: 0,
        p99: Some(0.2),
    };

    fn passes(max_p99: Option<u64>, min_success: f64, found: Findings) -> bool {
        let limits = Limits {
            max_p99: max_p99.map(Duration::from_millis),
            min_success,
        };
        Verdict::new(limits, found).passed
    }

    #[test]
    fn a_good_run_passes() {
        assert!(passes(None, 100.0, GOOD));
        assert!(passes(Some(200), 100.0, GOOD));
    }

    #[test]
    fn each_limit_can_fail_a_run() {
        assert!(!passes(Some(199), 0.0, GOOD), "too slow");
        assert!(
            !passes(None, 100.0, Findings { failed: 1, ..GOOD }),
            "one failure is too many by default"
        );
        assert!(
            passes(
                None,
                99.9,
                Findings {
                    succeeded: 999,
                    failed: 1,
                    ..GOOD
                }
            ),
            "just enough"
        );
        assert!(
            !passes(
                None,
                99.9,
                Findings {
                    succeeded: 998,
                    failed: 2,
                    ..GOOD
                }
            ),
            "just too few"
        );
    }

    #[test]
    fn a_crossed_reply_fails_a_run_whatever_the_limits() {
        assert!(!passes(None, 0.0, Findings { crossed: 1, ..GOOD }));
    }

    #[test]
    fn a_run_whose_end_nobody_waited_for_fails() {
        assert!(!passes(
            None,
            0.0,
            Findings {
                unfinished: 1,
                ..GOOD
            }
        ));
    }

    #[test]
    fn a_run_that_shows_nothing_fails() {
        assert!(!passes(
            None,
            0.0,
            Findings {
                succeeded: 0,
                ..GOOD
            }
        ));
        assert!(!passes(
            Some(200),
            0.0,
            Findings {
                succeeded: 0,
                failed: 5,
                p99: None,
                ..GOOD
            }
        ));
        assert!(
            passes(
                None,
                0.0,
                Findings {
                    succeeded: 0,
                    failed: 5,
                    p99: None,
                    ..GOOD
                }
            ),
            "asked for nothing"
        );
    }
}

//! What a process says of its own state: a [`Report`] for people and dashboards, a [`Readiness`] for load balancers.
//! Both are plain values, made anew for each question from what the parts know at that moment; how they become HTTP
//! answers is not decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How something is. In order: a whole is as bad as its worst part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Healthy,
    /// It works, but somebody should look at it.
    Degraded,
    /// It does not do what it is for.
    Unhealthy,
}

/// The state of one part, with why it is not healthy and whatever else is worth knowing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    status: Status,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    detail: Map<String, Value>,
}

/// What `/health` shows, in JSON with names in camelCase; the names in the details are to follow that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The status of the worst part; healthy if there is none.
    pub status: Status,
    /// The name of the service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// For how long the process has been up, in seconds.
    pub uptime_seconds: u64,
    /// Every part by its name.
    pub parts: BTreeMap<String, Part>,
}

/// Whether requests should be sent here, and if not, all reasons why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Readiness {
    reasons: Vec<String>,
}

impl Part {
    /// A part that is well, until [`degraded_if`](Part::degraded_if) or [`unhealthy_if`](Part::unhealthy_if) finds
    /// otherwise.
    pub fn healthy() -> Self {
        Self {
            status: Status::Healthy,
            reasons: Vec::new(),
            detail: Map::new(),
        }
    }

    /// Degrades the part if `found`, and says why in a sentence without full stop.
    #[must_use]
    pub fn degraded_if(self, found: bool, reason: impl Into<String>) -> Self {
        self.at_least(Status::Degraded, found, reason)
    }

    /// Calls the part unhealthy if `found`, and says why in a sentence without full stop.
    #[must_use]
    pub fn unhealthy_if(self, found: bool, reason: impl Into<String>) -> Self {
        self.at_least(Status::Unhealthy, found, reason)
    }

    /// Adds a figure or a word to the detail, under a name in camelCase; the same name again replaces it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.detail.insert(name.into(), value.into());
        self
    }

    /// How the part is: the worst that was found.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Everything that was found wrong, in that order.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    fn at_least(mut self, status: Status, found: bool, reason: impl Into<String>) -> Self {
        if found {
            self.status = self.status.max(status);
            self.reasons.push(reason.into());
        }
        self
    }
}

impl Report {
    /// A report of `parts`, each with its name.
    pub fn new<N: Into<String>>(
        service: impl Into<String>,
        version: impl Into<String>,
        uptime: Duration,
        parts: impl IntoIterator<Item = (N, Part)>,
    ) -> Self {
        let parts: BTreeMap<String, Part> = parts
            .into_iter()
            .map(|(name, part)| (name.into(), part))
            .collect();
        let worst = parts.values().map(Part::status).max();
        Self {
            status: worst.unwrap_or(Status::Healthy),
            service: service.into(),
            version: version.into(),
            uptime_seconds: uptime.as_secs(),
            parts,
        }
    }
}

impl Readiness {
    /// Ready, as long as nothing is required.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready unless the condition `holds`, with the reason otherwise.
    pub fn require(mut self, holds: bool, otherwise: impl Into<String>) -> Self {
        if !holds {
            self.reasons.push(otherwise.into());
        }
        self
    }

    /// `Ok` if nothing stands against it, else all reasons in one line.
    pub fn verdict(&self) -> Result<(), String> {
        if self.reasons.is_empty() {
            Ok(())
        } else {
            Err(self.reasons.join("; "))
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_report_shows_every_part_and_the_worst_status() {
        let redis = Part::healthy()
            .with("version", "7.0.15")
            .degraded_if(true, "maxmemory-policy allkeys-lru may drop the streams")
            .unhealthy_if(false, "no answer");
        let terminals = Part::healthy().with("active", 2).with("total", 5);
        let report = Report::new(
            "proxy",
            "0.1.0",
            Duration::from_millis(61_900),
            [("redis", redis), ("terminals", terminals)],
        );
        let expected = json!({
            "status": "degraded",
            "service": "proxy",
            "version": "0.1.0",
            "uptimeSeconds": 61,
            "parts": {
                "redis": {
                    "status": "degraded",
                    "reasons": ["maxmemory-policy allkeys-lru may drop the streams"],
                    "detail": {"version": "7.0.15"},
                },
                "terminals": {"status": "healthy", "detail": {"active": 2, "total": 5}},
            },
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Report>(expected).unwrap(), report);
    }

    #[test]
    fn a_part_stays_as_bad_as_it_was_found() {
        let part = Part::healthy()
            .unhealthy_if(true, "first")
            .degraded_if(true, "second");
        assert_eq!(part.status(), Status::Unhealthy);
        assert_eq!(part.reasons(), ["first", "second"]);
    }

    #[test]
    fn ready_needs_every_condition_and_names_all_that_fail() {
        assert_eq!(Readiness::new().verdict(), Ok(()));
        assert_eq!(Readiness::new().require(true, "draining").verdict(), Ok(()));
        let readiness = Readiness::new()
            .require(false, "draining")
            .require(true, "the breaker is open")
            .require(false, "redis does not answer");
        let expected = Err("draining; redis does not answer".to_owned());
        assert_eq!(readiness.verdict(), expected);
    }

    #[test]
    fn a_status_is_displayed_as_it_is_written() {
        for status in [Status::Healthy, Status::Degraded, Status::Unhealthy] {
            assert_eq!(
                serde_json::to_value(status).unwrap(),
                json!(status.to_string())
            );
        }
    }

    proptest! {
        #[test]
        fn a_whole_is_as_bad_as_its_worst_part(bad in prop::collection::vec(0..3, 0..6)) {
            let parts = bad.iter().enumerate().map(|(number, bad)| {
                let part = Part::healthy()
                    .degraded_if(*bad == 1, "slow")
                    .unhealthy_if(*bad == 2, "gone");
                (number.to_string(), part)
            });
            let report = Report::new("any", "0", Duration::ZERO, parts);
            let expected = match bad.iter().max() {
                Some(2) => Status::Unhealthy,
                Some(1) => Status::Degraded,
                _ => Status::Healthy,
            };
            prop_assert_eq!(report.status, expected);
        }
    }
}

//! What probes and scrapes get.

use axum::{Router, body::Body, http::Request};
use common::health::{Part, Readiness, Report};
use http_body_util::BodyExt;
use prometheus::{IntCounter, Registry};
use service::{Probe, admin_routes};
use tower::ServiceExt;

/// A service that is as well as it is told to be.
#[derive(Clone, Copy)]
struct Patient {
    ready: bool,
    part: fn() -> Part,
}

impl Probe for Patient {
    fn readiness(&self) -> Readiness {
        Readiness::new().require(self.ready, "still waking up")
    }

    fn report(&self) -> Report {
        let uptime = std::time::Duration::from_secs(3);
        Report::new("patient", "1", uptime, [("heart", (self.part)())])
    }
}

fn admin(patient: Patient) -> Router {
    let registry = Registry::new();
    let beats = IntCounter::new("beats_total", "Beats.").unwrap();
    beats.inc_by(3);
    registry.register(Box::new(beats)).unwrap();
    admin_routes(patient, registry)
}

async fn get(admin: Router, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = admin.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

const WELL: Patient = Patient {
    ready: true,
    part: Part::healthy,
};

#[tokio::test]
async fn a_part_that_is_unhealthy_makes_the_report_a_503() {
    let check = async |part: fn() -> Part, status: u16, word: &str| {
        let (found, report) = get(admin(Patient { part, ..WELL }), "/health").await;
        assert_eq!(found, status, "{report}");
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["status"], word);
    };
    check(Part::healthy, 200, "healthy").await;
    check(
        || Part::healthy().degraded_if(true, "slow"),
        200,
        "degraded",
    )
    .await;
    check(
        || Part::healthy().unhealthy_if(true, "gone"),
        503,
        "unhealthy",
    )
    .await;
}

#[tokio::test]
async fn readiness_says_why_not() {
    assert_eq!(
        get(admin(WELL), "/health/ready").await,
        (200, r#"{"ready":true}"#.into())
    );
    let asleep = Patient {
        ready: false,
        ..WELL
    };
    let expected = r#"{"ready":false,"reason":"still waking up"}"#;
    assert_eq!(
        get(admin(asleep), "/health/ready").await,
        (503, expected.into())
    );
}

#[tokio::test]
async fn liveness_asks_nobody() {
    let dying = Patient {
        ready: false,
        part: || Part::healthy().unhealthy_if(true, "gone"),
    };
    assert_eq!(
        get(admin(dying), "/health/live").await,
        (200, r#"{"live":true}"#.into())
    );
}

#[tokio::test]
async fn metrics_are_those_of_the_registry() {
    let (status, text) = get(admin(WELL), "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("\nbeats_total 3\n"), "{text}");
}

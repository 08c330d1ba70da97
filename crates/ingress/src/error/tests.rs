use std::collections::BTreeSet;

use super::*;

fn refused(reason: Refusal) -> Error {
    RequestError::Refused {
        reason,
        retry_after: Duration::from_millis(1500),
    }
    .into()
}

fn failed(code: &str) -> Error {
    RequestError::Failed(Failure::new(code, "10.0.0.7 said no")).into()
}

fn check(error: Error, status: u16, kind: &Kind, retry_after: Option<&str>) {
    let problem = error.problem();
    assert_eq!(problem.kind(), kind, "{error:?}");
    let response = error.into_response();
    assert_eq!(response.status(), status);
    let header = response
        .headers()
        .get("retry-after")
        .map(|value| value.to_str().unwrap());
    assert_eq!(header, retry_after);
}

#[test]
fn what_was_not_let_in_or_not_handed_on_says_when_to_come_back() {
    for reason in [
        Refusal::InFlight,
        Refusal::StreamFull,
        Refusal::UnknownRate,
        Refusal::Lag,
        Refusal::PredictedWait,
    ] {
        check(refused(reason), 503, &OVERLOADED, Some("2"));
    }
    check(refused(Refusal::CircuitOpen), 503, &UNAVAILABLE, Some("2"));
    for reason in [
        Fault::OutOfMemory,
        Fault::Disconnected,
        Fault::Timeout,
        Fault::ReadOnly,
    ] {
        let error = RequestError::Unavailable {
            reason,
            retry_after: Duration::ZERO,
        };
        check(error.into(), 503, &UNAVAILABLE, Some("1"));
    }
    check(RequestError::Closed.into(), 503, &UNAVAILABLE, Some("1"));
}

#[test]
fn what_the_worker_said_has_its_answer() {
    check(RequestError::TimedOut.into(), 504, &TIMEOUT, None);
    check(RequestError::Panicked.into(), 502, &TERMINAL_FAILED, None);
    check(
        RequestError::DeadLettered { cause: "x".into() }.into(),
        502,
        &DEAD_LETTERED,
        None,
    );
    check(failed("city-unknown"), 404, &CITY_UNKNOWN, None);
    for code in [
        "provider-failed",
        "provider-timeout",
        "provider-unavailable",
        "request-invalid",
        "of-tomorrow",
    ] {
        assert!(
            !failed(code)
                .problem()
                .document(&service::Correlation::default())
                .detail
                .contains("10.0.0.7"),
            "{code}"
        );
        check(failed(code), 502, &PROVIDER_FAILED, None);
    }
}

#[test]
fn there_is_a_sample_of_every_kind_of_this_file() {
    let sampled: BTreeSet<_> = samples()
        .iter()
        .map(|error| error.problem().kind().uri)
        .collect();
    let declared: BTreeSet<_> = include_str!("../error.rs")
        .split('"')
        .filter(|text| text.starts_with("/problems/") && text.len() > 10)
        .collect();
    assert_eq!(sampled, declared);
}

#[test]
fn only_what_is_not_the_callers_fault_or_shed_is_logged() {
    assert!(Error::from(RequestError::TimedOut).is_of_ours());
    assert!(failed("provider-failed").is_of_ours());
    assert!(!failed("city-unknown").is_of_ours());
    assert!(!refused(Refusal::InFlight).is_of_ours());
    assert!(!Error::from(BodyError::Broken).is_of_ours());
}

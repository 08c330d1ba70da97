//! The checker must catch each kind of wrong history; these are written by hand.

mod allowed;
mod report;

use std::time::Duration;

use testbed::{Event, Expectations, Failure, History, Invariant, Outcome, Violations, What, check};

fn sent(at_ms: u64, request: u64) -> Event {
    let (target, city, location) = (
        "http://ingress".into(),
        format!("City {request}"),
        "Centre".into(),
    );
    Event {
        at_us: at_ms * 1000,
        what: What::Sent {
            request,
            target,
            city,
            location,
            deadline_ms: 1000,
        },
    }
}

fn ended(at_ms: u64, request: u64, outcome: Outcome) -> Event {
    Event {
        at_us: at_ms * 1000,
        what: What::Ended { request, outcome },
    }
}

fn note(at_ms: u64, text: &str) -> Event {
    Event {
        at_us: at_ms * 1000,
        what: What::Note { text: text.into() },
    }
}

fn status(status: u16) -> Outcome {
    Outcome::Answer {
        status,
        request_id: None,
        mismatch: None,
    }
}

fn ok(id: &str) -> Outcome {
    Outcome::Answer {
        status: 200,
        request_id: Some(id.into()),
        mismatch: None,
    }
}

fn no_answer() -> Outcome {
    Outcome::Failed {
        failure: Failure::NoAnswer("31s".into()),
    }
}

/// Checks two good requests together with `events`; what is wrong must be found among what is right.
fn violations(events: impl IntoIterator<Item = Event>, expected: &Expectations) -> Violations {
    let good = [
        sent(0, 100),
        sent(0, 101),
        ended(5, 101, ok("b")),
        ended(9, 100, ok("a")),
    ];
    check(&good.into_iter().chain(events).collect(), expected).expect_err("the history is wrong")
}

fn invariants(found: &Violations) -> Vec<Invariant> {
    let mut invariants: Vec<_> = found
        .0
        .iter()
        .map(|violation| violation.invariant)
        .collect();
    invariants.dedup();
    invariants
}

#[test]
fn a_good_history_passes_and_is_summed_up() {
    let events = [
        sent(0, 0),
        sent(0, 1),
        ended(10, 0, ok("a")),
        sent(10, 2),
        sent(11, 3),
        ended(12, 2, status(503)),
        ended(30, 1, ok("b")),
        ended(1011, 3, status(504)),
        sent(1012, 4),
        ended(1013, 4, Outcome::Left),
        sent(1014, 5),
        ended(1015, 5, status(422)),
        sent(1016, 6),
        ended(1017, 6, no_answer()),
    ];
    let expected = Expectations::default()
        .allow([422, 503, 504])
        .failures(1)
        .min_success(2.0 / 6.0);
    let summary = check(&events.into_iter().collect(), &expected).unwrap();
    assert_eq!(summary.answered, [(200, 2), (422, 1)].into());
    assert_eq!(
        (summary.sent, summary.refused, summary.timed_out),
        (7, 1, 1)
    );
    assert_eq!((summary.failed, summary.left), (1, 1));
    assert_eq!(
        summary.latencies,
        [Duration::from_millis(10), Duration::from_millis(30)]
    );
    assert_eq!(summary.latency(0.5), Duration::from_millis(10));
    assert_eq!(summary.latency(0.99), Duration::from_millis(30));
}

#[test]
fn an_empty_history_passes() {
    assert_eq!(
        check(&History::new(), &Expectations::default())
            .unwrap()
            .sent,
        0
    );
}

#[test]
fn a_lost_request_is_caught() {
    let found = violations(
        [sent(20, 7), note(30, "kill -9 proxy-1")],
        &Expectations::default(),
    );
    assert_eq!(
        invariants(&found),
        [Invariant::OneAnswer, Invariant::Sums, Invariant::Success]
    );
    assert_eq!(found.0[0].requests, [7]);
    let report = found.to_string();
    assert!(report.contains("#7 never came to an end"), "{report}");
    assert!(report.contains("kill -9 proxy-1"), "{report}");
}

#[test]
fn a_request_given_up_on_is_caught() {
    let found = violations(
        [sent(20, 7), ended(31_020, 7, no_answer())],
        &Expectations::default(),
    );
    assert_eq!(
        invariants(&found),
        [Invariant::OneAnswer, Invariant::Success]
    );
}

#[test]
fn a_request_answered_twice_is_caught() {
    let found = violations(
        [sent(20, 7), ended(30, 7, ok("c")), ended(31, 7, ok("d"))],
        &Expectations::default(),
    );
    assert_eq!(invariants(&found), [Invariant::OneAnswer, Invariant::Sums]);
    assert!(
        found.to_string().contains("#7 came to an end 2 times"),
        "{found}"
    );
}

#[test]
fn one_answer_seen_by_two_requests_is_caught() {
    let events = [
        sent(20, 7),
        sent(20, 8),
        ended(30, 7, ok("c")),
        ended(31, 8, ok("c")),
    ];
    let found = violations(events, &Expectations::default());
    assert_eq!(invariants(&found), [Invariant::OwnAnswer]);
    assert_eq!(found.0[0].requests, [7, 8]);
}

#[test]
fn a_crossed_answer_is_caught() {
    let mismatch = Some("city is \"City 8\" where \"City 7\" was asked for".into());
    let crossed = Outcome::Answer {
        status: 200,
        request_id: Some("c".into()),
        mismatch,
    };
    let found = violations(
        [sent(20, 7), ended(30, 7, crossed)],
        &Expectations::default(),
    );
    assert_eq!(invariants(&found), [Invariant::OwnAnswer]);
    assert!(
        found
            .to_string()
            .contains("#7 got another's answer: city is"),
        "{found}"
    );
}

#[test]
fn an_answer_without_a_request_id_is_caught() {
    let found = violations(
        [sent(20, 7), ended(30, 7, status(200))],
        &Expectations::default(),
    );
    assert_eq!(invariants(&found), [Invariant::OwnAnswer]);
}

#[test]
fn a_late_answer_is_caught_beyond_the_grace() {
    let late = [sent(20, 7), ended(20 + 1000 + 250, 7, ok("c"))];
    let found = violations(
        late.clone(),
        &Expectations::default().grace(Duration::from_millis(249)),
    );
    assert_eq!(invariants(&found), [Invariant::OneAnswer]);
    assert!(found.to_string().contains("#7 took 1.25s"), "{found}");
    check(
        &late.into_iter().collect(),
        &Expectations::default().grace(Duration::from_millis(250)),
    )
    .unwrap();
}

#[test]
fn a_caller_may_leave_late() {
    let events = [sent(0, 7), ended(60_000, 7, Outcome::Left)];
    assert_eq!(
        check(&events.into_iter().collect(), &Expectations::default())
            .unwrap()
            .left,
        1
    );
}

#[test]
fn an_answer_that_nobody_asked_for_is_caught() {
    let found = violations([ended(30, 7, ok("c"))], &Expectations::default());
    assert_eq!(invariants(&found), [Invariant::OneAnswer, Invariant::Sums]);
}

#[test]
fn a_number_used_twice_is_caught() {
    let events = [sent(20, 7), sent(21, 7), ended(30, 7, ok("c"))];
    assert_eq!(
        invariants(&violations(events, &Expectations::default())),
        [Invariant::OneAnswer, Invariant::Sums]
    );
}

#[test]
fn an_unexpected_status_is_caught() {
    let events = [sent(20, 7), ended(30, 7, status(500))];
    let found = violations(
        events,
        &Expectations::default().allow([503]).min_success(0.5),
    );
    assert_eq!(invariants(&found), [Invariant::Statuses]);
}

#[test]
fn too_few_successes_are_caught() {
    let events = [
        sent(20, 7),
        ended(30, 7, status(503)),
        sent(40, 8),
        ended(50, 8, Outcome::Left),
    ];
    let expected = Expectations::default().allow([503]);
    assert_eq!(
        invariants(&violations(
            events.clone(),
            &expected.clone().min_success(0.67)
        )),
        [Invariant::Success]
    );
    // One request alone, refused: a ratio of zero.
    let found = check(&events.into_iter().collect(), &expected.min_success(0.01)).unwrap_err();
    assert_eq!(invariants(&found), [Invariant::Success]);
}

#[test]
fn too_many_failures_are_caught() {
    let events = [
        sent(20, 7),
        ended(30, 7, no_answer()),
        sent(40, 8),
        ended(50, 8, no_answer()),
    ];
    let expected = Expectations::default().min_success(0.5);
    let found = violations(events.clone(), &expected.clone().failures(1));
    assert_eq!(invariants(&found), [Invariant::OneAnswer]);
    assert_eq!(found.0.len(), 2);
    check(
        &events.into_iter().collect(),
        &expected.failures(2).min_success(0.0),
    )
    .unwrap();
}

//! What it says of a wrong history.

use testbed::{Expectations, Invariant, check};

use super::{ended, invariants, note, ok, sent, status};

#[test]
fn a_report_tells_the_story_of_a_request() {
    let events = [
        sent(0, 1),
        note(5, "kill -9 ingress-1"),
        sent(10, 7),
        note(20, "kill -9 proxy-1"),
        ended(25, 1, ok("a")),
        ended(1500, 7, status(500)),
        note(2000, "all is over"),
    ];
    let found = check(
        &events.into_iter().collect(),
        &Expectations::default().min_success(0.5),
    )
    .unwrap_err();
    assert_eq!(
        found.to_string(),
        "I7 (expected statuses) does not hold, 1 times:
- #7 was answered 500
     0.010s  #7 sent to http://ingress: City 7, Centre, within 1000 ms
     0.020s  kill -9 proxy-1
     1.500s  #7 answered 500
"
    );
    assert_eq!(format!("{found:?}"), found.to_string());
}

#[test]
fn a_report_of_thousands_stays_short_and_forgets_no_invariant() {
    let mut events: Vec<_> = (0..5000)
        .flat_map(|n| [sent(n, n), ended(n + 1, n, status(500))])
        .collect();
    events.extend([
        sent(6000, 6000),
        sent(6000, 6001),
        ended(6001, 6000, ok("c")),
        ended(6002, 6001, ok("c")),
    ]);
    let found = check(
        &events.into_iter().collect(),
        &Expectations::default().min_success(0.0),
    )
    .unwrap_err();
    assert_eq!(
        invariants(&found),
        [Invariant::Statuses, Invariant::OwnAnswer]
    );
    let report = found.to_string();
    assert!(
        report.contains("I7 (expected statuses) does not hold, 5000 times"),
        "{report}"
    );
    assert!(
        report.contains("#6000, #6001 got the same request id c"),
        "{report}"
    );
    assert!(report.lines().count() < 30, "{report}");
}

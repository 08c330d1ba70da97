//! What a test allows, and no more than that.

use std::time::Duration;

use testbed::{Expectations, History, Outage, check};

use super::{ended, no_answer, sent, status};

fn away(from_ms: u64, until_ms: u64, in_order: bool) -> Expectations {
    let outage = Outage {
        target: "http://ingress".into(),
        from: Duration::from_millis(from_ms),
        until: Duration::from_millis(until_ms),
        in_order,
    };
    Expectations::default().min_success(0.0).outages([outage])
}

#[test]
fn who_asks_a_service_that_is_away_may_fail() {
    let at = |sent_ms, ended_ms| -> History {
        let events = [sent(sent_ms, 1), ended(ended_ms, 1, no_answer())];
        events.into_iter().collect()
    };
    for killed in [at(1000, 2500), at(2500, 2600), at(2990, 3100)] {
        check(&killed, &away(2000, 3000, false)).unwrap();
    }
    for before_or_after in [at(1000, 1900), at(3100, 3200)] {
        check(&before_or_after, &away(2000, 3000, false)).expect_err("not explained");
    }
    let other = Expectations::default().min_success(0.0);
    check(&at(2500, 2600), &other).expect_err("no outage");
}

#[test]
fn who_had_asked_before_a_service_left_in_order_may_not_fail() {
    let asked = |sent_ms| -> History {
        let events = [sent(sent_ms, 1), ended(2500, 1, no_answer())];
        events.into_iter().collect()
    };
    check(&asked(500), &away(2000, 3000, true)).expect_err("it had asked");
    check(&asked(1500), &away(2000, 3000, true)).unwrap();
    check(&asked(2100), &away(2000, 3000, true)).unwrap();
}

#[test]
fn a_status_may_be_allowed_for_one_city() {
    let asked = |request| -> History {
        let events = [sent(0, request), ended(100, request, status(502))];
        events.into_iter().collect()
    };
    let poison = Expectations::default().allow_for("City 1", [502]);
    let poison = poison.min_success(0.0);
    check(&asked(1), &poison).unwrap();
    check(&asked(2), &poison).expect_err("another city");
}

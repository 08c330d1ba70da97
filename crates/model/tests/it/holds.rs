//! The protocol as intended keeps all of its properties, whatever happens within these bounds.

use std::collections::BTreeSet;

use model::{Bounds, Rules};

use crate::explore::violated;

fn holds(bounds: Bounds) {
    assert_eq!(violated(Rules::intended(), bounds), BTreeSet::new());
}

#[test]
fn two_callers_in_calm() {
    holds(Bounds::calm());
}

#[test]
fn two_callers_and_a_fault() {
    holds(Bounds {
        faults: 1,
        ..Bounds::calm()
    });
}

#[test]
fn two_callers_of_whom_one_leaves_and_a_worker_that_drains() {
    holds(Bounds {
        drains: 1,
        departures: 1,
        ..Bounds::calm()
    });
}

#[test]
fn two_callers_at_workers_of_two_terminals() {
    holds(Bounds {
        terminals: 2,
        departures: 1,
        ..Bounds::calm()
    });
}

#[test]
fn one_caller_and_two_faults() {
    holds(Bounds {
        callers: 1,
        faults: 2,
        ..Bounds::calm()
    });
}

#[test]
fn one_caller_that_leaves_a_worker_that_drains_and_a_fault() {
    holds(Bounds {
        callers: 1,
        faults: 1,
        drains: 1,
        departures: 1,
        ..Bounds::calm()
    });
}

#[test]
fn one_caller_at_workers_of_two_terminals_and_two_faults() {
    holds(Bounds {
        callers: 1,
        terminals: 2,
        faults: 2,
        ..Bounds::calm()
    });
}

/// Without taking steps together, so that a mistake in that is noticed.
#[test]
fn step_by_step_one_caller_a_drain_and_a_fault() {
    holds(Bounds {
        callers: 1,
        faults: 1,
        drains: 1,
        hurried: false,
        ..Bounds::calm()
    });
}

#[test]
fn step_by_step_two_callers() {
    holds(Bounds {
        departures: 1,
        hurried: false,
        ..Bounds::calm()
    });
}

#[test]
#[ignore = "takes minutes; scripts/test.sh --all"]
fn deep_one_caller_and_three_faults() {
    holds(Bounds {
        callers: 1,
        faults: 3,
        ..Bounds::calm()
    });
}

#[test]
#[ignore = "takes minutes; scripts/test.sh --all"]
fn deep_one_caller_a_drain_and_two_faults() {
    holds(Bounds {
        callers: 1,
        faults: 2,
        drains: 1,
        ..Bounds::calm()
    });
}

#[test]
fn one_caller_a_longer_lease_and_two_faults() {
    holds(Bounds {
        callers: 1,
        lease: 3,
        patience: 5,
        faults: 2,
        ..Bounds::calm()
    });
}

#[test]
#[ignore = "takes minutes; scripts/test.sh --all"]
fn deep_two_callers_who_may_leave_and_a_fault() {
    holds(Bounds {
        faults: 1,
        departures: 2,
        ..Bounds::calm()
    });
}

//! Every run ends, and it ends at rest: nobody waits, nothing is pending, nothing is on the stream. That is more
//! than "rest can always be reached": no fairness is assumed, since no run can go on for ever.

use std::collections::BTreeSet;

use model::{
    ANSWERED, BURIED, Bounds, DOUBLED, EXPIRED, HANDED_BACK, Rules, Settles, TAKEN_OVER, WITHDRAWN,
    WORKED_TWICE,
};

use crate::explore::Graph;

const FAULTS: Bounds = Bounds {
    callers: 1,
    faults: 2,
    ..Bounds::calm()
};

const DEPARTURES: Bounds = Bounds {
    callers: 1,
    faults: 1,
    drains: 1,
    departures: 1,
    ..Bounds::calm()
};

fn ends(rules: Rules, bounds: Bounds) -> Graph {
    let graph = Graph::of(rules, bounds);
    println!("{bounds:?}: {} states", graph.steps.len());
    assert_eq!(graph.stuck.first(), None);
    assert!(!graph.has_cycle());
    graph
}

#[test]
fn every_run_with_faults_ends_at_rest() {
    let graph = ends(Rules::intended(), FAULTS);
    for milestone in [ANSWERED, TAKEN_OVER, WORKED_TWICE, BURIED, EXPIRED, DOUBLED] {
        assert!(graph.milestones.contains(milestone), "{milestone}");
    }
}

#[test]
fn every_run_with_departures_ends_at_rest() {
    let graph = ends(Rules::intended(), DEPARTURES);
    for milestone in [HANDED_BACK, WITHDRAWN] {
        assert!(graph.milestones.contains(milestone), "{milestone}");
    }
}

#[test]
fn two_callers_come_to_rest() {
    ends(Rules::intended(), Bounds::calm());
}

#[test]
fn an_entry_that_was_acknowledged_and_not_deleted_stays_for_ever() {
    let rules = Rules {
        settles: Settles::AckBeforeDelete,
        ..Rules::intended()
    };
    let bounds = Bounds {
        callers: 1,
        faults: 1,
        ..Bounds::calm()
    };
    assert!(!Graph::of(rules, bounds).stuck.is_empty());
}

#[test]
fn a_reference_to_a_withdrawn_entry_that_nobody_purges_stays_for_ever() {
    let rules = Rules {
        purges: false,
        ..Rules::intended()
    };
    assert!(!Graph::of(rules, DEPARTURES).stuck.is_empty());
}

#[test]
fn a_run_that_goes_on_for_ever_would_be_seen() {
    let graph = |steps: &[&[u32]]| Graph {
        steps: steps.iter().map(|next| next.to_vec()).collect(),
        stuck: Vec::new(),
        milestones: BTreeSet::new(),
    };
    assert!(!graph(&[&[1, 2], &[2], &[]]).has_cycle());
    assert!(graph(&[&[1, 2], &[2], &[1]]).has_cycle());
}

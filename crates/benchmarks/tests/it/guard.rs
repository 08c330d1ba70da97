//! The guard trips over services that are slowed on purpose, and not over those that are as usual.

use std::collections::BTreeMap;
use std::time::Duration;

use benchmarks::guard::{Bounds, Usual};
use benchmarks::{Arrivals, Case, Comparison, Contender, Kind, Rounds, Spec, in_turn};

/// Far more than noise is in medians of so short rounds, far less than what the slowing costs.
const SLACK: f64 = 1.4;

/// Short ones and many: what else the machine does for a moment then falls into one or two of them.
const ROUNDS: usize = 22;
const EACH: Duration = Duration::from_millis(120);

fn contender(name: &str, spec: Spec) -> Contender {
    Contender {
        name: name.to_owned(),
        promises: None,
        spec,
        arrivals: Arrivals::Callers(16),
    }
}

/// The ingress records each request, as a trace for a collector that is not there, and as a line in its log.
fn slowed_front() -> Spec {
    Spec::new(Kind::Ours)
        .front_setting("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .front_setting("RUST_LOG", "debug")
}

/// Besides, three ingresses, each of which reads what the others are answered, five proxies that have little to do with
/// each read, and an append-only file: every step costs more.
fn slowed() -> Spec {
    Spec {
        fronts: 3,
        workers: 5,
        aof: true,
        ..slowed_front()
    }
}

/// Every other round from this one on, as a case of their own: what changes slowly is in both halves.
fn half(case: &Case, from: usize) -> Case {
    let rounds = case.rounds.iter().skip(from).step_by(2);
    Case {
        rounds: rounds.cloned().collect(),
        ..case.clone()
    }
}

#[tokio::test]
async fn services_that_are_slowed_on_purpose_trip_it_and_others_do_not() {
    let contenders = [
        contender("peer", Spec::new(Kind::Straightforward)),
        contender("ours", Spec::new(Kind::Ours)),
        contender("slowed", slowed()),
        contender("slowed front", slowed_front()),
    ];
    let cases = in_turn(&contenders, Rounds::new(ROUNDS, EACH), &|_| ());
    let cases = cases.await.unwrap();
    let [peer, ours, slowed, slowed_front] = &cases[..] else {
        panic!("four were measured");
    };
    let compared = |case, from| Comparison::of(&half(case, from), &half(peer, from));
    // What is usual is what one half of the rounds showed, and the other half is judged by it.
    let usual = Usual::of(&compared(ours, 0));
    let bounds = Bounds {
        slack: SLACK,
        usual: BTreeMap::from([("c16".to_owned(), usual)]),
    };
    let judged = |case| bounds.judge("c16", &compared(case, 1)).unwrap();
    assert_eq!(judged(ours), []);
    let steps = |case| -> Vec<_> {
        let dearer = judged(case).into_iter();
        dearer.map(|dearer| dearer.step).collect()
    };
    let all = ["whole", "front", "broker", "worker"];
    assert_eq!(steps(slowed), all, "usual {usual:?}");
    let mut dearer = steps(slowed_front);
    dearer.retain(|step| *step != "whole");
    assert_eq!(dearer, ["front"], "usual {usual:?}");
}

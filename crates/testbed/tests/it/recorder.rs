use anyhow::ensure;
use testbed::{
    Expectations, Failure, History, Invariant, Outcome, Port, Recorder, Violations, What, check,
    eventually,
};

use crate::stub::Stub;
use crate::{LONG, SHORT};

fn recorder() -> Recorder {
    Recorder::new(&History::new(), LONG).unwrap()
}

fn invariants(violations: &Violations) -> Vec<Invariant> {
    violations
        .0
        .iter()
        .map(|violation| violation.invariant)
        .collect()
}

#[tokio::test]
async fn a_good_run_passes() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    for _ in 0..10 {
        recorder.send(&stub.base).await;
    }
    recorder.send_city(&stub.base, "Oslo", "Centre").await;
    let summary = check(recorder.history(), &Expectations::default())?;
    assert_eq!(
        (
            summary.sent,
            summary.answered[&200],
            summary.latencies.len()
        ),
        (11, 11, 11)
    );
    Ok(())
}

#[tokio::test]
async fn every_request_asks_for_a_city_of_its_own() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let history = History::new();
    for recorder in [
        Recorder::new(&history, LONG)?,
        Recorder::new(&history, LONG)?,
    ] {
        recorder.send(&stub.base).await;
        recorder.send(&stub.base).await;
    }
    let cities: std::collections::BTreeSet<_> = history
        .events()
        .into_iter()
        .filter_map(|event| match event.what {
            What::Sent { city, .. } => Some(city),
            _ => None,
        })
        .collect();
    assert_eq!(cities.len(), 4);
    Ok(())
}

#[tokio::test]
async fn wrong_answers_of_a_real_server_are_caught() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let crossed = recorder();
    crossed.send_city(&stub.base, "Crossed", "Centre").await;
    let found = check(crossed.history(), &Expectations::default()).unwrap_err();
    assert_eq!(invariants(&found), [Invariant::OwnAnswer]);
    assert!(
        found
            .to_string()
            .contains(r#"city is "Paris" where "Crossed" was asked for"#),
        "{found}"
    );

    let doubled = recorder();
    doubled.send_city(&stub.base, "Doubled", "one").await;
    doubled.send_city(&stub.base, "Doubled", "two").await;
    let found = check(doubled.history(), &Expectations::default()).unwrap_err();
    assert_eq!(invariants(&found), [Invariant::OwnAnswer]);
    assert_eq!(found.0[0].requests, [0, 1]);

    let busy = recorder();
    busy.send_city(&stub.base, "Busy", "Centre").await;
    let found = check(busy.history(), &Expectations::default()).unwrap_err();
    assert_eq!(
        invariants(&found),
        [Invariant::Statuses, Invariant::Success]
    );
    let summary = check(
        busy.history(),
        &Expectations::default().allow([503]).min_success(0.0),
    )?;
    assert_eq!((summary.sent, summary.refused), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_has_left() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    let left =
        tokio::time::timeout(SHORT, recorder.send_city(&stub.base, "Hanging", "Centre")).await;
    assert!(left.is_err());
    eventually(LONG, async || {
        ensure!(
            stub.hanging() == 0,
            "the server still works for a caller who left"
        );
        Ok(())
    })
    .await?;
    let summary = check(recorder.history(), &Expectations::default())?;
    assert_eq!((summary.sent, summary.left), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_failure_is_recorded_as_one() -> anyhow::Result<()> {
    let port = Port::reserve()?;
    let recorder = recorder();
    let outcome = recorder
        .send(&format!("http://127.0.0.1:{}", port.number()))
        .await;
    assert!(
        matches!(
            outcome,
            Outcome::Failed {
                failure: Failure::Connect(_)
            }
        ),
        "{outcome}"
    );
    let found = check(recorder.history(), &Expectations::default()).unwrap_err();
    assert_eq!(
        invariants(&found),
        [Invariant::OneAnswer, Invariant::Success]
    );
    let allowed = Expectations::default().failures(1).min_success(0.0);
    assert_eq!(check(recorder.history(), &allowed)?.failed, 1);
    Ok(())
}

use std::time::Instant;

use anyhow::ensure;
use testbed::{
    Event, Expectations, History, Load, Port, Recorder, Targets, What, check, eventually,
};

use tokio::net::TcpListener;

use crate::LONG;
use crate::stub::Stub;

fn recorder() -> Recorder {
    Recorder::new(&History::new(), LONG).unwrap()
}

/// How many requests there were at most under way at one time.
fn most_in_flight(events: &[Event]) -> i64 {
    let mut in_flight = 0;
    let counts = events.iter().map(|event| {
        in_flight += match event.what {
            What::Sent { .. } => 1,
            What::Ended { .. } => -1,
            What::Note { .. } => 0,
        };
        in_flight
    });
    counts.max().unwrap_or(0)
}

#[tokio::test]
async fn a_closed_load_has_one_request_per_caller() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    let load = Load::Closed { callers: 4 }.start(&recorder, &Targets::new([&*stub.base]));
    eventually(LONG, async || {
        ensure!(stub.served() >= 100, "{} served", stub.served());
        Ok(())
    })
    .await?;
    load.stop().await?;

    let summary = check(recorder.history(), &Expectations::default())?;
    assert_eq!(summary.sent, stub.served());
    assert_eq!(most_in_flight(&recorder.history().events()), 4);
    Ok(())
}

#[tokio::test]
async fn an_open_load_sends_what_is_due_and_no_more() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    let start = Instant::now();
    let load = Load::Open { per_second: 200.0 }.start(&recorder, &Targets::new([&*stub.base]));
    eventually(LONG, async || {
        ensure!(stub.served() >= 50, "{} served", stub.served());
        Ok(())
    })
    .await?;
    load.stop().await?;
    let due = start.elapsed().as_secs_f64() * 200.0 + 1.0;

    let summary = check(recorder.history(), &Expectations::default())?;
    assert!(summary.sent as f64 <= due, "{summary} where {due} were due");
    Ok(())
}

#[tokio::test]
async fn an_open_load_does_not_wait_for_answers() -> anyhow::Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?;
    let recorder = recorder();
    let targets = Targets::new([format!("http://{}", nobody.local_addr()?)]);
    let _load = Load::Open { per_second: 500.0 }.start(&recorder, &targets);
    eventually(LONG, async || {
        let waiting = most_in_flight(&recorder.history().events());
        ensure!(waiting >= 50, "{waiting} under way");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn runs_for_a_while() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    let load = Load::Closed { callers: 2 };
    load.run_for(crate::SHORT, &recorder, &Targets::new([&*stub.base]))
        .await?;
    let summary = check(recorder.history(), &Expectations::default())?;
    assert_eq!(summary.sent, stub.served());
    Ok(())
}

#[tokio::test]
async fn stopping_waits_for_what_is_under_way() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    let load = Load::Open { per_second: 1000.0 }.start(&recorder, &Targets::new([&*stub.base]));
    eventually(LONG, async || {
        ensure!(stub.served() > 0, "nothing is served");
        Ok(())
    })
    .await?;
    load.stop().await?;
    let count = |kind: fn(&What) -> bool| {
        recorder
            .history()
            .events()
            .iter()
            .filter(|event| kind(&event.what))
            .count()
    };
    let sent = count(|what| matches!(what, What::Sent { .. }));
    let ended = count(|what| matches!(what, What::Ended { .. }));
    assert_eq!((sent, ended), (stub.served(), stub.served()));
    Ok(())
}

#[tokio::test]
async fn a_dropped_load_leaves() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let recorder = recorder();
    let load = Load::Closed { callers: 4 }.start(&recorder, &Targets::new([&*stub.base]));
    eventually(LONG, async || {
        ensure!(stub.served() > 0, "nothing is served");
        Ok(())
    })
    .await?;
    drop(load);
    // All four leave or end, and nobody comes after them.
    eventually(LONG, async || {
        Ok(check(recorder.history(), &Expectations::default())?)
    })
    .await?;
    let sent = recorder.history().events().len();
    tokio::time::sleep(crate::SHORT).await;
    assert_eq!(recorder.history().events().len(), sent);
    Ok(())
}

#[tokio::test]
async fn targets_take_turns_and_can_be_taken_out() -> anyhow::Result<()> {
    let (one, other) = (Stub::start().await, Stub::start().await);
    let recorder = recorder();
    let targets = Targets::new([&*one.base, &*other.base]);
    let load = Load::Closed { callers: 1 }.start(&recorder, &targets);
    eventually(LONG, async || {
        ensure!(
            one.served() >= 10 && other.served() >= 10,
            "{} and {} served",
            one.served(),
            other.served()
        );
        Ok(())
    })
    .await?;
    targets.set([&*other.base]);
    // One request may have had its target already.
    let (before, first) = (other.served(), one.served());
    eventually(LONG, async || {
        ensure!(other.served() >= before + 10, "{} served", other.served());
        Ok(())
    })
    .await?;
    load.stop().await?;
    assert!(
        one.served() <= first + 1,
        "{} and then {}",
        first,
        one.served()
    );
    check(recorder.history(), &Expectations::default())?;
    Ok(())
}

#[tokio::test]
async fn callers_come_back_after_a_failure() -> anyhow::Result<()> {
    let port = Port::reserve()?;
    let recorder = recorder();
    let targets = Targets::new([format!("http://127.0.0.1:{}", port.number())]);
    let load = Load::Closed { callers: 1 }.start(&recorder, &targets);
    eventually(LONG, async || {
        ensure!(recorder.history().events().len() >= 4, "one request only");
        Ok(())
    })
    .await?;
    load.stop().await?;
    let summary = check(
        recorder.history(),
        &Expectations::default()
            .failures(usize::MAX)
            .min_success(0.0),
    )?;
    assert!(summary.failed >= 2, "{summary}");
    Ok(())
}

//! What the loops do: how many at a time, when, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::response::IntoResponse;
use loadtest::{Length, Load, Options, Protocol, Stage};
use tokio::sync::{Barrier, Notify, watch};

use crate::stub::{Stub, options, run, weather};

#[tokio::test]
async fn sequential_requests_never_overlap_and_share_a_connection() {
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let stub = Stub::start(move |_, body| {
        let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
        async move {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            busy.fetch_sub(1, Ordering::SeqCst);
            weather(&body).into_response()
        }
    })
    .await;

    let report = run(Options {
        length: Length::Count(50),
        ..options(&stub.url)
    })
    .await;
    assert!(report.verdict.passed, "{}", report.to_text());
    assert_eq!((report.requests.succeeded, report.requests.failed), (50, 0));
    assert_eq!((stub.requests(), stub.connections()), (50, 1));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn concurrent_callers_are_in_flight_together() {
    // Nobody is answered until all eight have asked.
    let barrier = Arc::new(Barrier::new(8));
    let stub = Stub::start(move |_, body| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            weather(&body).into_response()
        }
    })
    .await;

    let load = Load::Concurrent { concurrency: 8 };
    let report = run(Options {
        load,
        length: Length::Count(80),
        ..options(&stub.url)
    })
    .await;
    assert_eq!((report.requests.succeeded, stub.requests()), (80, 80));
    assert_eq!(stub.connections(), 8);
}

#[tokio::test]
async fn http2_carries_all_callers_on_one_connection() {
    let stub = Stub::well_behaved().await;
    let load = Load::Concurrent { concurrency: 16 };
    let length = Length::Count(200);
    let report = run(Options {
        load,
        length,
        protocol: Protocol::Http2,
        ..options(&stub.url)
    })
    .await;
    assert!(report.verdict.passed, "{}", report.to_text());
    assert_eq!((report.requests.succeeded, stub.connections()), (200, 1));
}

#[tokio::test]
async fn a_duration_ends_the_run_and_its_last_replies_count() {
    let stub = Stub::well_behaved().await;
    let length = Length::Duration(Duration::from_millis(300));
    let report = run(Options {
        length,
        ..options(&stub.url)
    })
    .await;
    assert!(report.elapsed >= 0.3, "{}", report.elapsed);
    assert_eq!(report.requests.succeeded as usize, stub.requests());
    assert!(!report.cut_short);
}

#[tokio::test]
async fn the_warm_up_is_sent_but_not_measured() {
    let stub = Stub::well_behaved().await;
    let warmup = Duration::from_millis(100);
    let report = run(Options {
        warmup,
        ..options(&stub.url)
    })
    .await;
    assert_eq!(report.requests.succeeded, 10);
    assert!(report.requests.warmup > 0);
    assert_eq!(stub.requests() as u64, 10 + report.requests.warmup);

    let load = Load::Open {
        rate: 200.0,
        max_in_flight: 100,
    };
    let report = run(Options {
        warmup,
        load,
        ..options(&stub.url)
    })
    .await;
    assert_eq!(
        (report.requests.warmup, report.requests.succeeded),
        (20, 10)
    );
}

#[tokio::test]
async fn the_open_loop_keeps_to_its_schedule() {
    let stub = Stub::well_behaved().await;
    let load = Load::Open {
        rate: 200.0,
        max_in_flight: 100,
    };
    let began = Instant::now();
    let report = run(Options {
        load,
        length: Length::Count(50),
        ..options(&stub.url)
    })
    .await;
    // The last of fifty arrivals is due after 49 of 200 parts of a second.
    assert!(
        began.elapsed() >= Duration::from_millis(245),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((report.requests.succeeded, stub.requests()), (50, 50));
    assert!(report.punctuality.is_some());
}

#[tokio::test]
async fn the_open_loop_does_not_wait_for_answers() {
    // Nobody is answered until all twenty have asked.
    let barrier = Arc::new(Barrier::new(20));
    let stub = Stub::start(move |_, body| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            weather(&body).into_response()
        }
    })
    .await;
    let load = Load::Open {
        rate: 1000.0,
        max_in_flight: 20,
    };
    let report = run(Options {
        load,
        length: Length::Count(20),
        ..options(&stub.url)
    })
    .await;
    assert_eq!(report.requests.succeeded, 20);
}

#[tokio::test]
async fn a_stall_is_charged_to_everybody_who_would_have_called_during_it() {
    const STALL: Duration = Duration::from_millis(600);
    // The sixth request stalls. With one place in flight it is the only one that the target is slow to answer.
    let stub = Stub::start(|number, body| async move {
        if number == 5 {
            tokio::time::sleep(STALL).await;
        }
        weather(&body).into_response()
    })
    .await;
    let load = Load::Open {
        rate: 100.0,
        max_in_flight: 1,
    };
    let report = run(Options {
        load,
        length: Length::Count(100),
        ..options(&stub.url)
    })
    .await;

    assert_eq!(report.requests.succeeded, 100);
    // Sixty arrivals were due during the stall; those of its first half had to wait for 300 ms or more.
    let slow: u64 = report
        .distribution
        .iter()
        .filter(|bin| bin.from >= 0.2)
        .map(|bin| bin.count)
        .sum();
    assert!(slow >= 30, "{:?}", report.distribution);
    assert!(
        report.latency.successes.unwrap().p90 > 0.3,
        "{}",
        report.to_text()
    );
    // Without the correction, the stall would be one slow request in a hundred.
    let uncorrected = report.latency.successes_from_sending.unwrap();
    assert!(
        uncorrected.p50 < report.latency.successes.unwrap().p50,
        "{}",
        report.to_text()
    );
    assert!(
        report.punctuality.unwrap().late >= 50,
        "{}",
        report.to_text()
    );
}

#[tokio::test]
async fn arrivals_that_get_no_place_in_time_are_failures_of_their_own() {
    // Nobody is ever answered, and all arrive within ten microseconds.
    let stub = Stub::start(|_, _| std::future::pending()).await;
    let load = Load::Open {
        rate: 1_000_000.0,
        max_in_flight: 1,
    };
    let timeout = Duration::from_millis(200);
    let report = run(Options {
        load,
        timeout,
        ..options(&stub.url)
    })
    .await;
    let causes: Vec<_> = report
        .failures
        .iter()
        .map(|group| (group.cause, group.count))
        .collect();
    assert_eq!(causes, [("not started in time", 9), ("timeout", 1)]);
    assert!(
        report.latency.failures.unwrap().min >= 0.199,
        "{}",
        report.to_text()
    );
    assert_eq!(stub.requests(), 1);
}

#[tokio::test]
async fn a_stopped_run_waits_for_what_is_in_flight() {
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (on_request, on_answer) = (Arc::clone(&asked), Arc::clone(&answer));
    let stub = Stub::start(move |_, body| {
        let (asked, answer) = (Arc::clone(&on_request), Arc::clone(&on_answer));
        async move {
            asked.notify_one();
            answer.notified().await;
            weather(&body).into_response()
        }
    })
    .await;
    for load in [
        Load::Sequential,
        Load::Open {
            rate: 0.01,
            max_in_flight: 10,
        },
    ] {
        let (stage, stop) = watch::channel(Stage::Running);
        let run = tokio::spawn(loadtest::run(
            Options {
                load,
                ..options(&stub.url)
            },
            stop.into(),
        ));
        asked.notified().await;
        stage.send_replace(Stage::Finishing);
        answer.notify_one();

        let report = run.await.unwrap().unwrap();
        assert!(
            report.cut_short && report.verdict.passed,
            "{}",
            report.to_text()
        );
        assert_eq!(
            (report.requests.succeeded, report.requests.unfinished),
            (1, 0),
            "{load:?}"
        );
    }
}

#[tokio::test]
async fn an_abandoned_run_says_what_it_left_unfinished() {
    let asked = Arc::new(Notify::new());
    let on_request = Arc::clone(&asked);
    let stub = Stub::start(move |_, _| {
        on_request.notify_one();
        std::future::pending()
    })
    .await;
    let full = Load::Open {
        rate: 1_000_000.0,
        max_in_flight: 1,
    };
    for (load, unfinished) in [(Load::Concurrent { concurrency: 1 }, 1), (full, 10)] {
        let (stage, stop) = watch::channel(Stage::Running);
        let run = tokio::spawn(loadtest::run(
            Options {
                load,
                ..options(&stub.url)
            },
            stop.into(),
        ));
        asked.notified().await;
        stage.send_replace(Stage::Abandoning);

        let report = run.await.unwrap().unwrap();
        assert!(
            report.cut_short && !report.verdict.passed,
            "{}",
            report.to_text()
        );
        assert_eq!(
            (report.requests.failed, report.requests.unfinished),
            (0, unfinished),
            "{load:?}"
        );
    }
}

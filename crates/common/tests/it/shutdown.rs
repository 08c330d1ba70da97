use std::process::exit;
use std::time::Duration;

use common::shutdown::Shutdown;
use nix::sys::signal::Signal::{self, SIGINT, SIGTERM};

use crate::child;

/// A service that ends after its drain, or blocks its only thread in the middle of it.
fn serve(role: &str) -> ! {
    child::give_up_after(Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().unwrap();
        assert!(!shutdown.is_started());
        child::say("ready");
        shutdown.started().await;
        assert!(shutdown.is_started());
        child::say("draining");
        if role == "stuck" {
            std::thread::sleep(Duration::MAX);
        }
    });
    exit(0);
}

fn run(test: &str, role: &str, signals: &[Signal]) -> Option<i32> {
    let mut child = child::spawn(&format!("shutdown::{test}"), role);
    let mut lines = child.lines();
    assert!(lines.any(|line| line.ends_with("ready")));
    let (first, others) = signals.split_first().unwrap();
    child.signal(*first);
    assert!(lines.any(|line| line.ends_with("draining")));
    for signal in others {
        child.signal(*signal);
    }
    child.status().code()
}

#[test]
fn one_signal_starts_the_drain() {
    if let Some(role) = child::role() {
        serve(&role);
    }
    for signal in [SIGTERM, SIGINT] {
        assert_eq!(
            run("one_signal_starts_the_drain", "good", &[signal]),
            Some(0)
        );
    }
}

#[test]
fn a_second_signal_ends_at_once_even_where_the_runtime_is_blocked() {
    if let Some(role) = child::role() {
        serve(&role);
    }
    for (signals, code) in [
        ([SIGTERM, SIGTERM], 143),
        ([SIGTERM, SIGINT], 130),
        ([SIGINT, SIGINT], 130),
        ([SIGINT, SIGTERM], 143),
    ] {
        let test = "a_second_signal_ends_at_once_even_where_the_runtime_is_blocked";
        assert_eq!(run(test, "stuck", &signals), Some(code), "{signals:?}");
    }
}

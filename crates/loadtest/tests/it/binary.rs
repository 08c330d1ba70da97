//! The real binary: its exit codes, its files and its signals.

use std::path::Path;
use std::process::{Output, Stdio};

use axum::response::IntoResponse;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::stub::{Stub, refusing, weather};

/// The program with these arguments, at a target.
pub(crate) fn loadtest(url: &str, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command
        .args(["--url", url])
        .args(arguments.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn check(url: &str, arguments: &str, code: i32) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = loadtest(url, arguments).output().await.unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!(status.code(), Some(code), "{arguments}\n{stdout}{stderr}");
    (stdout, stderr)
}

#[tokio::test]
async fn a_run_that_passes_exits_with_0_and_reports_on_stdout() {
    let stub = Stub::well_behaved().await;
    let (stdout, stderr) = check(&stub.url, "--mode sequential --count 5", 0).await;
    for part in ["PASS", "5 succeeded, 0 failed", "p99.9", "Distribution"] {
        assert!(stdout.contains(part), "no {part} in {stdout}");
    }
    assert_eq!(stderr, "", "a short run has nothing to say on the way");
}

#[tokio::test]
async fn a_run_that_misses_a_limit_exits_with_1() {
    let stub = Stub::start(|number, body| async move {
        if number == 0 {
            "bad".into_response()
        } else {
            weather(&body).into_response()
        }
    })
    .await;
    let (stdout, _) = check(&stub.url, "--mode sequential --count 4", 1).await;
    assert!(
        stdout.contains("FAIL") && stdout.contains("bad body"),
        "{stdout}"
    );
    check(&stub.url, "--mode sequential --count 4 --max-p99 1us", 1).await;
    check(&stub.url, "--mode sequential --count 4 --max-p99 1h", 0).await;
}

#[tokio::test]
async fn enough_successes_are_enough() {
    let stub = Stub::start(|number, body| async move {
        if number % 2 == 0 {
            "bad".into_response()
        } else {
            weather(&body).into_response()
        }
    })
    .await;
    check(&stub.url, "--mode sequential --count 4 --min-success 50", 0).await;
    check(
        &stub.url,
        "--mode sequential --count 4 --min-success 50.1%",
        1,
    )
    .await;
}

#[tokio::test]
async fn a_crossed_reply_exits_with_1_whatever_the_limits() {
    let crossed = json!({"city": "Oslo", "location": "nowhere"});
    let stub = Stub::start(move |_, _| {
        let reply = weather(&crossed).into_response();
        async { reply }
    })
    .await;
    let (stdout, _) = check(&stub.url, "--count 4 --min-success 0", 1).await;
    assert!(
        stdout.contains("crossed reply") && stdout.contains("nowhere"),
        "{stdout}"
    );
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_one_line() {
    for (arguments, flag) in [
        ("--timeout 30", "--timeout"),
        ("--mode open", "--rate"),
        ("--json /nowhere/report.json", "--json"),
        ("--html /", "--html"),
    ] {
        let (stdout, stderr) = check("http://127.0.0.1:1", arguments, 2).await;
        assert_eq!(
            (stdout.as_str(), stderr.lines().count()),
            ("", 1),
            "{stderr}"
        );
        assert!(
            stderr.starts_with("loadtest: ") && stderr.contains(flag),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_target_that_is_not_ready_exits_with_3_and_one_line() {
    let stub = Stub::unhealthy().await;
    let (stdout, stderr) = check(&stub.url, "", 3).await;
    assert_eq!(
        (stdout.as_str(), stderr.lines().count()),
        ("", 1),
        "{stderr}"
    );
    assert!(
        stderr.contains("redis: unhealthy, it cannot be reached"),
        "{stderr}"
    );
    check(&stub.url, "--no-health-check --count 3", 0).await;

    let (_socket, url) = refusing();
    check(&url, "", 3).await;
}

#[tokio::test]
async fn reports_are_written_where_asked() {
    let stub = Stub::well_behaved().await;
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (
        folder.path().join("report.json"),
        folder.path().join("report.html"),
    );
    std::fs::write(&json, "x".repeat(1_000_000)).unwrap();
    let arguments = format!(
        "--mode open --rate 500 --count 20 --json {} --html {}",
        json.display(),
        html.display()
    );
    check(&stub.url, &arguments, 0).await;

    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let report: Value =
        serde_json::from_str(&read(&json)).expect("nothing is left of what was there");
    assert_eq!(report["format"], "loadtest-report/1");
    assert_eq!(
        (
            &report["requests"]["succeeded"],
            &report["settings"]["rate"]
        ),
        (&json!(20), &json!(500.0))
    );
    assert!(read(&html).starts_with("<!doctype html>"));
}

#[tokio::test]
async fn ctrl_c_ends_the_run_early_with_a_report() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (asked, mut on_request) = tokio::sync::mpsc::unbounded_channel();
        let stub = Stub::start(move |_, body| {
            // The test stops listening after the first.
            let _ = asked.send(());
            async move { weather(&body).into_response() }
        })
        .await;
        let child = loadtest(&stub.url, "--mode open --rate 100 --duration 1h")
            .spawn()
            .unwrap();
        on_request.recv().await.unwrap();
        kill(
            Pid::from_raw(child.id().unwrap().try_into().unwrap()),
            signal,
        )
        .unwrap();

        let output = child.wait_with_output().await.unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stdout}");
        assert!(stdout.contains("cut short"), "{stdout}");
    }
}

#[tokio::test]
async fn a_stop_that_takes_longer_says_what_it_waits_for_and_a_second_one_ends_it() {
    let (asked, mut on_request) = tokio::sync::mpsc::unbounded_channel();
    let stub = Stub::start(move |_, _| {
        asked.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let mut child = loadtest(&stub.url, "--mode sequential").spawn().unwrap();
    on_request.recv().await.unwrap();
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = stderr.next_line().await.unwrap().unwrap();
    assert!(line.starts_with("stopping: waiting for"), "{line}");

    kill(pid, Signal::SIGINT).unwrap();
    let output = child.wait_with_output().await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("1 unfinished"), "{stdout}");
}

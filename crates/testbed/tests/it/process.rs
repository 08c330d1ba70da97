use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use testbed::{Folder, Process, ProcessBuilder, Signal};

use crate::LONG;

/// A shell that runs `script`; the shell is replaced by its last command if that starts with `exec`.
fn shell(script: &str) -> ProcessBuilder {
    Process::builder("shell", "sh").args(["-c", script])
}

#[tokio::test]
async fn captures_both_outputs_in_order() -> anyhow::Result<()> {
    let process = shell("echo one; echo two >&2; echo three").spawn()?;
    assert!(process.wait_exit(LONG).await?.success());
    assert_eq!(process.log(), "one\ntwo\nthree\n");
    Ok(())
}

#[tokio::test]
async fn gets_the_settings_it_is_given_and_few_others() -> anyhow::Result<()> {
    let process = shell("env")
        .env("LISTEN", "first")
        .env("LISTEN", "second")
        .envs([("TERMINALS", "5")])
        .spawn()?;
    process.wait_exit(LONG).await?;
    let log = process.log();
    assert!(
        log.contains("LISTEN=second\n") && log.contains("TERMINALS=5\n"),
        "{log}"
    );
    assert!(log.contains("PATH="), "{log}");
    // Cargo sets this for every test, so it stands for all that is not to be inherited.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!log.contains("CARGO_"), "{log}");
    Ok(())
}

#[tokio::test]
async fn waits_for_a_line_and_returns_it() -> anyhow::Result<()> {
    let process = shell("echo ready on port 7; exec sleep 1000").spawn()?;
    assert_eq!(
        process.wait_for_log("on port", LONG).await?,
        "ready on port 7"
    );
    Ok(())
}

#[tokio::test]
async fn waits_for_what_is_logged_after_a_place() -> anyhow::Result<()> {
    let process =
        shell("trap 'echo again; exit' TERM; echo again; while :; do sleep 0.02; done").spawn()?;
    process.wait_for_log("again", LONG).await?;
    let place = process.log_len();
    assert!(
        process
            .wait_for_log_after(place, "again", Duration::from_millis(50))
            .await
            .is_err()
    );
    process.terminate()?;
    process.wait_for_log_after(place, "again", LONG).await?;
    Ok(())
}

#[tokio::test]
async fn waiting_for_a_line_ends_with_the_process() -> anyhow::Result<()> {
    let process = shell("echo something else; exit 3").spawn()?;
    let error = process.wait_for_log("ready", LONG).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("exit status: 3") && error.contains("something else"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn waiting_for_a_line_has_a_bound() -> anyhow::Result<()> {
    let process = shell("echo something else; exec sleep 1000").spawn()?;
    process.wait_for_log("else", LONG).await?;
    let error = process
        .wait_for_log("ready", Duration::from_millis(50))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ready") && error.contains("something else"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn signals_reach_the_program_itself() -> anyhow::Result<()> {
    let terminated = shell("exec sleep 1000").spawn()?;
    terminated.terminate()?;
    assert_eq!(
        terminated.wait_exit(LONG).await?.signal(),
        Some(Signal::SIGTERM as i32)
    );
    assert!(terminated.terminate().is_err());

    let killed = shell("trap '' TERM; echo deaf; exec sleep 1000").spawn()?;
    killed.wait_for_log("deaf", LONG).await?;
    killed.terminate()?;
    assert!(killed.wait_exit(Duration::from_millis(50)).await.is_err());
    assert_eq!(killed.kill().await?.signal(), Some(Signal::SIGKILL as i32));
    Ok(())
}

#[tokio::test]
async fn a_frozen_process_does_nothing_until_the_thaw() -> anyhow::Result<()> {
    let process = shell("while :; do echo tick; done").spawn()?;
    process.wait_for_log("tick", LONG).await?;
    process.freeze().await?;
    let place = process.log_len();
    assert!(
        process
            .wait_for_log_after(place, "tick", Duration::from_millis(50))
            .await
            .is_err()
    );
    process.thaw()?;
    process.wait_for_log_after(place, "tick", LONG).await?;
    Ok(())
}

#[tokio::test]
async fn tells_what_it_uses() -> anyhow::Result<()> {
    let process = shell("exec 7</dev/null; echo open; while :; do :; done").spawn()?;
    process.wait_for_log("open", LONG).await?;
    // What the test runner lets its children inherit counts as well, so only the difference is known.
    let other = shell("echo open; exec sleep 1000").spawn()?;
    other.wait_for_log("open", LONG).await?;
    assert_eq!(process.open_fds()?, other.open_fds()? + 1);
    assert_eq!(process.threads()?, 1);
    assert!((100_000..100_000_000).contains(&process.rss_bytes()?));
    testbed::eventually(LONG, async || {
        let used = process.cpu_time()?;
        anyhow::ensure!(used >= Duration::from_millis(50), "used {used:?}");
        Ok(())
    })
    .await?;
    process.kill().await?;
    assert!(process.rss_bytes().is_err());
    Ok(())
}

#[tokio::test]
async fn a_given_folder_keeps_the_log_of_every_run() -> anyhow::Result<()> {
    let folder = Folder::new("runs")?;
    for run in ["first", "second"] {
        let process = shell(&format!("echo {run}"))
            .folder(folder.path())
            .spawn()?;
        process.wait_exit(LONG).await?;
    }
    assert_eq!(
        std::fs::read_to_string(folder.path().join("shell.log"))?,
        "first\nsecond\n"
    );
    Ok(())
}

#[test]
fn a_missing_program_is_named() {
    let error = Process::builder("nothing", "no-such-program")
        .spawn()
        .unwrap_err();
    assert_eq!(error.to_string(), "no such program: no-such-program");
}

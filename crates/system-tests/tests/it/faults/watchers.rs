//! Whoever watches the services stops reading: what scrapes the metrics, what collects the logs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testbed::{Folder, Load};
use tokio::net::unix::pipe::{OpenOptions, Sender};

use crate::redis_restarts::exposed;
use crate::system::{Allowed, BUSY, Kind, System};

/// Fault 53: scrapers ask for metrics by the hundred and read nothing of it. Callers notice nothing.
#[tokio::test]
async fn scrapers_that_hang() -> anyhow::Result<()> {
    let mut system = exposed().request_timeout(BUSY).start().await?;
    let load = system.load(Load::Open { per_second: 60.0 });
    system.until_answered(120).await?;
    let mut hanging = Vec::new();
    for service in system.services() {
        for _ in 0..5 {
            let mut scraper = service.raw().await?;
            let asked = "GET /metrics HTTP/1.1\r\nhost: scraper\r\n\r\n".repeat(200);
            // A server that no longer reads because nobody reads from it is what this is about.
            let _ = tokio::time::timeout(Duration::from_millis(200), scraper.send(asked)).await;
            hanging.push(scraper);
        }
    }
    system.note("scrapers hang");
    system.until_answered(240).await?;
    drop(hanging);
    system.recovers("scrapers that hang").await?;
    load.stop().await?;
    let summary = system.finish(Allowed::nothing()).await?;
    assert!(summary.latency(0.5) < Duration::from_secs(2), "{summary}");
    Ok(())
}

/// Fault 54: nobody reads the pipes into which the services log, and then they are closed. Requests are served
/// throughout; what could not be logged is counted.
#[tokio::test]
async fn pipes_for_logs_that_are_full_and_then_closed() -> anyhow::Result<()> {
    let folder = Folder::new("pipes")?;
    let pipes = [
        full_pipe(folder.path(), "ingress")?,
        full_pipe(folder.path(), "proxy")?,
    ];
    let into = |name: &str| {
        let pipe = folder.path().join(name);
        let command = format!("exec \"$0\" >'{}'", pipe.display());
        ["sh".to_owned(), "-c".to_owned(), command]
    };
    // At this level each command to Redis has its lines.
    let mut system = System::builder()
        .through(Kind::Ingress, into("ingress"))
        .through(Kind::Proxy, into("proxy"))
        .ingress("RUST_LOG", "trace")
        .proxy("RUST_LOG", "trace")
        .start()
        .await?;
    let load = system.load(Load::Open { per_second: 60.0 });
    system.until_answered(60).await?;
    system.note("the pipes are closed");
    drop(pipes);
    // What waited, and what comes now, cannot be written any more.
    for service in [system.ingress(0), system.proxy(0)] {
        service
            .until_figure("log_lines_dropped_total", &[], |dropped| dropped > 0.0)
            .await?;
    }
    system.until_answered(60).await?;
    system.recovers("full and closed log pipes").await?;
    load.stop().await?;
    system
        .finish(Allowed::nothing().counters(&["log_lines_dropped_total"]))
        .await?;
    Ok(())
}

/// A named pipe that is full. Its reader is this test, which does not read; it is open both ways, so that no opening
/// waits for anybody.
fn full_pipe(folder: &Path, name: &str) -> anyhow::Result<Sender> {
    let path = folder.join(name);
    let made = Command::new("mkfifo").arg(&path).status()?;
    anyhow::ensure!(made.success(), "mkfifo says {made}");
    let pipe = OpenOptions::new().read_write(true).open_sender(&path)?;
    while pipe.try_write(&[b' '; 64]).is_ok() {}
    Ok(pipe)
}

//! Clocks that are set while everything runs. Only the time of day jumps, as in reality: the monotonic clock goes on.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use testbed::{Folder, Load, RedisServer, eventually, not_run};

use super::equipment::faketime;
use crate::redis_restarts::exposed;
use crate::system::{Allowed, Kind, LONG, Service, System};

/// A clock that the test sets, and the command that gives it to a program.
struct Clock {
    folder: Folder,
    library: PathBuf,
}

impl Clock {
    /// `None` where libfaketime is missing.
    fn new(row: &str) -> anyhow::Result<Option<Self>> {
        let Some(library) = faketime(row) else {
            return Ok(None);
        };
        let clock = Self {
            folder: Folder::new("clock")?,
            library,
        };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// So many seconds ahead of the machine's clock, or behind.
    fn set(&self, seconds: i64) -> anyhow::Result<()> {
        // Put in its place in one step: half a file is a time, too.
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(fs::rename(new, self.file())?)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }

    fn command(&self) -> Vec<String> {
        vec![
            "env".into(),
            // Redis's own allocator asks for the time before the library is ready to tell it, the C
            // library's does not.
            format!("LD_PRELOAD={} libc.so.6", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file().display()),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
            "FAKETIME_NO_CACHE=1".into(),
        ]
    }
}

/// Fault 43: the clocks of a proxy and of the ingresses are set, an hour ahead and an hour back, under load. All waits
/// go by the monotonic clock and all deadlines by Redis's, so nothing happens at all.
#[tokio::test]
async fn the_clocks_of_services_are_set() -> anyhow::Result<()> {
    let row = "row 43, clock jumps of the services";
    let (Some(of_ingresses), Some(of_proxies)) = (Clock::new(row)?, Clock::new(row)?) else {
        return Ok(());
    };
    let mut system = exposed()
        .through(Kind::Ingress, of_ingresses.command())
        .through(Kind::Proxy, of_proxies.command())
        .start()
        .await?;
    let load = system.load(Load::Open { per_second: 60.0 });
    system.until_answered(60).await?;
    for (seconds, clock, service) in [
        (3600, &of_proxies, system.proxy(0)),
        (3600, &of_ingresses, system.ingress(0)),
        (-3600, &of_proxies, system.proxy(0)),
        (-3600, &of_ingresses, system.ingress(0)),
        (7200, &of_proxies, system.proxy(0)),
        (7200, &of_ingresses, system.ingress(0)),
    ] {
        clock.set(seconds)?;
        system.note(&format!("a clock is set to {seconds:+} s"));
        // The date of HTTP answers goes ahead and never back; who sets a clock back shows it to nobody.
        if seconds > 0 {
            until_shown(service, seconds).await?;
        }
        system.until_answered(60).await?;
    }
    system.recovers("clocks of the services set").await?;
    load.stop().await?;
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

async fn until_shown(service: &Service, seconds: i64) -> anyhow::Result<()> {
    eventually(LONG, async || {
        let answer = service.get("/health/live").await?;
        let date = answer.header("date").unwrap_or_default();
        off_by(seconds, rfc2822::parse(date)?.timestamp().as_second())
    })
    .await
}

fn off_by(seconds: i64, time: i64) -> anyhow::Result<()> {
    let off = time - Timestamp::now().as_second();
    anyhow::ensure!(off.abs_diff(seconds) < 60, "{off} s instead of {seconds} s");
    Ok(())
}

/// Fault 44: Redis's clock is set an hour back. Ids go on from the last one, deadlines are counted anew, and nobody
/// waits for the hour to come again.
#[tokio::test]
async fn the_clock_of_redis_is_set_back() -> anyhow::Result<()> {
    redis_clock_is_set("Redis's clock set back by an hour", -3600).await
}

/// Fault 44, the other way: what is an hour ahead makes every lease look lapsed and every request old, once.
#[tokio::test]
async fn the_clock_of_redis_is_set_ahead() -> anyhow::Result<()> {
    redis_clock_is_set("Redis's clock set ahead by an hour", 3600).await
}

async fn redis_clock_is_set(fault: &str, seconds: i64) -> anyhow::Result<()> {
    let row = "row 44, Redis's clock";
    let Some(clock) = Clock::new(row)? else {
        return Ok(());
    };
    let server = || RedisServer::builder().through(clock.command());
    // A server that brings its allocator along asks for the time before the library can tell it, and ends.
    if server().start().await.is_err() && RedisServer::start().await.is_ok() {
        not_run(row, "this server does not run with libfaketime");
        return Ok(());
    }
    let redis = server();
    let mut system = exposed().without_ledger().redis(redis).start().await?;
    let load = system.load(Load::Open { per_second: 60.0 });
    system.until_answered(60).await?;
    system.note(fault);
    clock.set(seconds)?;
    until_redis_shows(&system, seconds).await?;
    system.recovers(fault).await?;
    // Long enough for whatever was to wait until a time that is now far away.
    tokio::time::sleep(Duration::from_secs(6)).await;
    system.until_answered(60).await?;
    load.stop().await?;
    let allowed = Allowed::redis_fault().min_success(0.8);
    system.finish(allowed).await?;
    Ok(())
}

async fn until_redis_shows(system: &System, seconds: i64) -> anyhow::Result<()> {
    eventually(LONG, async || {
        let (now, _): (i64, i64) = system.redis().command(&["TIME"]).await?;
        off_by(seconds, now)
    })
    .await
}

//! The machine gives a process too little: descriptors, memory, processor time.

use std::time::{Duration, Instant};

use testbed::{Load, Process, RawConnection, raise_descriptor_limit};
use tokio::time::sleep;

use crate::redis_restarts::exposed;
use crate::system::{Allowed, Kind, LONG, Service, System};

/// Bound on the seconds of processor time that a busy loop uses, should the test not live to stop it.
const BUSY: &str = "--cpu=60";

/// Fault 45: an ingress and a proxy run out of descriptors, because a crowd of others connects. Who has a connection is
/// served on, nobody spins, and when the crowd is gone new ones come in.
#[tokio::test]
async fn descriptors_run_out() -> anyhow::Result<()> {
    raise_descriptor_limit()?;
    let mut system = exposed().start().await?;
    let load = system.load(Load::Closed { callers: 12 });
    system.until_answered(60).await?;
    for service in [system.ingress(0), system.proxy(0)] {
        limit(service, "nofile", service.process().open_fds()? as u64 + 20).await?;
    }
    let mut crowd = Vec::new();
    for base in [system.ingress(0).base(), system.proxy(0).base()] {
        for _ in 0..60 {
            crowd.push(RawConnection::open(base).await?);
        }
    }
    let harmed = [system.ingress(0), system.proxy(0)];
    for service in harmed {
        let log = service.process();
        log.wait_for_log("cannot accept connections", LONG).await?;
    }
    // A process that spins does so whether or not there are requests; these callers leave it idle most of the time.
    let before = harmed.map(|service| service.process().cpu_time());
    let second = Instant::now();
    sleep(Duration::from_secs(1)).await;
    let second = second.elapsed();
    for (service, before) in harmed.into_iter().zip(before) {
        let spent = service.process().cpu_time()?.saturating_sub(before?);
        assert!(
            spent < second * 2 / 3,
            "{} spins: {spent:?} of CPU in {second:?}",
            service.name()
        );
    }
    system.until_answered(60).await?;
    drop(crowd);
    system.recovers("out of descriptors").await?;
    load.stop().await?;
    let allowed = Allowed::nothing().errors(&["cannot accept connections"]);
    system.finish(allowed).await?;
    Ok(())
}

/// Sets a limit of a running process, by the name that `prlimit` gives it.
async fn limit(service: &Service, what: &str, most: u64) -> anyhow::Result<()> {
    let set = Process::builder("prlimit", "prlimit")
        .args(["--pid", &service.process().pid().to_string()])
        .arg(format!("--{what}={most}:{most}"))
        .spawn()?;
    let status = set.wait_exit(LONG).await?;
    anyhow::ensure!(status.success(), "prlimit says {}", set.log());
    Ok(())
}

/// Fault 46: processes may have little more memory than they have, and many times the callers come that they can
/// serve. Their queues are bounded: they refuse, and do not die of it.
#[tokio::test]
async fn memory_is_short() -> anyhow::Result<()> {
    raise_descriptor_limit()?;
    let mut system = System::builder()
        .ingress("MAX_IN_FLIGHT", "100")
        .request_timeout(Duration::from_secs(10))
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 10 });
    system.until_answered(60).await?;
    load.stop().await?;
    let mut fresh = Vec::new();
    for service in system.services() {
        let process = service.process();
        fresh.push(process.rss_bytes()?);
        let address_space = service.figure("process_virtual_memory_bytes", &[]).await?;
        limit(service, "as", address_space as u64 + MORE).await?;
    }
    let flood = system.load(Load::Closed { callers: 1_000 });
    system.until_answered(300).await?;
    flood.stop().await?;
    for (service, fresh) in system.services().zip(fresh) {
        let grown = service.process().peak_rss_bytes()?.saturating_sub(fresh);
        assert!(grown < MORE, "{} grew by {grown} bytes", service.name());
    }
    let load = system.load(Load::Open { per_second: 30.0 });
    system.recovers("little memory and a flood").await?;
    load.stop().await?;
    let refused = system.ingresses_sum("requests_refused_total").await?;
    assert!(refused > 0.0, "that was no flood");
    let allowed = Allowed::nothing()
        .statuses([503])
        .counters(&["requests_refused_total"]);
    system.finish(allowed).await?;
    Ok(())
}

/// What a process may take beyond what it has. The allocator reserves address space for a thread by 64 MiB.
const MORE: u64 = 192 << 20;

/// Fault 47: everything shares one processor with programs that never rest. It gets slow, and no more than that: probes
/// are answered, and no lease lapses, so nothing is done twice.
#[tokio::test]
async fn the_processor_is_somebody_elses() -> anyhow::Result<()> {
    let on_one = ["taskset", "--cpu-list", "0"];
    let mut system = exposed()
        .proxy("LEASE", "5s")
        .request_timeout(Duration::from_secs(20))
        .through(Kind::Ingress, on_one)
        .through(Kind::Proxy, on_one)
        .start()
        .await?;
    let load = system.load(Load::Closed { callers: 8 });
    system.until_answered(40).await?;
    let mut busy = Vec::new();
    for number in 0..4 {
        // Each runs the next in its own place, so that the process that is killed in the end is the loop.
        let spin = Process::builder(format!("busy-{number}"), on_one[0])
            .args(&on_one[1..])
            .args(["prlimit", BUSY, "sh", "-c", "while :; do :; done"]);
        busy.push(spin.spawn()?);
    }
    let mut probes = Vec::new();
    for _ in 0..10 {
        for service in system.services() {
            let start = Instant::now();
            let live = service.get("/health/live").await?;
            assert_eq!(live.status, 200, "{}", service.name());
            probes.push(start.elapsed());
        }
        sleep(Duration::from_millis(100)).await;
    }
    system.until_answered(40).await?;
    drop(busy);
    system
        .recovers("four busy loops on the same processor")
        .await?;
    load.stop().await?;
    probes.sort();
    let (half, last) = (probes[probes.len() / 2], probes[probes.len() - 1]);
    system.report(format!(
        "/health/live beside four busy loops: half within {half:?}, all within {last:?}"
    ));
    assert!(half < Duration::from_secs(1), "{half:?} for a probe");
    assert!(last < Duration::from_secs(5), "{last:?} for a probe");
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

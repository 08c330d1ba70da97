//! The server's own figures, on the worker's metrics.

use std::time::Duration;

use prometheus::Registry;
use testbed::eventually;

use crate::support::{PATIENCE, Service, Serving};

/// A worker looks every fifteen seconds.
const NEXT_LOOK: Duration = Duration::from_secs(40);

/// The value of a metric, if it is shown.
fn figure(registry: &Registry, name: &str) -> Option<f64> {
    let families = registry.gather();
    let family = families
        .iter()
        .find(|family| family.name() == format!("redis_server_{name}"))?;
    let [metric] = family.get_metric() else {
        panic!("not one {name}");
    };
    Some(metric.get_counter().get_value() + metric.get_gauge().get_value())
}

/// Waits until the worker has looked.
async fn looked(worker: &Serving) {
    eventually(PATIENCE, async || {
        anyhow::ensure!(figure(&worker.registry, "info").is_some());
        Ok(())
    })
    .await
    .unwrap();
}

/// A new worker's first look is at its start, so that two workers are two looks.
#[tokio::test]
async fn they_are_the_servers_and_move_with_it() {
    let service = Service::start().await;
    let command = async |parts: &[&str]| service.redis.command::<()>(parts).await.unwrap();
    let worker = service.echo(1).await;
    looked(&worker).await;
    let before = |name| figure(&worker.registry, name).unwrap_or_else(|| panic!("no {name}"));
    let well = [
        ("memory_max_bytes", 0.0),
        ("persistence_failing", 0.0),
        ("aof_enabled", 0.0),
        ("eviction_unsafe", 0.0),
        ("loading", 0.0),
        ("replicas_connected", 0.0),
        ("evicted_keys_total", 0.0),
        ("expired_keys_total", 0.0),
        ("connections_rejected_total", 0.0),
    ];
    for (name, value) in well {
        assert_eq!(before(name), value, "{name}");
    }
    assert!((0.0..5.0).contains(&before("round_trip_seconds")));
    assert!(before("uptime_seconds") < 600.0 && before("save_age_seconds") < 600.0);
    assert!(before("memory_resident_bytes") > 1e6);
    assert!(before("clients_connected") >= 1.0);

    service.set("maxmemory", "512mb").await;
    service.set("maxmemory-policy", "allkeys-lru").await;
    service.set("maxclients", "500").await;
    service.set("appendonly", "yes").await;
    command(&["SET", "large", &"x".repeat(4 << 20)]).await;
    command(&["SET", "short", "x", "PX", "1"]).await;
    for _ in 0..30 {
        command(&["STRLEN", "large"]).await;
        command(&["STRLEN", "missing"]).await;
    }
    eventually(PATIENCE, async || {
        let exists: u64 = service.redis.command(&["EXISTS", "short"]).await?;
        anyhow::ensure!(exists == 0);
        Ok(())
    })
    .await
    .unwrap();

    let later = service.echo(1).await;
    looked(&later).await;
    let after = |name| figure(&later.registry, name).unwrap_or_else(|| panic!("no {name}"));
    let changed = [
        ("memory_max_bytes", 512.0 * 1024.0 * 1024.0),
        ("eviction_unsafe", 1.0),
        ("clients_max", 500.0),
        ("aof_enabled", 1.0),
        ("expired_keys_total", 1.0),
    ];
    for (name, value) in changed {
        assert_eq!(after(name), value, "{name}");
    }
    for (name, least) in [
        ("memory_used_bytes", 4e6),
        ("memory_peak_bytes", 4e6),
        ("input_bytes_total", 4e6),
        ("output_bytes_total", 300.0),
        ("keyspace_hits_total", 30.0),
        ("keyspace_misses_total", 30.0),
        ("commands_total", 60.0),
        ("connections_total", 60.0),
        ("unsaved_changes", 2.0),
        ("cpu_seconds_total", 0.0001),
    ] {
        let moved = after(name) - before(name);
        assert!(moved >= least, "{name} moved by {moved}");
    }
    let asked = service.redis.version().await.unwrap();
    let (major, minor, patch) = asked.number;
    let text = common::metrics::encode(&later.registry).unwrap();
    let info = text
        .lines()
        .find(|line| line.starts_with("redis_server_info{"))
        .unwrap();
    for label in [
        format!("version=\"{major}.{minor}.{patch}"),
        "role=\"master\"".to_owned(),
        "mode=\"standalone\"".to_owned(),
    ] {
        assert!(info.contains(&label), "{info} has no {label}");
    }
}

/// When the announcements of workers are refused as well, and nothing else of the janitor's goes on.
#[tokio::test]
async fn they_are_looked_at_while_redis_refuses_writes() {
    let service = Service::start().await;
    let worker = service.echo(1).await;
    looked(&worker).await;
    let failing = || figure(&worker.registry, "persistence_failing");
    assert_eq!(failing(), Some(0.0));
    service.set("save", "3600 1").await;
    // A folder in place of the file: a rename onto it fails, for root as well.
    std::fs::create_dir(service.redis.dir().join("dump.rdb")).unwrap();
    service.redis.command::<()>(&["BGSAVE"]).await.unwrap();
    eventually(NEXT_LOOK, async || {
        anyhow::ensure!(failing() == Some(1.0), "{:?}", failing());
        let faults = worker.monitor.health().faults;
        anyhow::ensure!(faults.contains_key("janitor"), "{faults:?}");
        Ok(())
    })
    .await
    .unwrap();
}

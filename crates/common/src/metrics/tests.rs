use super::*;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

/// The value of the one sample with this name and these labels, written as in the text format.
fn sample(registry: &Registry, series: &str) -> f64 {
    let text = encode(registry).unwrap();
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = values
        .next()
        .unwrap_or_else(|| panic!("no {series} in {text}"));
    assert_eq!(values.next(), None, "{series} is there twice");
    value.parse().unwrap()
}

#[test]
fn the_build_is_told() {
    let registry = registry("ingress", "1.2.3").unwrap();
    let series = r#"build_info{service="ingress",version="1.2.3"}"#;
    assert_eq!(sample(&registry, series), 1.0);
}

#[test]
fn every_family_has_a_help_text_and_a_type() {
    let text = encode(&registry("ingress", "1.2.3").unwrap()).unwrap();
    for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = family.split(' ').next().unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{text}");
    }
    assert!(text.contains("# TYPE process_cpu_seconds_total counter"));
}

#[test]
fn metrics_that_are_scraped_are_read_each_time() {
    let registry = Registry::new();
    let value = Arc::new(AtomicU64::new(0));
    for part in ["a", "b"] {
        let factor = if part == "a" { 1.0 } else { 10.0 };
        let read = |value: Arc<AtomicU64>| move || value.load(Ordering::Relaxed) as f64 * factor;
        let gauge = Opts::new("depth", "Depth.").const_label("part", part);
        register_gauge(&registry, gauge, read(value.clone())).unwrap();
        let counter = Opts::new("turns_total", "Turns.").const_label("part", part);
        register_counter(&registry, counter, read(value.clone())).unwrap();
    }
    for now in [0, 3, 7] {
        value.store(now, Ordering::Relaxed);
        assert_eq!(sample(&registry, r#"depth{part="a"}"#), now as f64);
        assert_eq!(sample(&registry, r#"depth{part="b"}"#), now as f64 * 10.0);
        assert_eq!(sample(&registry, r#"turns_total{part="a"}"#), now as f64);
        assert_eq!(
            sample(&registry, r#"turns_total{part="b"}"#),
            now as f64 * 10.0
        );
    }
    let text = encode(&registry).unwrap();
    assert_eq!(text.matches("# TYPE depth gauge").count(), 1);
    assert_eq!(text.matches("# TYPE turns_total counter").count(), 1);
    let twice = Opts::new("depth", "Depth.").const_label("part", "a");
    assert!(register_gauge(&registry, twice, || 0.0).is_err());
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let registry = Registry::new();
    register_gauge(&registry, Opts::new("depth", "Depth."), || f64::NAN).unwrap();
    register_counter(&registry, Opts::new("turns_total", "Turns."), || f64::NAN).unwrap();
    assert_eq!(encode(&registry).unwrap(), "");
}

#[test]
fn buckets_rise_and_cover_the_times_of_a_request() {
    assert!(SECONDS.is_sorted_by(|a, b| a < b));
    assert_eq!(
        (SECONDS.first(), SECONDS.last()),
        (Some(&0.001), Some(&30.0))
    );
}

#[cfg(target_os = "linux")]
#[test]
fn process_figures_follow_the_process() {
    let registry = registry("ingress", "1.2.3").unwrap();
    let read = |name| sample(&registry, name);

    let open = || {
        (0..10_000)
            .filter(|fd| Path::new(&format!("/proc/self/fd/{fd}")).is_symlink())
            .count()
    };
    assert!((0..100).any(|_| read("process_open_fds") == open() as f64));
    // Other tests of the same process may open and close some files meanwhile.
    let fds = read("process_open_fds");
    let files: Vec<File> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
    let opened = read("process_open_fds") - fds;
    assert!((150.0..250.0).contains(&opened), "{opened}");
    assert!(read("process_max_fds") > 200.0);
    drop(files);

    let resident = read("process_resident_memory_bytes");
    let block = vec![1_u8; 64 << 20];
    let grown = read("process_resident_memory_bytes") - resident;
    assert!(
        grown > (32 << 20) as f64,
        "{grown} after {} bytes",
        block.len()
    );
    assert!(read("process_virtual_memory_bytes") >= read("process_resident_memory_bytes"));

    let cpu = read("process_cpu_seconds_total");
    let start = Instant::now();
    while read("process_cpu_seconds_total") < cpu + 0.05 {
        assert!(start.elapsed().as_secs() < 60, "no CPU time was counted");
    }

    assert!(read("process_threads") >= 1.0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let age = now - read("process_start_time_seconds");
    assert!((-2.0..600.0).contains(&age), "started {age} s ago");
}
